//! The report's 1184 bytes.

use crate::{
    Refusal,
    bytes::Cursor,
    error::{ensure, refusal},
};

/// The key that signs a report.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum SnpKeyKind {
    /// Versioned chip endorsement key.
    Vcek,
    /// Versioned loaded endorsement key.
    Vlek,
}

/// A parsed report, borrowing from its bytes (AMD 56860, table ATTESTATION_REPORT). Nothing in it
/// is verified.
#[derive(Debug, Clone, Copy)]
pub struct SnpReport<'a> {
    /// 2 to 5.
    pub version: u32,
    /// GUEST_SVN.
    pub guest_svn: u32,
    /// POLICY.
    pub policy: u64,
    /// FAMILY_ID.
    pub family_id: &'a [u8; 16],
    /// IMAGE_ID.
    pub image_id: &'a [u8; 16],
    /// The privilege level that asked for the report.
    pub vmpl: u32,
    /// CURRENT_TCB.
    pub current_tcb: &'a [u8; 8],
    /// PLATFORM_INFO.
    pub platform_info: u64,
    /// The author key's digest is meaningful.
    pub author_key_enabled: bool,
    /// The chip key is masked.
    pub mask_chip_key: bool,
    /// The key that signs.
    pub key_kind: SnpKeyKind,
    /// REPORT_DATA.
    pub report_data: &'a [u8; 64],
    /// MEASUREMENT.
    pub measurement: &'a [u8; 48],
    /// HOST_DATA.
    pub host_data: &'a [u8; 32],
    /// ID_KEY_DIGEST.
    pub id_key_digest: &'a [u8; 48],
    /// AUTHOR_KEY_DIGEST.
    pub author_key_digest: &'a [u8; 48],
    /// REPORT_ID.
    pub report_id: &'a [u8; 32],
    /// REPORT_ID_MA, of the migration agent.
    pub report_id_ma: &'a [u8; 32],
    /// REPORTED_TCB, the one the VCEK is for.
    pub reported_tcb: &'a [u8; 8],
    /// CPUID family, model and stepping (version 3 and later).
    pub cpuid: Option<[u8; 3]>,
    /// CHIP_ID; zero when masked.
    pub chip_id: &'a [u8; 64],
    /// COMMITTED_TCB.
    pub committed_tcb: &'a [u8; 8],
    /// CURRENT_BUILD, CURRENT_MINOR, CURRENT_MAJOR.
    pub current_version: [u8; 3],
    /// COMMITTED_BUILD, COMMITTED_MINOR, COMMITTED_MAJOR.
    pub committed_version: [u8; 3],
    /// LAUNCH_TCB.
    pub launch_tcb: &'a [u8; 8],
    /// The bytes that are signed.
    pub signed: &'a [u8; 672],
    /// `r` and `s`, little-endian, 72 bytes each.
    pub signature: &'a [u8; 144],
}

impl<'a> SnpReport<'a> {
    /// Bytes of a report.
    pub const SIZE: usize = 1184;

    /// Parses a report.
    ///
    /// # Errors
    ///
    /// `snp.report`, `snp.version`, `snp.signature_algorithm`, `snp.vek_kind`.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, Refusal> {
        let bytes: &[u8; 1184] = bytes.try_into().map_err(|_| {
            refusal!(SnpReport, "SNP report: expected {} bytes, found {}", Self::SIZE, bytes.len())
        })?;
        let mut cursor = Cursor::new(bytes);
        let version = cursor.u32_le().unwrap_or_default();
        ensure!(
            (2..=5).contains(&version),
            SnpVersion,
            "SNP report version: expected 2 to 5, found {version}"
        );
        let fields = Fields::read(Cursor::new(bytes))
            .ok_or_else(|| refusal!(Bug, "a report of {} bytes does not parse", Self::SIZE))?;
        fields.check(version)
    }
}

struct Fields<'a> {
    report: SnpReport<'a>,
    algorithm: u32,
    flags: u32,
    signature_tail: &'a [u8],
}

impl<'a> Fields<'a> {
    fn read(mut cursor: Cursor<'a>) -> Option<Self> {
        let signed = cursor.rest().first_chunk()?;
        let (version, guest_svn, policy) = (cursor.u32_le()?, cursor.u32_le()?, cursor.u64_le()?);
        let (family_id, image_id) = (cursor.array()?, cursor.array()?);
        let (vmpl, algorithm) = (cursor.u32_le()?, cursor.u32_le()?);
        let (current_tcb, platform_info) = (cursor.array()?, cursor.u64_le()?);
        let flags = cursor.u32_le()?;
        cursor.take(4)?;
        let (report_data, measurement) = (cursor.array()?, cursor.array()?);
        let (host_data, id_key_digest) = (cursor.array()?, cursor.array()?);
        let (author_key_digest, report_id) = (cursor.array()?, cursor.array()?);
        let (report_id_ma, reported_tcb) = (cursor.array()?, cursor.array()?);
        let cpuid: &[u8; 3] = cursor.array()?;
        cursor.take(21)?;
        let (chip_id, committed_tcb) = (cursor.array()?, cursor.array()?);
        let current_version = *cursor.array()?;
        cursor.take(1)?;
        let committed_version = *cursor.array()?;
        cursor.take(1)?;
        let launch_tcb = cursor.array()?;
        cursor.take(168)?;
        let signature = cursor.array()?;
        Some(Self {
            report: SnpReport {
                version,
                guest_svn,
                policy,
                family_id,
                image_id,
                vmpl,
                current_tcb,
                platform_info,
                author_key_enabled: flags & 1 != 0,
                mask_chip_key: flags & 2 != 0,
                key_kind: SnpKeyKind::Vcek,
                report_data,
                measurement,
                host_data,
                id_key_digest,
                author_key_digest,
                report_id,
                report_id_ma,
                reported_tcb,
                cpuid: (version >= 3).then_some(*cpuid),
                chip_id,
                committed_tcb,
                current_version,
                committed_version,
                launch_tcb,
                signed,
                signature,
            },
            algorithm,
            flags,
            signature_tail: cursor.rest(),
        })
    }

    fn check(self, version: u32) -> Result<SnpReport<'a>, Refusal> {
        const ECDSA_P384_SHA384: u32 = 1;
        ensure!(
            self.algorithm == ECDSA_P384_SHA384,
            SnpSignatureAlgorithm,
            "SNP report version {version}: expected signature algorithm 1 (ECDSA P-384), found {}",
            self.algorithm
        );
        ensure!(
            self.signature_tail.iter().all(|byte| *byte == 0),
            SnpReport,
            "bytes behind the signature of the SNP report are not zero"
        );
        let key_kind = match (self.flags >> 2) & 7 {
            0 => SnpKeyKind::Vcek,
            1 => SnpKeyKind::Vlek,
            other => {
                return Err(refusal!(
                    SnpVekKind,
                    "SNP report is signed by key kind {other}, expected VCEK (0) or VLEK (1)"
                ));
            }
        };
        Ok(SnpReport { key_kind, ..self.report })
    }
}
