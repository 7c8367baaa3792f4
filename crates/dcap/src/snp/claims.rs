//! What a verified report proves.

use alloc::string::{String, ToString};

use super::{SnpKeyKind, SnpProduct, SnpReport, SnpTcb, vek::VekExtensions};
use crate::Bytes;

/// A guest's identity.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct SnpClaims {
    /// Launch measurement.
    pub measurement: Bytes<48>,
    /// Data the host gave at launch.
    pub host_data: Bytes<32>,
    /// Digest of the key that signed the ID block; zero without one.
    pub id_key_digest: Bytes<48>,
    /// Digest of the author's key, if there is one.
    pub author_key_digest: Option<Bytes<48>>,
    /// FAMILY_ID.
    pub family_id: Bytes<16>,
    /// IMAGE_ID.
    pub image_id: Bytes<16>,
    /// Security version of the guest.
    pub guest_svn: u32,
    /// The privilege level that asked for the report; 0 is the most privileged.
    pub vmpl: u32,
    /// POLICY as it stands.
    pub policy: u64,
    /// The policy allows SMT.
    pub smt_allowed: bool,
    /// The policy allows a migration agent.
    pub migration_allowed: bool,
    /// Id of the guest instance.
    pub report_id: Bytes<32>,
    /// Id of the migration agent; all ones without one.
    pub report_id_ma: Bytes<32>,
}

/// An AMD platform.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct SnpPlatform {
    /// Processor family.
    pub product: SnpProduct,
    /// Name and stepping in the endorsement certificate.
    pub product_name: String,
    /// The key that signed.
    pub key_kind: SnpKeyKind,
    /// Chip id, from the certificate when the report masks it. `None` under a VLEK with a masked
    /// id.
    pub chip_id: Option<Bytes<64>>,
    /// Cloud provider that the VLEK belongs to.
    pub csp_id: Option<String>,
    /// TCB that the endorsement certificate is for.
    pub reported_tcb: SnpTcb,
    /// TCB below which the platform cannot be rolled back.
    pub committed_tcb: SnpTcb,
    /// TCB that runs.
    pub current_tcb: SnpTcb,
    /// TCB when the guest was launched.
    pub launch_tcb: SnpTcb,
    /// PLATFORM_INFO as it stands; bit 0 is SMT.
    pub platform_info: u64,
    /// CPUID family, model, stepping (version 3 and later).
    pub cpuid: Option<[u8; 3]>,
    /// Firmware that runs: major, minor, build.
    pub firmware: [u8; 3],
}

const POLICY_SMT: u64 = 1 << 16;
const POLICY_MIGRATION: u64 = 1 << 18;
/// POLICY bit 19.
pub(super) const POLICY_DEBUG: u64 = 1 << 19;

impl SnpClaims {
    pub(super) fn of(report: &SnpReport<'_>) -> Self {
        Self {
            measurement: Bytes(*report.measurement),
            host_data: Bytes(*report.host_data),
            id_key_digest: Bytes(*report.id_key_digest),
            author_key_digest: report
                .author_key_enabled
                .then_some(Bytes(*report.author_key_digest)),
            family_id: Bytes(*report.family_id),
            image_id: Bytes(*report.image_id),
            guest_svn: report.guest_svn,
            vmpl: report.vmpl,
            policy: report.policy,
            smt_allowed: report.policy & POLICY_SMT != 0,
            migration_allowed: report.policy & POLICY_MIGRATION != 0,
            report_id: Bytes(*report.report_id),
            report_id_ma: Bytes(*report.report_id_ma),
        }
    }
}

impl SnpPlatform {
    pub(super) fn of(
        report: &SnpReport<'_>,
        product: SnpProduct,
        vek: &VekExtensions<'_>,
        chip_id: Option<Bytes<64>>,
    ) -> Self {
        let tcb = |bytes: &[u8; 8]| SnpTcb::read(bytes, product.has_fmc());
        let [build, minor, major] = report.current_version;
        Self {
            product,
            product_name: vek.product.to_string(),
            key_kind: vek.kind,
            chip_id,
            csp_id: vek.csp.clone(),
            reported_tcb: tcb(report.reported_tcb),
            committed_tcb: tcb(report.committed_tcb),
            current_tcb: tcb(report.current_tcb),
            launch_tcb: tcb(report.launch_tcb),
            platform_info: report.platform_info,
            cpuid: report.cpuid,
            firmware: [major, minor, build],
        }
    }
}
