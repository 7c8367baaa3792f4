//! Finds the enclave image.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use enclave_host::image::Image;

const NAME: &str = "casemate-enclave";

/// Reads the image: the one named, `$CASEMATE_IMAGE`, or the one beside this program.
pub(crate) fn load(named: Option<&Path>) -> Result<Image> {
    let path = match named {
        Some(path) => path.to_owned(),
        None => find()?,
    };
    Image::load(&path).with_context(|| {
        format!(
            "enclave image {} (build it with ./x image, or name it with --image or CASEMATE_IMAGE)",
            path.display()
        )
    })
}

fn find() -> Result<PathBuf> {
    if let Some(path) = std::env::var_os("CASEMATE_IMAGE") {
        return Ok(path.into());
    }
    let own = std::env::current_exe().context("find this program's own path")?;
    Ok(own.with_file_name(NAME))
}
