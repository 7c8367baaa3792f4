//! `casemate attest` and `casemate collateral`, as a user sees them.
#![allow(missing_docs, unreachable_pub, clippy::unwrap_used, reason = "a test")]

mod common;

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use common::{Run, casemate, directory, start};
use quoting::pcs::{Pcs, listener::Server};
use quoting::quote::CertificationData;
use quoting::{Condition, Scenario, Seed, UnixTime, certificate, standard, tcb_info::TcbStatus};
use tempfile::TempDir;

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

const SEED: Seed = Seed::new([9; 32]);

/// The emulator's certification service for one platform, whose conditions the test changes while
/// it runs.
struct Service {
    pcs: Arc<Pcs>,
    conditions: Arc<Mutex<Vec<Condition>>>,
    server: Server,
}

impl Service {
    fn start() -> Self {
        let conditions = Arc::new(Mutex::new(Vec::new()));
        let shared = Arc::clone(&conditions);
        let pcs = Arc::new(Pcs::new().with_platform(move |now| {
            let mut scenario = world(now);
            for condition in shared.lock().unwrap().iter() {
                scenario.impose(*condition);
            }
            scenario
        }));
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let server = Server::spawn(listener, Arc::clone(&pcs), || NOW).unwrap();
        Self { pcs, conditions, server }
    }

    fn impose(&self, conditions: &[Condition]) {
        *self.conditions.lock().unwrap() = conditions.to_vec();
    }

    fn fetch(&self, dir: &Path, more: &str) -> Run {
        let arguments = format!(
            "collateral fetch quote --from http://{} -o c.json --emulator-root root.pem --at {} {more}",
            self.server.address(),
            NOW.0
        );
        casemate(dir, &arguments)
    }
}

fn world(now: UnixTime) -> Scenario {
    Scenario::new(&SEED, &standard::platform(TcbStatus::UpToDate, 1), now)
}

/// A directory with the world's root and this quote.
fn with_quote(quote: &[u8]) -> TempDir {
    let dir = directory();
    fs::write(dir.path().join("quote"), quote).unwrap();
    let root = certificate::to_pem(&world(NOW).root_certificate());
    fs::write(dir.path().join("root.pem"), root).unwrap();
    dir
}

#[test]
fn collateral_is_fetched_refreshed_and_never_goes_backwards() {
    let dir = with_quote(&world(NOW).quote());
    let service = Service::start();
    let fetch =
        |more: &str| service.fetch(dir.path(), &format!("--pccs --memory memory.json {more}"));
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

    service.impose(&[Condition::Evaluation(3)]);
    fetch("").succeeded();
    service.impose(&[]);
    fetch("").failed_with(12, "collateral.downgrade");
    fetch("--evaluation 1").failed_with(13, "collateral.withdrawn");
    fetch("--early").succeeded();
    service.pcs.withdraw_below(3);
    fetch("--evaluation 2").failed_with(13, "collateral.withdrawn");
    fetch("--evaluation 9").failed_with(13, "collateral.missing");
    service.impose(&[Condition::Evaluation(3), Condition::ExpiredCollateral]);
    fetch("").failed_with(12, "expired");
    service.impose(&[Condition::Evaluation(3)]);
    service.pcs.set_outage(Some(503));
    fetch("").failed_with(13, "collateral.outage");
    service.pcs.set_outage(None);
    fetch("").succeeded();
    drop(service.server);
    let gone = format!(
        "collateral fetch quote --from http://127.0.0.1:1 --pccs -o c.json --emulator-root root.pem --at {}",
        NOW.0
    );
    casemate(dir.path(), &gone).failed_with(13, "collateral.outage");
    assert_eq!(
        check("--emulator-root root.pem --policy-free").code,
        0,
        "what was fetched before still works"
    );
}

/// A quote that names its platform by PPID, as those of certification data types 1 to 3 do.
fn quote_by_ppid(data_type: u16) -> Vec<u8> {
    let mut scenario = world(NOW);
    let extension = scenario.pck_extension.clone().unwrap();
    let mut bytes = extension.ppid.clone();
    // What stands for encryption in emulated platforms.
    bytes.resize(if data_type == 1 { 16 } else { 384 }, 0);
    bytes.extend_from_slice(&extension.components);
    bytes.extend_from_slice(&extension.pcesvn.to_le_bytes());
    bytes.extend_from_slice(&extension.pceid);
    scenario.certification = Some(CertificationData { data_type, bytes });
    scenario.quote()
}

#[test]
fn a_platform_named_by_ppid_gets_its_pck_certificate() {
    let service = Service::start();
    let root_crl =
        format!("--root-crl http://{}/sgx/certification/v4/rootcacrl", service.server.address());
    for (data_type, options) in [(3, root_crl.as_str()), (3, "--pccs"), (1, "--pccs")] {
        let dir = with_quote(&quote_by_ppid(data_type));
        let check = || {
            let arguments = format!(
                "attest check quote --collateral c.json --at {} --emulator-root root.pem --policy-free",
                NOW.0
            );
            casemate(dir.path(), &arguments)
        };
        service.fetch(dir.path(), options).succeeded();
        assert!(check().succeeded().contains("Verified at"));
        let mut bundle: serde_json::Value =
            serde_json::from_slice(&fs::read(dir.path().join("c.json")).unwrap()).unwrap();
        bundle["collateral"][0]["pck_certificate_chain"].take();
        fs::write(dir.path().join("c.json"), bundle.to_string()).unwrap();
        let run = check();
        assert!(run.code == 13 && run.stdout.contains("pck.unavailable"), "{}", run.stdout);
    }
    let dir = with_quote(&quote_by_ppid(1));
    service.fetch(dir.path(), &root_crl).failed_with(13, "ask a PCCS");
}

/// A platform whose certificate is not at the TCB the quote names is looked for among all its
/// certificates: the one that signed is taken.
#[test]
fn a_pck_certificate_at_another_tcb_is_found_by_its_key() {
    let service = Service::start();
    let quote = quote_by_ppid(3);
    let mut lower = quote.clone();
    let extension = world(NOW).pck_extension.unwrap();
    let named = [&extension.components[..], &extension.pcesvn.to_le_bytes()].concat();
    let at = quote.windows(named.len()).rposition(|window| window == named).unwrap();
    lower[at] -= 1;
    let dir = with_quote(&lower);
    service.fetch(dir.path(), "--pccs").succeeded();
    let mut forged = lower;
    // The QE report's signature, in front of authentication and certification data.
    let qe_signature = at - 384 - 2 - 4 - 32 - 2 - 64;
    forged[qe_signature] ^= 1;
    let dir = with_quote(&forged);
    service.fetch(dir.path(), "--pccs").failed_with(13, "none of 2 PCK certificates");
}

#[test]
fn evaluations_on_offer_are_listed() {
    let dir = with_quote(&world(NOW).quote());
    let service = Service::start();
    let list = |more: &str| {
        let arguments = format!(
            "collateral evaluations --from http://{} --pccs --emulator-root root.pem {more}",
            service.server.address()
        );
        casemate(dir.path(), &arguments)
    };
    let at = format!("--at {}", NOW.0);
    let text = list(&at).succeeded();
    let numbers: Vec<&str> = text.lines().filter_map(|line| line.split(' ').next()).collect();
    assert_eq!(numbers, ["3", "2"]);
    let json = list(&format!("{at} --json")).json();
    assert_eq!(json["numbers"][0]["tcbEvaluationDataNumber"], 3);
    list("--at 2030-01-01T00:00:00Z").failed_with(12, "crl.expired");
    list(&format!("{at} --tdx")).failed_with(13, "collateral.missing");
    service.impose(&[Condition::RevokedTcbSigner]);
    list(&at).failed_with(11, "tcb_signer.revoked");
}

#[test]
fn open_enclaves_evidence_and_endorsements_are_read() {
    let dir = directory();
    let check = |evidence: &str, more: &str| {
        let endorsements = quote("signal-oe/dcap.endorsements");
        let arguments = format!(
            "attest check {evidence} --collateral {endorsements} --at 2023-01-18T23:30:00Z --policy-free {more}"
        );
        casemate(dir.path(), &arguments)
    };
    let real = quote("signal-oe/dcap.evidence");
    let key = fs::read_to_string(data("signal-oe/dcap.pubkey")).unwrap();
    let text = check(&real, "").succeeded();
    assert!(text.contains(&format!("its custom claim \"pk\" is {}", key.trim())), "{text}");
    assert_eq!(check(&real, "--json").json()["custom_claims"]["pk"], key.trim());
    let mut changed = fs::read(data("signal-oe/dcap.evidence")).unwrap();
    *changed.last_mut().unwrap() ^= 1;
    fs::write(dir.path().join("changed"), changed).unwrap();
    let run = check("changed", "");
    assert!(run.code == 11 && run.stdout.contains("open_enclave.binding"), "{}", run.stdout);
}

/// `casemate quote serve` is that service for the platforms of a directory.
#[test]
fn emulated_platforms_are_served() {
    let dir = directory();
    let platforms = format!("--emu-platforms {}", dir.path().join("platforms").display());
    let root = casemate(dir.path(), &format!("quote root {platforms}")).succeeded();
    fs::write(dir.path().join("root.pem"), root).unwrap();
    let mut server = start(dir.path(), &format!("quote serve --listen 127.0.0.1:0 {platforms}"));
    let mut url = String::new();
    BufReader::new(server.0.stdout.take().unwrap()).read_line(&mut url).unwrap();
    let list = || {
        let arguments =
            format!("collateral evaluations --from {} --pccs --emulator-root root.pem", url.trim());
        casemate(dir.path(), &arguments)
    };
    assert_eq!(list().succeeded().lines().count(), 2);
    casemate(dir.path(), &format!("quote condition revoked-tcb-signer {platforms}")).succeeded();
    list().failed_with(11, "tcb_signer.revoked");
}
