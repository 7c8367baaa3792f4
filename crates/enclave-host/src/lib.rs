//! Loads enclaves and serves their ocalls.
//!
//! [`image`] reads the enclave image, [`stream`] puts every page in the order that fixes MRENCLAVE,
//! [`identity`] measures and describes it, [`load()`] builds it on a [`platform`]. [`ocalls`] then answers
//! what the enclave asks of its host. Deciding what an enclave may do is not here: the enclave
//! believes nothing of what this crate tells it.
//!
//! INVARIANT: only [`platform`] knows whether the enclave runs on hardware or on the emulator.
#![allow(
    unsafe_code,
    reason = "one of the three crates that may hold unsafe code; see ARCHITECTURE.md"
)]

mod arch;
mod error;
#[cfg(any(test, fuzzing))]
#[doc(hidden)]
pub mod fuzz;
pub mod identity;
pub mod image;
mod load;
pub mod machine;
mod memory;
pub mod ocalls;
pub mod platform;
pub mod stream;
pub mod title;

pub use error::Error;
pub use load::load;
