//! `casemate attest` and `casemate collateral`, as a user sees them.
#![allow(missing_docs, unreachable_pub, clippy::unwrap_used, reason = "a test")]

mod common;

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use common::{casemate, directory};
use quoting::{
    Collateral, Condition, Scenario, Seed, UnixTime, certificate, standard, tcb_info::TcbStatus,
};

const NOW: UnixTime = UnixTime(UnixTime::from_date(2026, 11, 23).0 + 99);

fn data(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/dcap").join(name)
}

fn quote(name: &str) -> String {
    data(name).display().to_string()
}

const TDX: &str = "tdx/tdx-v5-90c06f000000-cf77a6e9.quote";
const TDX_COLLATERAL: &str = "collateral/c-b4493d6a.json";
const TDX_TIME: &str = "2026-02-04T12:00:00Z";

fn check_tdx(more: &str) -> String {
    format!(
        "attest check {} --collateral {} --at {TDX_TIME} {more}",
        quote(TDX),
        quote(TDX_COLLATERAL)
    )
}

#[test]
fn a_real_quote_is_explained() {
    let dir = directory();
    let text = casemate(dir.path(), &check_tdx("")).succeeded();
    for part in [
        "Verified at 2026-02-04T12:00:00Z: a TDX trust domain, quote version 5",
        "Intel SGX Root CA",
        "UpToDate",
        "Not proved:",
        "nonce",
    ] {
        assert!(text.contains(part), "{part:?} in {text}");
    }
    let json = casemate(dir.path(), &check_tdx("--json")).json();
    assert_eq!(json["verified"], true);
    assert_eq!(json["claims"]["tcb"]["status"], "UpToDate");
    assert_eq!(json["claims"]["root"]["emulated"], false);
    assert_eq!(json["unmet_expectations"], serde_json::json!([]));
}

#[test]
fn each_class_of_refusal_has_its_exit_code() {
    let dir = directory();
    let bytes = fs::read(data(TDX)).unwrap();
    let mut forged = bytes.clone();
    forged[600] ^= 1;
    fs::write(dir.path().join("forged"), forged).unwrap();
    fs::write(dir.path().join("short"), &bytes[..900]).unwrap();
    fs::write(dir.path().join("text"), "not evidence").unwrap();
    let at = |file: &str, time: &str| {
        let run = casemate(
            dir.path(),
            &format!(
                "attest check {file} --collateral {} --at {time} --json",
                quote(TDX_COLLATERAL)
            ),
        );
        (run.code, run.json()["reason"].as_str().unwrap().to_owned())
    };
    assert_eq!(at("short", TDX_TIME), (10, "quote.truncated".to_owned()));
    assert_eq!(at("text", TDX_TIME), (10, "evidence.unknown".to_owned()));
    assert_eq!(at("forged", TDX_TIME), (11, "quote.signature".to_owned()));
    assert_eq!(at(&quote(TDX), "2030-01-01T00:00:00Z"), (12, "crl.expired".to_owned()));
    let sgx = quote("sgx/sgx-v3-00906ed50000-e9f0aad4.quote");
    assert_eq!(at(&sgx, TDX_TIME), (13, "collateral.missing".to_owned()));
    let text = casemate(
        dir.path(),
        &format!("attest check forged --collateral {} --at {TDX_TIME}", quote(TDX_COLLATERAL)),
    );
    assert_eq!(text.code, 11);
    assert!(
        text.stdout.contains("nothing is proved") && text.stdout.contains("ask for a new one"),
        "{}",
        text.stdout
    );
}

#[test]
fn outdated_and_debug_evidence_is_refused_unless_policy_free() {
    let dir = directory();
    let arguments = |more: &str| {
        format!(
            "attest check {} --collateral {} --at 2025-06-15T00:00:00Z {more}",
            quote("sgx/sgx-v3-00906ed50000-7ae7192d.quote"),
            quote("collateral/c-6d23760d.json")
        )
    };
    let run = casemate(dir.path(), &arguments(""));
    assert_eq!(run.code, 3, "{}", run.stderr);
    assert!(
        run.stdout.contains("debug mode") && run.stdout.contains("OutOfDate"),
        "{}",
        run.stdout
    );
    let free = casemate(dir.path(), &arguments("--policy-free")).succeeded();
    assert!(free.contains("Production would refuse it"), "{free}");
}

#[test]
fn snp_reports_and_certificates_are_evidence_too() {
    let dir = directory();
    let report = casemate(
        dir.path(),
        &format!(
            "attest check {} --vek {} --at 2024-06-15T00:00:00Z",
            quote("snp/snp-v2-0f48ad8f.report"),
            quote("snp/snp-v2-0f48ad8f.vcek.der")
        ),
    )
    .succeeded();
    assert!(report.contains("an SEV-SNP guest") && report.contains("ARK-Milan"), "{report}");
    let certificate = casemate(
        dir.path(),
        &format!(
            "attest check {} --at 2026-05-15T00:00:00Z --json",
            quote("ratls/cosmian-snp.der")
        ),
    );
    let json = certificate.json();
    assert_eq!(json["key_binding"], "point", "{json:#}");
    let no_vek =
        casemate(dir.path(), &format!("attest check {}", quote("snp/snp-v2-0f48ad8f.report")));
    assert_eq!(no_vek.code, 13, "{}", no_vek.stdout);
}

#[test]
fn show_decodes_without_verifying() {
    let dir = directory();
    for file in [
        TDX,
        "sgx/sgx-v3-ct3-2f59d4cb.quote",
        "snp/snp-v5-5e3d1c0e.report",
        "azure-vtpm/hcl-report.bin",
        "ratls/ccc-gramine.der",
    ] {
        let text = casemate(dir.path(), &format!("attest show {}", quote(file))).succeeded();
        assert!(text.contains("report_data: "), "{text}");
    }
    let json = casemate(dir.path(), &format!("attest show --json {}", quote(TDX))).json();
    assert_eq!(json["header"]["version"], 5);
    assert_eq!(json["certification_data"]["type"], 5);
}

#[test]
fn bundles_are_exported_shown_and_verified() {
    let dir = directory();
    let arguments = format!("collateral export {} -o all.json", data("collateral").display());
    casemate(dir.path(), &arguments).succeeded();
    let offline = check_tdx("").replace(&quote(TDX_COLLATERAL), "all.json");
    casemate(dir.path(), &offline).succeeded();
    let shown =
        casemate(dir.path(), &format!("collateral show {}", quote(TDX_COLLATERAL))).succeeded();
    assert!(shown.contains("Tdx FMSPC 90c06f000000"), "{shown}");
    let verified = casemate(
        dir.path(),
        &format!("collateral verify {} --at {TDX_TIME} --warn-days 10", quote(TDX_COLLATERAL)),
    );
    assert!(
        verified.stderr.contains("warning: TCB info for FMSPC 90c06f000000 expires at"),
        "{}",
        verified.stderr
    );
    assert!(verified.succeeded().contains("verified under Intel SGX Root CA"));
    let stale = casemate(dir.path(), &format!("collateral verify {}", quote(TDX_COLLATERAL)));
    assert_eq!(stale.code, 12);
}

/// A collateral service for one platform, whose answers the test changes while it runs.
struct Pcs {
    url: String,
    state: Arc<Mutex<Answers>>,
}

struct Answers {
    collateral: Collateral,
    status: u16,
}

impl Pcs {
    fn start(collateral: Collateral) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let state = Arc::new(Mutex::new(Answers { collateral, status: 200 }));
        let shared = Arc::clone(&state);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                answer(&mut stream.unwrap(), &shared.lock().unwrap());
            }
        });
        Self { url, state }
    }

    fn serve(&self, collateral: Collateral, status: u16) {
        *self.state.lock().unwrap() = Answers { collateral, status };
    }
}

fn answer(stream: &mut TcpStream, answers: &Answers) {
    let mut lines = BufReader::new(stream.try_clone().unwrap()).lines();
    let request = lines.next().unwrap().unwrap();
    while !lines.next().unwrap().unwrap().is_empty() {}
    let path = request.split(' ').nth(1).unwrap();
    let collateral = &answers.collateral;
    let signed = |name: &str, body: &str, signature: &[u8]| {
        let signature: String = signature.iter().map(|byte| format!("{byte:02x}")).collect();
        format!("{{\"{name}\":{body},\"signature\":\"{signature}\"}}").into_bytes()
    };
    let (header, chain, body) = if path.contains("/tcb?") {
        let body = signed("tcbInfo", &collateral.tcb_info, &collateral.tcb_info_signature);
        ("TCB-Info-Issuer-Chain", &collateral.tcb_info_issuer_chain, body)
    } else if path.contains("/qe/identity") {
        let body =
            signed("enclaveIdentity", &collateral.qe_identity, &collateral.qe_identity_signature);
        ("SGX-Enclave-Identity-Issuer-Chain", &collateral.qe_identity_issuer_chain, body)
    } else if path.contains("/pckcrl") {
        ("SGX-PCK-CRL-Issuer-Chain", &collateral.pck_crl_issuer_chain, collateral.pck_crl.clone())
    } else {
        ("X", &collateral.qe_identity, collateral.root_ca_crl.clone())
    };
    let chain = chain.replace('%', "%25").replace('\n', "%0A").replace(' ', "%20");
    let head = format!(
        "HTTP/1.1 {} X\r\n{header}: {chain}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        answers.status,
        body.len()
    );
    stream.write_all(head.as_bytes()).unwrap();
    stream.write_all(&body).unwrap();
}

#[test]
fn collateral_is_fetched_refreshed_and_never_goes_backwards() {
    let dir = directory();
    let world = |evaluation: u32| {
        let platform = standard::platform(TcbStatus::UpToDate, 1);
        let mut scenario = Scenario::new(&Seed::new([9; 32]), &platform, NOW);
        scenario.impose(Condition::Evaluation(evaluation));
        scenario
    };
    let evidence = world(2).evidence();
    fs::write(dir.path().join("quote"), &evidence.quote).unwrap();
    fs::write(dir.path().join("root.pem"), certificate::to_pem(&evidence.root_certificate))
        .unwrap();
    let pcs = Pcs::start(evidence.collateral.clone());
    let fetch = |more: &str| {
        let arguments = format!(
            "collateral fetch quote --from {} --pccs -o c.json --memory memory.json --emulator-root root.pem --at {} {more}",
            pcs.url, NOW.0
        );
        casemate(dir.path(), &arguments)
    };
    fetch("").succeeded();
    let check = |more: &str| {
        casemate(
            dir.path(),
            &format!("attest check quote --collateral c.json --at {} {more}", NOW.0),
        )
    };
    assert_eq!(check("").code, 11, "the emulator's root is not accepted unless it is named");
    let named = check("--emulator-root root.pem");
    assert_eq!(named.code, 3);
    assert!(
        named.stdout.contains("EMULATED") && named.stdout.contains("proves nothing about hardware"),
        "{}",
        named.stdout
    );
    check("--emulator-root root.pem --policy-free").succeeded();

    pcs.serve(world(3).collateral(), 200);
    fetch("").succeeded();
    pcs.serve(evidence.collateral.clone(), 200);
    fetch("").failed_with(12, "collateral.downgrade");
    pcs.serve(world(3).collateral(), 410);
    fetch("--evaluation 1").failed_with(13, "collateral.withdrawn");
    pcs.serve(world(3).collateral(), 503);
    fetch("").failed_with(13, "collateral.outage");
    let mut expired = world(3);
    expired.impose(Condition::ExpiredCollateral);
    pcs.serve(expired.collateral(), 200);
    fetch("").failed_with(12, "expired");
    let unreachable = casemate(
        dir.path(),
        &format!(
            "collateral fetch quote --from http://127.0.0.1:1 --pccs -o c.json --emulator-root root.pem --at {}",
            NOW.0
        ),
    );
    unreachable.failed_with(13, "collateral.outage");
    assert_eq!(
        check("--emulator-root root.pem --policy-free").code,
        0,
        "what was fetched before still works"
    );
}
