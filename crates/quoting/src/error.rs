//! What can go wrong in the quoting service.

use std::path::PathBuf;

use sgx_types::Mrenclave;

use crate::condition::UnknownCondition;

/// Errors of this crate.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A REPORT that this platform did not make for its quoting enclave.
    #[error(
        "quote: the MAC of the REPORT about enclave {mrenclave} does not verify: expected a REPORT \
         made on this platform for its quoting enclave {quoting_enclave}, found one made on another \
         platform, for another target, or changed since"
    )]
    UntrustedReport {
        /// MRENCLAVE the REPORT states.
        mrenclave: Mrenclave,
        /// MRENCLAVE of this platform's quoting enclave.
        quoting_enclave: Mrenclave,
    },
    /// Bytes that are no REPORT.
    #[error("quote: malformed REPORT")]
    MalformedReport(#[source] sgx_types::Malformed),
    /// A file of the emulated root could not be read or written.
    #[error("{operation} {}", path.display())]
    Io {
        /// What was attempted.
        operation: &'static str,
        /// On which file.
        path: PathBuf,
        /// The system's answer.
        #[source]
        source: std::io::Error,
    },
    /// The file of the root's seed is readable by others than its owner.
    #[error("open emulated root: {} has mode {mode:04o}, expected 0600: others could forge quotes", path.display())]
    ExposedSeed {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// The file of the root's seed does not hold a seed.
    #[error("open emulated root: {} holds {found}, expected 64 hexadecimal digits", path.display())]
    MalformedSeed {
        /// The file.
        path: PathBuf,
        /// What it holds instead, without its content.
        found: String,
    },
    /// The file of a platform's conditions names an unknown one.
    #[error("read conditions of emulated platform from {}", path.display())]
    MalformedConditions {
        /// The file.
        path: PathBuf,
        /// What it says.
        #[source]
        source: UnknownCondition,
    },
}
