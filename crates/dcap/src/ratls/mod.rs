//! Evidence inside X.509 certificates (RA-TLS).
//!
//! Reads the interoperable form of the CCC (`tcg-dice-conceptual-message-wrapper`, OID
//! 2.23.133.5.4.9) and the older ones in circulation, and checks that the evidence commits to the
//! certificate's key. It verifies no evidence and no signature of the certificate: possession of
//! the key is proved by the TLS handshake, and a certificate alone can be relayed.

mod cbor;
mod claims_buffer;

use alloc::vec::Vec;

pub use claims_buffer::ClaimsBuffer;

use crate::{
    Bytes, Refusal,
    crypto::Crypto,
    error::{ensure, refusal},
    snp::SnpReport,
    x509::{Certificate, PublicKey},
};

/// Where in the certificate the evidence was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum RaTlsForm {
    /// CCC interoperable form, CBOR tag 60000 under 2.23.133.5.4.9.
    Interoperable,
    /// Raw evidence under 1.2.840.113741.1337.6 to .8 (Intel's sample, rats-tls, Gramine, Cosmian).
    Legacy,
    /// Raw quote under 1.2.840.113741.1.13.1 (Intel SDK), beside the interoperable form.
    IntelSdk,
}

/// What kind of evidence it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum RaTlsKind {
    /// An SGX or TDX quote.
    Quote,
    /// An SEV-SNP report.
    SnpReport,
}

/// One piece of evidence in a certificate.
#[derive(Debug, Clone)]
pub struct RaTlsEvidence<'a> {
    /// Where it was.
    pub form: RaTlsForm,
    /// What it is.
    pub kind: RaTlsKind,
    /// The quote or report.
    pub evidence: &'a [u8],
    /// What the producer put behind it, such as an SNP report's certificates.
    pub endorsements: &'a [u8],
    /// What its report data is the hash of, in the interoperable form.
    pub claims: Option<ClaimsBuffer<'a>>,
}

/// How evidence commits to the key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum RaTlsBinding {
    /// Report data is SHA-256 of the claims buffer, which has the hash of SubjectPublicKeyInfo.
    ClaimsBuffer,
    /// Report data begins with SHA-256 of SubjectPublicKeyInfo.
    Spki,
    /// Report data begins with SHA-256 of the key as PKCS #1 `RSAPublicKey`.
    Pkcs1,
    /// Report data begins with SHA-256 of the uncompressed point; the second half is the
    /// producer's own.
    Point,
}

/// A certificate with evidence.
#[derive(Debug, Clone)]
pub struct RaTlsCertificate<'a> {
    certificate: Certificate<'a>,
    evidence: Vec<RaTlsEvidence<'a>>,
}

/// 2.23.133.5.4.9
const CMW: &[u8] = &[0x67, 0x81, 0x05, 0x05, 0x04, 0x09];
/// 1.2.840.113741.1337
const LEGACY: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf8, 0x4d, 0x8a, 0x39];
/// Gramine wrote the legacy identifier with its tag and length inside.
const GRAMINE_PREFIX: &[u8] = &[0x06, 0x09];

impl<'a> RaTlsCertificate<'a> {
    /// Parses a certificate and finds its evidence.
    ///
    /// # Errors
    ///
    /// `certificate.malformed`, or `ratls.malformed` when there is no evidence or a broken envelope.
    pub fn parse(der: &'a [u8]) -> Result<Self, Refusal> {
        let certificate = Certificate::parse(der)?;
        let mut evidence = Vec::new();
        for (id, value) in certificate.extensions() {
            evidence.extend(read_extension(id, value)?);
        }
        ensure!(
            !evidence.is_empty(),
            RatlsMalformed,
            "certificate {} has no extension with evidence",
            certificate.subject
        );
        Ok(Self { certificate, evidence })
    }

    /// The evidence in the certificate, in the order of its extensions.
    #[must_use]
    pub fn evidence(&self) -> &[RaTlsEvidence<'a>] {
        &self.evidence
    }

    /// DER of the certificate's SubjectPublicKeyInfo.
    #[must_use]
    pub fn subject_public_key_info(&self) -> &'a [u8] {
        self.certificate.spki
    }

    /// Checks that evidence with this report data commits to the certificate's key. The report data
    /// must come from verified [`crate::Claims`].
    ///
    /// # Errors
    ///
    /// `ratls.key_binding`.
    pub fn check_binding(
        &self,
        crypto: &dyn Crypto,
        evidence: &RaTlsEvidence<'_>,
        report_data: &Bytes<64>,
    ) -> Result<RaTlsBinding, Refusal> {
        let (hash, tail) = report_data.0.split_at(32);
        let tail_is_zero = tail.iter().all(|byte| *byte == 0);
        if let Some(claims) = &evidence.claims {
            ensure!(
                tail_is_zero && hash == crypto.sha256(&[claims.bytes()]),
                RatlsBinding,
                "report data is not the hash of the claims buffer"
            );
            claims.check_key(crypto, self.certificate.spki)?;
            return Ok(RaTlsBinding::ClaimsBuffer);
        }
        let matches = |bytes: &[u8]| hash == crypto.sha256(&[bytes]);
        let spki = self.certificate.spki;
        let found = match self.certificate.key {
            _ if tail_is_zero && matches(spki) => Some(RaTlsBinding::Spki),
            PublicKey::Rsa(key) if tail_is_zero && matches(key) => Some(RaTlsBinding::Pkcs1),
            PublicKey::P256(point) if matches(point) => Some(RaTlsBinding::Point),
            PublicKey::P384(point) if matches(point) => Some(RaTlsBinding::Point),
            _ => None,
        };
        found.ok_or_else(|| {
            refusal!(
                RatlsBinding,
                "report data {report_data} does not commit to the key of certificate {}",
                self.certificate.subject
            )
        })
    }
}

fn read_extension<'a>(id: &[u8], value: &'a [u8]) -> Result<Option<RaTlsEvidence<'a>>, Refusal> {
    if id == CMW {
        return read_interoperable(value).map(Some);
    }
    let legacy = id.strip_prefix(GRAMINE_PREFIX).unwrap_or(id);
    let form = match legacy.strip_prefix(LEGACY) {
        Some([6..=8]) => RaTlsForm::Legacy,
        _ if id == crate::x509::oid::SGX => RaTlsForm::IntelSdk,
        _ => return Ok(None),
    };
    // Other producers use the same identifiers for certificates and signatures: skip what is not
    // evidence.
    Ok(split(value).map(|(kind, evidence, endorsements)| RaTlsEvidence {
        form,
        kind,
        evidence,
        endorsements,
        claims: None,
    }))
}

fn read_interoperable(value: &[u8]) -> Result<RaTlsEvidence<'_>, Refusal> {
    let (evidence, claims) = cbor::tagged_pair(value).ok_or_else(|| {
        refusal!(RatlsMalformed, "evidence extension is not CBOR 60000([bytes, bytes])")
    })?;
    let (kind, evidence, endorsements) = split(evidence).ok_or_else(|| {
        refusal!(
            RatlsMalformed,
            "evidence of {} bytes is neither quote nor SNP report",
            evidence.len()
        )
    })?;
    Ok(RaTlsEvidence {
        form: RaTlsForm::Interoperable,
        kind,
        evidence,
        endorsements,
        claims: Some(ClaimsBuffer::parse(claims)?),
    })
}

/// Tells quotes and reports apart and cuts off what follows a report. A report begins with its
/// version as four bytes; a quote with its version and attestation key type, two bytes each.
fn split(value: &[u8]) -> Option<(RaTlsKind, &[u8], &[u8])> {
    match value {
        [2..=5, 0, 0, 0, ..] => {
            let (report, rest) = value.split_at_checked(SnpReport::SIZE)?;
            Some((RaTlsKind::SnpReport, report, rest))
        }
        [3..=5, 0, 2 | 3, 0, ..] => Some((RaTlsKind::Quote, value, &[])),
        _ => None,
    }
}
