//! Whether the store is the newest one: `docs/specs/storage-trait.md`, section 2.3.

use std::fs::{self, File};
use std::io::Write as _;
use std::path::PathBuf;
use std::sync::Mutex;

use crate::hex;

/// What identifies one commit of the barrier.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mark {
    /// Number of the commit.
    pub epoch: u64,
    /// SHA-256 of the root row that it wrote.
    pub digest: [u8; 32],
}

/// A memory of the newest commit that whoever controls the store does not control.
pub trait Freshness: Send + Sync + std::fmt::Debug {
    /// What `seal-status` shows: `none`, `file`.
    fn kind(&self) -> &'static str;

    /// The newest mark recorded; `None` if there never was one.
    ///
    /// # Errors
    ///
    /// If the source does not answer, which keeps the server sealed.
    fn newest(&self) -> Result<Option<Mark>, String>;

    /// Records a mark, durably, before the commit is acknowledged.
    ///
    /// # Errors
    ///
    /// If it cannot; the commit is then answered as failed.
    fn record(&self, mark: Mark) -> Result<(), String>;
}

/// No memory: a rollback of the whole store is not detected.
#[derive(Clone, Copy, Debug)]
pub struct NoFreshness;

impl Freshness for NoFreshness {
    fn kind(&self) -> &'static str {
        "none"
    }

    fn newest(&self) -> Result<Option<Mark>, String> {
        Ok(None)
    }

    fn record(&self, _mark: Mark) -> Result<(), String> {
        Ok(())
    }
}

/// A file on another volume than the store's.
#[derive(Debug)]
pub struct FileWitness {
    path: PathBuf,
    writing: Mutex<()>,
}

impl FileWitness {
    /// A witness at `path`. The file need not be there.
    pub fn new(path: PathBuf) -> Self {
        FileWitness { path, writing: Mutex::new(()) }
    }

    fn replace(&self, text: &str) -> std::io::Result<()> {
        let temporary = self.path.with_extension("new");
        let mut file = File::create(&temporary)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        fs::rename(&temporary, &self.path)?;
        match self.path.parent() {
            Some(directory) if !directory.as_os_str().is_empty() => {
                File::open(directory)?.sync_all()
            }
            _ => File::open(".")?.sync_all(),
        }
    }
}

impl Freshness for FileWitness {
    fn kind(&self) -> &'static str {
        "file"
    }

    fn newest(&self) -> Result<Option<Mark>, String> {
        let shown = self.path.display();
        let text = match fs::read_to_string(&self.path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(format!("read witness {shown}: {error}")),
        };
        let mark = text.trim_end().split_once(' ').and_then(|(epoch, digest)| {
            Some(Mark { epoch: epoch.parse().ok()?, digest: hex::array(digest)? })
        });
        let malformed = || format!("witness {shown}: expected an epoch and a digest");
        mark.map(Some).ok_or_else(malformed)
    }

    fn record(&self, mark: Mark) -> Result<(), String> {
        let _writing = self.writing.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let text = format!("{} {}\n", mark.epoch, hex::encode(&mark.digest));
        let shown = self.path.display();
        self.replace(&text).map_err(|error| format!("write witness {shown}: {error}"))
    }
}
