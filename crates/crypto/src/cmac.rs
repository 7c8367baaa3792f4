//! AES-128-CMAC (NIST SP 800-38B, RFC 4493): the MAC of an SGX REPORT.

use ::cmac::digest::{KeyInit as _, Mac as _};

use crate::Error;

type Cmac = ::cmac::Cmac<aes::Aes128>;

/// Size of key and MAC in bytes.
pub const SIZE: usize = 16;

/// Returns the MAC of `message` under `key`.
pub fn aes128_cmac(key: &[u8; SIZE], message: &[u8]) -> [u8; SIZE] {
    let mut cmac = Cmac::new(key.into());
    cmac.update(message);
    cmac.finalize().into_bytes().into()
}

/// Checks `mac` over `message` under `key`, in constant time.
///
/// # Errors
///
/// [`Error::MacMismatch`] when it is another.
pub fn verify_aes128_cmac(key: &[u8; SIZE], message: &[u8], mac: &[u8; SIZE]) -> Result<(), Error> {
    let mut cmac = Cmac::new(key.into());
    cmac.update(message);
    cmac.verify(mac.into()).map_err(|_| Error::MacMismatch { algorithm: "AES-128-CMAC" })
}
