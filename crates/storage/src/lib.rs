//! Stores for the secrets server: the trait [`Backend`], in memory ([`Memory`]) and embedded
//! ([`Embedded`], redb).
//!
//! A backend is completely untrusted and is only accessed through the barrier of the crate
//! `vault`: nothing here encrypts, and nothing above trusts what comes back. The contract, its
//! limits and its reasons are in `docs/specs/storage-trait.md`.
//!
//! Operations are asynchronous without a runtime: they return a [`Task`], and a caller that has a
//! thread of its own calls [`wait`].
#![forbid(unsafe_code)]

mod backend;
mod batch;
#[cfg(feature = "testing")]
pub mod conformance;
mod embedded;
mod error;
#[cfg(feature = "testing")]
pub mod faulty;
mod feed;
mod memory;
mod task;

pub use backend::{Backend, Entry, Page, Range, Snapshot, Version};
pub use batch::{
    BATCH_BYTES_MAX, BATCH_OPERATIONS_MAX, Batch, KEY_BYTES_MAX, Operation, Precondition,
};
pub use embedded::{Embedded, Options};
pub use error::Error;
pub use feed::Change;
pub use memory::Memory;
pub use task::{Task, wait};
