//! TCB levels: which one the platform meets, and what all the verdicts together say.

use crate::{
    EnclaveIdentity, PckExtension, Reason, Refusal, TcbInfo, TcbLevel, TcbStatus, TdReport,
    claims::{TcbClaims, TcbLevelClaims},
    collateral::IdentityLevel,
    error::{ensure, refusal},
};

/// Judges the platform, the TDX module and the quoting enclave.
pub(super) fn evaluate(
    tcb_info: &TcbInfo,
    pck: &PckExtension,
    td: Option<&TdReport<'_>>,
    identity: &EnclaveIdentity,
    qe: &IdentityLevel,
) -> Result<TcbClaims, Refusal> {
    let launch = match td {
        Some(td) => Verdict::of_td(tcb_info, pck, td.tee_tcb_svn)?,
        None => Verdict::of_platform(tcb_info, pck, None)?,
    };
    let launch_status = launch.status().converge(qe.status);
    let current_status = match td.and_then(|td| td.service) {
        Some(service) => {
            let current = Verdict::of_td(tcb_info, pck, service.tee_tcb_svn2)
                .map_err(|refusal| refusal.of("TCB now (TEE_TCB_SVN2)"))?;
            Some(current.status().converge(qe.status))
        }
        None => None,
    };
    refuse_revoked(&launch, qe, launch_status, current_status)?;
    let status = current_status.map_or(launch_status, |current| launch_status.relaunch(current));
    Ok(launch.into_claims(status, current_status, tcb_info, identity, qe))
}

/// The levels that a platform meets with one set of SVNs.
struct Verdict<'a> {
    platform: &'a TcbLevel,
    module: Option<TcbLevelClaims>,
}

impl<'a> Verdict<'a> {
    fn of_platform(
        tcb_info: &'a TcbInfo,
        pck: &PckExtension,
        tee_tcb_svn: Option<&[u8; 16]>,
    ) -> Result<Self, Refusal> {
        let platform = tcb_info
            .levels
            .iter()
            .find(|level| meets(level, pck, tee_tcb_svn))
            .ok_or_else(|| not_supported(tcb_info, pck, tee_tcb_svn))?;
        Ok(Self { platform, module: None })
    }

    fn of_td(
        tcb_info: &'a TcbInfo,
        pck: &PckExtension,
        tee_tcb_svn: &[u8; 16],
    ) -> Result<Self, Refusal> {
        let verdict = Self::of_platform(tcb_info, pck, Some(tee_tcb_svn))?;
        let [module_svn, module_version, ..] = *tee_tcb_svn;
        let Some(identity) = tcb_info.module_identity(module_version)? else {
            return Ok(verdict);
        };
        let level =
            identity.levels.iter().find(|level| level.isvsvn() <= module_svn).ok_or_else(|| {
                refusal!(
                    TdxModuleNotSupported,
                    "TDX module SVN {module_svn} is below every level of {}",
                    identity.id
                )
            })?;
        let module = TcbLevelClaims {
            status: level.status,
            date: level.date,
            advisories: level.advisories.clone(),
        };
        Ok(Self { module: Some(module), ..verdict })
    }

    fn status(&self) -> TcbStatus {
        let module = self.module.as_ref().map_or(TcbStatus::UpToDate, |module| module.status);
        self.platform.status.converge(module)
    }

    fn into_claims(
        self,
        status: TcbStatus,
        current_status: Option<TcbStatus>,
        tcb_info: &TcbInfo,
        identity: &EnclaveIdentity,
        qe: &IdentityLevel,
    ) -> TcbClaims {
        let platform = TcbLevelClaims {
            status: self.platform.status,
            date: self.platform.date,
            advisories: self.platform.advisories.clone(),
        };
        let qe =
            TcbLevelClaims { status: qe.status, date: qe.date, advisories: qe.advisories.clone() };
        let mut advisories = alloc::vec::Vec::new();
        let mut date = platform.date.min(qe.date);
        for level in [Some(&platform), self.module.as_ref(), Some(&qe)].into_iter().flatten() {
            crate::collateral::merge_advisories(&mut advisories, &level.advisories);
            date = date.min(level.date);
        }
        let (tcb_number, qe_number) =
            (tcb_info.tcb_evaluation_data_number, identity.tcb_evaluation_data_number);
        TcbClaims {
            status,
            advisories,
            date,
            platform,
            tdx_module: self.module,
            qe,
            current_status,
            evaluation_data_number: tcb_number.min(qe_number),
            tcb_info_evaluation_data_number: tcb_number,
            qe_identity_evaluation_data_number: qe_number,
        }
    }
}

/// A revoked part means compromised keys: nothing that was signed with them is proved.
fn refuse_revoked(
    launch: &Verdict<'_>,
    qe: &IdentityLevel,
    status: TcbStatus,
    current: Option<TcbStatus>,
) -> Result<(), Refusal> {
    ensure!(qe.status != TcbStatus::Revoked, QeRevoked, "QE SVN level {} is revoked", qe.isvsvn());
    let revoked = status == TcbStatus::Revoked || current == Some(TcbStatus::Revoked);
    ensure!(!revoked, TcbRevoked, "TCB level of {} is revoked", launch.platform.date);
    Ok(())
}

/// True when every component is at least the level's.
///
/// With a TDX module version above 0, the module's identity judges the first two TDX components.
fn meets(level: &TcbLevel, pck: &PckExtension, tee_tcb_svn: Option<&[u8; 16]>) -> bool {
    let at_least =
        |have: &[u8], need: &[u8]| have.iter().zip(need).all(|(have, need)| have >= need);
    let tdx = match (tee_tcb_svn, &level.tdx_components) {
        (None, _) => true,
        (Some(_), None) => false,
        (Some(have), Some(need)) => {
            let [_, module_version, ..] = *have;
            let skip = if module_version > 0 { 2 } else { 0 };
            at_least(have.get(skip..).unwrap_or_default(), need.0.get(skip..).unwrap_or_default())
        }
    };
    tdx && pck.pcesvn >= level.pcesvn && at_least(&pck.tcb_components.0, &level.sgx_components.0)
}

fn not_supported(
    tcb_info: &TcbInfo,
    pck: &PckExtension,
    tee_tcb_svn: Option<&[u8; 16]>,
) -> Refusal {
    let tdx =
        tee_tcb_svn.map(|svn| alloc::format!(", TDX {}", crate::Bytes(*svn))).unwrap_or_default();
    Refusal::new(
        Reason::TcbNotSupported,
        alloc::format!(
            "TCB of the platform (SGX {}, PCE {}{tdx}) is below every level of TCB info for FMSPC {}",
            pck.tcb_components,
            pck.pcesvn,
            tcb_info.fmspc
        ),
    )
}

/// Checks the TDX module's signer and attributes against TCB info.
pub(super) fn check_module(tcb_info: &TcbInfo, td: &TdReport<'_>) -> Result<(), Refusal> {
    let [_, version, ..] = *td.tee_tcb_svn;
    let module = match tcb_info.module_identity(version)? {
        Some(identity) => &identity.module,
        None => tcb_info
            .tdx_module
            .as_ref()
            .ok_or_else(|| refusal!(TdxModuleUnknown, "TCB info has no tdxModule"))?,
    };
    ensure!(
        *td.mrsignerseam == module.mrsigner.0,
        TdxModuleSigner,
        "MRSIGNERSEAM: expected {}, found {}",
        module.mrsigner,
        crate::Bytes(*td.mrsignerseam)
    );
    let masked =
        td.seam_attributes.iter().zip(module.attributes_mask.0).map(|(have, mask)| have & mask);
    ensure!(
        crate::Bytes(*td.seam_attributes).is_zero() && masked.eq(module.attributes.0),
        TdxModuleAttributes,
        "SEAMATTRIBUTES: expected zero and {} under mask {}, found {}",
        module.attributes,
        module.attributes_mask,
        crate::Bytes(*td.seam_attributes)
    );
    Ok(())
}
