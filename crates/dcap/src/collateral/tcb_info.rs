//! TCB info, versions 2 and 3: which TCB levels of a platform family Intel knows.

use alloc::{
    format,
    string::{String, ToString},
    vec::Vec,
};
use core::cmp::Reverse;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::json::{identity_status, is_unknown_status, platform_status};
use crate::{
    Bytes, Reason, Refusal, TcbStatus, Tee, Time,
    error::{ensure, refusal},
};

/// Parsed TCB info of one platform family.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
#[non_exhaustive]
pub struct TcbInfo {
    /// 2 or 3.
    pub version: u32,
    /// SGX or TDX; version 2 is SGX only.
    pub tee: Tee,
    /// When it was issued.
    pub issue_date: Time,
    /// Until when it is valid.
    pub next_update: Time,
    /// Platform family.
    pub fmspc: Bytes<6>,
    /// PCE id.
    pub pceid: Bytes<2>,
    /// Rises with every TCB recovery.
    pub tcb_evaluation_data_number: u32,
    /// Default identity of the TDX module.
    pub tdx_module: Option<TdxModule>,
    /// Identities of the TDX module by its version.
    pub tdx_module_identities: Vec<TdxModuleIdentity>,
    /// Levels, highest first, whatever the order in the JSON.
    pub levels: Vec<TcbLevel>,
}

/// A TCB level of a platform.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct TcbLevel {
    /// Least SVNs of the SGX components.
    pub sgx_components: Bytes<16>,
    /// Least SVN of the PCE.
    pub pcesvn: u16,
    /// Least SVNs of the TDX components.
    pub tdx_components: Option<Bytes<16>>,
    /// Status of platforms at this level.
    pub status: TcbStatus,
    /// Patches up to this day are in.
    pub date: Time,
    /// Advisories that apply.
    pub advisories: Vec<String>,
}

/// What the TDX module must be.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TdxModule {
    /// MRSIGNERSEAM.
    pub mrsigner: Bytes<48>,
    /// SEAMATTRIBUTES.
    pub attributes: Bytes<8>,
    /// Which bits of SEAMATTRIBUTES count.
    pub attributes_mask: Bytes<8>,
}

/// What a TDX module of one version must be, and how its SVNs are judged.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TdxModuleIdentity {
    /// `TDX_` and the module version in two hexadecimal digits.
    pub id: String,
    /// Signer and attributes.
    #[serde(flatten)]
    pub module: TdxModule,
    /// Levels, highest SVN first.
    #[serde(rename = "tcbLevels")]
    pub levels: Vec<TdxModuleLevel>,
}

/// A level of a TDX module.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TdxModuleLevel {
    tcb: ModuleTcb,
    /// Status of modules at this level.
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
struct ModuleTcb {
    isvsvn: u8,
}

impl TdxModuleLevel {
    /// Least SVN of the module.
    #[must_use]
    pub fn isvsvn(&self) -> u8 {
        self.tcb.isvsvn
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawTcbInfo<'a> {
    id: Option<String>,
    version: u32,
    issue_date: Time,
    next_update: Time,
    fmspc: Bytes<6>,
    pce_id: Bytes<2>,
    tcb_type: u32,
    tcb_evaluation_data_number: u32,
    tdx_module: Option<TdxModule>,
    #[serde(default)]
    tdx_module_identities: Vec<TdxModuleIdentity>,
    #[serde(borrow)]
    tcb_levels: Vec<RawLevel<'a>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawLevel<'a> {
    #[serde(borrow)]
    tcb: &'a RawValue,
    #[serde(deserialize_with = "platform_status")]
    tcb_status: TcbStatus,
    tcb_date: Time,
    #[serde(rename = "advisoryIDs", default)]
    advisories: Vec<String>,
}

/// The SVNs of a level in version 3.
#[derive(Deserialize)]
struct RawTcb3 {
    sgxtcbcomponents: [Component; 16],
    pcesvn: u16,
    tdxtcbcomponents: Option<[Component; 16]>,
}

#[derive(Deserialize)]
struct Component {
    svn: u8,
}

fn svns(components: [Component; 16]) -> Bytes<16> {
    Bytes(components.map(|component| component.svn))
}

/// The SVNs of a level in version 2.
#[derive(Deserialize)]
struct RawTcb2 {
    #[serde(rename = "sgxtcbcomp01svn")]
    c01: u8,
    #[serde(rename = "sgxtcbcomp02svn")]
    c02: u8,
    #[serde(rename = "sgxtcbcomp03svn")]
    c03: u8,
    #[serde(rename = "sgxtcbcomp04svn")]
    c04: u8,
    #[serde(rename = "sgxtcbcomp05svn")]
    c05: u8,
    #[serde(rename = "sgxtcbcomp06svn")]
    c06: u8,
    #[serde(rename = "sgxtcbcomp07svn")]
    c07: u8,
    #[serde(rename = "sgxtcbcomp08svn")]
    c08: u8,
    #[serde(rename = "sgxtcbcomp09svn")]
    c09: u8,
    #[serde(rename = "sgxtcbcomp10svn")]
    c10: u8,
    #[serde(rename = "sgxtcbcomp11svn")]
    c11: u8,
    #[serde(rename = "sgxtcbcomp12svn")]
    c12: u8,
    #[serde(rename = "sgxtcbcomp13svn")]
    c13: u8,
    #[serde(rename = "sgxtcbcomp14svn")]
    c14: u8,
    #[serde(rename = "sgxtcbcomp15svn")]
    c15: u8,
    #[serde(rename = "sgxtcbcomp16svn")]
    c16: u8,
    pcesvn: u16,
}

impl RawTcb2 {
    fn components(&self) -> Bytes<16> {
        Bytes([
            self.c01, self.c02, self.c03, self.c04, self.c05, self.c06, self.c07, self.c08,
            self.c09, self.c10, self.c11, self.c12, self.c13, self.c14, self.c15, self.c16,
        ])
    }
}

fn malformed(error: &serde_json::Error) -> Refusal {
    let text = error.to_string();
    let reason =
        if is_unknown_status(&text) { Reason::TcbStatusUnknown } else { Reason::TcbInfoMalformed };
    Refusal::new(reason, format!("TCB info: {text}"))
}

impl TcbInfo {
    /// Parses the inner object of TCB info, the bytes that are signed.
    ///
    /// # Errors
    ///
    /// `tcb_info.malformed`, `tcb_info.version`, `tcb.status_unknown`.
    pub fn parse(json: &[u8]) -> Result<Self, Refusal> {
        let raw: RawTcbInfo<'_> =
            serde_json::from_slice(json).map_err(|error| malformed(&error))?;
        let version = raw.version;
        ensure!(
            version == 2 || version == 3,
            TcbInfoVersion,
            "TCB info version: expected 2 or 3, found {version}"
        );
        ensure!(
            raw.tcb_type == 0,
            TcbInfoVersion,
            "TCB info type: expected 0, found {}",
            raw.tcb_type
        );
        let tee = match (version, raw.id.as_deref()) {
            (2, _) | (3, Some("SGX")) => Tee::Sgx,
            (3, Some("TDX")) => Tee::Tdx,
            (_, id) => {
                return Err(refusal!(
                    TcbInfoMalformed,
                    "TCB info id: expected SGX or TDX, found {id:?}"
                ));
            }
        };
        ensure!(!raw.tcb_levels.is_empty(), TcbInfoMalformed, "TCB info has no levels");
        let mut levels = Vec::with_capacity(raw.tcb_levels.len());
        for level in raw.tcb_levels {
            levels.push(TcbLevel::from_raw(level, version, tee)?);
        }
        levels.sort_by_key(|level| {
            Reverse((level.sgx_components, level.pcesvn, level.tdx_components))
        });
        ensure!(
            !levels.array_windows().any(|[one, next]| one.svns() == next.svns()),
            TcbInfoMalformed,
            "TCB info has two levels with the same SVNs"
        );
        let mut tdx_module_identities = raw.tdx_module_identities;
        for identity in &mut tdx_module_identities {
            ensure!(
                identity.id.strip_prefix("TDX_").and_then(Bytes::<1>::from_hex).is_some(),
                TcbInfoMalformed,
                "TDX module identity: expected an id like TDX_01, found {:?}",
                identity.id
            );
            ensure!(
                !identity.levels.is_empty(),
                TcbInfoMalformed,
                "TDX module identity {} has no levels",
                identity.id
            );
            identity.levels.sort_by_key(|level| Reverse(level.isvsvn()));
        }
        ensure!(
            (tee == Tee::Tdx) == raw.tdx_module.is_some(),
            TcbInfoMalformed,
            "TCB info for {tee:?}: tdxModule is for TDX alone"
        );
        Ok(Self {
            version,
            tee,
            issue_date: raw.issue_date,
            next_update: raw.next_update,
            fmspc: raw.fmspc,
            pceid: raw.pce_id,
            tcb_evaluation_data_number: raw.tcb_evaluation_data_number,
            tdx_module: raw.tdx_module,
            tdx_module_identities,
            levels,
        })
    }

    /// The identity for a TDX module version; version 0 has none and is judged by the platform's
    /// levels alone.
    pub(crate) fn module_identity(
        &self,
        version: u8,
    ) -> Result<Option<&TdxModuleIdentity>, Refusal> {
        if version == 0 {
            return Ok(None);
        }
        let wanted = format!("TDX_{version:02X}");
        let found = self
            .tdx_module_identities
            .iter()
            .find(|identity| identity.id.eq_ignore_ascii_case(&wanted));
        found.map(Some).ok_or_else(|| {
            refusal!(
                TdxModuleUnknown,
                "TCB info for FMSPC {} has no TDX module identity {wanted}",
                self.fmspc
            )
        })
    }
}

impl TcbLevel {
    /// What levels are ordered by.
    fn svns(&self) -> (Bytes<16>, u16, Option<Bytes<16>>) {
        (self.sgx_components, self.pcesvn, self.tdx_components)
    }

    fn from_raw(raw: RawLevel<'_>, version: u32, tee: Tee) -> Result<Self, Refusal> {
        let (sgx_components, pcesvn, tdx_components) = if version == 2 {
            let tcb: RawTcb2 =
                serde_json::from_str(raw.tcb.get()).map_err(|error| malformed(&error))?;
            (tcb.components(), tcb.pcesvn, None)
        } else {
            let tcb: RawTcb3 =
                serde_json::from_str(raw.tcb.get()).map_err(|error| malformed(&error))?;
            (svns(tcb.sgxtcbcomponents), tcb.pcesvn, tcb.tdxtcbcomponents.map(svns))
        };
        ensure!(
            tee == Tee::Sgx || tdx_components.is_some(),
            TcbInfoMalformed,
            "a TCB level for TDX has no tdxtcbcomponents"
        );
        Ok(Self {
            sgx_components,
            pcesvn,
            tdx_components,
            status: raw.tcb_status,
            date: raw.tcb_date,
            advisories: raw.advisories,
        })
    }
}
