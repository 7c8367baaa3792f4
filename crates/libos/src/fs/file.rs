//! Something opened: the object behind a descriptor, and the open file description around it.

use alloc::{string::String, sync::Arc, vec::Vec};
use core::{
    fmt,
    sync::atomic::{AtomicU32, Ordering},
};

use super::{
    inode::{Change, Entry},
    location::Location,
};
use crate::{
    errno::{Errno, Result},
    io::epoll::Epoll,
    io::poll,
    linux::{
        fcntl::{O_ACCMODE, O_APPEND, O_NONBLOCK, O_PATH, O_RDONLY, O_WRONLY},
        poll::{POLL_READY, POLLIN, POLLOUT},
        stat::{S_IFREG, Stat},
    },
    net::Socket,
    process::{Process, thread::Thread},
    sync::{Lock, Mutex},
    user::UserMem,
    wait::WaitQueue,
};

/// The object behind a descriptor. Reads and writes never block: they answer EAGAIN, and
/// [`OpenFile`] waits where the program wants that.
pub(crate) trait File: Send + Sync {
    fn stat(&self) -> Result<Stat>;

    /// Reads from a file without positions, such as a pipe.
    fn read(&self, _buffer: &mut [u8]) -> Result<usize> {
        Err(Errno::EINVAL)
    }

    /// Writes to a file without positions.
    fn write(&self, _buffer: &[u8]) -> Result<usize> {
        Err(Errno::EINVAL)
    }

    /// Whether it has positions: [`File::read_at`] and [`File::write_at`] are used.
    fn is_seekable(&self) -> bool {
        false
    }

    fn read_at(&self, _buffer: &mut [u8], _offset: u64) -> Result<usize> {
        Err(Errno::ESPIPE)
    }

    fn write_at(&self, _buffer: &[u8], _offset: u64) -> Result<usize> {
        Err(Errno::ESPIPE)
    }

    /// The entries of a directory, without `.` and `..`.
    fn entries(&self) -> Result<Vec<Entry>> {
        Err(Errno::ENOTDIR)
    }

    fn truncate(&self, _length: u64) -> Result<()> {
        Err(Errno::EINVAL)
    }

    fn change(&self, _change: &Change) -> Result<()> {
        Err(Errno::EROFS)
    }

    fn sync(&self) -> Result<()> {
        Ok(())
    }

    fn ioctl(&self, _user: UserMem<'_>, _request: u64, _argp: u64) -> Result<u64> {
        Err(Errno::ENOTTY)
    }

    /// `POLL*` bits that hold now. For a file with a [`File::host_fd`] they come from the host.
    fn readiness(&self) -> u32 {
        POLL_READY
    }

    /// Woken when [`File::readiness`] may have changed.
    fn queue(&self) -> Option<&WaitQueue> {
        None
    }

    /// The host descriptor to poll for readiness.
    fn host_fd(&self) -> Option<i32> {
        None
    }

    /// Counts reads (even) and writes (odd) that re-arm edge-triggered interest in a host descriptor.
    fn activity(&self) -> (u64, u64) {
        (0, 0)
    }

    /// Bytes a pipe can hold.
    fn capacity(&self) -> Option<u64> {
        None
    }

    fn socket(&self) -> Option<&dyn Socket> {
        None
    }

    fn epoll(&self) -> Option<&Epoll> {
        None
    }

    /// The measure of its content, if that cannot change unnoticed.
    fn content(&self) -> Option<manifest::Hash> {
        None
    }

    /// The process a pidfd refers to.
    fn process(&self) -> Option<&Arc<Process>> {
        None
    }

    /// A name such as `pipe:[7]` for files outside the tree.
    fn label(&self) -> String {
        "anon_inode:[file]".into()
    }
}

/// An open file description: what `open(2)` makes and `dup(2)` shares.
pub(crate) struct OpenFile {
    file: Arc<dyn File>,
    location: Option<Location>,
    /// Access mode and status flags.
    flags: AtomicU32,
    offset: Lock<u64>,
    listing: Mutex<Option<Arc<Vec<Entry>>>>,
}

/// Status flags that `F_SETFL` can change.
const SETTABLE: u32 = O_APPEND | O_NONBLOCK | 0o20_000 | 0o40_000 | 0o1_000_000;

impl OpenFile {
    pub(crate) fn new(file: Arc<dyn File>, location: Option<Location>, flags: u32) -> Arc<Self> {
        Arc::new(Self {
            file,
            location,
            flags: AtomicU32::new(flags),
            offset: Lock::new(0),
            listing: Mutex::new(None),
        })
    }

    pub(crate) fn file(&self) -> &Arc<dyn File> {
        &self.file
    }

    pub(crate) fn location(&self) -> Option<&Location> {
        self.location.as_ref()
    }

    /// Whether what is in it may run; says so if not.
    pub(crate) fn holds_code(&self) -> bool {
        let holds = self.location.as_ref().is_none_or(|location| location.inode().holds_code());
        if !holds {
            crate::log::untrusted_code(&self.path());
        }
        holds
    }

    /// Its path, or the label of what has none.
    pub(crate) fn path(&self) -> Vec<u8> {
        match &self.location {
            Some(location) => location.path(),
            None => self.file.label().into_bytes(),
        }
    }

    pub(crate) fn flags(&self) -> u32 {
        self.flags.load(Ordering::Relaxed)
    }

    /// `F_SETFL`.
    pub(crate) fn set_flags(&self, flags: u32) {
        let _ = self.flags.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |old| {
            Some((old & !SETTABLE) | (flags & SETTABLE))
        });
    }

    pub(crate) fn is_nonblocking(&self) -> bool {
        self.flags() & O_NONBLOCK != 0
    }

    fn readable(&self) -> Result<()> {
        let flags = self.flags();
        if flags & O_PATH != 0 || flags & O_ACCMODE == O_WRONLY {
            Err(Errno::EBADF)
        } else {
            Ok(())
        }
    }

    /// Whether it may be written.
    pub(crate) fn writable(&self) -> Result<()> {
        let flags = self.flags();
        if flags & O_PATH != 0 || flags & O_ACCMODE == O_RDONLY {
            Err(Errno::EBADF)
        } else {
            Ok(())
        }
    }

    /// Whether it may be used at all, not only as a place in the tree.
    pub(crate) fn usable(&self) -> Result<()> {
        if self.flags() & O_PATH != 0 { Err(Errno::EBADF) } else { Ok(()) }
    }

    /// Reads at the current position, which moves.
    pub(crate) fn read(&self, thread: &Thread, buffer: &mut [u8]) -> Result<usize> {
        self.readable()?;
        if self.file.is_seekable() {
            let mut offset = self.offset.lock();
            let got = self.file.read_at(buffer, *offset)?;
            *offset += got as u64;
            return Ok(got);
        }
        self.retry(thread, POLLIN, || self.file.read(buffer))
    }

    /// Writes at the current position, which moves; at the end with `O_APPEND`.
    pub(crate) fn write(&self, thread: &Thread, buffer: &[u8]) -> Result<usize> {
        self.writable()?;
        if self.file.is_seekable() {
            let mut offset = self.offset.lock();
            if self.flags() & O_APPEND != 0 {
                *offset = self.file.stat()?.size;
            }
            let put = self.file.write_at(buffer, *offset)?;
            *offset += put as u64;
            return Ok(put);
        }
        self.retry(thread, POLLOUT, || self.file.write(buffer))
    }

    /// Reads at an offset.
    pub(crate) fn read_at(&self, buffer: &mut [u8], offset: u64) -> Result<usize> {
        self.readable()?;
        self.file.read_at(buffer, offset)
    }

    /// Writes at an offset.
    pub(crate) fn write_at(&self, buffer: &[u8], offset: u64) -> Result<usize> {
        self.writable()?;
        self.file.write_at(buffer, offset)
    }

    /// Runs an operation, waiting for `events` while it says EAGAIN and the description blocks.
    pub(crate) fn retry<T>(
        &self,
        thread: &Thread,
        events: u32,
        mut operation: impl FnMut() -> Result<T>,
    ) -> Result<T> {
        loop {
            match operation() {
                Err(Errno::EAGAIN) if !self.is_nonblocking() => {
                    poll::wait_one(thread, &self.file, events, None)?;
                }
                done => return done,
            }
        }
    }

    /// `lseek(2)`.
    pub(crate) fn seek(&self, offset: i64, whence: u64) -> Result<u64> {
        use crate::linux::fcntl::{SEEK_CUR, SEEK_DATA, SEEK_END, SEEK_HOLE, SEEK_SET};
        self.usable()?;
        let directory = self
            .location
            .as_ref()
            .is_some_and(|l| l.inode().file_type() == crate::linux::stat::S_IFDIR);
        if !self.file.is_seekable() && !directory {
            return Err(Errno::ESPIPE);
        }
        let mut at = self.offset.lock();
        let size = || self.file.stat().map(|s| s.size);
        let base = match whence {
            SEEK_SET => 0,
            SEEK_CUR => *at,
            SEEK_END => size()?,
            SEEK_DATA | SEEK_HOLE => {
                let size = size()?;
                let offset = u64::try_from(offset).map_err(|_| Errno::ENXIO)?;
                if offset >= size {
                    return Err(Errno::ENXIO);
                }
                *at = if whence == SEEK_DATA { offset } else { size };
                return Ok(*at);
            }
            _ => return Err(Errno::EINVAL),
        };
        let target = base.checked_add_signed(offset).filter(|&t| t < 1 << 63);
        *at = target.ok_or(Errno::EINVAL)?;
        if directory && *at == 0 {
            *self.listing.lock() = None;
        }
        Ok(*at)
    }

    /// The directory's entries as they were at the first read since it was opened or rewound, and the position.
    pub(crate) fn listing(&self) -> Result<(Arc<Vec<Entry>>, u64)> {
        let known = self.listing.lock().clone();
        let entries = match known {
            Some(entries) => entries,
            None => {
                let entries = Arc::new(self.list()?);
                *self.listing.lock() = Some(Arc::clone(&entries));
                entries
            }
        };
        let at = *self.offset.lock();
        Ok((entries, at))
    }

    /// Moves the position of a directory.
    pub(crate) fn set_position(&self, position: u64) {
        *self.offset.lock() = position;
    }

    fn list(&self) -> Result<Vec<Entry>> {
        let mut entries = self.file.entries()?;
        let dot = |name: &[u8], ino| Entry {
            name: name.to_vec(),
            ino,
            file_type: crate::linux::stat::S_IFDIR,
        };
        let here = self.file.stat()?.ino;
        let above = match &self.location {
            Some(location) => location.parent().inode().stat()?.ino,
            None => here,
        };
        entries.insert(0, dot(b"..", above));
        entries.insert(0, dot(b".", here));
        Ok(entries)
    }

    /// Whether it is a regular file.
    pub(crate) fn is_regular(&self) -> bool {
        self.file.stat().is_ok_and(|s| s.file_type() == S_IFREG)
    }
}

impl fmt::Debug for OpenFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "OpenFile({})", String::from_utf8_lossy(&self.path()))
    }
}
