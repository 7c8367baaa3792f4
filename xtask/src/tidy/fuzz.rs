//! The fuzz targets stand outside the workspace, with a lock file of their own: it must know what the
//! crates depend on now, or CI cannot build them.

use std::process::Stdio;

use anyhow::{Context, Result};

use super::Finding;
use crate::{process, workspace};

/// Asks cargo to resolve the targets with their lock file as it is.
pub(super) fn check() -> Result<Option<Finding>> {
    let fuzz = workspace::root().join("fuzz");
    let status = process::cargo()
        .current_dir(&fuzz)
        .args(["metadata", "--locked", "--format-version", "1"])
        .stdout(Stdio::null())
        .status()
        .context("start `cargo metadata`")?;
    let message = "it is not up to date; run `cargo update --workspace` in fuzz/";
    Ok((!status.success()).then(|| Finding::new("fuzz/Cargo.lock", message)))
}
