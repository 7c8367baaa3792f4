//! The emulated provisioning certification service, as verifiers and caches use it.
#![allow(clippy::unwrap_used, reason = "a test")]

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;

use dcap_qvl::QuoteCollateralV3;
use dcap_qvl::verify::QuoteVerifier;
use quoting::pcs::listener::Server;
use quoting::pcs::{Pcs, Response};
use quoting::tcb_info::TcbStatus;
use quoting::tdx::TdQuote;
use quoting::{Condition, Scenario, Seed, UnixTime, standard};

const NOW: UnixTime = UnixTime::from_date(2026, 11, 23);
const TCB: &str = "/sgx/certification/v4/tcb?fmspc=53494d000001";

fn scenario(now: UnixTime) -> Scenario {
    Scenario::new(&Seed::new([5; 32]), &standard::platform(TcbStatus::UpToDate, 1), now)
}

fn pcs() -> Pcs {
    Pcs::new().with_platform(scenario).with_platform(|now| {
        let platform = standard::platform(TcbStatus::UpToDate, 2);
        let mut scenario = Scenario::new(&Seed::new([5; 32]), &platform, now);
        scenario.impose(Condition::RevokedPck);
        scenario
    })
}

fn get(pcs: &Pcs, target: &str) -> Response {
    pcs.answer("GET", target, NOW)
}

#[track_caller]
fn status(pcs: &Pcs, target: &str) -> u16 {
    get(pcs, target).status
}

fn header(response: &Response, name: &str) -> String {
    response.headers.iter().find(|(known, _)| *known == name).unwrap().1.clone()
}

/// Undoes the URL encoding of an issuer chain.
fn chain(response: &Response, name: &str) -> String {
    let text = header(response, name);
    let mut parts = text.split('%');
    let first = parts.next().unwrap().to_owned();
    parts.fold(first, |mut out, part| {
        out.push(char::from(u8::from_str_radix(&part[..2], 16).unwrap()));
        out.push_str(&part[2..]);
        out
    })
}

/// The signed text and the signature of a document.
fn document(response: &Response, name: &str) -> (String, Vec<u8>) {
    let body = String::from_utf8(response.body.clone()).unwrap();
    let start = format!("{{\"{name}\":");
    let (text, signature) =
        body.strip_prefix(&start).unwrap().split_once(",\"signature\":\"").unwrap();
    let signature = signature.strip_suffix("\"}").unwrap();
    (text.to_owned(), unhex(signature))
}

fn unhex(text: &str) -> Vec<u8> {
    (0..text.len() / 2).map(|i| u8::from_str_radix(&text[2 * i..2 * i + 2], 16).unwrap()).collect()
}

/// Collateral put together from the service's answers, as a client does.
fn collateral(pcs: &Pcs, tcb: &str) -> QuoteCollateralV3 {
    let tcb = get(pcs, tcb);
    let qe = get(pcs, "/sgx/certification/v4/qe/identity");
    let crl = get(pcs, "/sgx/certification/v4/pckcrl?ca=platform&encoding=der");
    let root_crl = get(pcs, "/sgx/certification/v4/rootcacrl");
    let (tcb_info, tcb_info_signature) = document(&tcb, "tcbInfo");
    let (qe_identity, qe_identity_signature) = document(&qe, "enclaveIdentity");
    QuoteCollateralV3 {
        pck_crl_issuer_chain: chain(&crl, "SGX-PCK-CRL-Issuer-Chain"),
        root_ca_crl: unhex(&String::from_utf8(root_crl.body).unwrap()),
        pck_crl: crl.body,
        tcb_info_issuer_chain: chain(&tcb, "TCB-Info-Issuer-Chain"),
        tcb_info,
        tcb_info_signature,
        qe_identity_issuer_chain: chain(&qe, "SGX-Enclave-Identity-Issuer-Chain"),
        qe_identity,
        qe_identity_signature,
        pck_certificate_chain: None,
    }
}

fn verify(world: &Scenario, collateral: &QuoteCollateralV3) -> Result<String, String> {
    QuoteVerifier::new(world.root_certificate())
        .verify(&world.quote(), collateral, NOW.0)
        .map(|report| report.status)
        .map_err(|error| format!("{error:#}"))
}

#[test]
fn answers_make_collateral_that_verifies() {
    let pcs = pcs();
    let world = scenario(NOW);
    assert_eq!(verify(&world, &collateral(&pcs, TCB)).as_deref(), Ok("UpToDate"));
    let early = collateral(&pcs, &format!("{TCB}&update=early"));
    assert_eq!(verify(&world, &early).as_deref(), Ok("SWHardeningNeeded"));
}

#[test]
fn revocations_of_all_platforms_are_on_the_list() {
    let pcs = pcs();
    let platform = standard::platform(TcbStatus::UpToDate, 2);
    let revoked = Scenario::new(&Seed::new([5; 32]), &platform, NOW);
    let error = verify(&revoked, &collateral(&pcs, TCB)).unwrap_err();
    assert!(error.contains("CertRevoked"), "{error}");
}

#[test]
fn pck_certificates_are_found_by_qe_id_and_by_ppid() {
    let pcs = pcs();
    let platform = standard::platform(TcbStatus::UpToDate, 2);
    let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    let tcb = |cpusvn: &[u8], pcesvn| format!("cpusvn={}&pcesvn={pcesvn}&pceid=0000", hex(cpusvn));
    let path = "/sgx/certification/v4/pckcert?";
    let by_qe_id = format!("{path}qeid={}&{}", hex(&platform.qe_id), tcb(&platform.cpusvn, "0d00"));
    let response = get(&pcs, &by_qe_id);
    assert_eq!(response.status, 200);
    assert_eq!(header(&response, "SGX-FMSPC"), "53494D000001");
    assert_eq!(header(&response, "SGX-TCBm"), "080808080808080800000000000000000D00");
    assert_eq!(header(&response, "SGX-PCK-Certificate-CA-Type"), "platform");
    let leaf = String::from_utf8(response.body.clone()).unwrap();
    let whole = leaf + &chain(&response, "SGX-PCK-Certificate-Issuer-Chain");
    let world = Scenario::new(&Seed::new([5; 32]), &platform, NOW);
    assert_eq!(whole, world.pck_chain());

    let ppid = format!("encrypted_ppid={}{}", hex(&platform.ppid), "00".repeat(368));
    let by_ppid = get(&pcs, &format!("{path}{ppid}&{}", tcb(&platform.cpusvn, "0f00")));
    assert_eq!(by_ppid.body, response.body, "a higher raw TCB gets the nearest certificate");

    let id = format!("qeid={}", hex(&platform.qe_id));
    assert_eq!(status(&pcs, &format!("{path}{id}&{}", tcb(&[7; 16], "0d00"))), 404, "below");
    assert_eq!(
        status(&pcs, &format!("{path}qeid={}&{}", "00".repeat(16), tcb(&[9; 16], "0d00"))),
        404
    );
    assert_eq!(status(&pcs, &format!("{path}{}", tcb(&[9; 16], "0d00"))), 400, "nobody named");
}

#[test]
fn evaluations_are_offered_and_withdrawn() {
    let pcs = pcs();
    let numbers = get(&pcs, "/sgx/certification/v4/tcbevaluationdatanumbers");
    let (text, signature) = document(&numbers, "tcbEvaluationDataNumbers");
    assert_eq!(signature.len(), 64);
    let json: serde_json::Value = serde_json::from_str(&text).unwrap();
    let offered: Vec<_> = json["tcbEvalNumbers"].as_array().unwrap().iter().collect();
    assert_eq!(offered.len(), 2);
    assert_eq!(offered[0]["tcbEvaluationDataNumber"], 3, "newest first");

    let number = |n: u32| status(&pcs, &format!("{TCB}&tcbEvaluationDataNumber={n}"));
    assert_eq!((number(1), number(2), number(3), number(4)), (410, 200, 200, 404));
    let qe = "/sgx/certification/v4/qe/identity?tcbEvaluationDataNumber=1";
    assert_eq!(status(&pcs, qe), 410);
    pcs.withdraw_below(3);
    assert_eq!(status(&pcs, &format!("{TCB}&tcbEvaluationDataNumber=2")), 410);
}

#[test]
fn wrong_requests_are_refused() {
    let pcs = pcs();
    for (target, expected) in [
        ("/", 404),
        ("/sgx/certification/v4/nothing", 404),
        ("/sgx/certification/v3/tcb?fmspc=53494d000001", 404),
        ("/sgx/certification/v4/tcb", 400),
        ("/sgx/certification/v4/tcb?fmspc=53494d", 400),
        ("/sgx/certification/v4/tcb?fmspc=zz494d000001", 400),
        ("/sgx/certification/v4/tcb?fmspc=000000000000", 404),
        ("/sgx/certification/v4/tcb?fmspc=53494d000001&update=soon", 400),
        (
            "/sgx/certification/v4/tcb?fmspc=53494d000001&update=early&tcbEvaluationDataNumber=3",
            400,
        ),
        ("/sgx/certification/v4/tcb?fmspc=53494d000001&tcbEvaluationDataNumber=x", 400),
        ("/sgx/certification/v4/pckcrl", 400),
        ("/sgx/certification/v4/pckcrl?ca=processor", 404),
        ("/sgx/certification/v4/pckcrl?ca=platform&encoding=xml", 400),
        ("/tdx/certification/v4/qe/identity", 404),
        ("/tdx/certification/v4/rootcacrl", 404),
        ("/sgx/certification/v4/tcb?fmspc=%", 400),
    ] {
        assert_eq!(status(&pcs, target), expected, "{target}");
    }
    assert_eq!(pcs.answer("POST", TCB, NOW).status, 405);
}

#[test]
fn a_trust_domain_has_documents_under_tdx() {
    let pcs = Pcs::new().with_platform(|now| {
        let platform = standard::platform(TcbStatus::UpToDate, 1);
        Scenario::tdx(&Seed::new([5; 32]), &platform, now, TdQuote::Version4)
    });
    let tcb = get(&pcs, "/tdx/certification/v4/tcb?fmspc=53494D000001&update=early");
    assert!(document(&tcb, "tcbInfo").0.contains(r#""id":"TDX""#));
    let qe = get(&pcs, "/tdx/certification/v4/qe/identity");
    assert!(document(&qe, "enclaveIdentity").0.contains(r#""id":"TD_QE""#));
    assert_eq!(status(&pcs, TCB), 404);
}

#[test]
fn an_outage_begins_and_ends() {
    let pcs = pcs();
    pcs.set_outage(Some(503));
    let response = get(&pcs, TCB);
    assert_eq!((response.status, response.body.len()), (503, 0));
    assert_eq!(header(&response, "Request-ID").len(), 32);
    pcs.set_outage(None);
    assert_eq!(status(&pcs, TCB), 200);
}

#[test]
fn revocation_lists_come_as_pem_and_der() {
    let pcs = pcs();
    let pem = get(&pcs, "/sgx/certification/v4/pckcrl?ca=platform");
    assert!(pem.body.starts_with(b"-----BEGIN X509 CRL-----\n"));
    let der = get(&pcs, "/sgx/certification/v4/pckcrl?ca=platform&encoding=der");
    assert_eq!(der.body[0], 0x30);
}

#[test]
fn the_listener_answers_requests_and_survives_rubbish() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let server = Server::spawn(listener, Arc::new(pcs()), || NOW).unwrap();
    let ask = |request: &[u8]| {
        let mut stream = TcpStream::connect(server.address()).unwrap();
        stream.write_all(request).unwrap();
        stream.shutdown(std::net::Shutdown::Write).unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).unwrap();
        String::from_utf8(answer).unwrap()
    };
    for rubbish in [&b""[..], b"\r\n\r\n", b"GET /\r\n\r\n", b"\xff\xfe\r\n\r\n", b"GET / HTTP/1.1"]
    {
        assert!(ask(rubbish).starts_with("HTTP/1.1 400 Bad Request\r\n"), "{rubbish:?}");
    }
    let answer = ask(format!("GET {TCB} HTTP/1.1\r\nHost: emulator\r\n\r\n").as_bytes());
    assert!(
        answer.starts_with("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"),
        "{answer}"
    );
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    assert!(head.contains(&format!("Content-Length: {}\r\n", body.len())), "{head}");
    assert_eq!(body.as_bytes(), get(&pcs(), TCB).body);
}
