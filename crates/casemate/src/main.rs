//! The host command line. Each verb has a module; this file only parses and dispatches.
//!
//! A verb is a `clap` argument structure with `run(self) -> anyhow::Result<Exit>`. Verbs print what
//! they were asked for on standard output and everything else on standard error.
#![forbid(unsafe_code)]
#![allow(clippy::print_stdout, reason = "printing is what a command line is for")]

mod attest;
mod clock;
mod collateral;
mod compile;
mod doctor;
mod exit;
mod files;
mod image;
mod inspect;
mod quote;
mod run;
mod sign;
mod text;
mod trace;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::exit::Exit;

/// Runs unmodified programs in SGX enclaves, and makes and checks what that needs.
#[derive(Debug, Parser)]
#[command(name = "casemate", version, after_help = exit::HELP)]
struct Cli {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    Attest(attest::Args),
    Collateral(collateral::Args),
    Compile(compile::Args),
    Doctor(doctor::Args),
    Inspect(inspect::Args),
    Quote(quote::Args),
    Run(Box<run::Args>),
    Sign(Box<sign::Args>),
    Trace(trace::Args),
}

fn main() -> ExitCode {
    let verb = Cli::parse().verb;
    // The program's own statuses are all others.
    let failure = if matches!(verb, Verb::Run(_)) { Exit::NotRun } else { Exit::Failed };
    let outcome = match verb {
        Verb::Attest(args) => args.run(),
        Verb::Collateral(args) => args.run(),
        Verb::Compile(args) => args.run(),
        Verb::Doctor(args) => args.run(),
        Verb::Inspect(args) => args.run(),
        Verb::Quote(args) => args.run(),
        Verb::Run(args) => args.run(),
        Verb::Sign(args) => args.run(),
        Verb::Trace(args) => args.run(),
    };
    match outcome {
        Ok(exit) => exit.into(),
        Err(error) => {
            eprintln!("casemate: {error:#}");
            failure.into()
        }
    }
}
