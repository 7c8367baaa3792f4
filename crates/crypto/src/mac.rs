//! HMAC-SHA-256 (RFC 2104).

use hmac::{KeyInit as _, Mac as _};

use crate::Error;

type HmacSha256 = hmac::Hmac<sha2::Sha256>;

/// Returns the MAC of `message` under `key`, which may have any length.
pub fn hmac_sha256(key: &[u8], message: &[u8]) -> [u8; 32] {
    started(key, message).finalize().into_bytes().into()
}

/// Checks `mac` over `message` under `key`, in constant time.
///
/// # Errors
///
/// [`Error::MacMismatch`] when it is another.
pub fn verify_hmac_sha256(key: &[u8], message: &[u8], mac: &[u8; 32]) -> Result<(), Error> {
    started(key, message)
        .verify(mac.into())
        .map_err(|_| Error::MacMismatch { algorithm: "HMAC-SHA-256" })
}

fn started(key: &[u8], message: &[u8]) -> HmacSha256 {
    let mut hmac = HmacSha256::new_from_slice(key).expect("HMAC takes keys of every length");
    hmac.update(message);
    hmac
}
