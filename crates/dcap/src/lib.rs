//! Verifies attestation evidence: SGX and TDX quotes (DCAP) and AMD SEV-SNP reports.
//!
//! The crate is a pure function of its arguments: evidence, collateral and the time come in, facts
//! ([`Claims`]) or one [`Refusal`] with a stable [`Reason`] go out. It reads no clock, no file and
//! no network, keeps no state of its own and has no panic path on foreign bytes.
//!
//! It reports facts and leaves judgement to an appraisal policy: a debug enclave, a migratable TD
//! or padding behind a quote is a claim, not a refusal. Refused is what leaves nothing proved: bytes
//! that do not parse, signatures that do not verify, revoked keys, collateral that is not for this
//! platform or not valid now, and a TCB that Intel revoked or does not know.
//!
//! ```
//! # fn main() -> Result<(), dcap::Refusal> {
//! # let quote = include_bytes!("../../../tests/dcap/tdx/tdx-v5-90c06f000000-cf77a6e9.quote");
//! # let json = include_bytes!("../../../tests/dcap/collateral/c-b4493d6a.json");
//! let collateral = dcap::Collateral::from_json(json)?;
//! let now = dcap::Time::from_unix(1_770_200_000);
//!
//! // One quote, once:
//! let claims = dcap::verify(quote, &collateral, now)?;
//! assert_eq!(claims.tcb_status(), Some(dcap::TcbStatus::UpToDate));
//!
//! // Many quotes of one platform family: verify the collateral once.
//! let verifier = dcap::Verifier::new(dcap::Anchors::production());
//! let verified = verifier.verify_collateral(&collateral, now)?;
//! let again = verifier.verify_quote(quote, &verified, now)?;
//! assert_eq!(again, claims);
//! # Ok(()) }
//! ```
//!
//! Where Intel's verifier and others differ, `docs/reference/verifier-decisions.md` says what this
//! crate does and why; `docs/reference/attestation-reasons.md` lists the reason codes.
#![forbid(unsafe_code)]
#![cfg_attr(not(feature = "std"), no_std)]
#![deny(
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::expect_used,
    clippy::unwrap_used
)]

extern crate alloc;

mod anchor;
mod bytes;
mod claims;
mod collateral;
pub mod crypto;
mod der;
mod error;
#[cfg(any(feature = "ring", feature = "rustcrypto"))]
#[doc(hidden)]
pub mod fuzz;
mod hex;
pub mod open_enclave;
mod pck;
mod pem;
mod quote;
pub mod ratls;
mod reason;
pub mod snp;
mod status;
mod time;
mod verify;
mod x509;

pub use anchor::{Anchor, Anchors, RootKind};
pub use bytes::Bytes;
pub use claims::{
    Claims, CollateralClaims, DcapPlatform, EvidenceFormat, Note, Padding, Platform, RootClaims,
    SgxClaims, TcbClaims, TcbLevelClaims, TdxClaims, TdxExtendedClaims, Tee, Workload,
};
pub use collateral::{
    Collateral, CollateralBundle, CollateralMemory, CollateralSet, EnclaveIdentity,
    EvaluationNumber, EvaluationNumbers, IdentityLevel, Mark, Need, PckCa, SignedEvaluations,
    TcbInfo, TcbLevel, TdxModule, TdxModuleIdentity, UpdateChannel, VerifiedCollateral, pcs,
};
pub use error::{Blame, Refusal};
pub use pck::{PckExtension, SgxType};
pub use quote::{
    AuthData, Body, CertificationData, Header, PlatformIdentity, Quote, ReportBody, TdExtension,
    TdReport, TdService,
};
pub use reason::Reason;
pub use status::TcbStatus;
pub use time::Time;
pub use verify::Verifier;

/// Verifies an SGX or TDX quote against Intel's root with collateral that is used once.
///
/// # Errors
///
/// The first check that fails, as a [`Refusal`].
#[cfg(any(feature = "ring", feature = "rustcrypto"))]
pub fn verify(quote: &[u8], collateral: &Collateral, now: Time) -> Result<Claims, Refusal> {
    let verifier = Verifier::new(Anchors::production());
    let verified = verifier.verify_collateral(collateral, now)?;
    verifier.verify_quote(quote, &verified, now)
}

/// Decodes every certificate of a PEM chain to DER.
///
/// # Errors
///
/// `certificate.malformed`, or `chain.incomplete` when there are too many.
pub fn certificates_from_pem(text: &[u8]) -> Result<alloc::vec::Vec<alloc::vec::Vec<u8>>, Refusal> {
    pem::certificates(text)
}
