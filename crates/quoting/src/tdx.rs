//! Emulated trust domains: what a TD quote says, and the collateral for it.
//!
//! There is no TDX emulator. This is for a verifier's tests, which need cases that real data lacks.

use crate::key::Seed;
use crate::platform::PlatformFacts;
use crate::quote::{QuoteBody, QuoteHeader, TEE_TYPE_TDX};
use crate::quoting_enclave;
use crate::scenario::Scenario;
use crate::standard;
use crate::tcb_info::{
    EnclaveTcb, TcbInfo, TcbLevel, TcbStatus, TdxModule, TdxModuleIdentity, Tee,
};
use crate::time::{Seconds, UnixTime};

/// TDATTRIBUTES.SEPT_VE_DISABLE, which verifiers want set.
pub const SEPT_VE_DISABLE: u64 = 1 << 28;

/// How a TD quote is laid out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TdQuote {
    /// Version 4, TD report 1.0.
    Version4,
    /// Version 5, TD report 1.0.
    Version5Td10,
    /// Version 5, TD report 1.5.
    Version5Td15,
}

/// A TD report body, versions 1.0 (without the last two fields) and 1.5.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TdReport {
    /// TEE_TCB_SVN: 0 is the module's minor version, 1 its major version, 2 the late microcode.
    pub tee_tcb_svn: [u8; 16],
    /// MRSEAM
    pub mrseam: [u8; 48],
    /// MRSIGNERSEAM
    pub mrsignerseam: [u8; 48],
    /// SEAMATTRIBUTES
    pub seamattributes: u64,
    /// TDATTRIBUTES
    pub tdattributes: u64,
    /// XFAM
    pub xfam: u64,
    /// MRTD
    pub mrtd: [u8; 48],
    /// MRCONFIGID
    pub mrconfigid: [u8; 48],
    /// MROWNER
    pub mrowner: [u8; 48],
    /// MROWNERCONFIG
    pub mrownerconfig: [u8; 48],
    /// RTMR0 to RTMR3
    pub rtmr: [[u8; 48]; 4],
    /// REPORTDATA
    pub reportdata: [u8; 64],
    /// 1.5: TEE_TCB_SVN of the module as it is now, after updates under the running TD.
    pub tee_tcb_svn2: [u8; 16],
    /// 1.5: MRSERVICETD
    pub mrservicetd: [u8; 48],
}

/// TEE_TCB_SVN of a TD that is up to date under [`standard::STANDARD`].
pub const CURRENT_TEE_TCB_SVN: [u8; 16] = [5, 1, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];

impl TdReport {
    /// A trust domain that does not exist, with the module up to date.
    pub const fn sample() -> Self {
        Self {
            tee_tcb_svn: CURRENT_TEE_TCB_SVN,
            mrseam: [0x51; 48],
            mrsignerseam: [0; 48],
            seamattributes: 0,
            tdattributes: SEPT_VE_DISABLE,
            xfam: 0xe7,
            mrtd: [0x52; 48],
            mrconfigid: [0; 48],
            mrowner: [0; 48],
            mrownerconfig: [0; 48],
            rtmr: [[0x53; 48]; 4],
            reportdata: [0x11; 64],
            tee_tcb_svn2: CURRENT_TEE_TCB_SVN,
            mrservicetd: [0; 48],
        }
    }

    /// The body of a quote with this layout.
    pub fn to_body(&self, layout: TdQuote) -> QuoteBody {
        let mut bytes = [
            &self.tee_tcb_svn[..],
            &self.mrseam,
            &self.mrsignerseam,
            &self.seamattributes.to_le_bytes(),
            &self.tdattributes.to_le_bytes(),
            &self.xfam.to_le_bytes(),
            &self.mrtd,
            &self.mrconfigid,
            &self.mrowner,
            &self.mrownerconfig,
            &self.rtmr.concat(),
            &self.reportdata,
        ]
        .concat();
        let body_type = match layout {
            TdQuote::Version4 | TdQuote::Version5Td10 => 2,
            TdQuote::Version5Td15 => {
                bytes.extend_from_slice(&self.tee_tcb_svn2);
                bytes.extend_from_slice(&self.mrservicetd);
                3
            }
        };
        QuoteBody { body_type, bytes }
    }
}

impl Scenario {
    /// The world of `seed` with this platform, at a time; the quote is about a sample trust domain.
    pub fn tdx(seed: &Seed, platform: &PlatformFacts, now: UnixTime, layout: TdQuote) -> Self {
        let mut scenario = Self::new(seed, platform, now);
        let evaluation = standard::STANDARD;
        scenario.qe = quoting_enclave::tdx_qe(platform.cpusvn);
        scenario.qe_identity = standard::qe_identity(&scenario.qe, Tee::Tdx, evaluation, now);
        scenario.tcb_info.make_tdx();
        scenario.header = QuoteHeader {
            version: if layout == TdQuote::Version4 { 4 } else { 5 },
            tee_type: TEE_TYPE_TDX,
            qe_svn: 0,
            pce_svn: 0,
            ..scenario.header
        };
        scenario.body = TdReport::sample().to_body(layout);
        scenario
    }
}

impl TcbInfo {
    /// Makes it a document about TDX: adds the module's identities, and TDX components to levels.
    pub fn make_tdx(&mut self) {
        let module = TdxModule {
            mrsigner: vec![0; 48],
            attributes: vec![0; 8],
            attributes_mask: vec![0xff; 8],
        };
        let level = |isvsvn, age, status, advisories: &[&str]| TcbLevel {
            tcb: EnclaveTcb { isvsvn },
            tcb_date: self.issue_date.start_of_day() - Seconds::days(age),
            status,
            advisory_ids: advisories.iter().map(|&id| id.to_owned()).collect(),
        };
        self.tdx_module_identities = vec![TdxModuleIdentity {
            id: "TDX_01".to_owned(),
            module: module.clone(),
            tcb_levels: vec![
                level(5, 400, TcbStatus::UpToDate, &[]),
                level(4, 800, TcbStatus::OutOfDate, &["EMU-SA-00007"]),
                level(2, 1200, TcbStatus::Revoked, &["EMU-SA-00008"]),
            ],
        }];
        self.id = Some(Tee::Tdx);
        self.tdx_module = Some(module);
        for level in &mut self.tcb_levels {
            level.tcb.tdx = Some(match level.status {
                TcbStatus::Revoked => [0; 16],
                _ => [5, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
            });
        }
    }
}
