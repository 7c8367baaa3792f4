//! Evidence and endorsements of the Open Enclave SDK, as Azure and Signal use them.
//!
//! Evidence is a quote with custom claims behind it, which the quote's report data is the hash of.
//! Endorsements are the collateral for it in one binary file; they become a [`crate::Collateral`] and are verified
//! like any other. Formats: `openenclave/openenclave`, `common/sgx/endorsements.h` and
//! `common/attest_plugin.h`, checked against what producers send (`tests/dcap/signal-oe`).

mod endorsements;
mod evidence;

pub use endorsements::{endorsements, is_endorsements};
pub use evidence::OpenEnclaveEvidence;
