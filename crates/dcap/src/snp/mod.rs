//! AMD SEV-SNP attestation reports, versions 2 to 5.
//!
//! A report is signed by a versioned chip key (VCEK) or a key loaded for a cloud provider (VLEK);
//! either chains through AMD's signing key (ASK, ASVK) to the root key (ARK) of its processor
//! family. Formats: AMD 56860 (SEV-SNP firmware ABI), AMD 57230 (VCEK certificate and KDS).

mod chain;
mod claims;
mod hcl;
mod report;
mod tcb;
mod vek;
mod verify;

pub use chain::{SnpCollateral, SnpProduct};
pub use claims::{SnpClaims, SnpPlatform};
pub use hcl::HclReport;
pub use report::{SnpKeyKind, SnpReport};
pub use tcb::SnpTcb;
pub use vek::find_vek;
pub(crate) use verify::verify;
