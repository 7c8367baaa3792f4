//! Builds what a user installs, laid out as it is installed: `target/stage/`.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::{image, process, workspace};

/// Builds the release command line and the checked image and returns the folder that holds both
/// side by side, as `casemate` expects to find them.
pub(crate) fn stage() -> Result<PathBuf> {
    process::run(process::cargo().args([
        "build",
        "--release",
        "--locked",
        "--package",
        "casemate",
    ]))?;
    let image = image::build_and_check()?;
    let stage = workspace::root().join("target").join("stage");
    fs::create_dir_all(&stage).with_context(|| format!("create {}", stage.display()))?;
    install(&workspace::root().join("target").join("release").join("casemate"), &stage)?;
    install(&image, &stage)?;
    Ok(stage)
}

fn install(file: &Path, folder: &Path) -> Result<()> {
    let name = file.file_name().context("a built file has no name")?;
    let to = folder.join(name);
    // Replaced by rename: the old one may be running.
    let fresh = folder.join(".fresh");
    fs::copy(file, &fresh).with_context(|| format!("copy {}", file.display()))?;
    fs::rename(&fresh, &to).with_context(|| format!("replace {}", to.display()))
}
