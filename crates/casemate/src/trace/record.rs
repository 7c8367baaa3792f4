//! What a program touched.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use enclave_host::ocalls::Touch;
use manifest::InputKind;

/// `open(2)`: the file is written.
const O_WRITES: u64 = 0o3 | 0o1000;

/// Paths with whether they were written.
#[derive(Debug, Default)]
pub(super) struct Record(Mutex<BTreeMap<Vec<u8>, bool>>);

/// Everything a program used, sorted by what it has to become.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Used {
    /// Regular files that were read.
    pub(super) trusted: Vec<Vec<u8>>,
    /// Symbolic links with their targets.
    pub(super) links: Vec<(Vec<u8>, Vec<u8>)>,
    /// Directories that nothing else implies.
    pub(super) directories: Vec<Vec<u8>>,
    pub(super) inputs: Vec<(Vec<u8>, InputKind)>,
    /// Files that were written, or made and removed again.
    pub(super) written: Vec<Vec<u8>>,
    /// Directories of temporary files that were used.
    pub(super) temporary: Vec<Vec<u8>>,
    /// Sockets, devices and pipes.
    pub(super) special: Vec<Vec<u8>>,
}

/// Where programs put what need not last.
const TEMPORARY: [&[u8]; 4] = [b"/tmp", b"/var/tmp", b"/run", b"/dev/shm"];

impl Record {
    /// Notes a call that succeeded.
    pub(super) fn note(&self, touch: &Touch<'_>) {
        let writes = match touch.call {
            "openat" => touch.args[2] & O_WRITES != 0,
            "newfstatat" | "readlinkat" | "statx" => false,
            _ => true,
        };
        if touch.path.starts_with(b"/") {
            let mut paths = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            *paths.entry(touch.path.to_vec()).or_default() |= writes;
        }
    }

    /// Looks at what the paths are.
    pub(super) fn sorted(&self) -> Used {
        let paths = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut used = Used::default();
        for (path, written) in paths.iter().filter(|(path, _)| path.as_slice() != b"/") {
            used.add(path, *written);
        }
        let implied = |directory: &[u8]| {
            let inside = |path: &[u8]| {
                path.strip_prefix(directory).is_some_and(|rest| rest.starts_with(b"/"))
            };
            used.trusted.iter().any(|path| inside(path))
                || used.links.iter().any(|(path, _)| inside(path))
                || used.inputs.iter().any(|(path, _)| inside(path))
                || paths.keys().any(|path| inside(path) && is_directory(path))
        };
        used.directories = used.directories.iter().filter(|path| !implied(path)).cloned().collect();
        used
    }
}

fn is_directory(path: &[u8]) -> bool {
    fs::symlink_metadata(OsStr::from_bytes(path)).is_ok_and(|data| data.is_dir())
}

impl Used {
    fn add(&mut self, path: &[u8], written: bool) {
        let below = |directory: &&[u8]| {
            path.strip_prefix(*directory)
                .is_some_and(|rest| rest.is_empty() || rest.starts_with(b"/"))
        };
        if let Some(directory) = TEMPORARY.iter().find(|directory| below(directory))
            && (written || path == *directory)
        {
            if !self.temporary.iter().any(|known| known == directory) {
                self.temporary.push(directory.to_vec());
            }
            return;
        }
        if written {
            self.written.push(path.to_vec());
            return;
        }
        let input = std::str::from_utf8(path).ok().and_then(InputKind::of_path);
        if let Some(input) = input {
            self.inputs.push((path.to_vec(), input));
            return;
        }
        let host = Path::new(OsStr::from_bytes(path));
        let Ok(metadata) = fs::symlink_metadata(host) else { return };
        let kind = metadata.file_type();
        if kind.is_symlink() {
            if let Ok(target) = fs::read_link(host) {
                self.links.push((path.to_vec(), target.into_os_string().into_vec()));
            }
        } else if kind.is_dir() {
            self.directories.push(path.to_vec());
        } else if kind.is_file() {
            self.trusted.push(path.to_vec());
        } else {
            self.special.push(path.to_vec());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn touch<'t>(call: &'static str, path: &'t Path, flags: u64) -> Touch<'t> {
        Touch { call, path: path.as_os_str().as_bytes(), args: [0, 0, flags, 0, 0, 0] }
    }

    #[test]
    fn paths_are_sorted_by_what_they_are() {
        // Outside /tmp, which is temporary by name.
        let directory = tempfile::tempdir_in(env!("CARGO_MANIFEST_DIR")).unwrap();
        let at = |name: &str| directory.path().join(name);
        fs::write(at("data"), "x").unwrap();
        fs::create_dir(at("empty")).unwrap();
        std::os::unix::fs::symlink("data", at("link")).unwrap();
        let record = Record::default();
        record.note(&touch("newfstatat", directory.path(), 0));
        for (name, flags) in [("data", 0), ("link", 0), ("empty", 0), ("out", 0o101)] {
            record.note(&touch("openat", &at(name), flags));
        }
        record.note(&touch("openat", Path::new("/tmp/scratch"), 0o102));
        record.note(&touch("openat", Path::new("/etc/resolv.conf"), 0));
        record.note(&touch("openat", Path::new("relative"), 0));
        let bytes = |name: &str| at(name).into_os_string().into_vec();
        assert_eq!(
            record.sorted(),
            Used {
                trusted: vec![bytes("data")],
                links: vec![(bytes("link"), b"data".to_vec())],
                directories: vec![bytes("empty")],
                inputs: vec![(b"/etc/resolv.conf".to_vec(), InputKind::ResolvConf)],
                written: vec![bytes("out")],
                temporary: vec![b"/tmp".to_vec()],
                special: vec![],
            }
        );
    }
}
