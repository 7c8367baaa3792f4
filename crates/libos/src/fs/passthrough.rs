//! Host files without protection, only where the manifest names them.
//!
//! The host decides what is in them; the library OS only keeps what it says well-formed. Entries of the
//! manifest below a passthrough directory lie over the host's. With `record` (`--dev`), what is read the first
//! time is held to for the rest of the run.

use alloc::{string::String, sync::Arc, vec::Vec};
use core::any::Any;

use super::{
    file::File,
    inode::{Change, Entry, Inode, New},
    recorded::Records,
    tree::Node,
};
use crate::{
    errno::{Errno, Result},
    host::{self, HostFd},
    linux::{
        fcntl::{
            AT_REMOVEDIR, O_ACCMODE, O_CREAT, O_DIRECTORY, O_EXCL, O_NOFOLLOW, O_NONBLOCK,
            O_RDONLY, O_TRUNC, RENAME_EXCHANGE,
        },
        stat::{S_IFCHR, S_IFDIR, S_IFIFO, S_IFLNK, S_IFMT, S_IFREG, S_IFSOCK, Stat},
    },
    process::credentials::Owner,
    time,
};

/// What all inodes of one passthrough entry share.
pub(crate) struct Policy {
    pub(crate) writable: bool,
    pub(crate) record: bool,
    pub(crate) dev: u64,
    records: Records,
}

impl Policy {
    pub(crate) fn new(writable: bool, record: bool, dev: u64) -> Arc<Self> {
        Arc::new(Self { writable, record, dev, records: Records::default() })
    }

    /// Forgets what was recorded of a file that has just lost its last name.
    fn forget(&self, old: Result<Stat>) {
        if let Ok(old) = old
            && old.nlink == 1
        {
            self.records.forget(&old);
        }
    }
}

/// A file or directory of the host.
pub(crate) struct HostInode {
    policy: Arc<Policy>,
    host: Vec<u8>,
    file_type: u32,
    /// What the manifest lays over a directory.
    over: Arc<Node>,
}

impl HostInode {
    /// The inode at a host path.
    pub(crate) fn at(policy: Arc<Policy>, host: Vec<u8>, over: Arc<Node>) -> Result<Self> {
        let file_type = host::file::stat(&host)?.file_type();
        Ok(Self { policy, host, file_type, over })
    }

    /// The inode at a host path, taken to be a directory until it is looked at.
    pub(crate) fn directory(policy: Arc<Policy>, host: Vec<u8>, over: Arc<Node>) -> Self {
        Self { policy, host, file_type: S_IFDIR, over }
    }

    fn member(&self, name: &[u8]) -> Vec<u8> {
        let mut path = self.host.clone();
        if !path.ends_with(b"/") {
            path.push(b'/');
        }
        path.extend_from_slice(name);
        path
    }

    fn writable(&self) -> Result<()> {
        if self.policy.writable { Ok(()) } else { Err(Errno::EROFS) }
    }

    /// A change to a member: allowed, and not to something that the manifest laid over it.
    fn changing(&self, name: &[u8]) -> Result<Vec<u8>> {
        self.writable()?;
        if self.over.children.contains_key(name) {
            Err(Errno::EBUSY)
        } else {
            Ok(self.member(name))
        }
    }

    fn own(&self, mut stat: Stat) -> Stat {
        stat.dev = self.policy.dev;
        stat
    }
}

impl Inode for HostInode {
    /// The host's files are not measured; a development run trusts what it saw first.
    fn may_execute(&self) -> bool {
        self.policy.record
    }

    fn file_type(&self) -> u32 {
        self.file_type
    }

    fn stat(&self) -> Result<Stat> {
        let stat = host::file::stat(&self.host)?;
        if stat.file_type() != self.file_type {
            return Err(Errno::ESTALE);
        }
        Ok(self.own(stat))
    }

    fn open(self: Arc<Self>, flags: u32) -> Result<Arc<dyn File>> {
        let writes = flags & O_ACCMODE != O_RDONLY || flags & O_TRUNC != 0;
        if writes {
            self.writable()?;
        }
        let kind = if self.file_type == S_IFDIR { O_DIRECTORY } else { 0 };
        if self.file_type == S_IFSOCK {
            return Err(Errno::ENXIO);
        }
        // A wait on the host cannot be interrupted: it happens inside, by readiness.
        let kind = if matches!(self.file_type, S_IFIFO | S_IFCHR) { O_NONBLOCK } else { kind };
        let keep = O_ACCMODE | O_TRUNC;
        let fd = host::file::open(&self.host, (flags & keep) | kind | O_NOFOLLOW, 0)?;
        let stat = host::file::stat_fd(fd.raw())?;
        if stat.file_type() != self.file_type {
            return Err(Errno::ESTALE);
        }
        let fd = Arc::new(fd);
        let file = Arc::new(HostFile { fd: Arc::clone(&fd), inode: Arc::clone(&self) });
        if !self.policy.record || self.file_type != S_IFREG {
            return Ok(file);
        }
        if writes {
            self.policy.records.change(&stat);
            return Ok(file);
        }
        self.policy.records.open(&fd, &stat, &self.host, file)
    }

    fn holds_code(&self) -> bool {
        // A development run holds the host to what it said first.
        self.policy.record
    }

    fn as_any(&self) -> &dyn Any {
        self
    }

    fn lookup(&self, name: &[u8]) -> Result<Arc<dyn Inode>> {
        if self.file_type != S_IFDIR {
            return Err(Errno::ENOTDIR);
        }
        let over = self.over.children.get(name);
        if let Some(inode) = over.and_then(|node| node.inode.clone()) {
            return Ok(inode);
        }
        let policy = Arc::clone(&self.policy);
        match (HostInode::at(Arc::clone(&policy), self.member(name), Node::share(over)), over) {
            (Err(Errno::ENOENT), Some(_)) => {
                Ok(Arc::new(Self::directory(policy, self.member(name), Node::share(over))))
            }
            (found, _) => Ok(Arc::new(found?)),
        }
    }

    fn readlink(&self) -> Result<Vec<u8>> {
        if self.file_type == S_IFLNK {
            host::file::readlink(&self.host)
        } else {
            Err(Errno::EINVAL)
        }
    }

    fn create(&self, name: &[u8], new: New, mode: u32, _owner: Owner) -> Result<Arc<dyn Inode>> {
        let path = self.changing(name)?;
        match new {
            New::File => {
                let fd = host::file::open(&path, O_CREAT | O_EXCL | 1, mode)?;
                self.policy.records.change(&host::file::stat_fd(fd.raw())?);
            }
            New::Directory => host::file::mkdir(&path, mode)?,
            New::Symlink(target) => host::file::symlink(&target, &path)?,
            New::Fifo => host::file::mknod(&path, S_IFIFO | mode)?,
            New::Socket => host::file::mknod(&path, S_IFSOCK | mode)?,
        }
        self.lookup(name)
    }

    fn link(&self, name: &[u8], inode: &Arc<dyn Inode>) -> Result<()> {
        let other = inode.as_any().downcast_ref::<Self>().ok_or(Errno::EXDEV)?;
        if !Arc::ptr_eq(&other.policy, &self.policy) {
            return Err(Errno::EXDEV);
        }
        host::file::link(&other.host, &self.changing(name)?)
    }

    fn unlink(&self, name: &[u8], directory: bool) -> Result<()> {
        let flags = if directory { AT_REMOVEDIR } else { 0 };
        let path = self.changing(name)?;
        let old = host::file::stat(&path);
        host::file::unlink(&path, flags)?;
        self.policy.forget(old);
        Ok(())
    }

    fn rename(&self, name: &[u8], to: &Arc<dyn Inode>, new_name: &[u8], flags: u64) -> Result<()> {
        let to = to.as_any().downcast_ref::<Self>().ok_or(Errno::EXDEV)?;
        if !Arc::ptr_eq(&to.policy, &self.policy) {
            return Err(Errno::EXDEV);
        }
        let target = to.changing(new_name)?;
        let old = host::file::stat(&target);
        host::file::rename(&self.changing(name)?, &target, flags)?;
        if flags & RENAME_EXCHANGE == 0 {
            self.policy.forget(old);
        }
        Ok(())
    }

    fn change(&self, change: &Change) -> Result<()> {
        self.writable()?;
        if let Some(mode) = change.mode {
            host::file::chmod(&self.host, mode & 0o7777)?;
        }
        if change.atime.is_some() || change.mtime.is_some() {
            let now = host::file::stat(&self.host)?;
            let (atime, mtime) =
                (change.atime.unwrap_or(now.atime), change.mtime.unwrap_or(now.mtime));
            host::file::set_times(&self.host, atime, mtime)?;
        }
        // Owners on the host are the host's; a program that sets its own gets its way.
        Ok(())
    }

    fn truncate(&self, length: u64) -> Result<()> {
        self.writable()?;
        let fd = host::file::open(&self.host, 1 | O_NOFOLLOW, 0)?;
        self.policy.records.change(&host::file::stat_fd(fd.raw())?);
        host::file::truncate(fd.raw(), length)
    }
}

/// An open host file or directory.
struct HostFile {
    fd: Arc<HostFd>,
    inode: Arc<HostInode>,
}

impl File for HostFile {
    fn stat(&self) -> Result<Stat> {
        let stat = host::file::stat_fd(self.fd.raw())?;
        Ok(self.inode.own(stat))
    }

    fn is_seekable(&self) -> bool {
        self.inode.file_type == S_IFREG
    }

    fn read(&self, buffer: &mut [u8]) -> Result<usize> {
        if self.inode.file_type == S_IFDIR {
            return Err(Errno::EISDIR);
        }
        host::file::read(self.fd.raw(), buffer)
    }

    fn write(&self, buffer: &[u8]) -> Result<usize> {
        host::file::write(self.fd.raw(), buffer)
    }

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> Result<usize> {
        host::file::read_at(self.fd.raw(), buffer, offset)
    }

    fn write_at(&self, buffer: &[u8], offset: u64) -> Result<usize> {
        host::file::write_at(self.fd.raw(), buffer, offset)
    }

    fn entries(&self) -> Result<Vec<Entry>> {
        if self.inode.file_type != S_IFDIR {
            return Err(Errno::ENOTDIR);
        }
        let fd = host::file::open(&self.inode.host, O_DIRECTORY, 0)?;
        let mut entries: Vec<Entry> = host::file::entries(fd.raw())?
            .into_iter()
            .filter(|e| e.name != b"." && e.name != b"..")
            .map(|e| Entry {
                name: e.name,
                ino: e.ino,
                file_type: u32::from(e.kind) << 12 & S_IFMT,
            })
            .collect();
        for (name, node) in &self.inode.over.children {
            let file_type = node.inode.as_ref().map_or(S_IFDIR, |i| i.file_type());
            match entries.iter_mut().find(|e| e.name == *name) {
                Some(entry) => entry.file_type = file_type,
                None => entries.push(Entry { name: name.clone(), ino: 1, file_type }),
            }
        }
        Ok(entries)
    }

    fn truncate(&self, length: u64) -> Result<()> {
        host::file::truncate(self.fd.raw(), length)
    }

    fn change(&self, change: &Change) -> Result<()> {
        Inode::change(&*self.inode, change)
    }

    fn sync(&self) -> Result<()> {
        host::file::sync(self.fd.raw())
    }

    fn host_fd(&self) -> Option<i32> {
        matches!(self.inode.file_type, S_IFCHR | S_IFIFO).then_some(self.fd.raw())
    }

    fn label(&self) -> String {
        String::from_utf8_lossy(&self.inode.host).into_owned()
    }
}

/// A file taken from the host whole, when opened, after a check: a host input.
pub(crate) struct HostInput {
    host: Vec<u8>,
    check: fn(&[u8]) -> bool,
    max: u64,
    dev: u64,
}

impl HostInput {
    pub(crate) fn new(host: Vec<u8>, max: u64, dev: u64, check: fn(&[u8]) -> bool) -> Self {
        Self { host, check, max, dev }
    }

    fn load(&self) -> Result<Vec<u8>> {
        // The host's path may be a symbolic link, as Kubernetes makes them.
        let fd = host::file::open(&self.host, O_RDONLY, 0)?;
        let size = host::file::stat_fd(fd.raw())?.size;
        if size > self.max {
            return Err(Errno::EIO);
        }
        let mut data = alloc::vec![0; usize::try_from(size).map_err(|_| Errno::EIO)?];
        let mut done = 0;
        while done < data.len() {
            match host::file::read_at(fd.raw(), &mut data[done..], done as u64)? {
                0 => return Err(Errno::EIO),
                n => done += n,
            }
        }
        if (self.check)(&data) {
            return Ok(data);
        }
        crate::log::implausible("the content of a host input", String::from_utf8_lossy(&self.host));
        Err(Errno::EIO)
    }
}

impl Inode for HostInput {
    fn may_execute(&self) -> bool {
        false
    }

    fn file_type(&self) -> u32 {
        S_IFREG
    }

    fn stat(&self) -> Result<Stat> {
        let size = self.load()?.len() as u64;
        let now = time::now();
        Ok(Stat {
            dev: self.dev,
            ino: 1,
            nlink: 1,
            mode: S_IFREG | 0o444,
            size,
            blksize: 4096,
            blocks: size.div_ceil(512),
            mtime: now,
            ctime: now,
            atime: now,
            ..Stat::default()
        })
    }

    fn open(self: Arc<Self>, flags: u32) -> Result<Arc<dyn File>> {
        if flags & O_ACCMODE != O_RDONLY {
            return Err(Errno::EROFS);
        }
        let stat = Inode::stat(&*self)?;
        Ok(Arc::new(super::text::Snapshot::new(self.load()?, stat)))
    }

    fn holds_code(&self) -> bool {
        false
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}
