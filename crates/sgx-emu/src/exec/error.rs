//! Errors of the execution half.

use std::io;

use crate::model::{LeafError, driver::DriverError};

/// Why an emulated enclave cannot be made or run.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The operating system refused.
    #[error("cannot {operation}")]
    Host {
        /// What was tried.
        operation: &'static str,
        /// The system's reason.
        #[source]
        source: io::Error,
    },
    /// The machine lacks something.
    #[error("this machine has no {what}, which the emulator needs")]
    Unsupported {
        /// What is missing.
        what: &'static str,
    },
    /// A leaf refused.
    #[error("{leaf} failed")]
    Leaf {
        /// The leaf.
        leaf: &'static str,
        /// How.
        #[source]
        source: LeafError,
    },
    /// The emulated driver refused.
    #[error(transparent)]
    Driver(#[from] DriverError),
    /// Another emulated enclave is in this process: ELRANGE starts at 0 and there is one.
    #[error("another emulated enclave lives in this process")]
    Occupied,
    /// More ENCLU sites than stubs.
    #[error("the image has more than {limit} ENCLU sites")]
    TooManySites {
        /// The limit.
        limit: u64,
    },
    /// A listed site does not hold the bytes of one.
    #[error("ENCLU site {address:#x} holds {found:02x?}, expected 0f 01 d7 and a five-byte no-op")]
    NotASite {
        /// Its address.
        address: u64,
        /// The bytes there.
        found: [u8; 8],
    },
    /// No record is left for a thread.
    #[error("more than {limit} threads in emulated enclaves")]
    TooManyThreads {
        /// The limit.
        limit: usize,
    },
}
