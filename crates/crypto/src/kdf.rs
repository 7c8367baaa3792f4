//! HKDF-SHA-256 (RFC 5869).

use crate::Error;

/// Fills `out` with key material from `secret`, bound to `salt` and `info`.
///
/// # Errors
///
/// [`Error::OutputTooLong`] when `out` has more than 255 * 32 bytes.
pub fn hkdf_sha256(salt: &[u8], secret: &[u8], info: &[u8], out: &mut [u8]) -> Result<(), Error> {
    let asked = out.len();
    hkdf::Hkdf::<sha2::Sha256>::new(Some(salt), secret)
        .expand(info, out)
        .map_err(|_| Error::OutputTooLong { asked })
}
