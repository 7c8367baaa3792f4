//! Times verification against crate `dcap-qvl` on the same cryptography (ring), alternating, so that
//! a drifting machine hits both alike.
//!
//!     taskset -c 1 cargo run --release -p dcap --example bench_attestation [ROUNDS]
//!
//! One line per row: quote, what, ours, theirs (both medians, ns), ratio. Figures of one machine and
//! moment: only the ratios travel.
#![allow(clippy::print_stdout, reason = "printing figures is what it is for")]
#![allow(clippy::disallowed_methods, reason = "it measures time")]

use std::{fs, hint::black_box, path::Path, time::Instant};

use dcap::{Anchors, Collateral, Quote, Time, Verifier};
use dcap_qvl::{QuoteCollateralV3, quote::Quote as TheirQuote, verify::ring};

const CASES: [(&str, &str, &str, u64); 3] = [
    (
        "SGX v3",
        "sgx/sgx-v3-00a067110000-f8b81014.quote",
        "collateral/c-f54cedd0.json",
        1_748_700_000,
    ),
    (
        "TDX v4",
        "tdx/tdx-v4-b0c06f000000-f1c85033.quote",
        "collateral/c-221d7070.json",
        1_787_900_000,
    ),
    (
        "TDX v5",
        "tdx/tdx-v5-b0c06f000000-fd88575b.quote",
        "collateral/c-221d7070.json",
        1_787_900_000,
    ),
];

fn main() {
    let rounds = std::env::args().nth(1).and_then(|text| text.parse().ok()).unwrap_or(300);
    println!("{:<8} {:<28} {:>12} {:>12} {:>7}", "quote", "what", "ours ns", "theirs ns", "ratio");
    for (name, quote, collateral, at) in CASES {
        let quote = read(quote);
        let json = read(collateral);
        let ours = Collateral::from_json(&json).expect("test data");
        let theirs: QuoteCollateralV3 = their_collateral(&ours);
        let verifier = Verifier::new(Anchors::production());
        let now = Time::from_unix(at);
        let verified = verifier.verify_collateral(&ours, now).expect("test data");
        let claims = verifier.verify_quote(&quote, &verified, now).expect("test data");
        let report = ring::verify(&quote, &theirs, at).expect("test data");
        assert_eq!(claims.tcb_status().map(dcap::TcbStatus::as_str), Some(report.status.as_str()));

        let their_full = || drop(black_box(ring::verify(black_box(&quote), &theirs, at)));
        let full = || {
            let verified = verifier.verify_collateral(black_box(&ours), now);
            drop(black_box(
                verified.and_then(|verified| verifier.verify_quote(&quote, &verified, now)),
            ));
        };
        let cached = || drop(black_box(verifier.verify_quote(black_box(&quote), &verified, now)));
        let parse = || drop(black_box(Quote::parse(black_box(&quote))));
        let their_parse = || drop(black_box(TheirQuote::parse(black_box(&quote))));
        row(name, "full verification", rounds, 5, full, their_full);
        row(name, "with cached collateral", rounds, 5, cached, their_full);
        row(name, "parsing", rounds, 1000, parse, their_parse);
        println!(
            "{name:<8} memory of cached collateral: {} bytes, from {} bytes",
            verified.memory_bytes(),
            verified.source_bytes()
        );
    }
}

fn read(name: &str) -> Vec<u8> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/dcap").join(name);
    fs::read(&path).unwrap_or_else(|error| panic!("read {}: {error}", path.display()))
}

fn their_collateral(ours: &Collateral) -> QuoteCollateralV3 {
    QuoteCollateralV3 {
        pck_crl_issuer_chain: ours.pck_crl_issuer_chain.clone(),
        root_ca_crl: ours.root_ca_crl.clone(),
        pck_crl: ours.pck_crl.clone(),
        tcb_info_issuer_chain: ours.tcb_info_issuer_chain.clone(),
        tcb_info: ours.tcb_info.clone(),
        tcb_info_signature: ours.tcb_info_signature.clone(),
        qe_identity_issuer_chain: ours.qe_identity_issuer_chain.clone(),
        qe_identity: ours.qe_identity.clone(),
        qe_identity_signature: ours.qe_identity_signature.clone(),
        pck_certificate_chain: None,
    }
}

fn row(
    name: &str,
    what: &str,
    rounds: usize,
    batch: u32,
    mut ours: impl FnMut(),
    mut theirs: impl FnMut(),
) {
    let mut samples = [Vec::new(), Vec::new()];
    for round in 0..rounds {
        // Turn the order, so that neither always runs on a warm cache.
        for turn in 0..2 {
            let which = (round + turn) % 2;
            let start = Instant::now();
            for _ in 0..batch {
                if which == 0 { ours() } else { theirs() }
            }
            samples[which].push(start.elapsed().as_nanos() / u128::from(batch));
        }
    }
    let [ours, theirs] = samples.map(median);
    let percent = ours * 100 / theirs.max(1);
    println!("{name:<8} {what:<28} {ours:>12} {theirs:>12} {:>6}%", percent);
}

fn median(mut samples: Vec<u128>) -> u128 {
    samples.sort_unstable();
    samples[samples.len() / 2]
}
