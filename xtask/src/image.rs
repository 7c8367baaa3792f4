//! `cargo xtask image`: builds `target/image/casemate-enclave` and checks it.

mod build;
mod check;

pub(crate) use build::TARGET;

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

/// Options of `cargo xtask image`.
#[derive(clap::Args, Default)]
pub(crate) struct Args {
    /// Build without the disassembly check; the result must not be shipped
    #[arg(long)]
    no_check: bool,
    /// Check this file instead of building one
    #[arg(long, value_name = "FILE", conflicts_with = "no_check")]
    check: Option<PathBuf>,
    /// Also build it in another folder; both must be the same bytes
    #[arg(long, conflicts_with_all = ["no_check", "check"])]
    reproduce: bool,
}

impl Args {
    /// Everything that can be checked.
    pub(crate) fn thorough() -> Self {
        Self { reproduce: true, ..Self::default() }
    }
}

/// Builds the image, then checks it unless told not to.
pub(crate) fn run(args: &Args) -> Result<()> {
    if let Some(file) = &args.check {
        return check_file(file);
    }
    if args.no_check {
        println!("image {} built, not checked", build::build()?.display());
        return Ok(());
    }
    let image = build_and_check()?;
    if args.reproduce {
        build::reproduce(&image)?;
        println!("image reproduced, byte for byte, in another folder");
    }
    Ok(())
}

/// Builds and checks the image and returns its path.
pub(crate) fn build_and_check() -> Result<PathBuf> {
    let image = build::build()?;
    check_file(&image)?;
    Ok(image)
}

fn check_file(path: &Path) -> Result<()> {
    let file = fs::read(path).with_context(|| format!("read {}", path.display()))?;
    let report = check::check(&file)?;
    for violation in &report.violations {
        println!("{violation}");
    }
    let count = report.violations.len();
    if count != 0 {
        bail!("image {}: {count} violations", path.display());
    }
    println!(
        "image {}: {} KiB measured, {} instructions and {} ENCLU sites checked",
        path.display(),
        report.measured_bytes.div_ceil(1024),
        report.instructions,
        report.sites
    );
    Ok(())
}
