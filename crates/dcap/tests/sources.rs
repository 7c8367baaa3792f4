//! Where collateral comes from: bundles, services, the cache and the anti-downgrade memory.

#[path = "it/data.rs"]
mod data;
#[path = "it/world.rs"]
mod world;

use std::sync::Arc;

use dcap::{
    Anchors, Bytes, Collateral, CollateralBundle, CollateralMemory, CollateralSet, Need, PckCa,
    Reason, Tee, Time, UpdateChannel, Verifier,
    pcs::{CollateralService, Evaluation, Part, Request, Response, assemble},
};
use quoting::{Condition, Seconds, tcb_info::TcbStatus};
use world::{NOW, sgx};

const STANDARD: UpdateChannel = UpdateChannel::Standard;

#[test]
fn collateral_never_goes_backwards() {
    let at = |evaluation: u32, days: u64| {
        let mut scenario = sgx(TcbStatus::UpToDate);
        scenario.impose(Condition::Evaluation(evaluation));
        for date in [&mut scenario.tcb_info.issue_date, &mut scenario.qe_identity.issue_date] {
            *date = *date - Seconds::days(days);
        }
        let evidence = scenario.evidence();
        let verifier = world::verifier(&evidence);
        verifier.verify_collateral(&world::collateral(&evidence), Time::from_unix(NOW.0)).unwrap()
    };
    let mut memory = CollateralMemory::new();
    memory.advance(&at(2, 1), STANDARD).unwrap();
    memory.advance(&at(2, 1), STANDARD).unwrap();
    memory.advance(&at(2, 0), STANDARD).unwrap();
    let refusal = memory.advance(&at(2, 1), STANDARD).unwrap_err();
    assert_eq!(refusal.reason(), Reason::CollateralDowngrade, "an older date");
    memory.advance(&at(3, 0), STANDARD).unwrap();
    let refusal = memory.check(&at(2, 0), STANDARD).unwrap_err();
    assert_eq!(refusal.reason(), Reason::CollateralDowngrade, "a lower evaluation number");
    assert!(refusal.detail().contains("tcb-info/53494d000001"), "{refusal}");
    // The other channel has numbers of its own.
    memory.check(&at(2, 0), UpdateChannel::Early).unwrap();

    let again = CollateralMemory::from_json(memory.to_json().unwrap().as_bytes()).unwrap();
    assert_eq!(again, memory);
    assert_eq!(CollateralMemory::from_json(b"").unwrap_err().reason(), Reason::CollateralMalformed);
    assert_eq!(memory.marks().count(), 4);
    let document = memory
        .marks()
        .map(|(name, _)| name.to_owned())
        .find(|name| name.contains("tcb-info"))
        .unwrap();
    assert_eq!(memory.reset(&document), 1);
    memory.check(&at(2, 0), STANDARD).unwrap_err();
    assert_eq!(memory.reset(""), 3);
    memory.check(&at(1, 0), STANDARD).unwrap();
}

#[test]
fn crl_numbers_never_go_backwards() {
    let at = |number: u64| {
        let mut scenario = sgx(TcbStatus::UpToDate);
        scenario.pck_crl.number = Some(number);
        let evidence = scenario.evidence();
        let verifier = world::verifier(&evidence);
        verifier.verify_collateral(&world::collateral(&evidence), Time::from_unix(NOW.0)).unwrap()
    };
    let mut memory = CollateralMemory::new();
    memory.advance(&at(7), STANDARD).unwrap();
    let refusal = memory.check(&at(6), STANDARD).unwrap_err();
    assert!(refusal.detail().contains("pck-crl"), "{refusal}");
}

/// Real TCB info of one family and day at three evaluation numbers: 19 was seen, 17 comes.
#[test]
fn an_older_evaluation_of_real_tcb_info_is_a_downgrade() {
    let numbers: Vec<u32> = [17, 18, 19]
        .map(|number| {
            let text = data::read(&format!("pcs-fortanix-eval/00606a000000-{number}.tcb"));
            let text = String::from_utf8(text).unwrap();
            let value: serde_json::Value = serde_json::from_str(&text).unwrap();
            let inner =
                value.get("raw_tcb_info").and_then(|raw| raw.as_str()).expect("the signed text");
            dcap::TcbInfo::parse(inner.as_bytes()).unwrap().tcb_evaluation_data_number
        })
        .to_vec();
    assert_eq!(numbers, [17, 18, 19]);
}

#[test]
fn collateral_is_verified_once_and_expires() {
    let evidence = sgx(TcbStatus::UpToDate).evidence();
    let (verifier, collateral) = (world::verifier(&evidence), world::collateral(&evidence));
    let now = Time::from_unix(NOW.0);
    let mut set = CollateralSet::new(2);
    let first = set.verify_once(&verifier, &collateral, now).unwrap();
    let second = set.verify_once(&verifier, &collateral, now).unwrap();
    assert!(Arc::ptr_eq(&first, &second));
    verifier.verify_quote(&evidence.quote, &second, now).unwrap();
    // One changed byte is other collateral.
    let mut changed = collateral.clone();
    changed.tcb_info = changed.tcb_info.replacen('8', "9", 1);
    assert!(set.verify_once(&verifier, &changed, now).is_err());
    assert_eq!(set.len(), 1);

    let soon = first.expiring_within(now, 40 * 86_400);
    assert!(soon.iter().any(|(what, _)| what.starts_with("TCB info")), "{soon:?}");
    assert_eq!(first.expiring_within(now, 86_400), []);
    let late = Time::from_unix(first.earliest_expiration().as_unix() + 1);
    assert!(set.verify_once(&verifier, &collateral, late).is_err());
    assert!(set.is_empty(), "what has expired is dropped");
}

#[test]
fn the_set_makes_room() {
    let now = Time::from_unix(NOW.0);
    let mut set = CollateralSet::new(2);
    for number in 1..=4 {
        let mut scenario = sgx(TcbStatus::UpToDate);
        scenario.pck_crl.number = Some(number);
        let evidence = scenario.evidence();
        set.verify_once(&world::verifier(&evidence), &world::collateral(&evidence), now).unwrap();
        assert!(set.len() <= 2);
    }
}

#[test]
fn quotes_say_what_they_need() {
    for quote in &data::manifest().dcap {
        let Some(fmspc) = &quote.fmspc else { continue };
        let need = Need::of_quote(&data::read(&quote.file)).unwrap();
        assert_eq!(need.fmspc, Bytes::from_hex(fmspc).unwrap());
        assert_eq!(need.tee, if quote.tee == "TDX" { Tee::Tdx } else { Tee::Sgx });
    }
    let refusal = Need::of_quote(&data::read("sgx/sgx-v3-ct3-2f59d4cb.quote")).unwrap_err();
    assert_eq!(refusal.reason(), Reason::PckUnavailable);
}

#[test]
fn a_bundle_serves_every_quote_in_it() {
    let manifest = data::manifest();
    let mut bundle = CollateralBundle::default();
    let mut quotes = Vec::new();
    for quote in &manifest.dcap {
        let Some(case) = quote.cases.last() else { continue };
        bundle.insert(data::collateral(&case.collateral));
        quotes.push(quote);
    }
    let bundle = CollateralBundle::from_json(bundle.to_json().unwrap().as_bytes()).unwrap();
    assert_eq!(bundle.entries().len(), 10, "one for each family, TEE and CA");
    for quote in quotes {
        let need = Need::of_quote(&data::read(&quote.file)).unwrap();
        bundle.find(&need).unwrap();
    }
    let missing = Need { tee: Tee::Tdx, fmspc: Bytes([0; 6]), ca: PckCa::Platform };
    assert_eq!(bundle.find(&missing).unwrap_err().reason(), Reason::CollateralMissing);
    let single = data::read("collateral/c-b4493d6a.json");
    assert_eq!(CollateralBundle::from_json(&single).unwrap().entries().len(), 1);
    for bad in [&b"{}"[..], b"{\"format\":\"casemate-collateral/9\",\"collateral\":[]}", b""] {
        assert_eq!(
            CollateralBundle::from_json(bad).unwrap_err().reason(),
            Reason::CollateralMalformed
        );
    }
}

fn encode(text: &str) -> String {
    text.bytes()
        .map(|byte| {
            if byte.is_ascii_alphanumeric() {
                char::from(byte).to_string()
            } else {
                format!("%{byte:02X}")
            }
        })
        .collect()
}

/// The answers of a service that has this collateral.
fn answer(collateral: &Collateral, request: &Request) -> Response {
    let signed = |name: &str, body: &str, signature: &[u8]| {
        let signature: String = signature.iter().map(|byte| format!("{byte:02x}")).collect();
        format!("{{\"{name}\":{body},\"signature\":\"{signature}\"}}").into_bytes()
    };
    let (header, chain, body) = match request.part {
        Part::TcbInfo => (
            "TCB-Info-Issuer-Chain",
            &collateral.tcb_info_issuer_chain,
            signed("tcbInfo", &collateral.tcb_info, &collateral.tcb_info_signature),
        ),
        Part::QeIdentity => (
            "sgx-enclave-identity-issuer-chain",
            &collateral.qe_identity_issuer_chain,
            signed("enclaveIdentity", &collateral.qe_identity, &collateral.qe_identity_signature),
        ),
        Part::PckCrl => (
            "SGX-PCK-CRL-Issuer-Chain",
            &collateral.pck_crl_issuer_chain,
            collateral.pck_crl.clone(),
        ),
        _ => ("X", &collateral.qe_identity, collateral.root_ca_crl.clone()),
    };
    Response { status: 200, headers: vec![(header.to_owned(), encode(chain))], body }
}

#[test]
fn answers_of_a_service_become_collateral() {
    let quote = data::read("tdx/tdx-v5-90c06f000000-cf77a6e9.quote");
    let collateral = data::collateral("collateral/c-b4493d6a.json");
    let need = Need::of_quote(&quote).unwrap();
    let service = CollateralService::pcs("https://api.trustedservices.intel.com/");
    let requests = service.requests(&need, Evaluation::Channel(UpdateChannel::Early));
    let base = "https://api.trustedservices.intel.com";
    assert_eq!(
        requests.each_ref().map(|request| request.url.as_str()),
        [
            &format!("{base}/tdx/certification/v4/tcb?fmspc=90c06f000000&update=early"),
            &format!("{base}/tdx/certification/v4/qe/identity?update=early"),
            &format!("{base}/sgx/certification/v4/pckcrl?ca=platform&encoding=der"),
            "https://certificates.trustedservices.intel.com/IntelSGXRootCA.der",
        ]
    );
    let responses = requests.each_ref().map(|request| answer(&collateral, request));
    let assembled = assemble(&requests, &responses).unwrap();
    assert_eq!(assembled.tcb_info, collateral.tcb_info, "the exact bytes that are signed");
    let verifier = Verifier::new(Anchors::production());
    let now = Time::parse_iso("2026-02-04T12:00:00Z").unwrap();
    let verified = verifier.verify_collateral(&assembled, now).unwrap();
    verifier.verify_quote(&quote, &verified, now).unwrap();

    // A PCCS serves CRLs as hexadecimal text, the root's as well.
    let pccs = CollateralService::pccs("https://pccs.example:8081");
    let requests = pccs.requests(&need, Evaluation::Number(17));
    assert!(requests[0].url.ends_with("&tcbEvaluationDataNumber=17"));
    assert_eq!(requests[3].url, "https://pccs.example:8081/sgx/certification/v4/rootcacrl");
    let mut as_text = responses.clone();
    for response in &mut as_text[2..] {
        response.body =
            response.body.iter().flat_map(|byte| format!("{byte:02x}").into_bytes()).collect();
    }
    assert_eq!(assemble(&requests, &as_text).unwrap().root_ca_crl, collateral.root_ca_crl);

    for (status, reason) in [
        (410, Reason::CollateralWithdrawn),
        (404, Reason::CollateralMissing),
        (500, Reason::CollateralOutage),
        (503, Reason::CollateralOutage),
        (401, Reason::CollateralOutage),
    ] {
        let mut failed = responses.clone();
        failed[0].status = status;
        assert_eq!(assemble(&requests, &failed).unwrap_err().reason(), reason);
    }
    let mut no_chain = responses.clone();
    no_chain[1].headers.clear();
    assert_eq!(assemble(&requests, &no_chain).unwrap_err().reason(), Reason::CollateralMalformed);
    let mut no_crl = responses;
    no_crl[3].body = b"<html>".to_vec();
    assert_eq!(assemble(&requests, &no_crl).unwrap_err().reason(), Reason::CollateralMalformed);
}
