//! From the source of a manifest to its compiled form: host files are read and hashed here.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::Read as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use anyhow::{Context as _, Result, ensure};
use manifest::source::{FileRule, Source, What};
use manifest::{Compiled, Entry, FileMap, Kind, LEAF_SIZE, Tree};

use super::program;
use super::walk;

/// A frozen manifest.
#[derive(Debug)]
pub(crate) struct Frozen {
    /// What is measured.
    pub(crate) compiled: Compiled,
    /// The tree file: leaf hashes of the trusted files.
    pub(crate) trees: Vec<u8>,
    /// What the user should know.
    pub(crate) warnings: Vec<String>,
}

impl Frozen {
    /// Number of trusted files.
    pub(crate) fn trusted_files(&self) -> usize {
        self.sizes().count()
    }

    /// Their lengths together.
    pub(crate) fn trusted_bytes(&self) -> u64 {
        self.sizes().sum()
    }

    fn sizes(&self) -> impl Iterator<Item = u64> {
        self.compiled.files.entries().iter().filter_map(|entry| match entry.kind {
            Kind::Trusted { size, .. } => Some(size),
            _ => None,
        })
    }
}

/// An entry with the leaf hashes that the tree file needs of it.
pub(crate) struct Made {
    pub(crate) entry: Entry,
    pub(crate) tree: Vec<u8>,
}

/// Freezes a manifest whose relative host paths start at the directory of `path`.
pub(crate) fn freeze(source: &Source, path: &Path) -> Result<Frozen> {
    let directory = path.parent().unwrap_or(Path::new(""));
    let named: BTreeSet<&str> =
        source.files.iter().flat_map(|rule| &rule.paths).map(String::as_str).collect();
    let mut made = Vec::new();
    for rule in &source.files {
        for inside in &rule.paths {
            add(rule, inside, directory, &named, &mut made)
                .with_context(|| format!("{}:{}: {inside}", path.display(), rule.line))?;
        }
    }
    made.sort_by(|a: &Made, b| a.entry.path.cmp(&b.entry.path));
    let trees = made.iter().flat_map(|made| made.tree.iter().copied()).collect();
    let files = FileMap::new(made.into_iter().map(|made| made.entry).collect())
        .with_context(|| format!("read manifest {}", path.display()))?;
    let compiled = Compiled { enclave: source.enclave, program: source.program.clone(), files };
    let warnings = program::check(&compiled, directory)
        .with_context(|| format!("{}: program.entrypoint", path.display()))?;
    Ok(Frozen { compiled, trees, warnings })
}

fn add(
    rule: &FileRule,
    inside: &str,
    directory: &Path,
    named: &BTreeSet<&str>,
    made: &mut Vec<Made>,
) -> Result<()> {
    let host = rule.host.as_deref().unwrap_or(inside);
    let kind = match &rule.what {
        What::Trusted { mode, exclude } => {
            let tree = walk::TrustedTree { directory, named, exclude, mode: *mode };
            return tree.add(inside, host, made);
        }
        What::Directory { mode } => Kind::Directory { mode: *mode },
        What::Symlink { target } => Kind::Symlink { target: target.clone().into() },
        What::Tmpfs { mode, size_max } => Kind::Tmpfs { mode: *mode, size_max: *size_max },
        What::Passthrough { writable } => {
            Kind::Passthrough { host: host.into(), writable: *writable, record: false }
        }
        What::HostInput { input } => Kind::HostInput { input: *input, host: host.into() },
    };
    made.push(Made { entry: Entry { path: inside.into(), kind }, tree: Vec::new() });
    Ok(())
}

/// Hashes a host file, found at `file`, for the path `inside`.
pub(crate) fn trusted(inside: &[u8], host: &[u8], file: &Path, mode: Option<u32>) -> Result<Made> {
    let mut open = File::open(file).with_context(|| format!("open {}", file.display()))?;
    let metadata = open.metadata().with_context(|| format!("stat {}", file.display()))?;
    ensure!(metadata.is_file(), "{} is not a regular file", file.display());
    let mut leaves = Vec::new();
    let mut size = 0;
    loop {
        let mut leaf = Vec::new();
        let got = (&mut open).take(LEAF_SIZE).read_to_end(&mut leaf);
        let got = got.with_context(|| format!("read {}", file.display()))?;
        if got == 0 {
            break;
        }
        size += got as u64;
        leaves.push(Tree::leaf(&leaf));
    }
    let tree = Tree::from_leaves(leaves);
    // Neither owner nor the rest of the mode belongs to the program: they differ between machines.
    let executable = metadata.permissions().mode() & 0o100 != 0;
    let mode = mode.unwrap_or(if executable { 0o755 } else { 0o644 });
    let kind = Kind::Trusted { host: host.to_vec(), size, mode, root: tree.root() };
    let stored = if Tree::stored_len(size) == 0 { Vec::new() } else { tree.leaves().concat() };
    Ok(Made { entry: Entry { path: inside.to_vec(), kind }, tree: stored })
}
