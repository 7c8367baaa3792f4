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

mod image;
mod process;
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
    /// Build the enclave image and check its instructions and relocations
    Image(image::Args),
}

fn main() -> ExitCode {
    let result = match Cli::parse().task {
        Task::Image(args) => image::run(&args),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
