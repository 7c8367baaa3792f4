//! The time-stamp counter: fast, and untrusted (a hypervisor can scale and offset it).

use crate::backend;

/// Reads the counter.
#[must_use]
pub fn tsc() -> u64 {
    backend::tsc()
}
