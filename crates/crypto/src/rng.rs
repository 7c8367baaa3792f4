//! The operating system's random source.

use rand_core::{Rng as _, UnwrapErr};

/// Returns the operating system's random source.
///
/// # Panics
///
/// The source panics when the operating system gives no randomness: nothing that needs a key can go
/// on without it.
pub fn os_rng() -> impl rand_core::CryptoRng {
    UnwrapErr(getrandom::SysRng)
}

/// Fills `bytes` from the operating system's random source.
///
/// # Panics
///
/// As [`os_rng`]'s source.
pub fn fill_random(bytes: &mut [u8]) {
    os_rng().fill_bytes(bytes);
}
