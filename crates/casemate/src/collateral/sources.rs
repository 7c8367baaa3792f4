//! Collateral in files and directories, and the verifier for it.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use dcap::{Anchors, CollateralBundle, Verifier, open_enclave};

use crate::files;

/// Reads every file, and every `*.json` of every directory, into one bundle.
pub(crate) fn load(paths: &[PathBuf]) -> Result<CollateralBundle> {
    let mut bundle = CollateralBundle::default();
    for path in paths {
        if path.is_dir() {
            for file in json_files(path)? {
                add(&mut bundle, &file)?;
            }
        } else {
            add(&mut bundle, path)?;
        }
    }
    Ok(bundle)
}

fn add(bundle: &mut CollateralBundle, path: &Path) -> Result<()> {
    let bytes = files::read(path)?;
    let read = if open_enclave::is_endorsements(&bytes) {
        open_enclave::endorsements(&bytes).map(|one| CollateralBundle::new(vec![one]))
    } else {
        CollateralBundle::from_json(&bytes)
    };
    let read = read.with_context(|| format!("read collateral {}", path.display()))?;
    for collateral in read.entries() {
        bundle.insert(collateral.clone());
    }
    Ok(())
}

fn json_files(directory: &Path) -> Result<Vec<PathBuf>> {
    let reading = || format!("read directory {}", directory.display());
    let mut files = Vec::new();
    for entry in fs::read_dir(directory).with_context(reading)? {
        let path = entry.with_context(reading)?.path();
        if path.extension().is_some_and(|extension| extension == "json") {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

/// A verifier for the vendors' roots, and for an emulated one that the user named.
pub(crate) fn verifier(emulator_root: Option<&Path>) -> Result<Verifier> {
    let mut anchors = Anchors::production();
    if let Some(path) = emulator_root {
        let mut ders = certificates(path)?;
        let (Some(der), true) = (ders.pop(), ders.is_empty()) else {
            bail!("{}: expected one certificate", path.display());
        };
        anchors = anchors
            .with_emulator_root(&der)
            .with_context(|| format!("trust the emulated root {}", path.display()))?;
    }
    Ok(Verifier::new(anchors))
}

fn certificates(path: &Path) -> Result<Vec<Vec<u8>>> {
    let bytes = files::read(path)?;
    if !bytes.starts_with(b"-----") {
        return Ok(vec![bytes]);
    }
    dcap::certificates_from_pem(&bytes).with_context(|| format!("read {}", path.display()))
}
