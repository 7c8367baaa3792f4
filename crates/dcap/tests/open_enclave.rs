//! Open Enclave's evidence and endorsements as Signal's services send them (`tests/dcap/signal-oe`).

#[path = "it/data.rs"]
mod data;

use dcap::{
    Anchors, Bytes, Reason, TcbStatus, Time, Verifier,
    crypto::DEFAULT,
    open_enclave::{OpenEnclaveEvidence, endorsements, is_endorsements},
};

const NAMES: [&str; 4] = ["dcap", "dcap_v3", "dcap-expired", "cds2_test"];

fn file(name: &str, kind: &str) -> Vec<u8> {
    data::read(&format!("signal-oe/{name}.{kind}"))
}

/// The key that the file beside the evidence names.
fn public_key(name: &str) -> [u8; 32] {
    let text = String::from_utf8(file(name, "pubkey")).expect("hexadecimal text");
    Bytes::from_hex(text.trim()).expect("32 bytes").0
}

#[test]
fn evidence_verifies_with_its_endorsements_and_binds_its_claims() {
    let verifier = Verifier::new(Anchors::production());
    for (name, at, status) in [
        ("dcap", "2023-01-18T23:30:00Z", TcbStatus::SWHardeningNeeded),
        ("dcap_v3", "2022-07-15T04:00:00Z", TcbStatus::UpToDate),
    ] {
        let bytes = file(name, "evidence");
        let evidence = OpenEnclaveEvidence::parse(&bytes).unwrap();
        let collateral = endorsements(&file(name, "endorsements")).unwrap();
        let now = Time::parse_iso(at).unwrap();
        let collateral = verifier
            .verify_collateral(&collateral, now)
            .unwrap_or_else(|refusal| panic!("{name}: {refusal}"));
        let claims = verifier
            .verify_quote(evidence.quote(), &collateral, now)
            .unwrap_or_else(|refusal| panic!("{name}: {refusal}"));
        assert_eq!(claims.tcb_status(), Some(status), "{name}");
        evidence.check_binding(DEFAULT, &claims.report_data).unwrap();
        assert_eq!(evidence.claims(), [("pk", &public_key(name)[..])], "{name}");
    }
}

/// This producer sent TCB info that had expired a year before its CRLs were issued.
#[test]
fn endorsements_are_verified_like_other_collateral() {
    let verifier = Verifier::new(Anchors::production());
    let collateral = endorsements(&file("dcap-expired", "endorsements")).unwrap();
    let made = Time::parse_iso("2022-05-16T23:29:47Z").unwrap();
    let refusal = verifier.verify_collateral(&collateral, made).unwrap_err();
    assert_eq!(refusal.reason(), Reason::TcbInfoExpired);
    let mut forged = endorsements(&file("dcap", "endorsements")).unwrap();
    forged.tcb_info = forged.tcb_info.replacen("OutOfDate", "UpToDate", 1);
    let now = Time::parse_iso("2023-01-18T23:30:00Z").unwrap();
    let refusal = verifier.verify_collateral(&forged, now).unwrap_err();
    assert_eq!(refusal.reason(), Reason::TcbInfoSignature);
}

#[test]
fn changed_claims_and_foreign_quotes_are_refused() {
    for name in NAMES {
        let bytes = file(name, "evidence");
        let evidence = OpenEnclaveEvidence::parse(&bytes).unwrap();
        let report_data = *dcap::Quote::parse(&bytes).unwrap().body.report_data();
        evidence.check_binding(DEFAULT, &Bytes(report_data)).unwrap();
        let mut changed = bytes.clone();
        *changed.last_mut().unwrap() ^= 1;
        let changed = OpenEnclaveEvidence::parse(&changed).unwrap();
        let refusal = changed.check_binding(DEFAULT, &Bytes(report_data)).unwrap_err();
        assert_eq!(refusal.reason(), Reason::OpenEnclaveBinding);
        let mut tail = report_data;
        tail[63] = 1;
        assert!(evidence.check_binding(DEFAULT, &Bytes(tail)).is_err());
    }
    let bare = data::read("sgx/sgx-v3-00606a000000-3f0db0ac.quote");
    let quote = dcap::Quote::parse(&bare).unwrap().without_padding(&bare);
    let refusal = OpenEnclaveEvidence::parse(quote).unwrap_err();
    assert_eq!(refusal.reason(), Reason::OpenEnclaveMalformed, "a quote without claims");
}

#[test]
fn nothing_may_be_missing_or_left_over() {
    for name in NAMES {
        let evidence = file(name, "evidence");
        let quote = OpenEnclaveEvidence::parse(&evidence).unwrap().quote().len();
        for length in quote..evidence.len() {
            OpenEnclaveEvidence::parse(&evidence[..length]).unwrap_err();
        }
        OpenEnclaveEvidence::parse(&[&evidence[..], &[0]].concat()).unwrap_err();
        let whole = file(name, "endorsements");
        assert!(is_endorsements(&whole) && !is_endorsements(&evidence));
        for length in (0..whole.len()).step_by(13).chain([whole.len() - 1]) {
            let reason = endorsements(&whole[..length]).unwrap_err().reason();
            assert_eq!(reason, Reason::OpenEnclaveMalformed);
        }
        // Every byte of the header matters, or leads to another element that is refused later.
        for at in 0..52 {
            let mut changed = whole.clone();
            changed[at] ^= 0x40;
            assert_ne!(endorsements(&changed), endorsements(&whole), "{name}: byte {at}");
        }
    }
}

/// A claim may have one value only.
#[test]
fn a_claim_comes_once() {
    let bytes = file("dcap", "evidence");
    let evidence = OpenEnclaveEvidence::parse(&bytes).unwrap();
    let claim = |name: &[u8], value: &[u8]| {
        let sizes = [name.len(), value.len()].map(|size| size.to_le_bytes());
        [&sizes[0], &sizes[1], name, value].concat()
    };
    let with = |claims: &[Vec<u8>]| {
        let header = [1_u64.to_le_bytes(), (claims.len() as u64).to_le_bytes()].concat();
        [evidence.quote(), &header, &claims.concat()].concat()
    };
    let names =
        |bytes: &[u8]| OpenEnclaveEvidence::parse(bytes).map(|evidence| evidence.claims().len());
    assert_eq!(names(&with(&[])).unwrap(), 0);
    assert_eq!(names(&with(&[claim(b"a\0", b"1"), claim(b"b\0", b"")])).unwrap(), 2);
    for bad in [
        with(&[claim(b"a\0", b"1"), claim(b"a\0", b"2")]),
        with(&[claim(b"a", b"1")]),
        with(&[claim(b"", b"1")]),
        with(&[claim(b"a\0b\0", b"1")]),
        with(&[claim(b"\xff\0", b"1")]),
    ] {
        assert_eq!(names(&bad).unwrap_err().reason(), Reason::OpenEnclaveMalformed);
    }
}
