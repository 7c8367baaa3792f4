//! The directory that a user's platforms are kept in.
//!
//! ```text
//! ROOT/            mode 0700, owned by the user
//!   NAME.platform  mode 0600, owned by the user
//! ```

use std::fs::{self, DirBuilder, File, Metadata, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use super::Platform;
use super::file::{self, FileError, MAX_SIZE};

/// A directory of platforms.
#[derive(Clone, Debug)]
pub struct PlatformStore {
    root: PathBuf,
}

impl PlatformStore {
    /// Name of the platform that is used when none is named.
    pub const DEFAULT_NAME: &str = "default";

    /// The store in this directory. Nothing is read or made yet.
    pub fn new(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into() }
    }

    /// Where a user's store is by default, given the home directory.
    #[must_use]
    pub fn default_root(home: &Path) -> PathBuf {
        home.join(".local/share/casemate/emulated-platforms")
    }

    /// The directory.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Loads the platform with this name, and makes it first if there is none. Of two processes
    /// that make it at once both load the same.
    ///
    /// # Errors
    ///
    /// [`PlatformError`]; in particular when the directory or the file is open to other users.
    pub fn open_or_create(&self, name: &str) -> Result<Platform, PlatformError> {
        match self.open(name) {
            Err(PlatformError::Unknown { .. }) => {}
            result => return result,
        }
        let mut urandom =
            File::open("/dev/urandom").map_err(|e| io_error("open", "/dev/urandom", e))?;
        let mut failure = None;
        let platform = Platform::generate(name, |bytes| {
            if let Err(error) = urandom.read_exact(bytes) {
                failure = Some(error);
            }
        });
        if let Some(error) = failure {
            return Err(io_error("read", "/dev/urandom", error));
        }
        match self.save(&platform) {
            Ok(()) => Ok(platform),
            Err(PlatformError::Exists { .. }) => self.open(name),
            Err(error) => Err(error),
        }
    }

    /// Loads the platform with this name.
    ///
    /// # Errors
    ///
    /// [`PlatformError::Unknown`] when there is none; others as the directory or file demands.
    pub fn open(&self, name: &str) -> Result<Platform, PlatformError> {
        let path = self.path(name)?;
        let unknown = || PlatformError::Unknown { name: name.to_owned(), root: self.root.clone() };
        match fs::symlink_metadata(&self.root) {
            Ok(metadata) => check_private(&self.root, &metadata, 0o700)?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(unknown()),
            Err(error) => return Err(io_error("stat", &self.root, error)),
        }
        let mut file = match File::open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(unknown()),
            Err(error) => return Err(io_error("open", &path, error)),
        };
        let metadata = file.metadata().map_err(|e| io_error("stat", &path, e))?;
        check_private(&path, &metadata, 0o600)?;
        let mut bytes = crypto::Secret::new(Vec::new());
        (&mut file)
            .take(MAX_SIZE + 1)
            .read_to_end(bytes.expose_mut())
            .map_err(|e| io_error("read", &path, e))?;
        file::parse(name, bytes.expose())
            .map_err(|source| PlatformError::Malformed { path, source })
    }

    /// Keeps a platform under its name.
    ///
    /// # Errors
    ///
    /// [`PlatformError::Exists`] when the name is taken; others as the directory demands.
    pub fn save(&self, platform: &Platform) -> Result<(), PlatformError> {
        let path = self.path(platform.name())?;
        self.make_root()?;
        // The file appears whole or not at all: written under another name, then linked.
        static DRAFTS: AtomicU64 = AtomicU64::new(0);
        let number = DRAFTS.fetch_add(1, Ordering::Relaxed);
        let draft = self.root.join(format!(".draft.{}.{number}", std::process::id()));
        let _ = fs::remove_file(&draft); // left by a crashed process with this id
        let result = write_new(&draft, file::write(platform).expose().as_bytes())
            .and_then(|()| link(&draft, &path, platform.name()));
        let _ = fs::remove_file(&draft);
        result
    }

    /// Names of the platforms, sorted.
    ///
    /// # Errors
    ///
    /// [`PlatformError`] when the directory cannot be read.
    pub fn names(&self) -> Result<Vec<String>, PlatformError> {
        let entries = match fs::read_dir(&self.root) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(io_error("list", &self.root, error)),
        };
        let mut names = Vec::new();
        for entry in entries {
            let entry = entry.map_err(|e| io_error("list", &self.root, e))?;
            let file_name = entry.file_name();
            let name = file_name.to_str().and_then(|name| name.strip_suffix(".platform"));
            names.extend(name.filter(|name| is_name(name)).map(str::to_owned));
        }
        names.sort();
        Ok(names)
    }

    fn path(&self, name: &str) -> Result<PathBuf, PlatformError> {
        if !is_name(name) {
            return Err(PlatformError::Name { name: name.to_owned() });
        }
        Ok(self.root.join(format!("{name}.platform")))
    }

    fn make_root(&self) -> Result<(), PlatformError> {
        if let Some(parent) = self.root.parent() {
            fs::create_dir_all(parent).map_err(|e| io_error("make", parent, e))?;
        }
        match DirBuilder::new().mode(0o700).create(&self.root) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
                return Err(io_error("make", &self.root, error));
            }
            _ => {}
        }
        let metadata =
            fs::symlink_metadata(&self.root).map_err(|e| io_error("stat", &self.root, e))?;
        check_private(&self.root, &metadata, 0o700)
    }
}

/// Why a platform could not be had.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PlatformError {
    /// The name could not be a file's.
    #[error(
        "emulated platform name \"{name}\": expected 1 to 64 of a-z, A-Z, 0-9, \"-\" and \"_\""
    )]
    Name {
        /// The name.
        name: String,
    },
    /// There is no such platform.
    #[error("emulated platform \"{name}\" does not exist in {}", root.display())]
    Unknown {
        /// The name.
        name: String,
        /// The directory of the store.
        root: PathBuf,
    },
    /// The name is taken.
    #[error("emulated platform \"{name}\" exists already")]
    Exists {
        /// The name.
        name: String,
    },
    /// Other users could read or replace the secrets.
    #[error(
        "{} holds secrets of emulated platforms: expected mode {expected:04o} or less, found \
         {found:04o}; run: chmod {expected:04o} {}", path.display(), path.display()
    )]
    Mode {
        /// The directory or file.
        path: PathBuf,
        /// The widest mode accepted.
        expected: u32,
        /// Its mode.
        found: u32,
    },
    /// The directory or file belongs to another user, or is no directory or file.
    #[error("{} is not this user's own {kind}", path.display())]
    Foreign {
        /// The directory or file.
        path: PathBuf,
        /// "directory" or "file".
        kind: &'static str,
    },
    /// The file is no platform file.
    #[error("{} is no emulated platform", path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: FileError,
    },
    /// A version that an older state of this platform cannot have had.
    #[error("CPUSVN or PCESVN asked for is beyond that of emulated platform \"{name}\"")]
    NotOlder {
        /// Name of the present platform.
        name: String,
    },
    /// The operating system refused.
    #[error("cannot {operation} {}", path.display())]
    Io {
        /// What was tried.
        operation: &'static str,
        /// On which path.
        path: PathBuf,
        /// Why it was refused.
        source: io::Error,
    },
}

fn is_name(name: &str) -> bool {
    (1..=64).contains(&name.len())
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
}

/// Refuses what other users may touch or what is not the user's own.
fn check_private(path: &Path, metadata: &Metadata, widest: u32) -> Result<(), PlatformError> {
    let directory = widest == 0o700;
    let right_kind = if directory { metadata.is_dir() } else { metadata.is_file() };
    let own = fs::metadata("/proc/self").map_err(|e| io_error("stat", "/proc/self", e))?.uid();
    if !right_kind || metadata.uid() != own {
        let kind = if directory { "directory" } else { "file" };
        return Err(PlatformError::Foreign { path: path.to_owned(), kind });
    }
    let found = metadata.mode() & 0o7777;
    if found & !widest != 0 {
        return Err(PlatformError::Mode { path: path.to_owned(), expected: widest, found });
    }
    Ok(())
}

fn write_new(path: &Path, bytes: &[u8]) -> Result<(), PlatformError> {
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
        .map_err(|e| io_error("make", path, e))?;
    file.write_all(bytes).and_then(|()| file.sync_all()).map_err(|e| io_error("write", path, e))
}

fn link(draft: &Path, path: &Path, name: &str) -> Result<(), PlatformError> {
    fs::hard_link(draft, path).map_err(|error| match error.kind() {
        io::ErrorKind::AlreadyExists => PlatformError::Exists { name: name.to_owned() },
        _ => io_error("make", path, error),
    })
}

fn io_error(operation: &'static str, path: impl AsRef<Path>, source: io::Error) -> PlatformError {
    PlatformError::Io { operation, path: path.as_ref().to_owned(), source }
}
