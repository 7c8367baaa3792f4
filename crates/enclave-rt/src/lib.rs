//! The enclave runtime: everything between the processor and the library OS.
//!
//! Entry and exit, exceptions in two stages, ocalls, byte copies from and to application memory,
//! page management, EREPORT, EGETKEY, entropy: unsafe code and assembly behind a safe API. The
//! library OS implements [`kernel::Kernel`] and calls the functions here; it holds no unsafe code.
//!
//! Built with `--cfg casemate_image` this is the bottom of the enclave image (`no_std`, own entry
//! point, allocator and panic handler). Built otherwise it is the same API over [`testing`], a fake
//! host and fake page tables, so that everything above can be tested as an ordinary program.
//!
//! INVARIANT: no reference into host or application memory ever exists. Application memory is copied
//! ([`user`]); host memory is copied once and judged before use ([`FromHost`]).
#![cfg_attr(casemate_image, no_std)]
#![allow(
    unsafe_code,
    reason = "one of the three crates that may hold unsafe code; see ARCHITECTURE.md"
)]

extern crate alloc;

#[cfg(casemate_image)]
mod arch;
#[cfg(casemate_image)]
mod image;
#[cfg(not(casemate_image))]
pub mod testing;

#[cfg(casemate_image)]
use image::backend;
#[cfg(not(casemate_image))]
use testing::backend;

pub mod clock;
pub mod context;
pub mod entropy;
pub mod epc;
pub mod fast;
mod from_host;
pub mod host;
pub mod kernel;
mod per_thread;
pub mod report;
pub mod sync;
pub mod thread;
pub mod user;
pub mod vdso;
pub mod xstate;

pub use from_host::FromHost;
pub use per_thread::PerThread;
