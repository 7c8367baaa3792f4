//! `cargo xtask bench`: native and ours, alternating in one run, with ratio, target and verdict.
//!
//! Machines differ and drift, so no figure stands alone: in every round each row is measured
//! natively and in the enclave, at each transition cost, and rounds run through the variants in
//! turned order. The verdict compares medians at transition cost 0; the other cost shows what
//! tuning for a free transition would hide.

mod alternate;
mod attestation;
mod processes;
mod rows;
mod stats;
mod table;

use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result, bail};

use rows::Row;
use table::{Outcome, Verdict};

/// Options of `cargo xtask bench`.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// What to measure
    #[arg(value_enum)]
    what: What,
    /// Rounds; each measures every variant of a row once
    #[arg(long, default_value_t = 11, value_parser = clap::value_parser!(u32).range(3..))]
    rounds: u32,
    /// Only rows whose name contains this
    #[arg(long, value_name = "TEXT")]
    only: Option<String>,
    /// Also write the figures as JSON
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

#[derive(Clone, Copy, clap::ValueEnum)]
enum What {
    /// The enclave runtime
    Runtime,
    /// Verifying quotes; native is crate dcap-qvl on the same cryptography
    Attestation,
}

/// Cycles that the emulator adds to every enclave transition.
pub(crate) const TRANSITION_CYCLES: [u32; 2] = [0, 10_000];

/// Measures, prints the table, and fails if a row failed or missed its target.
pub(crate) fn run(args: &Args) -> Result<()> {
    let mut rows: Vec<Row> = match args.what {
        What::Runtime => rows::runtime()?.into_iter().chain(processes::rows()?).collect(),
        What::Attestation => attestation::rows()?,
    };
    if let Some(text) = &args.only {
        rows.retain(|row| row.name.contains(text));
    }
    let mut outcomes = Vec::new();
    for row in &mut rows {
        eprintln!("measuring {} ...", row.name);
        let figures = alternate::measure(row, args.rounds);
        outcomes.push(Outcome::of(row, figures));
    }
    print!("{}", table::render(&outcomes));
    if let Some(path) = &args.json {
        let json = serde_json::to_string_pretty(&outcomes).context("write the figures as JSON")?;
        fs::write(path, json + "\n").with_context(|| format!("write {}", path.display()))?;
    }
    let bad = |outcome: &&Outcome| matches!(outcome.verdict, Verdict::Missed | Verdict::Failed(_));
    match outcomes.iter().filter(bad).count() {
        0 => Ok(()),
        missed => bail!("{missed} of {} rows missed their target or failed", outcomes.len()),
    }
}
