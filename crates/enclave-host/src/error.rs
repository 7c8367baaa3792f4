//! The error of this crate: what failed, and what a user can do about it.

use std::path::PathBuf;

/// Why an enclave could not be made, run or quoted.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A file could not be read.
    #[error("read {}", path.display())]
    Read {
        /// Its path.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The image is no enclave image.
    #[error("load the enclave image")]
    Image(#[from] crate::image::Malformed),
    /// The sizes asked for do not fit the ABI.
    #[error("lay out the enclave")]
    Layout(#[from] enclave_abi::layout::Error),
    /// The manifest asks for something the machine does not have.
    #[error("the manifest needs {needed}, which the {platform} platform does not have")]
    Unsupported {
        /// What is missing.
        needed: String,
        /// Name of the platform.
        platform: &'static str,
    },
    /// The SIGSTRUCT is for another enclave.
    #[error(
        "the signature is for MRENCLAVE {signed}, this enclave measures {measured}; sign it again after every change of image or manifest"
    )]
    OtherEnclave {
        /// ENCLAVEHASH of the SIGSTRUCT.
        signed: sgx_types::Mrenclave,
        /// What the page stream measures.
        measured: sgx_types::Mrenclave,
    },
    /// The platform refused a step.
    #[error("{step}: {advice}")]
    Platform {
        /// The step, as a verb and its object.
        step: &'static str,
        /// What is likely wrong, and what to do.
        advice: String,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// Arguments, environment and working directory do not fit the ABI.
    #[error("hand arguments and environment to the enclave: {reason}")]
    Boot {
        /// Why.
        reason: &'static str,
    },
    /// No quote could be had.
    #[error("get a quote: {reason}")]
    Quoting {
        /// Why, and what to do.
        reason: String,
    },
}
