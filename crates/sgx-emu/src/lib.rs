//! User-space SGX emulator: ENCLS and ENCLU leaves, EPCM, measurement, faults.
#![allow(
    unsafe_code,
    reason = "one of the three crates that may hold unsafe code; see ARCHITECTURE.md"
)]

pub mod exec;
pub mod model;
