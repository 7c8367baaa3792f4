//! Developer tasks: `cargo xtask <task>`, one module per task.
//!
//! `./x` is the script that a newcomer starts with; it prepares the machine and ends here. Nothing
//! in this crate is shipped.
#![forbid(unsafe_code)]
#![allow(
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "a developer tool: it prints, starts programs and reads the clock"
)]

mod bench;
mod demo;
mod e2e;
mod fuzz;
mod image;
mod process;
mod stage;
mod suites;
mod tcb;
mod tidy;
mod vault;
mod workspace;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Developer tasks of the Casemate workspace.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask", max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Build everything and run the main job
    Demo,
    /// Measure against native runs
    Bench(bench::Args),
    /// Build the enclave image and check its instructions and relocations
    Image(image::Args),
    /// Run all checks and tests, or the named suites
    Test(suites::Args),
    /// Run exactly what CI runs: all suites
    Ci,
    /// Build the fuzz targets and run each over its corpus
    Fuzz(fuzz::Args),
    /// Check the house rules
    Tidy(tidy::Args),
    /// Count what is linked into the enclave image
    Tcb,
}

fn main() -> ExitCode {
    let result = match Cli::parse().task {
        Task::Demo => demo::run(),
        Task::Bench(args) => bench::run(&args),
        Task::Image(args) => image::run(&args),
        Task::Test(args) => suites::run(&args),
        Task::Ci => suites::run(&suites::Args::default()),
        Task::Fuzz(args) => fuzz::run(&args, &mut suites::Tally::default()),
        Task::Tidy(args) => tidy::run(&args),
        Task::Tcb => tcb::run(),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
