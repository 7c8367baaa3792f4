//! Files of a development run, held to what they were when they were first read.
//!
//! What the program itself changes is its own: from then on the file reads as the host has it. Files
//! are told apart by what the host says is their device and inode, since one file can have many paths.

use alloc::{collections::BTreeMap, sync::Arc};
use core::sync::atomic::{AtomicBool, Ordering};

use manifest::Tree;

use super::{
    file::File,
    trusted::{self, TrustedFile},
};
use crate::{errno::Result, host::HostFd, linux::stat::Stat, sync::Mutex};

/// Device and inode as the host tells them.
type Key = (u64, u64);

/// What is known of one file.
struct Record {
    /// The tree of its content and its size; `None` where the program changed it before it read it.
    content: Option<(Tree, u64)>,
    changed: AtomicBool,
}

/// The files of one passthrough entry.
#[derive(Default)]
pub(crate) struct Records(Mutex<BTreeMap<Key, Arc<Record>>>);

impl Records {
    /// Notes that the program is about to change a file.
    pub(crate) fn change(&self, stat: &Stat) {
        let changed = || Record { content: None, changed: AtomicBool::new(true) };
        let mut all = self.0.lock();
        let record = all.entry((stat.dev, stat.ino)).or_insert_with(|| Arc::new(changed()));
        record.changed.store(true, Ordering::SeqCst);
    }

    /// Forgets a file whose last name is gone: its inode may come back as another file's.
    pub(crate) fn forget(&self, stat: &Stat) {
        let gone = self.0.lock().remove(&(stat.dev, stat.ino));
        if let Some(record) = gone {
            record.changed.store(true, Ordering::SeqCst);
        }
    }

    /// Opens a file as it was recorded, recording it the first time. `live` reads it as it is now; `path`
    /// is for the log.
    pub(crate) fn open(
        &self,
        fd: &Arc<HostFd>,
        stat: &Stat,
        path: &[u8],
        live: Arc<dyn File>,
    ) -> Result<Arc<dyn File>> {
        let known = self.0.lock().get(&(stat.dev, stat.ino)).cloned();
        let record = match known {
            Some(record) => record,
            None => {
                let content = Some((trusted::read_tree(fd.raw(), stat.size)?, stat.size));
                let record = Arc::new(Record { content, changed: AtomicBool::new(false) });
                let mut all = self.0.lock();
                Arc::clone(all.entry((stat.dev, stat.ino)).or_insert(record))
            }
        };
        let Some((tree, size)) = &record.content else { return Ok(live) };
        let stat = Stat { size: *size, ..*stat };
        let as_recorded = TrustedFile::new(Arc::clone(fd), Arc::new(tree.clone()), stat, path);
        Ok(Arc::new(RecordedFile { record, as_recorded, live }))
    }
}

/// An open file that reads as recorded until the program changes it.
struct RecordedFile {
    record: Arc<Record>,
    as_recorded: TrustedFile,
    live: Arc<dyn File>,
}

impl RecordedFile {
    fn is_changed(&self) -> bool {
        self.record.changed.load(Ordering::SeqCst)
    }
}

impl File for RecordedFile {
    fn stat(&self) -> Result<Stat> {
        let now = self.live.stat()?;
        if self.is_changed() {
            return Ok(now);
        }
        Ok(Stat { size: self.as_recorded.stat()?.size, ..now })
    }

    fn is_seekable(&self) -> bool {
        true
    }

    fn content(&self) -> Option<manifest::Hash> {
        let recorded = self.as_recorded.content();
        if self.is_changed() { None } else { recorded }
    }

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> Result<usize> {
        if self.is_changed() {
            return self.live.read_at(buffer, offset);
        }
        self.as_recorded.read_at(buffer, offset)
    }

    fn change(&self, change: &super::inode::Change) -> Result<()> {
        self.live.change(change)
    }

    fn sync(&self) -> Result<()> {
        self.live.sync()
    }
}
