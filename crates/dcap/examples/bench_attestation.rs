//! Times verification against crate `dcap-qvl` on the same cryptography (ring), alternating, so that
//! a drifting machine hits both alike.
//!
//!     taskset -c 1 cargo run --release -p dcap --example bench_attestation [ROUNDS]
//!
//! One line per row: quote, what, ours, theirs (both medians, ns), ratio. Figures of one machine and
//! moment: only the ratios travel. `cargo xtask bench attestation` asks for single figures:
//!
//!     bench_attestation sample sgx-v3|tdx-v4|tdx-v5 full|cached|parse ours|theirs
#![allow(clippy::print_stdout, reason = "printing figures is what it is for")]
#![allow(clippy::disallowed_methods, reason = "it measures time")]

use std::{fs, hint::black_box, path::Path, time::Instant};

use dcap::{Anchors, Collateral, Quote, Time, VerifiedCollateral, Verifier};
use dcap_qvl::{QuoteCollateralV3, quote::Quote as TheirQuote, verify::ring};

const CASES: [(&str, &str, &str, u64); 3] = [
    (
        "sgx-v3",
        "sgx/sgx-v3-00a067110000-f8b81014.quote",
        "collateral/c-f54cedd0.json",
        1_748_700_000,
    ),
    (
        "tdx-v4",
        "tdx/tdx-v4-b0c06f000000-f1c85033.quote",
        "collateral/c-221d7070.json",
        1_787_900_000,
    ),
    (
        "tdx-v5",
        "tdx/tdx-v5-b0c06f000000-fd88575b.quote",
        "collateral/c-221d7070.json",
        1_787_900_000,
    ),
];

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["sample", case, what, who] => println!("{}", sample(case, what, who)),
        [] => table(300),
        [rounds] => table(rounds.parse().expect("a number of rounds")),
        _ => panic!("expected nothing, ROUNDS or sample CASE WHAT WHO, found {words:?}"),
    }
}

/// Both verifiers, ready for one case.
struct Bench {
    quote: Vec<u8>,
    at: u64,
    ours: Collateral,
    theirs: QuoteCollateralV3,
    verifier: Verifier,
    verified: VerifiedCollateral,
}

impl Bench {
    fn new((_, quote, collateral, at): (&str, &str, &str, u64)) -> Self {
        let quote = read(quote);
        let ours = Collateral::from_json(&read(collateral)).expect("test data");
        let theirs = their_collateral(&ours);
        let verifier = Verifier::new(Anchors::production());
        let now = Time::from_unix(at);
        let verified = verifier.verify_collateral(&ours, now).expect("test data");
        let claims = verifier.verify_quote(&quote, &verified, now).expect("test data");
        let report = ring::verify(&quote, &theirs, at).expect("test data");
        assert_eq!(claims.tcb_status().map(dcap::TcbStatus::as_str), Some(report.status.as_str()));
        Self { quote, at, ours, theirs, verifier, verified }
    }

    /// One operation. The other verifier has no cached form: it verifies in full.
    fn run(&self, what: &str, who: &str) {
        let now = Time::from_unix(self.at);
        match (what, who) {
            ("full", "ours") => {
                let verified = self.verifier.verify_collateral(black_box(&self.ours), now);
                let result =
                    verified.and_then(|it| self.verifier.verify_quote(&self.quote, &it, now));
                drop(black_box(result));
            }
            ("cached", "ours") => {
                let quote = black_box(&self.quote);
                drop(black_box(self.verifier.verify_quote(quote, &self.verified, now)));
            }
            ("parse", "ours") => drop(black_box(Quote::parse(black_box(&self.quote)))),
            ("parse", "theirs") => drop(black_box(TheirQuote::parse(black_box(&self.quote)))),
            ("full" | "cached", "theirs") => {
                drop(black_box(ring::verify(black_box(&self.quote), &self.theirs, self.at)));
            }
            _ => panic!("expected full, cached or parse, and ours or theirs: {what}, {who}"),
        }
    }

    /// Nanoseconds of one operation, over a batch.
    fn time(&self, what: &str, who: &str) -> u128 {
        // Short enough to fit into a time slice of a busy machine: the median then ignores the rest.
        let batch: u32 = if what == "parse" { 1000 } else { 1 };
        let start = Instant::now();
        (0..batch).for_each(|_| self.run(what, who));
        start.elapsed().as_nanos() / u128::from(batch)
    }
}

/// Nanoseconds, the median of some batches.
fn sample(case: &str, what: &str, who: &str) -> u128 {
    let case = CASES.into_iter().find(|(name, ..)| *name == case).expect("a case");
    let bench = Bench::new(case);
    bench.time(what, who);
    median((0..200).map(|_| bench.time(what, who)).collect())
}

fn table(rounds: usize) {
    println!("{:<8} {:<8} {:>12} {:>12} {:>7}", "quote", "what", "ours ns", "theirs ns", "ratio");
    for case in CASES {
        let bench = Bench::new(case);
        for what in ["full", "cached", "parse"] {
            let mut samples = [Vec::new(), Vec::new()];
            for round in 0..rounds {
                // Turn the order, so that neither always runs on a warm cache.
                for turn in 0..2 {
                    let which = (round + turn) % 2;
                    samples[which].push(bench.time(what, ["ours", "theirs"][which]));
                }
            }
            let [ours, theirs] = samples.map(median);
            let percent = ours * 100 / theirs.max(1);
            println!("{:<8} {what:<8} {ours:>12} {theirs:>12} {percent:>6}%", case.0);
        }
        println!(
            "{:<8} memory of cached collateral: {} bytes, from {} bytes",
            case.0,
            bench.verified.memory_bytes(),
            bench.verified.source_bytes()
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

fn median(mut samples: Vec<u128>) -> u128 {
    samples.sort_unstable();
    samples[samples.len() / 2]
}
