//! Entry points for fuzzing: every parser of foreign bytes and the verifier behind it. They return
//! nothing; a panic is the finding.

use crate::{
    Anchors, Collateral, CollateralBundle, CollateralMemory, EnclaveIdentity, Need, Quote, TcbInfo,
    Time, Verifier,
    pck::PckExtension,
    pem,
    ratls::RaTlsCertificate,
    snp::{HclReport, SnpCollateral, SnpReport},
    x509::{Certificate, Crl},
};

/// A time inside the validity of most real collateral.
const NOW: Time = Time::from_unix(1_770_000_000);

/// Quotes and what is read from them.
pub fn quote(bytes: &[u8]) {
    if let Ok(quote) = Quote::parse(bytes) {
        let _ = (quote.tee(), quote.without_padding(bytes));
    }
    let _ = Need::of_quote(bytes);
}

/// Certificates, CRLs, PCK extensions, PEM.
pub fn certificates(bytes: &[u8]) {
    if let Ok(certificate) = Certificate::parse(bytes) {
        let _ = certificate.extensions().count();
        let _ = alloc::format!("{} {}", certificate.subject, certificate.issuer);
        let _ = certificate.check_ca(0, true);
        let _ = certificate.check_leaf();
    }
    if let Ok(crl) = Crl::parse(bytes) {
        let _ = crl.serials().count();
    }
    let _ = PckExtension::parse(bytes);
    let _ = pem::certificates(bytes);
}

/// TCB info and QE identity.
pub fn signed_json(bytes: &[u8]) {
    let _ = TcbInfo::parse(bytes);
    let _ = EnclaveIdentity::parse(bytes);
    if let Ok(text) = core::str::from_utf8(bytes) {
        let _ = Collateral::split_signed(text);
    }
}

/// Collateral files, bundles and memories, and verifying them.
pub fn collateral(bytes: &[u8]) {
    let _ = CollateralBundle::from_json(bytes);
    let _ = CollateralMemory::from_json(bytes);
    if let Ok(collateral) = Collateral::from_json(bytes) {
        let _ = Verifier::new(Anchors::production()).verify_collateral(&collateral, NOW);
    }
}

/// SEV-SNP: the first 1184 bytes are a report, the rest an endorsement certificate.
pub fn snp(bytes: &[u8]) {
    let _ = SnpReport::parse(bytes);
    let _ = HclReport::parse(bytes);
    let (report, vek) = bytes.split_at_checked(SnpReport::SIZE).unwrap_or((bytes, &[]));
    let _ = crate::snp::find_vek(vek);
    let collateral = SnpCollateral { vek: vek.to_vec(), ..SnpCollateral::default() };
    let _ = Verifier::new(Anchors::production()).verify_snp(report, &collateral, NOW);
}

/// Certificates with evidence.
pub fn ratls(bytes: &[u8]) {
    if let Ok(certificate) = RaTlsCertificate::parse(bytes) {
        for evidence in certificate.evidence() {
            let _ =
                certificate.check_binding(crate::crypto::DEFAULT, evidence, &crate::Bytes([0; 64]));
            quote(evidence.evidence);
        }
    }
}
