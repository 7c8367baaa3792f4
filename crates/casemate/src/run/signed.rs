//! The manifest and the signature of a run.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail, ensure};
use manifest::Compiled;
use sgx_types::{Sigstruct, known_signer};

use crate::compile::{COMPILED, TREES};
use crate::files;

/// Where a manifest is looked for when the command line and the environment name none.
const SYSTEM: &str = "/etc/casemate/manifest.toml";
const VARIABLE: &str = "CASEMATE_MANIFEST";
/// Ending of a SIGSTRUCT.
const SIGSTRUCT: &str = "sig";
const SOURCE: &str = "toml";

/// A compiled manifest and where its companions lie.
#[derive(Debug)]
pub(super) struct Loaded {
    pub(super) compiled: Compiled,
    pub(super) bytes: Vec<u8>,
    /// The compiled manifest's path.
    pub(super) path: PathBuf,
}

/// The manifest that is named: by `--manifest`, `$CASEMATE_MANIFEST`, or by its usual place.
pub(super) fn named(option: Option<PathBuf>) -> Option<PathBuf> {
    let exists = |path: &PathBuf| path.exists() || compiled_path(path).exists();
    let system = || Some(PathBuf::from(SYSTEM)).filter(exists);
    let variable = || std::env::var_os(VARIABLE).filter(|value| !value.is_empty());
    option.or_else(|| variable().map(OsString::into)).or_else(system)
}

/// What to say when none is named.
pub(super) fn none() -> anyhow::Error {
    anyhow::anyhow!(
        "no manifest: expected --manifest FILE, {VARIABLE} or {SYSTEM}; make one with `casemate trace`, \
         `casemate compile` and `casemate sign`, or run without one for development: `casemate run --dev`"
    )
}

/// The compiled form of a manifest: a source is compiled beside itself.
fn compiled_path(path: &Path) -> PathBuf {
    if is_source(path) { path.with_extension(COMPILED) } else { path.to_owned() }
}

/// Whether a path is that of a manifest's source.
pub(super) fn is_source(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == SOURCE)
}

impl Loaded {
    /// Reads a compiled manifest; for a source, the one beside it.
    pub(super) fn read(named: &Path) -> Result<Self> {
        let path = compiled_path(named);
        if is_source(named) && !path.exists() {
            bail!(
                "read manifest {}: it is not compiled; run: casemate compile {}",
                named.display(),
                named.display()
            );
        }
        let bytes = files::read(&path)?;
        let compiled = Compiled::from_bytes(&bytes)
            .with_context(|| format!("read compiled manifest {}", path.display()))?;
        Ok(Self { compiled, bytes, path })
    }

    /// The directory that relative host paths start at.
    pub(super) fn directory(&self) -> &Path {
        let parent = self.path.parent().filter(|parent| !parent.as_os_str().is_empty());
        parent.unwrap_or(Path::new("."))
    }

    /// The file with the leaf hashes, if it is there.
    pub(super) fn trees(&self) -> Option<PathBuf> {
        let trees = self.path.with_extension(TREES);
        std::path::absolute(trees).ok().filter(|trees| trees.exists())
    }

    /// Reads the signature that lies beside the manifest, or the one named.
    pub(super) fn sigstruct(&self, named: Option<&Path>) -> Result<Sigstruct> {
        let path = named.map_or_else(|| self.path.with_extension(SIGSTRUCT), Path::to_owned);
        let shown = self.path.display();
        ensure!(
            path.exists(),
            "no signature {}; sign the manifest where the key is: casemate sign --manifest {shown} --key KEY -o {}",
            path.display(),
            path.display()
        );
        Sigstruct::from_slice(&files::read(&path)?)
            .with_context(|| format!("read signature {}", path.display()))
    }

    /// Refuses what must not run in production.
    pub(super) fn check_production(&self, sigstruct: &Sigstruct, allow_debug: bool) -> Result<()> {
        let shown = self.path.display();
        let enclave = &self.compiled.enclave;
        ensure!(
            !enclave.dev,
            "manifest {shown} is a development manifest (files are recorded at first use); run it with --dev"
        );
        ensure!(
            allow_debug || !enclave.debug,
            "manifest {shown} makes a debug enclave (enclave.debug = true): whoever runs it can read all its \
             memory; --allow-debug runs it nevertheless"
        );
        let signer = sigstruct.mrsigner();
        if let Some(known) = known_signer(&signer).filter(|known| known.key_is_public) {
            bail!(
                "manifest {shown} is signed with a key that everybody has ({}, MRSIGNER {signer}); sign it with a \
                 key of your own, or run it with --dev",
                known.name
            );
        }
        Ok(())
    }
}
