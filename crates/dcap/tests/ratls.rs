//! Real RA-TLS certificates: evidence is found, and committed to the key or refused.

#[path = "it/data.rs"]
mod data;

use dcap::{
    Bytes, Quote, Reason,
    crypto::DEFAULT,
    ratls::{RaTlsBinding, RaTlsCertificate, RaTlsForm, RaTlsKind},
    snp::SnpReport,
};

/// Report data of unverified evidence: these certificates have no collateral of their time.
fn report_data(kind: RaTlsKind, evidence: &[u8]) -> Bytes<64> {
    match kind {
        RaTlsKind::SnpReport => Bytes(*SnpReport::parse(evidence).expect("a report").report_data),
        _ => Bytes(*Quote::parse(evidence).expect("a quote").body.report_data()),
    }
}

/// Form and binding of each piece of evidence in a certificate.
fn bindings(name: &str) -> Vec<(RaTlsForm, Result<RaTlsBinding, Reason>)> {
    let der = data::read(name);
    let certificate =
        RaTlsCertificate::parse(&der).unwrap_or_else(|refusal| panic!("{name}: {refusal}"));
    certificate
        .evidence()
        .iter()
        .map(|evidence| {
            let report_data = report_data(evidence.kind, evidence.evidence);
            let binding = certificate.check_binding(DEFAULT, evidence, &report_data);
            (evidence.form, binding.map_err(|refusal| refusal.reason()))
        })
        .collect()
}

#[test]
fn every_producer_is_read() {
    use RaTlsBinding as B;
    use RaTlsForm as F;
    for (name, expected) in [
        ("ccc-gramine", vec![(F::Legacy, Ok(B::Spki)), (F::Interoperable, Ok(B::ClaimsBuffer))]),
        (
            "ccc-intel-sgxsdk",
            vec![(F::IntelSdk, Err(Reason::RatlsBinding)), (F::Interoperable, Ok(B::ClaimsBuffer))],
        ),
        ("cosmian-sgx", vec![(F::Legacy, Ok(B::Point))]),
        ("cosmian-snp", vec![(F::Legacy, Ok(B::Point))]),
        ("rats-tls-openssl", vec![(F::Legacy, Ok(B::Pkcs1))]),
    ] {
        assert_eq!(bindings(&format!("ratls/{name}.der")), expected, "{name}");
    }
}

/// Intel's sample of 2017 has report data of zeros: bound to nothing.
#[test]
fn unbound_evidence_is_refused() {
    for (_, binding) in bindings("ratls/intel-sgx-ra-tls-2017.der") {
        assert_eq!(binding, Err(Reason::RatlsBinding));
    }
}

#[test]
fn evidence_of_another_certificate_is_refused() {
    let names =
        ["ccc-gramine", "ccc-intel-sgxsdk", "cosmian-sgx", "cosmian-snp", "rats-tls-openssl"];
    for name in names {
        for other in names.iter().filter(|other| **other != name) {
            let (der, foreign) = (
                data::read(&format!("ratls/{name}.der")),
                data::read(&format!("ratls/{other}.der")),
            );
            let certificate = RaTlsCertificate::parse(&der).unwrap();
            for evidence in RaTlsCertificate::parse(&foreign).unwrap().evidence() {
                let report_data = report_data(evidence.kind, evidence.evidence);
                let refusal =
                    certificate.check_binding(DEFAULT, evidence, &report_data).unwrap_err();
                assert_eq!(
                    refusal.reason(),
                    Reason::RatlsBinding,
                    "{name} with evidence of {other}"
                );
            }
        }
    }
}

/// A hash with anything behind it is another hash.
#[test]
fn a_changed_byte_of_report_data_is_refused() {
    let der = data::read("ratls/ccc-gramine.der");
    let certificate = RaTlsCertificate::parse(&der).unwrap();
    for evidence in certificate.evidence() {
        let right = report_data(evidence.kind, evidence.evidence);
        certificate.check_binding(DEFAULT, evidence, &right).unwrap();
        for at in 0..64 {
            let mut wrong = right;
            wrong.0[at] ^= 1;
            certificate.check_binding(DEFAULT, evidence, &wrong).unwrap_err();
        }
    }
}

#[test]
fn certificates_without_evidence_are_refused() {
    let refusal = RaTlsCertificate::parse(&data::read("snp/ark-milan.der")).unwrap_err();
    assert_eq!(refusal.reason(), Reason::RatlsMalformed);
    for name in ["negative/sgx_cert_ec_bad.der", "negative/sgx_cert_rsa_bad.der"] {
        let der = data::read(name);
        let bound = RaTlsCertificate::parse(&der).ok().and_then(|certificate| {
            let evidence = certificate.evidence().first()?.clone();
            let quote = Quote::parse(evidence.evidence).ok()?;
            certificate.check_binding(DEFAULT, &evidence, &Bytes(*quote.body.report_data())).ok()
        });
        assert_eq!(bound, None, "{name}");
    }
}
