//! The quoting service as an enclave's host uses it.
#![allow(clippy::unwrap_used, reason = "a test")]

use crypto::{ct_eq, sha256};
use dcap_qvl::QuoteCollateralV3;
use dcap_qvl::verify::QuoteVerifier;
use quoting::tcb_info::TcbStatus;
use quoting::{Condition, Error, LocalAttestation, QuotingService, Seed, UnixTime, standard};
use sgx_types::{
    AttributeFlags, Attributes, Mrenclave, Mrsigner, Report, ReportBody, TargetInfo, Xfrm,
};

const NOW: UnixTime = UnixTime::from_date(2026, 11, 23);

/// Stands in for the emulator: report keys that depend on a secret and the target.
struct Machine {
    secret: [u8; 32],
}

impl Machine {
    fn mac(&self, target: &TargetInfo, report: &Report) -> [u8; 16] {
        let report = Report { mac: [0; 16], ..*report };
        let input = [&self.secret[..], &target.to_bytes(), &report.to_bytes()].concat();
        sha256(&input)[..16].try_into().unwrap()
    }

    /// EREPORT.
    fn report(&self, target: &TargetInfo, body: ReportBody) -> Report {
        let report = Report { body, keyid: [3; 32], mac: [0; 16] };
        Report { mac: self.mac(target, &report), ..report }
    }
}

impl LocalAttestation for Machine {
    fn verify_report(&self, target: &TargetInfo, report: &Report) -> bool {
        ct_eq(&self.mac(target, report), &report.mac)
    }
}

fn service(secret: u8) -> QuotingService<Machine> {
    let facts = standard::platform(TcbStatus::UpToDate, secret);
    QuotingService::new(Seed::new([1; 32]), facts, Machine { secret: [secret; 32] })
}

fn machine(secret: u8) -> Machine {
    Machine { secret: [secret; 32] }
}

/// A KSS enclave with every field set to something.
fn body() -> ReportBody {
    ReportBody {
        cpusvn: standard::cpusvn(TcbStatus::UpToDate),
        attributes: Attributes {
            flags: AttributeFlags::INIT.union(AttributeFlags::MODE64BIT).union(AttributeFlags::KSS),
            xfrm: Xfrm::LEGACY,
        },
        isvextprodid: [0x21; 16],
        mrenclave: Mrenclave([0x22; 32]),
        mrsigner: Mrsigner([0x23; 32]),
        configid: [0x24; 64],
        isvprodid: 0x25,
        isvsvn: 0x26,
        configsvn: 0x27,
        isvfamilyid: [0x28; 16],
        reportdata: [0x29; 64],
        ..ReportBody::ZERO
    }
}

fn verify(
    service: &QuotingService<Machine>,
    quote: &[u8],
) -> Result<dcap_qvl::verify::VerifiedReport, String> {
    let collateral: QuoteCollateralV3 =
        serde_json::from_str(&service.collateral(NOW).to_json()).unwrap();
    QuoteVerifier::new(service.root_certificate())
        .verify(quote, &collateral, NOW.0)
        .map_err(|error| format!("{error:#}"))
}

#[test]
fn a_report_becomes_a_quote_that_verifies_and_says_the_same() {
    let service = service(1);
    let report = machine(1).report(&service.target_info(), body());
    let quote = service.quote_bytes(&report.to_bytes()).unwrap();
    assert_eq!(quote[48..432], body().to_bytes());
    let verified = verify(&service, &quote).unwrap();
    assert_eq!(verified.status, "UpToDate");
    let enclave = verified.report.as_sgx().unwrap();
    assert_eq!(enclave.mr_enclave, [0x22; 32]);
    assert_eq!(enclave.report_data, [0x29; 64]);
    assert_eq!(quote, service.quote(&report).unwrap(), "quotes are deterministic");
}

#[test]
fn reports_of_other_platforms_and_for_other_targets_are_refused() {
    let service = service(1);
    let target = service.target_info();
    let elsewhere = machine(2).report(&target, body());
    let other_target = TargetInfo { measurement: Mrenclave([9; 32]), ..target };
    let for_other = machine(1).report(&other_target, body());
    let mut changed = machine(1).report(&target, body());
    changed.body.isvsvn += 1;
    let mut damaged = machine(1).report(&target, body());
    damaged.mac[15] ^= 1;
    for report in [elsewhere, for_other, changed, damaged] {
        let error = service.quote(&report).unwrap_err();
        assert!(matches!(error, Error::UntrustedReport { .. }), "{error}");
        let text = error.to_string();
        assert!(text.contains(&"22".repeat(32)), "names the enclave: {text}");
        assert!(text.contains(&target.measurement.to_string()), "names the QE: {text}");
    }
}

#[test]
fn bytes_that_are_no_report_are_refused() {
    let service = service(1);
    let good = machine(1).report(&service.target_info(), body()).to_bytes();
    for bytes in [&[][..], &good[..431], &[good.as_slice(), &[0]].concat()] {
        let error = service.quote_bytes(bytes).unwrap_err();
        assert!(matches!(error, Error::MalformedReport(_)), "{error}");
    }
}

#[test]
fn the_quoting_enclave_is_no_debug_enclave_and_not_intels() {
    let qe = service(1).quoting_enclave();
    assert!(!qe.attributes.flags.contains(AttributeFlags::DEBUG));
    assert!(qe.attributes.flags.contains(AttributeFlags::PROVISIONKEY));
    assert!(!qe.mrsigner.to_string().starts_with("8c4f5775"));
    let target = service(1).target_info();
    assert_eq!(target.measurement, qe.mrenclave);
}

#[test]
fn platforms_of_one_seed_share_the_root_and_nothing_else() {
    let (one, two) = (service(1), service(2));
    assert_eq!(one.root_fingerprint(), two.root_fingerprint());
    assert_eq!(one.root_fingerprint().len(), 64);
    let quote = |service: &QuotingService<Machine>, secret| {
        service.quote(&machine(secret).report(&service.target_info(), body())).unwrap()
    };
    let (first, second) = (quote(&one, 1), quote(&two, 2));
    assert_ne!(first[500..564], second[500..564], "attestation keys");
    assert!(verify(&one, &second).is_ok(), "one family, one collateral");

    let facts = standard::platform(TcbStatus::UpToDate, 1);
    let stranger = QuotingService::new(Seed::new([2; 32]), facts, machine(1));
    assert_ne!(stranger.root_fingerprint(), one.root_fingerprint());
}

#[test]
fn conditions_show_in_what_the_service_hands_out() {
    for condition in Condition::all() {
        let service = service(1).with_conditions(vec![condition]);
        let report = machine(1).report(&service.target_info(), body());
        let result = verify(&service, &service.quote(&report).unwrap());
        match condition {
            Condition::Tcb(TcbStatus::Revoked)
            | Condition::RevokedPck
            | Condition::RevokedPckCa
            | Condition::RevokedTcbSigner
            | Condition::ExpiredCollateral
            | Condition::FutureCollateral => assert!(result.is_err(), "{condition}"),
            Condition::Tcb(status) => assert_eq!(result.unwrap().status, status.as_str()),
            Condition::OutdatedQuotingEnclave => assert_eq!(result.unwrap().status, "OutOfDate"),
            Condition::Evaluation(_) => assert!(result.is_ok(), "{condition}"),
        }
    }
}

#[test]
fn every_name_says_emulated() {
    let service = service(1);
    let text = String::from_utf8_lossy(&service.root_certificate()).into_owned();
    assert!(text.contains("Casemate Emulated SGX Root CA"), "{text}");
    let scenario = service.scenario(NOW);
    for certificate in [scenario.root, scenario.pck_ca, scenario.tcb_signer, scenario.pck] {
        for name in [certificate.subject, certificate.issuer] {
            assert!(name.common_name.contains("Emulated"), "{name:?}");
            assert!(!format!("{name:?}").contains("Intel"), "{name:?}");
        }
    }
}
