//! Trusted directories: every file below one, by name.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use manifest::{Entry, Kind, Pattern};

use super::freeze::{Made, trusted};

/// Permission bits of a directory inside.
const DIRECTORY_MODE: u32 = 0o755;

/// A `[[files]]` of kind trusted.
pub(super) struct TrustedTree<'r> {
    /// Where relative host paths start.
    pub(super) directory: &'r Path,
    /// Paths that some rule names; another rule's walk leaves them out.
    pub(super) named: &'r BTreeSet<&'r str>,
    pub(super) exclude: &'r [Pattern],
    pub(super) mode: Option<u32>,
}

impl TrustedTree<'_> {
    /// Adds the file at `host`, or all files below the directory there.
    pub(super) fn add(&self, inside: &str, host: &str, made: &mut Vec<Made>) -> Result<()> {
        let file = self.directory.join(host);
        // A path that the rule names is followed if it is a link; what a walk finds is not.
        let metadata = fs::metadata(&file)
            .with_context(|| format!("find the trusted file {}", file.display()))?;
        if metadata.is_dir() {
            return self.walk(inside.as_bytes(), host.as_bytes(), &file, made);
        }
        made.push(trusted(inside.as_bytes(), host.as_bytes(), &file, self.mode)?);
        Ok(())
    }

    fn walk(&self, inside: &[u8], host: &[u8], at: &Path, made: &mut Vec<Made>) -> Result<()> {
        let mut empty = true;
        for name in names(at)? {
            let (inside, host) = (join(inside, &name), join(host, &name));
            if self.is_left_out(&inside) {
                continue;
            }
            empty = false;
            let file = at.join(std::ffi::OsStr::from_bytes(&name));
            self.member(&inside, &host, &file, made)?;
        }
        if empty && inside != b"/" {
            let kind = Kind::Directory { mode: DIRECTORY_MODE };
            made.push(Made { entry: Entry { path: inside.to_vec(), kind }, tree: Vec::new() });
        }
        Ok(())
    }

    fn member(&self, inside: &[u8], host: &[u8], file: &Path, made: &mut Vec<Made>) -> Result<()> {
        let metadata =
            fs::symlink_metadata(file).with_context(|| format!("stat {}", file.display()))?;
        let kind = metadata.file_type();
        if kind.is_dir() {
            return self.walk(inside, host, file, made);
        }
        if kind.is_symlink() {
            let target =
                fs::read_link(file).with_context(|| format!("read link {}", file.display()))?;
            let kind = Kind::Symlink { target: target.into_os_string().into_vec() };
            made.push(Made { entry: Entry { path: inside.to_vec(), kind }, tree: Vec::new() });
            return Ok(());
        }
        if !kind.is_file() {
            bail!(
                "{} is a device, a socket or a pipe; leave it out: exclude = [{:?}]",
                file.display(),
                String::from_utf8_lossy(inside)
            );
        }
        made.push(trusted(inside, host, file, self.mode)?);
        Ok(())
    }

    fn is_left_out(&self, inside: &[u8]) -> bool {
        let named = std::str::from_utf8(inside).is_ok_and(|path| self.named.contains(path));
        let owned = [b"/dev".as_slice(), b"/proc"].contains(&inside);
        named || owned || self.exclude.iter().any(|pattern| pattern.matches(inside))
    }
}

/// Names in a directory, sorted.
fn names(directory: &Path) -> Result<Vec<Vec<u8>>> {
    let context = || format!("list {}", directory.display());
    let mut names = Vec::new();
    for entry in fs::read_dir(directory).with_context(context)? {
        names.push(entry.with_context(context)?.file_name().into_vec());
    }
    names.sort();
    Ok(names)
}

fn join(directory: &[u8], name: &[u8]) -> Vec<u8> {
    let slash: &[u8] = if directory.ends_with(b"/") { b"" } else { b"/" };
    [directory, slash, name].concat()
}

/// The host path at which a file of a compiled manifest is found.
pub(super) fn on_host(directory: &Path, host: &[u8]) -> PathBuf {
    directory.join(std::ffi::OsStr::from_bytes(host))
}
