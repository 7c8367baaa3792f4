//! EREPORT and EGETKEY.

use sgx_types::{KeyRequest, Report, SgxError, TargetInfo};

use crate::backend;

/// Bytes an enclave puts into its report.
pub type ReportData = [u8; 64];

/// Makes a REPORT about this enclave that `target` can verify on the same platform.
#[must_use]
pub fn ereport(target: &TargetInfo, data: &ReportData) -> Report {
    backend::ereport(target, data)
}

/// Derives a key of this enclave on this platform. The caller wipes it after use.
///
/// # Errors
/// EGETKEY's code, for example `SGX_INVALID_ISVSVN` for an ISVSVN above the enclave's own.
pub fn egetkey(request: &KeyRequest) -> Result<[u8; 16], SgxError> {
    backend::egetkey(request)
}
