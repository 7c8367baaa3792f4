//! `cargo xtask fuzz`: builds the fuzz targets with coverage and runs each over its corpus.
//!
//! libFuzzer comes as source with crate `libfuzzer-sys`, so a stable Rust and a C++ compiler are all it
//! takes. There is no address sanitizer: what the targets call is safe code or checked by its own
//! assertions. What a run finds new and harmless stays under `fuzz/target/corpus/`; a crash is written
//! to `fuzz/artifacts/` and belongs into `fuzz/corpus/TARGET/`, with the fix.

mod runner;

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result, bail, ensure};

use crate::suites::Tally;
use crate::{process, workspace};

/// Every target, with the folders of real data it starts from beside `fuzz/corpus/TARGET`.
const TARGETS: &[(&str, &[&str])] = &[
    ("quote", &["tests/dcap/sgx", "tests/dcap/tdx"]),
    ("certificates", &["tests/dcap/ratls", "tests/dcap/snp"]),
    ("signed_json", &["tests/dcap/pcs-teepot", "tests/dcap/negative-tcbinfo"]),
    ("collateral", &["tests/dcap/collateral"]),
    ("snp", &["tests/dcap/snp"]),
    ("ratls", &["tests/dcap/ratls"]),
    ("open_enclave", &["tests/dcap/signal-oe"]),
    ("sgx", &["tests/sgx/measurement-vectors"]),
    ("manifest", &[]),
    ("image", &[]),
    ("program", &[]),
    ("ocall", &[]),
    ("aesm", &[]),
    ("pcs_request", &[]),
];

/// What rustc needs to know to make code that libFuzzer can see into. Overflow checks are on, so that
/// wrapping by mistake is a finding.
const RUSTFLAGS: &str = "--cfg fuzzing -Cpasses=sancov-module \
    -Cllvm-args=-sanitizer-coverage-level=4 -Cllvm-args=-sanitizer-coverage-inline-8bit-counters \
    -Cllvm-args=-sanitizer-coverage-pc-table -Cllvm-args=-sanitizer-coverage-trace-compares \
    -Ccodegen-units=1 -Cdebug-assertions -Coverflow-checks";

/// A target triple keeps the flags away from build scripts.
const TRIPLE: &str = "x86_64-unknown-linux-gnu";

/// Options of `cargo xtask fuzz`.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Run only these targets; default: all
    #[arg(value_name = "TARGET")]
    targets: Vec<String>,
    /// How long each target runs after its corpus
    #[arg(long, value_name = "SECONDS", default_value_t = Self::SECONDS)]
    seconds: u32,
}

impl Args {
    /// How long each target runs in CI.
    const SECONDS: u32 = 30;
}

impl Default for Args {
    fn default() -> Self {
        Self { targets: Vec::new(), seconds: Self::SECONDS }
    }
}

/// A target to run.
struct Target {
    name: &'static str,
    program: PathBuf,
    /// Where libFuzzer puts what it finds; its first corpus.
    found: PathBuf,
    seeds: Vec<PathBuf>,
    artifacts: PathBuf,
}

/// Builds and runs targets; fails if one found something.
pub(crate) fn run(args: &Args, tally: &mut Tally) -> Result<()> {
    check_table()?;
    let targets = select(&args.targets)?;
    build()?;
    let mut failed = Vec::new();
    for outcome in runner::run_all(&targets, args.seconds) {
        match outcome.result {
            Ok(summary) => {
                println!("fuzz {} ... ok, {summary}", outcome.target);
                tally.passed += 1;
            }
            Err(error) => {
                println!("fuzz {} ... FAILED\n{error:#}", outcome.target);
                tally.failed += 1;
                failed.push(outcome.target);
            }
        }
    }
    ensure!(failed.is_empty(), "targets failed: {}", failed.join(", "));
    Ok(())
}

/// The table above and the folder of targets must name the same.
fn check_table() -> Result<()> {
    let folder = workspace::root().join("fuzz").join("fuzz_targets");
    let mut files = BTreeSet::new();
    for entry in fs::read_dir(&folder).with_context(|| format!("list {}", folder.display()))? {
        let path = entry.with_context(|| format!("list {}", folder.display()))?.path();
        files.extend(path.file_stem().map(|name| name.to_string_lossy().into_owned()));
    }
    let table: BTreeSet<String> = TARGETS.iter().map(|(name, _)| (*name).to_owned()).collect();
    ensure!(
        files == table,
        "targets in xtask/src/fuzz.rs: expected those of fuzz/fuzz_targets, {files:?}, found {table:?}"
    );
    Ok(())
}

fn select(names: &[String]) -> Result<Vec<Target>> {
    let known = |name: &&String| TARGETS.iter().any(|(target, _)| target == name);
    if let Some(unknown) = names.iter().find(|name| !known(name)) {
        let all: Vec<&str> = TARGETS.iter().map(|(name, _)| *name).collect();
        bail!("no fuzz target {unknown}; there are: {}", all.join(", "));
    }
    let wanted = |name: &str| names.is_empty() || names.iter().any(|one| one == name);
    TARGETS.iter().filter(|(name, _)| wanted(name)).map(|(name, data)| target(name, data)).collect()
}

fn target(name: &'static str, data: &[&str]) -> Result<Target> {
    let root = workspace::root();
    let fuzz = root.join("fuzz");
    let found = fuzz.join("target").join("corpus").join(name);
    let artifacts = fuzz.join("artifacts").join(name);
    for folder in [&found, &artifacts] {
        fs::create_dir_all(folder).with_context(|| format!("create {}", folder.display()))?;
    }
    let mut seeds: Vec<PathBuf> = data.iter().map(|folder| root.join(folder)).collect();
    seeds.extend([fuzz.join("corpus").join(name)].into_iter().filter(|folder| folder.is_dir()));
    let program = fuzz.join("target").join(TRIPLE).join("release").join(name);
    Ok(Target { name, program, found, seeds, artifacts })
}

fn build() -> Result<()> {
    let fuzz = workspace::root().join("fuzz");
    process::run(
        process::cargo()
            .current_dir(&fuzz)
            .args(["build", "--release", "--locked", "--quiet", "--target", TRIPLE])
            .args(["--target-dir", "target"])
            .env("RUSTFLAGS", RUSTFLAGS),
    )
}
