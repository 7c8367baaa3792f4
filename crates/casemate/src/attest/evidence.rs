//! Recognising evidence in a file.

use anyhow::{Result, bail};
use dcap::ratls::{RaTlsCertificate, RaTlsKind};
use dcap::snp::HclReport;

/// Evidence of a kind that can be verified.
pub(super) enum Evidence<'a> {
    /// An SGX or TDX quote.
    Quote(&'a [u8]),
    /// An SEV-SNP report.
    Report(&'a [u8]),
    /// An SEV-SNP report in the envelope of Azure's virtual TPM.
    Envelope(HclReport<'a>),
    /// A certificate with evidence inside.
    Certificate(Box<RaTlsCertificate<'a>>),
}

/// A file's bytes, with PEM already decoded.
pub(super) struct File {
    bytes: Vec<u8>,
}

impl File {
    /// Takes a file as it is, or the certificate in it if it is PEM.
    pub(super) fn new(bytes: Vec<u8>) -> Result<Self> {
        if !bytes.starts_with(b"-----BEGIN CERTIFICATE-----") {
            return Ok(Self { bytes });
        }
        let mut certificates = dcap::certificates_from_pem(&bytes)?;
        if certificates.len() != 1 {
            bail!("expected one certificate in PEM, found {}", certificates.len());
        }
        Ok(Self { bytes: certificates.remove(0) })
    }

    /// What is in the file.
    pub(super) fn evidence(&self) -> Result<Evidence<'_>, dcap::Refusal> {
        match self.bytes.as_slice() {
            // A quote begins with version and key type, two bytes each; a report with its version,
            // four bytes; a certificate is a DER sequence.
            [_, 0, 2 | 3, 0, ..] => Ok(Evidence::Quote(&self.bytes)),
            [2..=5, 0, 0, 0, ..] => Ok(Evidence::Report(&self.bytes)),
            bytes if HclReport::is_one(bytes) => HclReport::parse(bytes).map(Evidence::Envelope),
            [0x30, ..] => RaTlsCertificate::parse(&self.bytes)
                .map(|found| Evidence::Certificate(Box::new(found))),
            _ => Err(dcap::Refusal::new(
                dcap::Reason::EvidenceUnknown,
                format!(
                    "{} bytes are neither a quote nor an SNP report nor a certificate",
                    self.bytes.len()
                ),
            )),
        }
    }
}

/// The quote or report in a piece of evidence.
pub(super) fn inner<'a>(kind: RaTlsKind, bytes: &'a [u8]) -> Evidence<'a> {
    match kind {
        RaTlsKind::SnpReport => Evidence::Report(bytes),
        _ => Evidence::Quote(bytes),
    }
}
