//! The operating system's random source.

use rand_core::UnwrapErr;

/// Returns the operating system's random source.
///
/// # Panics
///
/// The source panics when the operating system gives no randomness: nothing that needs a key can go
/// on without it.
pub fn os_rng() -> impl rand_core::CryptoRng {
    UnwrapErr(getrandom::SysRng)
}
