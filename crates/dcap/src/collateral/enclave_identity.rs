//! QE identity, version 2: which quoting enclaves Intel vouches for.

use alloc::{
    format,
    string::{String, ToString},
    vec::Vec,
};
use core::cmp::Reverse;

use serde::Deserialize;

use super::json::{identity_status, is_unknown_status};
use crate::{Bytes, Reason, Refusal, TcbStatus, Time, error::ensure};

/// Parsed identity of one of Intel's enclaves.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct EnclaveIdentity {
    /// `QE`, `TD_QE`, `QVE` or `QAE`. All have one signer: only this and the product id differ.
    pub id: String,
    /// Always 2.
    pub version: u32,
    /// When it was issued.
    pub issue_date: Time,
    /// Until when it is valid.
    pub next_update: Time,
    /// Rises with every TCB recovery.
    pub tcb_evaluation_data_number: u32,
    /// MISCSELECT, as the JSON writes it (big-endian text of little-endian bytes is Intel's form).
    pub miscselect: Bytes<4>,
    /// Which bits of MISCSELECT count.
    pub miscselect_mask: Bytes<4>,
    /// ATTRIBUTES.
    pub attributes: Bytes<16>,
    /// Which bits of ATTRIBUTES count.
    pub attributes_mask: Bytes<16>,
    /// Signer.
    pub mrsigner: Bytes<32>,
    /// Product id.
    pub isvprodid: u16,
    /// Levels, highest SVN first.
    #[serde(rename = "tcbLevels")]
    pub levels: Vec<IdentityLevel>,
}

/// A level of an enclave identity.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct IdentityLevel {
    tcb: IdentityTcb,
    /// Status of enclaves at this level.
    #[serde(rename = "tcbStatus", deserialize_with = "identity_status")]
    pub status: TcbStatus,
    /// Patches up to this day are in.
    #[serde(rename = "tcbDate")]
    pub date: Time,
    /// Advisories that apply.
    #[serde(rename = "advisoryIDs", default)]
    pub advisories: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, Deserialize)]
struct IdentityTcb {
    isvsvn: u16,
}

impl IdentityLevel {
    /// Least ISVSVN.
    #[must_use]
    pub fn isvsvn(&self) -> u16 {
        self.tcb.isvsvn
    }
}

impl EnclaveIdentity {
    /// Parses the inner object of an enclave identity, the bytes that are signed.
    ///
    /// # Errors
    ///
    /// `qe_identity.malformed`, `qe_identity.version`, `tcb.status_unknown`.
    pub fn parse(json: &[u8]) -> Result<Self, Refusal> {
        let mut identity: Self = serde_json::from_slice(json).map_err(|error| {
            let text = error.to_string();
            let unknown = is_unknown_status(&text);
            let reason =
                if unknown { Reason::TcbStatusUnknown } else { Reason::QeIdentityMalformed };
            Refusal::new(reason, format!("QE identity: {text}"))
        })?;
        ensure!(
            identity.version == 2,
            QeIdentityVersion,
            "QE identity version: expected 2, found {}",
            identity.version
        );
        ensure!(
            matches!(identity.id.as_str(), "QE" | "QVE" | "QAE" | "TD_QE"),
            QeIdentityMalformed,
            "QE identity: expected id QE, QVE, QAE or TD_QE, found {:?}",
            identity.id
        );
        ensure!(!identity.levels.is_empty(), QeIdentityMalformed, "QE identity has no levels");
        identity.levels.sort_by_key(|level| Reverse(level.isvsvn()));
        Ok(identity)
    }
}
