//! Read-only files whose content is made when they are opened.

use alloc::{boxed::Box, sync::Arc, vec::Vec};
use core::any::Any;

use super::{
    file::File,
    inode::{Entry, Inode},
    location::Location,
    tmpfs,
};
use crate::{
    errno::{Errno, Result},
    linux::{
        fcntl::{O_ACCMODE, O_RDONLY},
        stat::{S_IFDIR, S_IFLNK, S_IFREG, Stat},
    },
};

/// Makes the content of a file.
pub(crate) type Render = Box<dyn Fn() -> Result<Vec<u8>> + Send + Sync>;

/// Content as it was when the file was opened.
pub(crate) struct Snapshot {
    data: Vec<u8>,
    stat: Stat,
}

impl Snapshot {
    pub(crate) const fn new(data: Vec<u8>, stat: Stat) -> Self {
        Self { data, stat }
    }
}

impl File for Snapshot {
    fn stat(&self) -> Result<Stat> {
        Ok(self.stat)
    }

    fn is_seekable(&self) -> bool {
        true
    }

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> Result<usize> {
        let from = usize::try_from(offset).unwrap_or(usize::MAX).min(self.data.len());
        let n = (self.data.len() - from).min(buffer.len());
        buffer[..n].copy_from_slice(&self.data[from..from + n]);
        Ok(n)
    }

    fn write_at(&self, _buffer: &[u8], _offset: u64) -> Result<usize> {
        Err(Errno::EACCES)
    }
}

/// A file made from a function.
pub(crate) struct Text {
    render: Render,
    ino: u64,
    dev: u64,
}

impl Text {
    pub(crate) fn new(
        dev: u64,
        render: impl Fn() -> Result<Vec<u8>> + Send + Sync + 'static,
    ) -> Arc<Self> {
        Arc::new(Self { render: Box::new(render), ino: tmpfs::next_ino(), dev })
    }
}

impl Inode for Text {
    fn file_type(&self) -> u32 {
        S_IFREG
    }

    fn stat(&self) -> Result<Stat> {
        let mode = S_IFREG | 0o444;
        Ok(Stat { dev: self.dev, ino: self.ino, nlink: 1, mode, blksize: 1024, ..Stat::default() })
    }

    fn open(self: Arc<Self>, flags: u32) -> Result<Arc<dyn File>> {
        if flags & O_ACCMODE != O_RDONLY {
            return Err(Errno::EACCES);
        }
        Ok(Arc::new(Snapshot::new((self.render)()?, Inode::stat(&*self)?)))
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

/// A symbolic link whose target is made when it is read, and which may lead where no path does.
pub(crate) struct MagicLink {
    target: Render,
    jump: Option<Box<dyn Fn() -> Result<Location> + Send + Sync>>,
    ino: u64,
    dev: u64,
}

impl MagicLink {
    pub(crate) fn new(
        dev: u64,
        target: impl Fn() -> Result<Vec<u8>> + Send + Sync + 'static,
    ) -> Arc<Self> {
        Arc::new(Self { target: Box::new(target), jump: None, ino: tmpfs::next_ino(), dev })
    }

    pub(crate) fn jumping(
        dev: u64,
        target: impl Fn() -> Result<Vec<u8>> + Send + Sync + 'static,
        jump: impl Fn() -> Result<Location> + Send + Sync + 'static,
    ) -> Arc<Self> {
        let jump = Some(Box::new(jump) as Box<_>);
        Arc::new(Self { target: Box::new(target), jump, ino: tmpfs::next_ino(), dev })
    }
}

impl Inode for MagicLink {
    fn file_type(&self) -> u32 {
        S_IFLNK
    }

    fn stat(&self) -> Result<Stat> {
        let mode = S_IFLNK | 0o777;
        Ok(Stat { dev: self.dev, ino: self.ino, nlink: 1, mode, blksize: 1024, ..Stat::default() })
    }

    fn open(self: Arc<Self>, _flags: u32) -> Result<Arc<dyn File>> {
        Err(Errno::ELOOP)
    }

    fn as_any(&self) -> &dyn Any {
        self
    }

    fn readlink(&self) -> Result<Vec<u8>> {
        (self.target)()
    }

    fn jump(&self) -> Option<Result<Location>> {
        self.jump.as_ref().map(|jump| jump())
    }
}

type Members = Box<dyn Fn() -> Vec<(Vec<u8>, Arc<dyn Inode>)> + Send + Sync>;

/// A directory whose members are made when they are looked at.
pub(crate) struct Dynamic {
    members: Members,
    ino: u64,
    dev: u64,
}

impl Dynamic {
    pub(crate) fn new(
        dev: u64,
        members: impl Fn() -> Vec<(Vec<u8>, Arc<dyn Inode>)> + Send + Sync + 'static,
    ) -> Arc<Self> {
        Arc::new(Self { members: Box::new(members), ino: tmpfs::next_ino(), dev })
    }
}

impl Inode for Dynamic {
    fn file_type(&self) -> u32 {
        S_IFDIR
    }

    fn stat(&self) -> Result<Stat> {
        let mode = S_IFDIR | 0o555;
        Ok(Stat { dev: self.dev, ino: self.ino, nlink: 2, mode, blksize: 1024, ..Stat::default() })
    }

    fn open(self: Arc<Self>, _flags: u32) -> Result<Arc<dyn File>> {
        Ok(self)
    }

    fn as_any(&self) -> &dyn Any {
        self
    }

    fn lookup(&self, name: &[u8]) -> Result<Arc<dyn Inode>> {
        let found = (self.members)().into_iter().find(|(n, _)| n == name);
        found.map(|(_, inode)| inode).ok_or(Errno::ENOENT)
    }
}

impl File for Dynamic {
    fn stat(&self) -> Result<Stat> {
        Inode::stat(self)
    }

    fn read(&self, _buffer: &mut [u8]) -> Result<usize> {
        Err(Errno::EISDIR)
    }

    fn entries(&self) -> Result<Vec<Entry>> {
        let entry = |(name, inode): (Vec<u8>, Arc<dyn Inode>)| Entry {
            name,
            ino: inode.stat().map_or(1, |s| s.ino),
            file_type: inode.file_type(),
        };
        Ok((self.members)().into_iter().map(entry).collect())
    }
}
