//! Randomness from the operating system, which a service takes at its edge of the world.

use crypto::Secret;
pub(crate) use crypto::fill_random as fill;
use zeroize::Zeroize;

/// Returns `N` random bytes.
pub(crate) fn bytes<const N: usize>() -> Secret<[u8; N]>
where
    [u8; N]: Zeroize,
{
    let mut bytes = [0; N];
    fill(&mut bytes);
    Secret::new(bytes)
}

/// Returns a text of `length` digits of base 62, all equally likely.
pub(crate) fn base62(length: usize) -> String {
    let mut text = String::with_capacity(length);
    let mut pool = [0_u8; 64];
    while text.len() < length {
        fill(&mut pool);
        // 248 = 4 * 62: bytes above would make some digits likelier.
        let digits =
            pool.iter().filter(|byte| **byte < 248).map(|byte| BASE62[usize::from(byte % 62)]);
        text.extend(digits.map(char::from).take(length - text.len()));
    }
    pool.zeroize();
    text
}

/// Returns a random UUID (RFC 9562, version 4).
pub(crate) fn uuid() -> String {
    let mut bytes = *bytes::<16>().expose();
    bytes[6] = bytes[6] & 0x0f | 0x40;
    bytes[8] = bytes[8] & 0x3f | 0x80;
    let hex = crate::hex::encode(&bytes);
    [&hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]].join("-")
}

/// The digits of base 62, as Vault writes tokens.
pub(crate) const BASE62: &[u8; 62] =
    b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
