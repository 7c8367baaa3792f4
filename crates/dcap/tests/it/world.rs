//! Emulated worlds: evidence that real data lacks, made by the quoting service's PKI.
#![allow(dead_code, reason = "each test binary uses its part")]

use dcap::{Anchors, Claims, Collateral, Refusal, Time, Verifier};
use quoting::{
    Evidence, Scenario, Seconds, Seed, UnixTime, quoting_enclave, standard,
    tcb_info::{EnclaveTcb, TcbLevel, TcbStatus, TdxModule, TdxModuleIdentity, Tee},
};

pub(crate) const SEED: Seed = Seed::new([42; 32]);
pub(crate) const NOW: UnixTime = UnixTime(UnixTime::from_date(2026, 11, 23).0 + 4_321);

/// An SGX quote of version 3 from a platform of this status, with nothing wrong.
pub(crate) fn sgx(status: TcbStatus) -> Scenario {
    Scenario::new(&SEED, &standard::platform(status, 1), NOW)
}

/// The TEE_TCB_SVN of a TD in [`tdx`]: module SVN 4, module version 1, SEAM components 5.
pub(crate) const TEE_TCB_SVN: [u8; 16] = [4, 1, 5, 5, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];

/// A TDX quote of version 4 (TD 1.0) or 5 (TD 1.0, 1.5, 1.5 extended by body type 2, 3, 4).
pub(crate) fn tdx(status: TcbStatus, version: u16, body_type: u16) -> Scenario {
    let platform = standard::platform(status, 1);
    let mut scenario = Scenario::new(&SEED, &platform, NOW);
    scenario.header.version = version;
    scenario.header.tee_type = quoting::quote::TEE_TYPE_TDX;
    scenario.header.qe_svn = 0;
    scenario.header.pce_svn = 0;
    scenario.qe = quoting_enclave::tdx_qe(platform.cpusvn);
    scenario.qe_identity = standard::qe_identity(&scenario.qe, Tee::Tdx, standard::STANDARD, NOW);
    scenario.tcb_info.id = Some(Tee::Tdx);
    let module =
        TdxModule { mrsigner: vec![0; 48], attributes: vec![0; 8], attributes_mask: vec![0xff; 8] };
    scenario.tcb_info.tdx_module = Some(module.clone());
    scenario.tcb_info.tdx_module_identities = vec![TdxModuleIdentity {
        id: "TDX_01".to_owned(),
        module,
        tcb_levels: vec![
            module_level(4, TcbStatus::UpToDate, &[]),
            module_level(2, TcbStatus::OutOfDate, &["EMU-SA-10001"]),
            module_level(1, TcbStatus::Revoked, &["EMU-SA-10002"]),
        ],
    }];
    for level in &mut scenario.tcb_info.tcb_levels {
        level.tcb.tdx = Some([0, 0, 5, 5, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    }
    scenario.body.body_type = body_type;
    scenario.body.bytes = td_report(body_type);
    scenario
}

pub(crate) fn module_level(
    isvsvn: u16,
    status: TcbStatus,
    advisories: &[&str],
) -> TcbLevel<EnclaveTcb> {
    TcbLevel {
        tcb: EnclaveTcb { isvsvn },
        tcb_date: standard::STANDARD.recovery + Seconds::days(u64::from(isvsvn)),
        status,
        advisory_ids: advisories.iter().map(|&id| id.to_owned()).collect(),
    }
}

/// Offsets in a TD report.
pub(crate) const SEAM_ATTRIBUTES: usize = 112;
pub(crate) const MRSIGNERSEAM: usize = 64;
pub(crate) const TD_ATTRIBUTES: usize = 120;
pub(crate) const TEE_TCB_SVN2: usize = 584;

fn td_report(body_type: u16) -> Vec<u8> {
    let size = match body_type {
        2 => 584,
        3 => 648,
        _ => 885,
    };
    let mut report = vec![0; size];
    report[..16].copy_from_slice(&TEE_TCB_SVN);
    // SEPT_VE_DISABLE
    report[TD_ATTRIBUTES + 3] = 0x10;
    report[136..184].fill(0xd7);
    report[520..584].fill(0x5a);
    if body_type > 2 {
        report[TEE_TCB_SVN2..TEE_TCB_SVN2 + 16].copy_from_slice(&TEE_TCB_SVN);
    }
    report
}

pub(crate) fn collateral(evidence: &Evidence) -> Collateral {
    Collateral::from_json(evidence.collateral.to_json().as_bytes())
        .expect("the emulator's form is ours")
}

pub(crate) fn verifier(evidence: &Evidence) -> Verifier {
    let anchors = Anchors::none().with_emulator_root(&evidence.root_certificate);
    Verifier::new(anchors.expect("the scenario's root is a root"))
}

pub(crate) fn verify(scenario: &Scenario) -> Result<Claims, Refusal> {
    verify_evidence(&scenario.evidence())
}

pub(crate) fn verify_evidence(evidence: &Evidence) -> Result<Claims, Refusal> {
    let now = Time::from_unix(evidence.now.0);
    let verifier = verifier(evidence);
    let verified = verifier.verify_collateral(&collateral(evidence), now)?;
    verifier.verify_quote(&evidence.quote, &verified, now)
}
