//! Entry points for fuzzing: every parser of foreign bytes and the verifier behind it. They return
//! nothing; a panic is the finding.

use crate::{
    Anchors, Collateral, CollateralBundle, CollateralMemory, EnclaveIdentity, EvaluationNumbers,
    Need, Quote, TcbInfo, Tee, Time, Verifier,
    open_enclave::{self, OpenEnclaveEvidence},
    pck::PckExtension,
    pcs, pem,
    ratls::RaTlsCertificate,
    snp::{HclReport, SnpCollateral, SnpReport},
    x509::{Certificate, Crl},
};

/// A quote that names its platform by PPID.
const QUOTE: &[u8] = include_bytes!("../../../tests/dcap/sgx/sgx-v3-ct3-2f59d4cb.quote");

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
    let _ = EvaluationNumbers::parse(bytes);
    if let Ok(text) = core::str::from_utf8(bytes) {
        let _ = Collateral::split_signed(text);
        pcs_answers(text);
    }
}

/// The same text as every answer of a service.
fn pcs_answers(text: &str) {
    let headers = ["TCB-Evaluation-Data-Numbers-Issuer-Chain", "SGX-PCK-Certificate-Issuer-Chain"];
    let headers = headers.map(|name| (name.into(), text.into()));
    let body = text.as_bytes().to_vec();
    let response = pcs::Response { status: 200, headers: headers.to_vec(), body };
    let service = pcs::CollateralService::pccs("http://localhost");
    let request = service.evaluations_request(Tee::Sgx);
    let _ = pcs::evaluations(&request, &response);
    let _ = pcs::root_crl(&request, &response);
    let _ = pcs::pck_chain(&request, &response);
    if let Ok(quote) = Quote::parse(QUOTE) {
        let _ = pcs::pck_chain_of_list(crate::crypto::DEFAULT, &quote, &request, &response);
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

/// Open Enclave's evidence and endorsements, and verifying what comes out.
pub fn open_enclave(bytes: &[u8]) {
    if let Ok(evidence) = OpenEnclaveEvidence::parse(bytes) {
        let _ = (evidence.claims().len(), evidence.quote().len());
        let _ = evidence.check_binding(crate::crypto::DEFAULT, &crate::Bytes([0; 64]));
    }
    if let Ok(collateral) = open_enclave::endorsements(bytes) {
        let _ = Verifier::new(Anchors::production()).verify_collateral(&collateral, NOW);
    }
}
