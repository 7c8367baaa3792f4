//! The workspace as the tasks see it: its root, its tracked files, and what `cargo metadata` says.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde::Deserialize;

use crate::process;

/// The directory of the root `Cargo.toml`.
pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("the xtask crate is a folder of the workspace root")
}

/// Files under version control, and new ones that are not ignored; relative to the root, sorted.
pub(crate) fn files() -> Result<Vec<PathBuf>> {
    let mut git = std::process::Command::new("git");
    git.current_dir(root());
    git.args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"]);
    let names =
        String::from_utf8(process::stdout(&mut git)?).context("a file name is not UTF-8")?;
    let paths: BTreeSet<PathBuf> =
        names.split('\0').filter(|name| !name.is_empty()).map(PathBuf::from).collect();
    // Deleted but not yet committed.
    Ok(paths.into_iter().filter(|path| root().join(path).exists()).collect())
}

/// What `cargo metadata` says, as far as the tasks ask.
#[derive(Deserialize)]
pub(crate) struct Metadata {
    pub(crate) packages: Vec<Package>,
    workspace_members: Vec<String>,
}

/// A member of the workspace or a crate it uses.
#[derive(Deserialize)]
pub(crate) struct Package {
    id: String,
    pub(crate) name: String,
    pub(crate) version: String,
    /// Absent for members.
    pub(crate) source: Option<String>,
    pub(crate) license: Option<String>,
    pub(crate) manifest_path: PathBuf,
    pub(crate) dependencies: Vec<Dependency>,
    pub(crate) targets: Vec<Target>,
    #[serde(default)]
    metadata: Option<serde_json::Value>,
}

/// A dependency as a manifest states it.
#[derive(Deserialize)]
pub(crate) struct Dependency {
    pub(crate) name: String,
    /// `dev`, `build`, or absent for a normal one.
    pub(crate) kind: Option<String>,
}

/// A library, program, test, benchmark or build script.
#[derive(Deserialize)]
pub(crate) struct Target {
    pub(crate) kind: Vec<String>,
    pub(crate) src_path: PathBuf,
}

impl Metadata {
    /// Asks cargo.
    pub(crate) fn load() -> Result<Self> {
        let mut cargo = process::cargo();
        let json = process::stdout(cargo.args(["metadata", "--format-version=1", "--locked"]))?;
        serde_json::from_slice(&json).context("read the output of `cargo metadata`")
    }

    /// The members of the workspace.
    pub(crate) fn members(&self) -> impl Iterator<Item = &Package> {
        self.packages.iter().filter(|package| self.workspace_members.contains(&package.id))
    }
}

impl Package {
    /// A string or number under `[package.metadata.casemate]`.
    pub(crate) fn declared(&self, key: &str) -> Option<&serde_json::Value> {
        self.metadata.as_ref()?.get("casemate")?.get(key)
    }

    /// The path of the manifest relative to the workspace root, for messages.
    pub(crate) fn manifest(&self) -> String {
        relative(&self.manifest_path)
    }
}

/// A path relative to the workspace root, for messages.
pub(crate) fn relative(path: &Path) -> String {
    path.strip_prefix(root()).unwrap_or(path).display().to_string()
}
