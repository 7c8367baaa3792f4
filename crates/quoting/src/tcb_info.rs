//! TCB info: which security versions of a platform family are good (PCS API, versions 2 and 3).

use serde::Serialize;
use serde::ser::{SerializeMap, Serializer};

use crate::hex;
use crate::time::UnixTime;

/// Trusted execution environment a document is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tee {
    /// SGX enclaves.
    Sgx,
    /// TDX trust domains.
    Tdx,
}

impl Tee {
    /// The `id` of TCB info and the first word of PCS paths (there in lower case).
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Sgx => "SGX",
            Self::Tdx => "TDX",
        }
    }
}

/// `tcbStatus` of a level.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[allow(missing_docs, reason = "the names are Intel's own, explained in the PCS API documentation")]
pub enum TcbStatus {
    UpToDate,
    SWHardeningNeeded,
    ConfigurationNeeded,
    ConfigurationAndSWHardeningNeeded,
    OutOfDate,
    OutOfDateConfigurationNeeded,
    Revoked,
}

impl TcbStatus {
    /// Every status, best first.
    pub const ALL: [Self; 7] = [
        Self::UpToDate,
        Self::SWHardeningNeeded,
        Self::ConfigurationNeeded,
        Self::ConfigurationAndSWHardeningNeeded,
        Self::OutOfDate,
        Self::OutOfDateConfigurationNeeded,
        Self::Revoked,
    ];

    /// The word in the JSON documents.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::UpToDate => "UpToDate",
            Self::SWHardeningNeeded => "SWHardeningNeeded",
            Self::ConfigurationNeeded => "ConfigurationNeeded",
            Self::ConfigurationAndSWHardeningNeeded => "ConfigurationAndSWHardeningNeeded",
            Self::OutOfDate => "OutOfDate",
            Self::OutOfDateConfigurationNeeded => "OutOfDateConfigurationNeeded",
            Self::Revoked => "Revoked",
        }
    }
}

/// Content of `tcbInfo`. Serialises to the compact JSON that is signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TcbInfo {
    /// SGX or TDX; version 2 does not state it.
    pub id: Option<Tee>,
    /// 2 or 3. The levels are written in this version's form.
    pub version: u8,
    /// When the document was made.
    pub issue_date: UnixTime,
    /// Until when it holds.
    pub next_update: UnixTime,
    /// Platform family.
    pub fmspc: Vec<u8>,
    /// PCE id, big endian.
    pub pce_id: Vec<u8>,
    /// How components are compared; only 0 exists.
    pub tcb_type: u32,
    /// Number of the evaluation data set, rising with each TCB recovery.
    pub tcb_evaluation_data_number: u32,
    /// TDX: the module's signer for platforms whose TEE_TCB_SVN names no module version.
    pub tdx_module: Option<TdxModule>,
    /// TDX: a list per module major version.
    pub tdx_module_identities: Vec<TdxModuleIdentity>,
    /// Levels, newest first. A platform has the first whose every SVN it reaches.
    pub tcb_levels: Vec<TcbLevel<PlatformTcb>>,
}

/// The SVNs a platform must reach.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlatformTcb {
    /// SGX component SVNs.
    pub sgx: [u8; 16],
    /// ISVSVN of the PCE.
    pub pcesvn: u16,
    /// TDX component SVNs.
    pub tdx: Option<[u8; 16]>,
}

/// The SVN an enclave or module must reach.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct EnclaveTcb {
    /// ISVSVN.
    pub isvsvn: u16,
}

/// One row of a `tcbLevels` list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TcbLevel<T> {
    /// What must be reached.
    pub tcb: T,
    /// Date of the newest security event the level covers.
    pub tcb_date: UnixTime,
    /// What it means to be at this level.
    pub status: TcbStatus,
    /// Advisories that apply at this level, left out if empty.
    pub advisory_ids: Vec<String>,
}

/// `tdxModule`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TdxModule {
    /// MRSIGNERSEAM, 48 bytes.
    pub mrsigner: Vec<u8>,
    /// Expected SEAMATTRIBUTES.
    pub attributes: Vec<u8>,
    /// Which bits of them count.
    pub attributes_mask: Vec<u8>,
}

/// One of `tdxModuleIdentities`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TdxModuleIdentity {
    /// `TDX_` and the module's major version, TEE_TCB_SVN\[1\], in hexadecimal.
    pub id: String,
    /// The module.
    pub module: TdxModule,
    /// Levels by TEE_TCB_SVN\[0\], newest first.
    pub tcb_levels: Vec<TcbLevel<EnclaveTcb>>,
}

impl TcbInfo {
    /// The exact bytes that are signed.
    pub fn to_json(&self) -> Vec<u8> {
        to_json(self)
    }

    /// The same content as a version 2 document, the form the PCS API version 3 serves.
    #[must_use]
    pub fn into_version_2(mut self) -> Self {
        self.id = None;
        self.version = 2;
        self
    }
}

/// Serialises a document whose keys are all strings, which cannot fail.
pub(crate) fn to_json(document: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(document).expect("documents have string keys and no fallible serializers")
}

impl Serialize for TcbInfo {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        if let Some(id) = self.id {
            map.serialize_entry("id", id.as_str())?;
        }
        map.serialize_entry("version", &self.version)?;
        map.serialize_entry("issueDate", &self.issue_date)?;
        map.serialize_entry("nextUpdate", &self.next_update)?;
        map.serialize_entry("fmspc", &hex::upper(&self.fmspc))?;
        map.serialize_entry("pceId", &hex::upper(&self.pce_id))?;
        map.serialize_entry("tcbType", &self.tcb_type)?;
        map.serialize_entry("tcbEvaluationDataNumber", &self.tcb_evaluation_data_number)?;
        if let Some(module) = &self.tdx_module {
            map.serialize_entry("tdxModule", module)?;
        }
        if !self.tdx_module_identities.is_empty() {
            map.serialize_entry("tdxModuleIdentities", &self.tdx_module_identities)?;
        }
        let levels: Vec<_> = self
            .tcb_levels
            .iter()
            .map(|level| level.map(|tcb| VersionedTcb { version: self.version, tcb }))
            .collect();
        map.serialize_entry("tcbLevels", &levels)?;
        map.end()
    }
}

impl<T> TcbLevel<T> {
    fn map<'a, U>(&'a self, tcb: impl FnOnce(&'a T) -> U) -> TcbLevel<U> {
        TcbLevel {
            tcb: tcb(&self.tcb),
            tcb_date: self.tcb_date,
            status: self.status,
            advisory_ids: self.advisory_ids.clone(),
        }
    }
}

impl<T: Serialize> Serialize for TcbLevel<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("tcb", &self.tcb)?;
        map.serialize_entry("tcbDate", &self.tcb_date)?;
        map.serialize_entry("tcbStatus", self.status.as_str())?;
        if !self.advisory_ids.is_empty() {
            map.serialize_entry("advisoryIDs", &self.advisory_ids)?;
        }
        map.end()
    }
}

/// A platform's SVNs in the form of a document version: an array of objects, or one key for each.
struct VersionedTcb<'a> {
    version: u8,
    tcb: &'a PlatformTcb,
}

impl Serialize for VersionedTcb<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Component {
            svn: u8,
        }
        let array = |svns: &[u8; 16]| svns.map(|svn| Component { svn });
        let mut map = serializer.serialize_map(None)?;
        if self.version < 3 {
            for (number, svn) in (1..).zip(self.tcb.sgx) {
                map.serialize_entry(&format!("sgxtcbcomp{number:02}svn"), &svn)?;
            }
        } else {
            map.serialize_entry("sgxtcbcomponents", &array(&self.tcb.sgx))?;
        }
        map.serialize_entry("pcesvn", &self.tcb.pcesvn)?;
        if let Some(tdx) = &self.tcb.tdx {
            map.serialize_entry("tdxtcbcomponents", &array(tdx))?;
        }
        map.end()
    }
}

impl TdxModule {
    fn entries<M: SerializeMap>(&self, map: &mut M) -> Result<(), M::Error> {
        map.serialize_entry("mrsigner", &hex::upper(&self.mrsigner))?;
        map.serialize_entry("attributes", &hex::upper(&self.attributes))?;
        map.serialize_entry("attributesMask", &hex::upper(&self.attributes_mask))
    }
}

impl Serialize for TdxModule {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        self.entries(&mut map)?;
        map.end()
    }
}

impl Serialize for TdxModuleIdentity {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("id", &self.id)?;
        self.module.entries(&mut map)?;
        map.serialize_entry("tcbLevels", &self.tcb_levels)?;
        map.end()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn document() -> TcbInfo {
        TcbInfo {
            id: Some(Tee::Sgx),
            version: 3,
            issue_date: UnixTime(0),
            next_update: UnixTime(86_400),
            fmspc: vec![0, 0x90, 0x6e, 0xd5, 0, 0],
            pce_id: vec![0, 0],
            tcb_type: 0,
            tcb_evaluation_data_number: 17,
            tdx_module: None,
            tdx_module_identities: vec![],
            tcb_levels: vec![TcbLevel {
                tcb: PlatformTcb { sgx: [7; 16], pcesvn: 13, tdx: None },
                tcb_date: UnixTime(0),
                status: TcbStatus::SWHardeningNeeded,
                advisory_ids: vec!["EMU-SA-00001".to_owned()],
            }],
        }
    }

    #[test]
    fn version_3_has_arrays_of_components() {
        let json = String::from_utf8(document().to_json()).unwrap();
        assert!(json.starts_with(
            r#"{"id":"SGX","version":3,"issueDate":"1970-01-01T00:00:00Z","nextUpdate":"1970-01-02T00:00:00Z","fmspc":"00906ED50000","pceId":"0000","tcbType":0,"tcbEvaluationDataNumber":17,"tcbLevels":[{"tcb":{"sgxtcbcomponents":[{"svn":7},"#
        ), "{json}");
        assert!(json.ends_with(
            r#"{"svn":7}],"pcesvn":13},"tcbDate":"1970-01-01T00:00:00Z","tcbStatus":"SWHardeningNeeded","advisoryIDs":["EMU-SA-00001"]}]}"#
        ), "{json}");
    }

    #[test]
    fn version_2_has_a_key_for_each_component_and_no_id() {
        let json = String::from_utf8(document().into_version_2().to_json()).unwrap();
        assert!(json.starts_with(r#"{"version":2,"issueDate""#), "{json}");
        assert!(json.contains(r#"{"sgxtcbcomp01svn":7,"sgxtcbcomp02svn":7,"#), "{json}");
        assert!(json.contains(r#""sgxtcbcomp16svn":7,"pcesvn":13}"#), "{json}");
    }
}
