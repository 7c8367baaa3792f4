//! `cargo xtask test` and `cargo xtask ci`: every check and test suite, each with its time.

mod tally;

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};

use crate::{e2e, fuzz, image, process, tidy, vault};
pub(crate) use tally::Tally;

/// Options of `cargo xtask test`.
#[derive(clap::Args, Default)]
pub(crate) struct Args {
    /// Run only these suites, in this order; default: all
    #[arg(value_enum, value_name = "SUITE")]
    suites: Vec<Suite>,
}

/// A suite, in the order in which all run: cheap and likely to fail first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Suite {
    /// Formatting (rustfmt)
    Fmt,
    /// House rules (cargo xtask tidy)
    Tidy,
    /// Lints, warnings are errors (clippy)
    Clippy,
    /// The enclave image, its disassembly check, and that it is reproducible
    Image,
    /// Unit and integration tests of every crate
    Crates,
    /// Crates with other features than their default ones
    Features,
    /// Examples in documentation comments
    Doc,
    /// Scripts under tests/e2e
    E2e,
    /// The secrets server beside OpenBao: the same requests, the same answers
    Vault,
    /// Every fuzz target over its corpus, then 30 seconds each
    Fuzz,
    /// Licences, bans and sources (cargo-deny, where installed)
    Deny,
    /// Unused dependencies (cargo-shear, where installed)
    Shear,
}

/// How a suite ended.
enum Outcome {
    Passed,
    /// Not run, and why.
    Skipped(&'static str),
    Failed(anyhow::Error),
}

/// Runs the named suites, or all, to their end; fails if one failed.
pub(crate) fn run(args: &Args) -> Result<()> {
    let all = <Suite as clap::ValueEnum>::value_variants();
    let suites = if args.suites.is_empty() { all } else { &args.suites };
    let mut tally = Tally::default();
    let mut rows = Vec::new();
    for &suite in suites {
        println!("\n=== {}", suite.name());
        let start = Instant::now();
        let outcome = suite.run(&mut tally);
        if let Outcome::Failed(error) = &outcome {
            println!("{}: {error:#}", suite.name());
        }
        rows.push((suite, start.elapsed(), outcome));
    }
    summarise(&rows, &tally)
}

fn summarise(rows: &[(Suite, Duration, Outcome)], tally: &Tally) -> Result<()> {
    println!("\n=== summary");
    let mut failed = Vec::new();
    for (suite, time, outcome) in rows {
        let name = suite.name();
        let verdict = match outcome {
            Outcome::Passed => "ok".to_owned(),
            Outcome::Skipped(reason) => format!("skipped: {reason}"),
            Outcome::Failed(_) => {
                failed.push(name);
                "FAILED".to_owned()
            }
        };
        println!("{name:<8} {:>7.1} s  {verdict}", time.as_secs_f64());
    }
    if tally.total() != 0 {
        println!("\n{tally}");
    }
    if !failed.is_empty() {
        bail!("failed: {}", failed.join(", "));
    }
    Ok(())
}

impl Suite {
    fn name(self) -> &'static str {
        match self {
            Self::Fmt => "fmt",
            Self::Tidy => "tidy",
            Self::Clippy => "clippy",
            Self::Image => "image",
            Self::Crates => "crates",
            Self::Features => "features",
            Self::Doc => "doc",
            Self::E2e => "e2e",
            Self::Vault => "vault",
            Self::Fuzz => "fuzz",
            Self::Deny => "deny",
            Self::Shear => "shear",
        }
    }

    fn run(self, tally: &mut Tally) -> Outcome {
        let result = match self {
            Self::Fmt => cargo(&["fmt", "--all", "--check"]),
            Self::Tidy => tidy::run(&tidy::Args::default()),
            Self::Clippy => {
                let scope = ["clippy", "--workspace", "--all-targets", "--locked"];
                cargo(&[&scope[..], &["--", "--deny", "warnings"]].concat())
            }
            Self::Image => image::run(&image::Args::thorough()),
            Self::Crates => tests(&["--workspace", "--lib", "--bins", "--tests"], tally),
            Self::Features => features(tally),
            Self::Doc => tests(&["--workspace", "--doc"], tally),
            Self::E2e => e2e::run(tally),
            Self::Vault => vault::run(tally),
            Self::Fuzz => fuzz::run(&fuzz::Args::default(), tally),
            Self::Deny => {
                return optional("cargo-deny", &["deny", "check", "bans", "licenses", "sources"]);
            }
            Self::Shear => return optional("cargo-shear", &["shear"]),
        };
        match result {
            Ok(()) => Outcome::Passed,
            Err(error) => Outcome::Failed(error),
        }
    }
}

fn cargo(arguments: &[&str]) -> Result<()> {
    process::run(process::cargo().args(arguments))
}

/// Runs a cargo subcommand that a developer may not have.
fn optional(program: &str, arguments: &[&str]) -> Outcome {
    let version = Command::new(program).arg("--version").stdout(Stdio::null()).status();
    if version.is_err() {
        return Outcome::Skipped("not installed; see CONTRIBUTING.md");
    }
    match cargo(arguments) {
        Ok(()) => Outcome::Passed,
        Err(error) => Outcome::Failed(error),
    }
}

/// The verifier in pure Rust: it agrees with the default one, and nothing in it needs std.
fn features(tally: &mut Tally) -> Result<()> {
    tests(&["--package", "dcap", "--features", "rustcrypto", "--test", "crypto"], tally)?;
    let pure =
        ["--package", "dcap", "--locked", "--no-default-features", "--features", "rustcrypto"];
    cargo(&[&["check"], &pure[..]].concat())?;
    let shown = ["--edges", "normal,no-proc-macro", "--prefix", "none", "--format", "{p}|{f}"];
    let tree = process::stdout(process::cargo().arg("tree").args(pure).args(shown))?;
    let with_std = lines_with_std(&String::from_utf8_lossy(&tree));
    ensure!(with_std.is_empty(), "dcap without std: expected no crate with it, found {with_std:?}");
    Ok(())
}

/// The crates that have feature `std` on, of lines such as `sha2 v0.11.1|alloc,std (*)`.
fn lines_with_std(tree: &str) -> Vec<String> {
    let has_std = |line: &&str| {
        let features = line.split_once('|').map_or("", |(_, features)| features);
        features.split([',', ' ']).any(|feature| feature == "std")
    };
    tree.lines().filter(has_std).map(str::to_owned).collect()
}

/// Runs `cargo test`, showing its output and counting its tests.
fn tests(arguments: &[&str], tally: &mut Tally) -> Result<()> {
    let mut child = process::cargo()
        .args(["test", "--locked", "--no-fail-fast"])
        .args(arguments)
        .stdout(Stdio::piped())
        .spawn()
        .context("cannot start `cargo test`")?;
    let output = child.stdout.take().context("`cargo test` has no standard output")?;
    for line in BufReader::new(output).lines() {
        let line = line.context("read the output of `cargo test`")?;
        tally.read_line(&line);
        writeln!(std::io::stdout(), "{line}").context("write to standard output")?;
    }
    let status = child.wait().context("wait for `cargo test`")?;
    if !status.success() {
        bail!("`cargo test` failed: {status}");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn crates_with_std_are_found() {
        let tree =
            "dcap v0.1.0 (/src)|rustcrypto\nsha2 v0.11.1|alloc,std (*)\nstdlike v1.0.0|nostd\n";
        assert_eq!(lines_with_std(tree), ["sha2 v0.11.1|alloc,std (*)"]);
    }
}
