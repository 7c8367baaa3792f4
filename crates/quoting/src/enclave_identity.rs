//! Enclave identity: which quoting enclave, and which of its versions are good (PCS API, version 2).

use serde::Serialize;
use serde::ser::{SerializeMap as _, Serializer};

use crate::hex;
use crate::tcb_info::{EnclaveTcb, TcbLevel, to_json};
use crate::time::UnixTime;

/// Content of `enclaveIdentity`. Serialises to the compact JSON that is signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EnclaveIdentity {
    /// `QE`, `QVE`, `QAE` or `TD_QE`.
    pub id: String,
    /// 2.
    pub version: u8,
    /// When the document was made.
    pub issue_date: UnixTime,
    /// Until when it holds.
    pub next_update: UnixTime,
    /// Number of the evaluation data set, rising with each TCB recovery.
    pub tcb_evaluation_data_number: u32,
    /// Expected MISCSELECT, as the four bytes of the report.
    pub miscselect: Vec<u8>,
    /// Which bits of it count.
    pub miscselect_mask: Vec<u8>,
    /// Expected ATTRIBUTES, as the 16 bytes of the report.
    pub attributes: Vec<u8>,
    /// Which bits of them count.
    pub attributes_mask: Vec<u8>,
    /// Expected MRSIGNER.
    pub mrsigner: Vec<u8>,
    /// Expected ISVPRODID.
    pub isvprodid: u16,
    /// Levels by ISVSVN, newest first.
    pub tcb_levels: Vec<TcbLevel<EnclaveTcb>>,
}

impl EnclaveIdentity {
    /// The exact bytes that are signed.
    pub fn to_json(&self) -> Vec<u8> {
        to_json(self)
    }
}

impl Serialize for EnclaveIdentity {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("id", &self.id)?;
        map.serialize_entry("version", &self.version)?;
        map.serialize_entry("issueDate", &self.issue_date)?;
        map.serialize_entry("nextUpdate", &self.next_update)?;
        map.serialize_entry("tcbEvaluationDataNumber", &self.tcb_evaluation_data_number)?;
        map.serialize_entry("miscselect", &hex::upper(&self.miscselect))?;
        map.serialize_entry("miscselectMask", &hex::upper(&self.miscselect_mask))?;
        map.serialize_entry("attributes", &hex::upper(&self.attributes))?;
        map.serialize_entry("attributesMask", &hex::upper(&self.attributes_mask))?;
        map.serialize_entry("mrsigner", &hex::upper(&self.mrsigner))?;
        map.serialize_entry("isvprodid", &self.isvprodid)?;
        map.serialize_entry("tcbLevels", &self.tcb_levels)?;
        map.end()
    }
}
