//! Collateral: what Intel says about platforms, enclaves and revoked certificates.
//!
//! [`Collateral`] holds the parts as they were fetched, [`VerifiedCollateral`] the same after every
//! signature in it was checked once. Signed JSON is verified over its exact bytes and never
//! written again.

mod bundle;
mod enclave_identity;
mod evaluations;
mod json;
mod memory;
mod need;
mod parts;
pub mod pcs;
mod set;
mod tcb_info;
mod verified;

pub use bundle::CollateralBundle;
pub use enclave_identity::{EnclaveIdentity, IdentityLevel};
pub use evaluations::{EvaluationNumber, EvaluationNumbers, SignedEvaluations};
pub(crate) use json::merge_advisories;
pub use memory::{CollateralMemory, Mark, UpdateChannel};
pub use need::{Need, PckCa};
pub use parts::Collateral;
pub use set::CollateralSet;
pub use tcb_info::{TcbInfo, TcbLevel, TdxModule, TdxModuleIdentity};
pub use verified::VerifiedCollateral;
pub(crate) use verified::{RevokedSerials, Validity};
