//! An independent verifier, crate `dcap-qvl`, judges what the quoting service makes.
#![allow(clippy::unwrap_used, reason = "a test")]

use dcap_qvl::QuoteCollateralV3;
use dcap_qvl::verify::{QuoteVerifier, VerifiedReport};
use quoting::platform::PckCa;
use quoting::tcb_info::TcbStatus;
use quoting::{Condition, Evidence, Part, Scenario, Seconds, Seed, Stage, UnixTime, standard};

const SEED: Seed = Seed::new([7; 32]);
const NOW: UnixTime = UnixTime(UnixTime::from_date(2026, 11, 23).0 + 12_345);

fn scenario(status: TcbStatus) -> Scenario {
    Scenario::new(&SEED, &standard::platform(status, 1), NOW)
}

fn verify(evidence: &Evidence) -> Result<VerifiedReport, String> {
    let collateral: QuoteCollateralV3 =
        serde_json::from_str(&evidence.collateral.to_json()).map_err(|error| error.to_string())?;
    QuoteVerifier::new(evidence.root_certificate.clone())
        .verify(&evidence.quote, &collateral, evidence.now.0)
        .map_err(|error| format!("{error:#}"))
}

#[track_caller]
fn refused(scenario: &Scenario, reason: &str) {
    let error = verify(&scenario.evidence()).expect_err("must be refused");
    assert!(error.contains(reason), "expected {reason:?}, found {error:?}");
}

#[test]
fn each_status_follows_from_the_cpusvn() {
    for status in TcbStatus::ALL {
        let result = verify(&scenario(status).evidence());
        if status == TcbStatus::Revoked {
            assert_eq!(result.unwrap_err(), "TCB status is invalid: Revoked");
            continue;
        }
        let report = result.unwrap();
        assert_eq!(report.status, status.as_str());
        assert_eq!(report.advisory_ids.is_empty(), status == TcbStatus::UpToDate);
        assert_eq!(report.qe_status.status.to_string(), "UpToDate");
        assert_eq!(report.ppid, standard::platform(status, 1).ppid);
    }
}

#[test]
fn each_status_can_be_imposed_on_any_platform() {
    for base in [TcbStatus::UpToDate, TcbStatus::OutOfDate, TcbStatus::Revoked] {
        for status in TcbStatus::ALL {
            let mut scenario = scenario(base);
            scenario.impose(Condition::Tcb(status));
            match verify(&scenario.evidence()) {
                Ok(report) => assert_eq!(report.status, status.as_str(), "on {base:?}"),
                Err(error) => {
                    assert_eq!(status, TcbStatus::Revoked, "{error}");
                    assert_eq!(error, "TCB status is invalid: Revoked");
                }
            }
        }
    }
}

#[test]
fn both_cas_are_accepted() {
    for ca in [PckCa::Processor, PckCa::Platform] {
        let mut platform = standard::platform(TcbStatus::UpToDate, 1);
        platform.ca = ca;
        let report = verify(&Scenario::new(&SEED, &platform, NOW).evidence()).unwrap();
        assert_eq!(report.status, "UpToDate");
    }
}

#[test]
fn a_later_evaluation_overtakes_a_platform() {
    for (number, status) in
        [(1, "UpToDate"), (2, "UpToDate"), (3, "SWHardeningNeeded"), (40, "UpToDate")]
    {
        let mut scenario = scenario(TcbStatus::UpToDate);
        scenario.impose(Condition::Evaluation(number));
        assert_eq!(verify(&scenario.evidence()).unwrap().status, status, "evaluation {number}");
        assert_eq!(scenario.tcb_info.tcb_evaluation_data_number, number);
    }
}

#[test]
fn an_outdated_quoting_enclave_shows() {
    let mut scenario = scenario(TcbStatus::UpToDate);
    scenario.impose(Condition::OutdatedQuotingEnclave);
    let report = verify(&scenario.evidence()).unwrap();
    assert_eq!(report.status, "OutOfDate");
    assert_eq!(report.platform_status.status.to_string(), "UpToDate");
    assert_eq!(report.qe_status.status.to_string(), "OutOfDate");
    assert_eq!(report.qe_status.advisory_ids, ["EMU-SA-00005"]);
}

#[test]
fn imposed_conditions_are_refused() {
    for (condition, reason) in [
        (Condition::RevokedPck, "CertRevoked"),
        (Condition::RevokedPckCa, "CertRevoked"),
        (Condition::RevokedTcbSigner, "CertRevoked"),
        (Condition::ExpiredCollateral, "CrlExpired"),
        (Condition::FutureCollateral, "in the future"),
    ] {
        let mut scenario = scenario(TcbStatus::UpToDate);
        scenario.impose(condition);
        refused(&scenario, reason);
    }
}

#[test]
fn collateral_ends_with_its_window() {
    let mut evidence = scenario(TcbStatus::UpToDate).evidence();
    let issued = NOW.start_of_day();
    for (time, valid) in [
        (issued, true),
        (issued + Seconds::days(30) - Seconds(1), true),
        (issued + Seconds::days(31), false),
        (issued - Seconds(1), false),
    ] {
        evidence.now = time;
        assert_eq!(verify(&evidence).is_ok(), valid, "at {time}");
    }
}

#[test]
fn only_the_own_root_vouches_for_a_quote() {
    let evidence = scenario(TcbStatus::UpToDate).evidence();
    let collateral: QuoteCollateralV3 =
        serde_json::from_str(&evidence.collateral.to_json()).unwrap();
    let intel = QuoteVerifier::new_prod().verify(&evidence.quote, &collateral, NOW.0);
    let error = format!("{:#}", intel.unwrap_err());
    assert!(error.contains("InvalidCrlSignatureForPublicKey"), "{error}");

    let platform = standard::platform(TcbStatus::UpToDate, 1);
    let other = Scenario::new(&Seed::new([8; 32]), &platform, NOW).evidence();
    let misplaced = Evidence { root_certificate: other.root_certificate, ..evidence.clone() };
    let error = verify(&misplaced).expect_err("evidence of one root, another one trusted");
    assert!(error.contains("InvalidCrlSignatureForPublicKey"), "{error}");
    let mixed = Evidence { quote: other.quote, ..evidence };
    let error = verify(&mixed).expect_err("a quote of one root, collateral of another");
    assert!(error.contains("InvalidSignatureForPublicKey"), "{error}");
}

#[test]
fn every_byte_of_a_quote_counts() {
    let evidence = scenario(TcbStatus::UpToDate).evidence();
    // The header's QE SVN, PCE SVN and reserved bytes are covered by the signature as well. The
    // PEM text has redundancy that a verifier may ignore, so the chain itself is left out.
    let chain = evidence.quote.windows(5).position(|window| window == b"-----").unwrap();
    let collateral: QuoteCollateralV3 =
        serde_json::from_str(&evidence.collateral.to_json()).unwrap();
    let verifier = QuoteVerifier::new(evidence.root_certificate.clone());
    for position in (0..chain).step_by(3) {
        let mut quote = evidence.quote.clone();
        quote[position] ^= 0x10;
        let result = verifier.verify(&quote, &collateral, NOW.0);
        assert!(result.is_err(), "a flipped bit in byte {position} went unnoticed");
    }
}

#[test]
fn signatures_of_other_keys_are_refused() {
    for part in [
        Part::PckCa,
        Part::Pck,
        Part::TcbSigner,
        Part::RootCrl,
        Part::PckCrl,
        Part::TcbInfo,
        Part::QeIdentity,
        Part::QeReport,
        Part::SignedQuote,
    ] {
        let mut scenario = scenario(TcbStatus::UpToDate);
        let stranger = quoting::key::SigningKey::derive(&SEED, "stranger", b"");
        scenario.sign_with(part, stranger);
        assert!(verify(&scenario.evidence()).is_err(), "{part:?} signed by a stranger");
    }
}

#[test]
fn edits_before_signing_keep_the_signature_right() {
    let mut scenario = scenario(TcbStatus::UpToDate);
    scenario.edit(Part::TcbInfo, Stage::BeforeSigning, |json| {
        let text = String::from_utf8(json.clone()).unwrap();
        *json = text.replace("UpToDate", "OutOfDate").into_bytes();
    });
    assert_eq!(verify(&scenario.evidence()).unwrap().status, "OutOfDate");
}

#[test]
fn edits_after_signing_break_it() {
    for part in
        [Part::Pck, Part::PckCa, Part::TcbSigner, Part::RootCrl, Part::PckCrl, Part::TcbInfo]
    {
        let mut scenario = scenario(TcbStatus::UpToDate);
        scenario.edit(part, Stage::AfterSigning, |bytes| *bytes.last_mut().unwrap() ^= 1);
        assert!(verify(&scenario.evidence()).is_err(), "{part:?} with a damaged signature");
    }
}

#[test]
fn the_quoting_enclave_must_be_the_emulated_one_and_no_debug_enclave() {
    use sgx_types::{AttributeFlags, Mrsigner};
    let mut foreign = scenario(TcbStatus::UpToDate);
    foreign.qe.mrsigner = Mrsigner([1; 32]);
    refused(&foreign, "MRSIGNER");
    let mut product = scenario(TcbStatus::UpToDate);
    product.qe.isvprodid = 3;
    refused(&product, "ISVPRODID");
    let mut debug = scenario(TcbStatus::UpToDate);
    debug.qe.attributes.flags = debug.qe.attributes.flags.union(AttributeFlags::DEBUG);
    assert!(verify(&debug.evidence()).is_err());
    let mut key = scenario(TcbStatus::UpToDate);
    key.qe_report_data = Some([9; 64]);
    refused(&key, "QE report hash mismatch");
}

#[test]
fn another_family_needs_other_collateral() {
    let mut scenario = scenario(TcbStatus::UpToDate);
    scenario.tcb_info.fmspc = vec![1; 6];
    refused(&scenario, "Fmspc mismatch");
}

#[test]
fn equal_inputs_give_equal_bytes() {
    let one = scenario(TcbStatus::UpToDate).evidence();
    let two = scenario(TcbStatus::UpToDate).evidence();
    assert_eq!(one.quote, two.quote);
    assert_eq!(one.collateral, two.collateral);
}
