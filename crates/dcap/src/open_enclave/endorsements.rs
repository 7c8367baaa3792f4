//! Collateral in one binary file.
//!
//! ```text
//! version 4 (1) | TEE 4 (2: SGX) | bytes that follow 4 | number of elements 4 | offsets 4 each | data
//! ```
//!
//! An offset counts from the start of the data; an element ends where the next begins. Text ends
//! with a NUL, and so do CRLs.

use alloc::{
    string::{String, ToString},
    vec::Vec,
};

use crate::{Collateral, Refusal, bytes::Cursor, collateral::pcs, error::refusal};

const VERSION: u32 = 1;
const TEE_SGX: u32 = 2;
/// Version, TCB info, its chain, PCK CRL, root CRL, their chain, QE identity, its chain, time of
/// making. Later versions of the SDK append more.
const ELEMENTS: usize = 9;
/// More elements than any version of the SDK writes.
const MAX_ELEMENTS: u32 = 32;

/// Whether bytes look like endorsements of an SGX enclave.
#[must_use]
pub fn is_endorsements(bytes: &[u8]) -> bool {
    let mut cursor = Cursor::new(bytes);
    (cursor.u32_le(), cursor.u32_le()) == (Some(VERSION), Some(TEE_SGX))
}

/// Reads endorsements as unverified collateral.
///
/// The time of making is not read: nobody signs it.
///
/// # Errors
///
/// `open_enclave.malformed`, or `collateral.malformed` for an element.
pub fn endorsements(bytes: &[u8]) -> Result<Collateral, Refusal> {
    let elements = elements(bytes).ok_or_else(|| {
        refusal!(
            OpenEnclaveMalformed,
            "{} bytes are not endorsements of version {VERSION} for SGX",
            bytes.len()
        )
    })?;
    let [version, tcb_info, tcb_chain, pck_crl, root_crl, crl_chain, qe_identity, qe_chain, _made] =
        elements;
    if version != VERSION.to_le_bytes() {
        return Err(refusal!(
            OpenEnclaveMalformed,
            "version of the SGX endorsements: expected {VERSION}, found {version:02x?}"
        ));
    }
    let (tcb_info, tcb_info_signature) = Collateral::split_signed(text(tcb_info)?)?;
    let (qe_identity, qe_identity_signature) = Collateral::split_signed(text(qe_identity)?)?;
    Ok(Collateral {
        pck_crl_issuer_chain: text(crl_chain)?.to_string(),
        root_ca_crl: pcs::crl(without_nul(root_crl))?,
        pck_crl: pcs::crl(without_nul(pck_crl))?,
        tcb_info_issuer_chain: text(tcb_chain)?.to_string(),
        tcb_info,
        tcb_info_signature,
        qe_identity_issuer_chain: text(qe_chain)?.to_string(),
        qe_identity,
        qe_identity_signature,
        pck_certificate_chain: None::<String>,
    })
}

/// The elements that every version has.
fn elements(bytes: &[u8]) -> Option<[&[u8]; ELEMENTS]> {
    let mut cursor = Cursor::new(bytes);
    (cursor.u32_le()? == VERSION && cursor.u32_le()? == TEE_SGX).then_some(())?;
    let size = usize::try_from(cursor.u32_le()?).ok()?;
    let count = cursor.u32_le().filter(|count| *count <= MAX_ELEMENTS)?;
    (cursor.rest().len() == size).then_some(())?;
    let mut offsets = Vec::new();
    for _ in 0..count {
        offsets.push(usize::try_from(cursor.u32_le()?).ok()?);
    }
    let data = cursor.rest();
    (offsets.first() == Some(&0)).then_some(())?;
    offsets.push(data.len());
    let elements: Option<Vec<&[u8]>> =
        offsets.windows(2).map(|pair| data.get(*pair.first()?..*pair.last()?)).collect();
    elements?.first_chunk().copied()
}

/// An element that is text, without the NUL at its end.
fn text(element: &[u8]) -> Result<&str, Refusal> {
    let text = without_nul(element);
    core::str::from_utf8(text).ok().filter(|text| !text.contains('\0')).ok_or_else(|| {
        refusal!(CollateralMalformed, "element of {} bytes is not text", element.len())
    })
}

fn without_nul(element: &[u8]) -> &[u8] {
    element.strip_suffix(b"\0").unwrap_or(element)
}
