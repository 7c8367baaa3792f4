//! The rows of `cargo xtask bench attestation`: crate `dcap` against crate `dcap-qvl`.
//!
//! Both run in one program, `bench_attestation` of crate `dcap`, on one pinned core. Transition cost
//! means nothing here: verification makes no transitions, so both columns measure the same.

use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};

use super::rows::{Better, Probe, Row, Sample, Target};

/// What is measured for each kind of quote, in microseconds.
const ROWS: [(&str, &str, &str, Target); 9] = [
    ("SGX v3, full verification", "sgx-v3", "full", Target::TimesNative(1.05)),
    ("SGX v3, cached collateral", "sgx-v3", "cached", Target::TimesNative(0.4)),
    ("SGX v3, parsing", "sgx-v3", "parse", Target::Absolute(2.0)),
    ("TDX v4, full verification", "tdx-v4", "full", Target::TimesNative(1.05)),
    ("TDX v4, cached collateral", "tdx-v4", "cached", Target::TimesNative(0.4)),
    ("TDX v4, parsing", "tdx-v4", "parse", Target::Absolute(2.0)),
    ("TDX v5, full verification", "tdx-v5", "full", Target::TimesNative(1.05)),
    ("TDX v5, cached collateral", "tdx-v5", "cached", Target::TimesNative(0.4)),
    ("TDX v5, parsing", "tdx-v5", "parse", Target::Absolute(2.0)),
];

/// Builds the program and makes the rows.
pub(super) fn rows() -> Result<Vec<Row>> {
    let mut build = Command::new(env!("CARGO"));
    build.args(["build", "--release", "-p", "dcap", "--example", "bench_attestation"]);
    let status = build.status().with_context(|| format!("cannot start {build:?}"))?;
    ensure!(status.success(), "{build:?}: {status}");
    Ok(ROWS.map(|(name, case, what, target)| row(name, case, what, target)).into())
}

fn row(name: &'static str, case: &'static str, what: &'static str, target: Target) -> Row {
    let probe = |who: &'static str| -> Probe { Box::new(move |_| sample(case, what, who)) };
    Row {
        name,
        unit: "us",
        better: Better::Less,
        target,
        native: Some(probe("theirs")),
        ours: probe("ours"),
    }
}

fn sample(case: &str, what: &str, who: &str) -> Result<Sample> {
    let program = Path::new("target/release/examples/bench_attestation");
    let mut command = Command::new("taskset");
    command.args(["-c", "0"]).arg(program).args(["sample", case, what, who]);
    let output = command
        .stderr(Stdio::inherit())
        .output()
        .with_context(|| format!("cannot start {command:?}"))?;
    ensure!(output.status.success(), "{command:?}: {}", output.status);
    let text = String::from_utf8_lossy(&output.stdout);
    let nanoseconds: f64 =
        text.trim().parse().with_context(|| format!("{command:?} printed {text:?}"))?;
    Ok(Sample { value: nanoseconds / 1e3, exits: None })
}
