//! `cargo xtask demo`: the main job, end to end, on the emulator.

use anyhow::Result;

use crate::stage;

/// Builds what a user installs and says what the demonstration shows of it.
pub(crate) fn run() -> Result<()> {
    let stage = stage::stage()?;
    println!("\nbuilt {}: casemate and the enclave image", stage.display());
    println!("planned: busybox in an emulated enclave, then a quote about it, made and verified");
    Ok(())
}
