//! The emulator's standard world: the platform family, TCB levels and evaluations it ships with.
//!
//! A platform's status follows from its CPUSVN, as it does with real ones: bytes 0 and 1 stand for
//! the microcode, byte 6 for the machine's configuration, the other six of the first eight for
//! firmware nobody ever updates. All are 8 on a platform that is up to date, as the emulator makes
//! them. A platform with [`cpusvn`] of a status has that status under the standard collateral, and
//! the same platform falls behind when collateral of a later evaluation is used.

use sgx_types::ReportBody;

use crate::enclave_identity::EnclaveIdentity;
use crate::evaluation::{EvaluationNumber, EvaluationNumbers};
use crate::pck::PckConfiguration;
use crate::platform::{PckCa, PlatformFacts, SgxType};
use crate::quoting_enclave;
use crate::tcb_info::{EnclaveTcb, PlatformTcb, TcbInfo, TcbLevel, TcbStatus, Tee};
use crate::time::{Seconds, UnixTime};

/// First second of the emulated certificates' validity.
pub const NOT_BEFORE: UnixTime = UnixTime::from_date(2024, 1, 1);
/// Last second of the emulated certificates' validity: they outlive every test.
pub const NOT_AFTER: UnixTime = UnixTime(UnixTime::from_date(2050, 1, 1).0 - 1);

/// How long TCB info, identities and PCK revocation lists hold, as with Intel's.
pub const DOCUMENT_LIFETIME: Seconds = Seconds::days(30);
/// How long the root's revocation list holds.
pub const ROOT_CRL_LIFETIME: Seconds = Seconds::days(365);

/// FMSPC of emulated platforms: "SIM" and a number; no processor has it.
pub const FMSPC: [u8; 6] = *b"SIM\0\0\x01";
/// ISVSVN of the emulated provisioning certification enclave.
pub const PCESVN: u16 = 13;

/// An evaluation of the emulated family.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Evaluation {
    /// tcbEvaluationDataNumber
    pub number: u32,
    /// Microcode SVN that counts as up to date.
    pub microcode: u8,
    /// When its TCB recovery began; the newest level is dated the day after.
    pub recovery: UnixTime,
}

/// The withdrawn, the standard and the early evaluation.
pub const EVALUATIONS: [Evaluation; 3] = [
    Evaluation { number: 1, microcode: 7, recovery: UnixTime::from_date(2023, 2, 14) },
    STANDARD,
    Evaluation { number: 3, microcode: 9, recovery: UnixTime::from_date(2023, 11, 14) },
];

/// The evaluation that collateral is of unless another is asked for.
pub const STANDARD: Evaluation =
    Evaluation { number: 2, microcode: 8, recovery: UnixTime::from_date(2023, 8, 8) };

/// CPUSVN of a platform that has this status under the [`STANDARD`] evaluation.
pub const fn cpusvn(status: TcbStatus) -> [u8; 16] {
    match status {
        TcbStatus::UpToDate => components(STANDARD.microcode, true),
        TcbStatus::ConfigurationNeeded => components(STANDARD.microcode, false),
        TcbStatus::SWHardeningNeeded => components(STANDARD.microcode - 1, true),
        TcbStatus::ConfigurationAndSWHardeningNeeded => components(STANDARD.microcode - 1, false),
        TcbStatus::OutOfDate => components(STANDARD.microcode - 2, true),
        TcbStatus::OutOfDateConfigurationNeeded => components(STANDARD.microcode - 2, false),
        TcbStatus::Revoked => components(STANDARD.microcode - 3, true),
    }
}

/// Facts of a platform that has this status under the [`STANDARD`] evaluation. `number` tells
/// several apart.
pub fn platform(status: TcbStatus, number: u8) -> PlatformFacts {
    let id = |kind: u8| {
        let mut out = [kind; 16];
        out[15] = number;
        out
    };
    PlatformFacts {
        cpusvn: cpusvn(status),
        pcesvn: PCESVN,
        pceid: 0,
        fmspc: FMSPC,
        ppid: id(0xe1),
        platform_instance_id: id(0xe2),
        qe_id: id(0xe3),
        sgx_type: SgxType::Scalable,
        configuration: PckConfiguration {
            dynamic_platform: false,
            cached_keys: false,
            smt_enabled: true,
        },
        ca: PckCa::Platform,
    }
}

/// TCB info for a platform family, issued on the day `now` lies in.
pub fn tcb_info(fmspc: [u8; 6], pceid: u16, evaluation: Evaluation, now: UnixTime) -> TcbInfo {
    TcbInfo {
        id: Some(Tee::Sgx),
        version: 3,
        issue_date: now.start_of_day(),
        next_update: now.start_of_day() + DOCUMENT_LIFETIME,
        fmspc: fmspc.to_vec(),
        pce_id: pceid.to_be_bytes().to_vec(),
        tcb_type: 0,
        tcb_evaluation_data_number: evaluation.number,
        tdx_module: None,
        tdx_module_identities: Vec::new(),
        tcb_levels: tcb_levels(evaluation),
    }
}

/// Identity of a quoting enclave, issued on the day `now` lies in.
pub fn qe_identity(
    qe: &ReportBody,
    tee: Tee,
    evaluation: Evaluation,
    now: UnixTime,
) -> EnclaveIdentity {
    let level = |isvsvn, status, advisories: &[&str]| TcbLevel {
        tcb: EnclaveTcb { isvsvn },
        tcb_date: evaluation.recovery + Seconds::days(1),
        status,
        advisory_ids: advisories.iter().map(|&id| id.to_owned()).collect(),
    };
    EnclaveIdentity {
        id: if tee == Tee::Sgx { "QE" } else { "TD_QE" }.to_owned(),
        version: 2,
        issue_date: now.start_of_day(),
        next_update: now.start_of_day() + DOCUMENT_LIFETIME,
        tcb_evaluation_data_number: evaluation.number,
        miscselect: vec![0; 4],
        miscselect_mask: vec![0xff; 4],
        // INIT and PROVISIONKEY set, MODE64BIT free, all else (DEBUG above all) clear; any XFRM.
        attributes: [&[0x11][..], &[0; 15]].concat(),
        attributes_mask: [&[0xfb][..], &[0xff; 7], &[0; 8]].concat(),
        mrsigner: qe.mrsigner.0.to_vec(),
        isvprodid: qe.isvprodid,
        tcb_levels: vec![
            level(quoting_enclave::NEWEST_ISVSVN, TcbStatus::UpToDate, &[]),
            level(1, TcbStatus::OutOfDate, &["EMU-SA-00005"]),
        ],
    }
}

/// The evaluations on offer, issued on the day `now` lies in.
pub fn evaluation_numbers(tee: Tee, offered: &[Evaluation], now: UnixTime) -> EvaluationNumbers {
    let numbers = offered.iter().map(|evaluation| EvaluationNumber {
        number: evaluation.number,
        tcb_recovery_event_date: evaluation.recovery,
        tcb_date: evaluation.recovery + Seconds::days(1),
    });
    EvaluationNumbers {
        id: tee,
        version: 1,
        issue_date: now.start_of_day(),
        next_update: now.start_of_day() + DOCUMENT_LIFETIME,
        numbers: numbers.rev().collect(),
    }
}

/// TCB levels of the emulated family in an evaluation, newest first.
pub fn tcb_levels(evaluation: Evaluation) -> Vec<TcbLevel<PlatformTcb>> {
    use TcbStatus::{
        ConfigurationAndSWHardeningNeeded, ConfigurationNeeded, OutOfDate,
        OutOfDateConfigurationNeeded, SWHardeningNeeded, UpToDate,
    };
    let mut levels = Vec::new();
    for (behind, configured, status, advisories) in [
        (0, true, UpToDate, &[][..]),
        (0, false, ConfigurationNeeded, &["EMU-SA-00001"]),
        (1, true, SWHardeningNeeded, &["EMU-SA-00002"]),
        (1, false, ConfigurationAndSWHardeningNeeded, &["EMU-SA-00001", "EMU-SA-00002"]),
        (2, true, OutOfDate, &["EMU-SA-00002", "EMU-SA-00003"]),
        (2, false, OutOfDateConfigurationNeeded, &["EMU-SA-00001", "EMU-SA-00002", "EMU-SA-00003"]),
    ] {
        levels.push(TcbLevel {
            tcb: PlatformTcb {
                sgx: components(evaluation.microcode - behind, configured),
                pcesvn: PCESVN,
                tdx: None,
            },
            tcb_date: evaluation.recovery + Seconds::days(1)
                - Seconds::days(180 * u64::from(behind)),
            status,
            advisory_ids: advisories.iter().map(|&id| id.to_owned()).collect(),
        });
    }
    levels.push(TcbLevel {
        tcb: PlatformTcb { sgx: [0; 16], pcesvn: 0, tdx: None },
        tcb_date: UnixTime::from_date(2018, 1, 4),
        status: TcbStatus::Revoked,
        advisory_ids: vec!["EMU-SA-00004".to_owned()],
    });
    levels
}

const fn components(microcode: u8, configured: bool) -> [u8; 16] {
    let configuration = if configured { 8 } else { 0 };
    [microcode, microcode, 8, 8, 8, 8, configuration, 8, 0, 0, 0, 0, 0, 0, 0, 0]
}
