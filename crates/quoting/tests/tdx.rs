//! Quotes of emulated trust domains, judged by crate `dcap-qvl`.
#![allow(clippy::unwrap_used, reason = "a test")]

use dcap_qvl::QuoteCollateralV3;
use dcap_qvl::verify::QuoteVerifier;
use quoting::tcb_info::TcbStatus;
use quoting::tdx::{CURRENT_TEE_TCB_SVN, TdQuote, TdReport};
use quoting::{Condition, Scenario, Seed, UnixTime, standard};

const NOW: UnixTime = UnixTime::from_date(2026, 11, 23);
const LAYOUTS: [TdQuote; 3] = [TdQuote::Version4, TdQuote::Version5Td10, TdQuote::Version5Td15];

fn scenario(status: TcbStatus, layout: TdQuote) -> Scenario {
    Scenario::tdx(&Seed::new([6; 32]), &standard::platform(status, 1), NOW, layout)
}

fn verify(scenario: &Scenario) -> Result<String, String> {
    let collateral: QuoteCollateralV3 =
        serde_json::from_str(&scenario.collateral().to_json()).unwrap();
    QuoteVerifier::new(scenario.root_certificate())
        .verify(&scenario.quote(), &collateral, NOW.0)
        .map(|report| report.status)
        .map_err(|error| format!("{error:#}"))
}

#[test]
fn each_status_verifies_in_each_layout() {
    for layout in LAYOUTS {
        for status in TcbStatus::ALL {
            let by_cpusvn = verify(&scenario(status, layout));
            let mut imposed = scenario(TcbStatus::UpToDate, layout);
            imposed.impose(Condition::Tcb(status));
            for result in [by_cpusvn, verify(&imposed)] {
                match result {
                    Ok(found) => assert_eq!(found, status.as_str(), "{layout:?}"),
                    Err(error) => {
                        assert_eq!(status, TcbStatus::Revoked, "{layout:?}: {error}");
                        assert!(error.contains("Revoked"), "{error}");
                    }
                }
            }
        }
    }
}

#[test]
fn the_modules_version_counts() {
    for (minor, expected) in
        [(5, Ok("UpToDate")), (6, Ok("UpToDate")), (4, Ok("OutOfDate")), (2, Err("Revoked"))]
    {
        let mut scenario = scenario(TcbStatus::UpToDate, TdQuote::Version4);
        let mut report = TdReport::sample();
        report.tee_tcb_svn[0] = minor;
        scenario.body = report.to_body(TdQuote::Version4);
        match (verify(&scenario), expected) {
            (Ok(found), Ok(expected)) => assert_eq!(found, expected),
            (Err(found), Err(expected)) => assert!(found.contains(expected), "{found}"),
            (found, expected) => panic!("module {minor}: {found:?} instead of {expected:?}"),
        }
    }
}

#[test]
fn a_module_updated_under_a_running_domain_advises_relaunch() {
    for (status, expected) in [
        (TcbStatus::UpToDate, "TDRelaunchAdvised"),
        (TcbStatus::ConfigurationNeeded, "TDRelaunchAdvisedConfigurationNeeded"),
    ] {
        let mut scenario = scenario(status, TdQuote::Version5Td15);
        let mut report = TdReport::sample();
        report.tee_tcb_svn[0] = 4;
        report.tee_tcb_svn2 = CURRENT_TEE_TCB_SVN;
        scenario.body = report.to_body(TdQuote::Version5Td15);
        assert_eq!(verify(&scenario).as_deref(), Ok(expected));
    }
}

#[test]
fn debug_domains_and_foreign_modules_are_refused() {
    let mut debug = scenario(TcbStatus::UpToDate, TdQuote::Version4);
    let report =
        TdReport { tdattributes: TdReport::sample().tdattributes | 1, ..TdReport::sample() };
    debug.body = report.to_body(TdQuote::Version4);
    assert_eq!(verify(&debug).unwrap_err(), "Debug mode is enabled");
    let mut foreign = scenario(TcbStatus::UpToDate, TdQuote::Version4);
    let report = TdReport { mrsignerseam: [1; 48], ..TdReport::sample() };
    foreign.body = report.to_body(TdQuote::Version4);
    assert!(verify(&foreign).unwrap_err().contains("MRSIGNER"));
}

#[test]
fn collateral_of_sgx_does_not_do() {
    let sgx = Scenario::new(&Seed::new([6; 32]), &standard::platform(TcbStatus::UpToDate, 1), NOW);
    let mut scenario = scenario(TcbStatus::UpToDate, TdQuote::Version4);
    scenario.tcb_info = sgx.tcb_info;
    assert!(verify(&scenario).unwrap_err().contains("non-TDX TCB info"));
}
