//! What verified evidence proves, in one model for SGX, TDX and SEV-SNP.

use alloc::{string::String, vec::Vec};

use crate::{Bytes, PckExtension, RootKind, TcbStatus, Time};

/// The kind of trusted execution environment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Tee {
    /// Intel SGX enclave.
    Sgx,
    /// Intel TDX trust domain.
    Tdx,
    /// AMD SEV-SNP guest.
    SevSnp,
}

/// The format the evidence came in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum EvidenceFormat {
    /// A DCAP quote of this version.
    Quote(u16),
    /// An SEV-SNP attestation report of this version.
    SnpReport(u32),
}

/// Facts that verified evidence and its collateral prove.
///
/// Nothing here is a judgement: debug, padding and an old TCB are for an appraisal policy.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
#[non_exhaustive]
pub struct Claims {
    /// Kind of TEE.
    pub tee: Tee,
    /// Format of the evidence.
    pub format: EvidenceFormat,
    /// The root that everything chains to.
    pub root: RootClaims,
    /// The 64 bytes the workload chose: its binding to a key and a nonce.
    pub report_data: Bytes<64>,
    /// The workload can be inspected from outside: debug (or, for a TD, any bit of its TUD group).
    pub debug: bool,
    /// What runs.
    pub workload: Workload,
    /// Where it runs.
    pub platform: Platform,
    /// The vendor's verdict on the platform. `None` for SEV-SNP, whose vendor gives none: compare
    /// the platform's TCB numbers with your own.
    pub tcb: Option<TcbClaims>,
    /// The collateral it was verified with.
    pub collateral: CollateralClaims,
    /// Bytes behind the evidence that nobody signed.
    pub padding: Padding,
    /// SHA-256 of the signed part of the evidence, the same for every encoding of it. Use this, not
    /// a hash of the whole, to recognise evidence again.
    pub signed_sha256: Bytes<32>,
    /// Oddities that are not refusals.
    pub notes: Vec<Note>,
    /// The time the caller verified it at.
    pub verified_at: Time,
}

impl Claims {
    /// True when the evidence is from an emulator and proves nothing about hardware.
    #[must_use]
    pub fn is_emulated(&self) -> bool {
        self.root.emulated
    }

    /// The vendor's verdict, where the vendor gives one.
    #[must_use]
    pub fn tcb_status(&self) -> Option<TcbStatus> {
        self.tcb.as_ref().map(|tcb| tcb.status)
    }

    /// The SGX enclave, if it is one.
    #[must_use]
    pub fn sgx(&self) -> Option<&SgxClaims> {
        match &self.workload {
            Workload::Sgx(claims) => Some(claims),
            _ => None,
        }
    }

    /// The TDX trust domain, if it is one.
    #[must_use]
    pub fn tdx(&self) -> Option<&TdxClaims> {
        match &self.workload {
            Workload::Tdx(claims) => Some(claims),
            _ => None,
        }
    }

    /// The Intel platform, if it is one.
    #[must_use]
    pub fn dcap_platform(&self) -> Option<&DcapPlatform> {
        match &self.platform {
            Platform::Dcap(platform) => Some(platform),
            Platform::SevSnp(_) => None,
        }
    }
}

/// The trust anchor.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct RootClaims {
    /// Kind of the root.
    pub kind: RootKind,
    /// Common name of the root.
    pub name: String,
    /// True for an emulator's root.
    pub emulated: bool,
    /// SHA-256 of the root's SubjectPublicKeyInfo: the fingerprint by which policies name a root.
    pub spki_sha256: Bytes<32>,
    /// SHA-384 of the root's public key point (Intel's `root_key_id`), or of its RSA key for AMD.
    pub key_sha384: Bytes<48>,
}

/// What runs in the TEE.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Workload {
    /// An SGX enclave.
    Sgx(SgxClaims),
    /// A TDX trust domain.
    Tdx(alloc::boxed::Box<TdxClaims>),
    /// An SEV-SNP guest.
    SevSnp(crate::snp::SnpClaims),
}

/// An SGX enclave's identity (SDM volume 3D, REPORT).
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct SgxClaims {
    /// Measurement of the enclave.
    pub mrenclave: Bytes<32>,
    /// Hash of the signer's key.
    pub mrsigner: Bytes<32>,
    /// Product id.
    pub isvprodid: u16,
    /// Security version.
    pub isvsvn: u16,
    /// ATTRIBUTES.flags.
    pub attributes_flags: u64,
    /// ATTRIBUTES.XFRM.
    pub xfrm: u64,
    /// MISCSELECT.
    pub miscselect: u32,
    /// CPUSVN of the processor when it made the report.
    pub cpusvn: Bytes<16>,
    /// KSS: the fields below are meaningful only when this is true.
    pub kss: bool,
    /// CONFIGID.
    pub configid: Bytes<64>,
    /// CONFIGSVN.
    pub configsvn: u16,
    /// ISVEXTPRODID.
    pub isvextprodid: Bytes<16>,
    /// ISVFAMILYID.
    pub isvfamilyid: Bytes<16>,
    /// The enclave may use the provisioning key, which identifies the platform.
    pub provision_key: bool,
}

/// A trust domain's identity.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct TdxClaims {
    /// Initial measurement.
    pub mrtd: Bytes<48>,
    /// Configuration id.
    pub mrconfigid: Bytes<48>,
    /// Owner.
    pub mrowner: Bytes<48>,
    /// Owner's configuration.
    pub mrownerconfig: Bytes<48>,
    /// Run-time measurement registers 0 to 3.
    pub rtmr: [Bytes<48>; 4],
    /// TDATTRIBUTES.
    pub td_attributes: u64,
    /// XFAM.
    pub xfam: u64,
    /// SEPT_VE_DISABLE: the host cannot inject #VE on pending pages. Linux guests need it.
    pub sept_ve_disable: bool,
    /// The TD can be migrated to another platform.
    pub migratable: bool,
    /// TDATTRIBUTES bits that the TDX 1.5 ABI leaves undefined are set.
    pub reserved_attributes: bool,
    /// Measurement of the TDX module.
    pub mrseam: Bytes<48>,
    /// Signer of the TDX module.
    pub mrsignerseam: Bytes<48>,
    /// TEE_TCB_SVN at launch.
    pub tee_tcb_svn: Bytes<16>,
    /// TEE_TCB_SVN now (TDX 1.5).
    pub tee_tcb_svn2: Option<Bytes<16>>,
    /// Service TDs (TDX 1.5); zero when none is bound.
    pub mrservicetd: Option<Bytes<48>>,
    /// Fields of the extended report.
    pub extended: Option<TdxExtendedClaims>,
}

/// Fields of the extended TD report.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct TdxExtendedClaims {
    /// VM index.
    pub vmid: u8,
    /// Unique id of the TD instance.
    pub td_id: Bytes<32>,
    /// Hash of the device information.
    pub device_info: Bytes<48>,
    /// Hash of the service TDs bound at creation.
    pub initial_service_td_hash: Bytes<48>,
    /// Hash of the service TDs bound now.
    pub current_service_td_hash: Bytes<48>,
}

/// Where the workload runs.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Platform {
    /// An Intel platform with a PCK certificate.
    Dcap(DcapPlatform),
    /// An AMD processor.
    SevSnp(crate::snp::SnpPlatform),
}

/// An Intel platform: its PCK certificate and quoting enclave.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct DcapPlatform {
    /// What the PCK certificate says.
    pub pck: PckExtension,
    /// Serial number of the PCK certificate, hexadecimal.
    pub pck_serial: String,
    /// Common name of the CA that issued it.
    pub pck_ca: String,
    /// QE id: the first 16 bytes of the quote's user data.
    pub qe_id: Bytes<16>,
    /// Measurement of the quoting enclave.
    pub qe_mrenclave: Bytes<32>,
    /// Security version of the quoting enclave.
    pub qe_isvsvn: u16,
}

/// The vendor's verdict on the platform.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct TcbClaims {
    /// Platform, TDX module and quoting enclave together.
    pub status: TcbStatus,
    /// Advisories of all matched levels, each once, platform first.
    pub advisories: Vec<String>,
    /// The oldest `tcbDate` of the matched levels: patches up to this day are in.
    pub date: Time,
    /// Level of the platform.
    pub platform: TcbLevelClaims,
    /// Level of the TDX module at launch, if TCB info has identities for it.
    pub tdx_module: Option<TcbLevelClaims>,
    /// Level of the quoting enclave.
    pub qe: TcbLevelClaims,
    /// Status of a TDX 1.5 TD by the TCB it runs on now, without the launch.
    pub current_status: Option<TcbStatus>,
    /// The smaller of the two evaluation data numbers below.
    pub evaluation_data_number: u32,
    /// Of TCB info.
    pub tcb_info_evaluation_data_number: u32,
    /// Of QE identity.
    pub qe_identity_evaluation_data_number: u32,
}

/// One matched level.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct TcbLevelClaims {
    /// Its status.
    pub status: TcbStatus,
    /// Its date.
    pub date: Time,
    /// Its advisories.
    pub advisories: Vec<String>,
}

/// The collateral that was used.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct CollateralClaims {
    /// SHA-256 over all parts.
    pub sha256: Bytes<32>,
    /// The earliest date that any part was issued.
    pub earliest_issue: Time,
    /// The latest date that any part was issued.
    pub latest_issue: Time,
    /// The time after which some part is no longer valid.
    pub earliest_expiration: Time,
    /// Number of the root CRL.
    pub root_crl_number: Option<u64>,
    /// Number of the PCK CRL.
    pub pck_crl_number: Option<u64>,
    /// Revocation was checked for every certificate on the path.
    pub revocation_checked: bool,
}

/// Bytes behind the evidence.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
pub struct Padding {
    /// How many.
    pub bytes: usize,
    /// All of them are zero.
    pub all_zero: bool,
}

impl Padding {
    pub(crate) fn of(bytes: &[u8]) -> Self {
        Self { bytes: bytes.len(), all_zero: bytes.iter().all(|byte| *byte == 0) }
    }
}

/// Something unusual that does not by itself make evidence worthless.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Note {
    /// The QE SVN in a version 3 header differs from the quoting enclave's report.
    HeaderQeSvnDiffers,
    /// The PCE SVN in a version 3 header differs from the PCK certificate.
    HeaderPceSvnDiffers,
    /// Reserved bytes of the header are not zero (version 4 and 5).
    HeaderReservedNotZero,
    /// The quote carries an older certificate of the trusted root key.
    OtherRootCertificate,
    /// TCB info has the older format 2, which PCS v3 serves.
    TcbInfoVersion2,
    /// Chip id is masked in the report; it was taken from the endorsement certificate.
    ChipIdMasked,
}
