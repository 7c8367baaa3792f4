//! The quoting enclave: does its report commit to the attestation key, and is it Intel's.

use crate::{
    EnclaveIdentity, Refusal, ReportBody, Tee,
    collateral::IdentityLevel,
    crypto::Crypto,
    error::{ensure, refusal},
    quote::AuthData,
};

/// Checks that the QE's report data is SHA-256(attestation key || authentication data) and then
/// 32 zero bytes.
pub(super) fn check_report_data(
    crypto: &dyn Crypto,
    auth: &AuthData<'_>,
    report: &ReportBody<'_>,
) -> Result<(), Refusal> {
    let expected = crypto.sha256(&[auth.attestation_key, auth.qe_auth_data]);
    let (hash, tail) = report.report_data.split_at(32);
    ensure!(
        hash == expected,
        QeReportData,
        "QE report data is not the hash of attestation key and authentication data"
    );
    ensure!(
        tail.iter().all(|byte| *byte == 0),
        QeReportData,
        "the second half of the QE report data is not zero"
    );
    Ok(())
}

/// Checks that the identity is the one for quotes of this TEE. All of Intel's enclaves share one
/// signer, so the id decides which one is meant.
pub(super) fn check_identity_tee(identity: &EnclaveIdentity, tee: Tee) -> Result<(), Refusal> {
    let expected = if tee == Tee::Tdx { "TD_QE" } else { "QE" };
    ensure!(
        identity.id == expected,
        QeIdentityTee,
        "identity: expected {expected} for this quote, found {}",
        identity.id
    );
    Ok(())
}

/// Compares the QE's report with the identity and finds its TCB level.
pub(super) fn check_identity<'a>(
    report: &ReportBody<'_>,
    identity: &'a EnclaveIdentity,
) -> Result<&'a IdentityLevel, Refusal> {
    ensure!(!report.is_debug(), QeDebug, "the quoting enclave has the DEBUG attribute");
    ensure!(
        masked(
            &report.miscselect.to_le_bytes(),
            &identity.miscselect_mask.0,
            &identity.miscselect.0
        ),
        QeMiscselect,
        "QE MISCSELECT: expected {} under mask {}, found {:08x}",
        identity.miscselect,
        identity.miscselect_mask,
        report.miscselect
    );
    ensure!(
        masked(report.attributes, &identity.attributes_mask.0, &identity.attributes.0),
        QeAttributes,
        "QE ATTRIBUTES: expected {} under mask {}, found {}",
        identity.attributes,
        identity.attributes_mask,
        crate::Bytes(*report.attributes)
    );
    ensure!(
        *report.mrsigner == identity.mrsigner.0,
        QeMrsigner,
        "QE MRSIGNER: expected {}, found {}",
        identity.mrsigner,
        crate::Bytes(*report.mrsigner)
    );
    ensure!(
        report.isvprodid == identity.isvprodid,
        QeIsvprodid,
        "QE product id: expected {}, found {}",
        identity.isvprodid,
        report.isvprodid
    );
    identity.levels.iter().find(|level| level.isvsvn() <= report.isvsvn).ok_or_else(|| {
        refusal!(QeNotSupported, "QE SVN {} is below every level of its identity", report.isvsvn)
    })
}

/// True when `(actual & mask) == expected`: an identity whose value has bits outside its mask
/// matches nothing, as in Intel's verifier.
fn masked(actual: &[u8], mask: &[u8], expected: &[u8]) -> bool {
    actual.iter().zip(mask).map(|(actual, mask)| actual & mask).eq(expected.iter().copied())
}
