//! Azure's envelope around reports of confidential VMs, as its virtual TPM returns it.
//!
//! ```text
//! "HCLA" | version 4 | size 4 | request 4 | status 4 | reserved 12 | hardware report 1184 |
//! size 4 | version 4 | report type 4 | hash type 4 | size 4 | runtime data, JSON
//! ```
//!
//! The report's data is SHA-256 of the runtime data, which holds the virtual TPM's key.

use super::SnpReport;
use crate::{
    Bytes, Refusal,
    bytes::Cursor,
    crypto::Crypto,
    error::{ensure, refusal},
};

/// A parsed envelope, borrowing from its bytes. Nothing in it is verified.
#[derive(Debug, Clone, Copy)]
pub struct HclReport<'a> {
    /// The SEV-SNP report.
    pub report: &'a [u8; SnpReport::SIZE],
    /// What the report's data is the hash of.
    pub runtime_data: &'a [u8],
}

const MAGIC: &[u8; 4] = b"HCLA";
/// Report type of an SEV-SNP report.
const SEV_SNP: u32 = 2;
/// Hash type SHA-256.
const SHA_256: u32 = 1;

impl<'a> HclReport<'a> {
    /// True when the bytes begin as an envelope does.
    #[must_use]
    pub fn is_one(bytes: &[u8]) -> bool {
        bytes.starts_with(MAGIC)
    }

    /// Parses an envelope.
    ///
    /// # Errors
    ///
    /// `snp.report` when it is not one, or holds another kind of report or hash.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, Refusal> {
        let truncated = || refusal!(SnpReport, "HCL report of {} bytes is too short", bytes.len());
        ensure!(Self::is_one(bytes), SnpReport, "HCL report does not begin with HCLA");
        let mut cursor = Cursor::new(bytes);
        cursor.take(32).ok_or_else(truncated)?;
        let report = cursor.array().ok_or_else(truncated)?;
        cursor.take(8).ok_or_else(truncated)?;
        let (kind, hash) = (cursor.u32_le(), cursor.u32_le());
        ensure!(
            kind == Some(SEV_SNP),
            SnpReport,
            "HCL report type: expected 2 (SEV-SNP), found {kind:?}"
        );
        ensure!(
            hash == Some(SHA_256),
            SnpReport,
            "HCL hash type: expected 1 (SHA-256), found {hash:?}"
        );
        let runtime_data = cursor.prefixed_u32().ok_or_else(truncated)?;
        Ok(Self { report, runtime_data })
    }

    /// Checks that report data from verified claims is the hash of the runtime data.
    ///
    /// # Errors
    ///
    /// `ratls.key_binding`: the runtime data holds the key that the evidence is for.
    pub fn check_binding(
        &self,
        crypto: &dyn Crypto,
        report_data: &Bytes<64>,
    ) -> Result<(), Refusal> {
        let (hash, tail) = report_data.0.split_at(32);
        ensure!(
            hash == crypto.sha256(&[self.runtime_data]) && tail.iter().all(|byte| *byte == 0),
            RatlsBinding,
            "report data is not the hash of the HCL runtime data"
        );
        Ok(())
    }
}
