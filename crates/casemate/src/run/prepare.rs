//! Which manifest a run has, and what must be true of it.

use std::ffi::OsString;
use std::path::PathBuf;

use anyhow::{Context as _, Result};
use manifest::Compiled;
use sgx_types::Sigstruct;

use super::signed::{self, Loaded};
use super::{Args, development};
use crate::compile;

/// A manifest that may run.
#[derive(Debug)]
pub(super) struct Prepared {
    pub(super) compiled: Compiled,
    pub(super) bytes: Vec<u8>,
    /// The signature; none: the development key signs.
    pub(super) sigstruct: Option<Sigstruct>,
    /// Host path of the file with the leaf hashes.
    pub(super) trees: Option<PathBuf>,
    /// Where relative host paths start.
    pub(super) directory: Option<PathBuf>,
    /// Whether there was no manifest, so that the host's files pass through.
    pub(super) is_open: bool,
}

impl Prepared {
    /// What the line of warning begins with.
    pub(super) fn remark(&self) -> &'static str {
        match (self.is_open, &self.sigstruct) {
            (true, _) => {
                "development run: host files pass through, signed with a key everybody has; "
            }
            (false, None) => "development run: signed with a key everybody has; ",
            (false, Some(_)) => "",
        }
    }
}

/// Finds the manifest and refuses one that must not run.
pub(super) fn prepare(args: &Args) -> Result<Prepared> {
    if args.is_development() {
        return match &args.manifest {
            Some(path) => development_manifest(path, args),
            None => without_manifest(&args.command),
        };
    }
    let path = signed::named(args.manifest.clone()).ok_or_else(signed::none)?;
    let loaded = Loaded::read(&path)?;
    let sigstruct = loaded.sigstruct(args.sigstruct.as_deref())?;
    loaded.check_production(&sigstruct, args.allow_debug)?;
    Ok(of_loaded(loaded, Some(sigstruct)))
}

fn of_loaded(loaded: Loaded, sigstruct: Option<Sigstruct>) -> Prepared {
    Prepared {
        trees: loaded.trees(),
        directory: Some(loaded.directory().to_owned()),
        compiled: loaded.compiled,
        bytes: loaded.bytes,
        sigstruct,
        is_open: false,
    }
}

/// A manifest on the development path: compiled on the spot if it is a source.
fn development_manifest(path: &std::path::Path, args: &Args) -> Result<Prepared> {
    if !signed::is_source(path) {
        let loaded = Loaded::read(path)?;
        let sigstruct = args.sigstruct.as_deref().map(|path| loaded.sigstruct(Some(path)));
        return Ok(of_loaded(loaded, sigstruct.transpose()?));
    }
    let frozen = compile::from_source(path)?;
    for warning in &frozen.warnings {
        eprintln!("casemate: warning: {warning}");
    }
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    Ok(Prepared {
        bytes: frozen.compiled.to_bytes(),
        compiled: frozen.compiled,
        sigstruct: None,
        trees: None,
        directory: parent.map(ToOwned::to_owned),
        is_open: false,
    })
}

/// The development path without manifest.
pub(super) fn without_manifest(command: &[OsString]) -> Result<Prepared> {
    let name = command.first().context("run --dev: no program; expected -- PROGRAM ARGS")?;
    let program = development::program(name)?;
    let compiled = development::manifest(&program)?;
    Ok(Prepared {
        bytes: compiled.to_bytes(),
        compiled,
        sigstruct: None,
        trees: None,
        directory: None,
        is_open: true,
    })
}
