//! Every real quote and report of `tests/dcap/manifest.json` gives the result stated there.

#[path = "it/data.rs"]
mod data;

use data::{Case, collateral, manifest, read};
use dcap::{Anchors, Blame, Reason, Time, Verifier};

/// What is expected of a case that is refused.
fn expected_refusal(case: &Case) -> Option<Reason> {
    match (case.crypto_failures.as_slice(), case.expected_status.as_str()) {
        ([failure], _) if failure == "quote-sig" => Some(Reason::QuoteSignature),
        ([], "NotSupported") => Some(Reason::TcbNotSupported),
        ([], _) => None,
        (failures, _) => panic!("unknown failures {failures:?}"),
    }
}

#[test]
fn every_case_has_its_expected_status_and_advisories() {
    let verifier = Verifier::new(Anchors::production());
    let mut cases = 0;
    for quote in &manifest().dcap {
        let bytes = read(&quote.file);
        for case in &quote.cases {
            cases += 1;
            let name = format!("{} with {} at {}", quote.file, case.collateral, case.verify_at);
            let now = Time::from_unix(case.verify_at_unix);
            let verified = verifier
                .verify_collateral(&collateral(&case.collateral), now)
                .unwrap_or_else(|refusal| panic!("{name}: {refusal}"));
            let result = verifier.verify_quote(&bytes, &verified, now);
            match (expected_refusal(case), result) {
                (Some(reason), Err(refusal)) => {
                    assert_eq!(refusal.reason(), reason, "{name}: {refusal}")
                }
                (None, Ok(claims)) => {
                    let tcb = claims.tcb.as_ref().unwrap();
                    assert_eq!(tcb.status.as_str(), case.expected_status, "{name}");
                    let mut advisories = tcb.advisories.clone();
                    advisories.sort();
                    assert_eq!(advisories, case.expected_advisories, "{name}");
                    assert_eq!(tcb.tcb_info_evaluation_data_number, case.tcb_eval, "{name}");
                    assert_eq!(tcb.qe.status.as_str(), case.qe_status, "{name}");
                    assert_eq!(claims.debug, quote.debug, "{name}");
                    assert!(!claims.is_emulated());
                    let platform = claims.dcap_platform().unwrap();
                    assert_eq!(Some(platform.pck.fmspc.to_string()), quote.fmspc, "{name}");
                    if let Some(enclave) = claims.sgx() {
                        assert_eq!(Some(enclave.mrenclave.to_string()), quote.mrenclave);
                        assert_eq!(Some(enclave.mrsigner.to_string()), quote.mrsigner);
                    }
                }
                (expected, result) => panic!(
                    "{name}: expected {expected:?} or {}, found {result:?}",
                    case.expected_status
                ),
            }
        }
    }
    assert_eq!(cases, 150);
}

/// One second outside either end of the common window, some part is stale; at the ends none is.
#[test]
fn every_case_is_stale_outside_its_window() {
    let verifier = Verifier::new(Anchors::production());
    let mut seen = std::collections::BTreeSet::new();
    for quote in &manifest().dcap {
        let bytes = read(&quote.file);
        for case in &quote.cases {
            let collateral = collateral(&case.collateral);
            let now = Time::from_unix(case.verify_at_unix);
            let inside = verifier.verify_collateral(&collateral, now).unwrap();
            let stale = |at: Time| -> Option<Reason> {
                let cached = verifier.verify_quote(&bytes, &inside, at).err();
                let fresh = verifier
                    .verify_collateral(&collateral, at)
                    .and_then(|verified| verifier.verify_quote(&bytes, &verified, at))
                    .err();
                let cached = cached.filter(|refusal| refusal.blame() == Blame::Stale);
                let fresh = fresh.filter(|refusal| refusal.blame() == Blame::Stale);
                assert_eq!(
                    cached.is_some(),
                    fresh.is_some(),
                    "{}: {cached:?} {fresh:?}",
                    quote.file
                );
                cached.map(|refusal| refusal.reason())
            };
            let [from, to] =
                [&case.window[0], &case.window[1]].map(|at| Time::parse_iso(at).unwrap());
            assert_eq!((stale(from), stale(to)), (None, None), "{}", quote.file);
            // A window that begins at a PCK's notBefore is written as the day after it.
            let exact_start = !case.window[0].ends_with("T00:00:00Z");
            let outside = exact_start.then_some(from.as_unix() - 1);
            for at in outside.into_iter().chain([to.as_unix() + 1]) {
                let reason = stale(Time::from_unix(at));
                seen.insert(reason.unwrap_or_else(|| panic!("{} is valid at {at}", quote.file)));
            }
        }
    }
    assert!(seen.len() >= 4, "dates of several parts are exercised: {seen:?}");
}
