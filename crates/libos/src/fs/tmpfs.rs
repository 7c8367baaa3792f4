//! Files and directories in enclave memory: tmpfs, and the skeleton that holds everything else.
//!
//! Contents are chunks of 64 KiB, absent where never written. The skeleton's directories are read-only
//! and may hold inodes of any kind; a tmpfs holds only its own.

use alloc::{
    boxed::Box,
    collections::BTreeMap,
    sync::{Arc, Weak},
    vec,
    vec::Vec,
};
use core::{
    any::Any,
    sync::atomic::{AtomicU64, Ordering},
};

use super::{
    file::File,
    inode::{Change, Entry, Inode, New},
};
use crate::{
    errno::{Errno, Result},
    io::pipe::Fifo,
    linux::{
        fcntl::{O_TRUNC, RENAME_EXCHANGE, RENAME_NOREPLACE},
        stat::{S_IFDIR, S_IFIFO, S_IFLNK, S_IFREG, S_IFSOCK, Stat},
        time::Timespec,
    },
    process::credentials::Owner,
    sync::{Lock, Mutex},
    time,
};

const CHUNK: usize = 64 << 10;
/// Numbers of inodes in memory, unique over all of them.
static NEXT_INO: AtomicU64 = AtomicU64::new(1);
/// Renames are rare and touch two directories: one lock for all of them keeps the order trivial.
static RENAME: Mutex<()> = Mutex::new(());

/// A new inode number.
pub(crate) fn next_ino() -> u64 {
    NEXT_INO.fetch_add(1, Ordering::Relaxed)
}

/// What the inodes of one tmpfs share.
#[derive(Debug)]
pub(crate) struct Shared {
    dev: u64,
    writable: bool,
    /// Bytes its files hold, and most they may.
    used: AtomicU64,
    limit: u64,
}

impl Shared {
    fn charge(&self, bytes: u64) -> Result<()> {
        let add = |used: u64| used.checked_add(bytes).filter(|&sum| sum <= self.limit);
        let added = self.used.fetch_update(Ordering::Relaxed, Ordering::Relaxed, add);
        added.map(drop).map_err(|_| Errno::ENOSPC)
    }

    fn release(&self, bytes: u64) {
        self.used.fetch_sub(bytes, Ordering::Relaxed);
    }
}

/// A tmpfs.
#[derive(Debug)]
pub(crate) struct Tmpfs;

impl Tmpfs {
    /// A writable, empty tmpfs without a limit but memory.
    #[cfg(test)]
    pub(crate) fn root(dev: u64, mode: u32) -> Arc<MemDir> {
        Self::limited(dev, mode, u64::MAX)
    }

    /// A writable, empty tmpfs whose files hold at most `limit` bytes.
    pub(crate) fn limited(dev: u64, mode: u32, limit: u64) -> Arc<MemDir> {
        let shared = Shared { dev, writable: true, used: AtomicU64::new(0), limit };
        MemDir::new(Arc::new(shared), mode, Owner::default(), Weak::new())
    }

    /// A read-only directory for the skeleton.
    pub(crate) fn skeleton(dev: u64, mode: u32) -> Arc<MemDir> {
        let shared = Shared { dev, writable: false, used: AtomicU64::new(0), limit: 0 };
        MemDir::new(Arc::new(shared), mode, Owner::default(), Weak::new())
    }
}

/// Attributes every inode in memory has.
#[derive(Debug, Clone, Copy)]
struct Meta {
    ino: u64,
    mode: u32,
    owner: Owner,
    nlink: u64,
    atime: Timespec,
    mtime: Timespec,
    ctime: Timespec,
}

impl Meta {
    fn new(mode: u32, owner: Owner, nlink: u64) -> Self {
        let now = time::now();
        Self { ino: next_ino(), mode, owner, nlink, atime: now, mtime: now, ctime: now }
    }

    fn apply(&mut self, change: &Change) {
        if let Some(mode) = change.mode {
            self.mode = mode & 0o7777;
        }
        self.owner.uid = change.uid.unwrap_or(self.owner.uid);
        self.owner.gid = change.gid.unwrap_or(self.owner.gid);
        self.atime = change.atime.unwrap_or(self.atime);
        self.mtime = change.mtime.unwrap_or(self.mtime);
        self.ctime = time::now();
    }

    fn stat(&self, dev: u64, file_type: u32, size: u64) -> Stat {
        Stat {
            dev,
            ino: self.ino,
            nlink: self.nlink,
            mode: file_type | self.mode,
            uid: self.owner.uid,
            gid: self.owner.gid,
            size,
            blksize: 4096,
            blocks: size.div_ceil(512),
            atime: self.atime,
            mtime: self.mtime,
            ctime: self.ctime,
            ..Stat::default()
        }
    }
}

/// A directory in memory.
pub(crate) struct MemDir {
    shared: Arc<Shared>,
    meta: Mutex<Meta>,
    parent: Mutex<Weak<MemDir>>,
    entries: Mutex<BTreeMap<Vec<u8>, Arc<dyn Inode>>>,
    this: Weak<MemDir>,
}

impl MemDir {
    fn new(shared: Arc<Shared>, mode: u32, owner: Owner, parent: Weak<Self>) -> Arc<Self> {
        let meta = Mutex::new(Meta::new(mode, owner, 2));
        let parent = Mutex::new(parent);
        Arc::new_cyclic(|this| Self {
            shared,
            meta,
            parent,
            entries: Mutex::default(),
            this: this.clone(),
        })
    }

    /// Puts an inode of any kind into it, writable or not. For building the tree.
    pub(crate) fn insert(&self, name: &[u8], inode: Arc<dyn Inode>) {
        self.entries.lock().insert(name.to_vec(), inode);
    }

    fn writable(&self) -> Result<()> {
        if self.shared.writable { Ok(()) } else { Err(Errno::EROFS) }
    }

    fn touch(&self) {
        let now = time::now();
        let mut meta = self.meta.lock();
        meta.mtime = now;
        meta.ctime = now;
    }

    fn add(&self, name: &[u8], inode: Arc<dyn Inode>) -> Result<()> {
        self.writable()?;
        {
            let mut entries = self.entries.lock();
            if self.meta.lock().nlink == 0 {
                return Err(Errno::ENOENT);
            }
            if entries.contains_key(name) {
                return Err(Errno::EEXIST);
            }
            entries.insert(name.to_vec(), inode);
        }
        self.touch();
        Ok(())
    }

    /// Whether `self` is `other` or lies above it.
    fn is_above(&self, other: &Arc<Self>) -> bool {
        let mut at = Some(Arc::clone(other));
        while let Some(directory) = at {
            if core::ptr::eq(Arc::as_ptr(&directory), self) {
                return true;
            }
            at = directory.parent.lock().upgrade();
        }
        false
    }

    /// What moving `moved` over `old` would break.
    fn replaceable(moved: &Arc<dyn Inode>, old: &Arc<dyn Inode>) -> Result<()> {
        match (moved.file_type() == S_IFDIR, old.file_type() == S_IFDIR) {
            (true, false) => Err(Errno::ENOTDIR),
            (false, true) => Err(Errno::EISDIR),
            (true, true) => match old.as_any().downcast_ref::<Self>() {
                Some(dir) if dir.entries.lock().is_empty() => Ok(()),
                Some(_) => Err(Errno::ENOTEMPTY),
                None => Err(Errno::EBUSY),
            },
            (false, false) => Ok(()),
        }
    }
}

/// Counts a name less (or more) at an inode in memory.
fn count_links(inode: &Arc<dyn Inode>, more: bool) {
    let any = inode.as_any();
    let meta = if let Some(leaf) = any.downcast_ref::<MemLeaf>() {
        &leaf.meta
    } else if let Some(file) = any.downcast_ref::<MemFile>() {
        &file.meta
    } else if let Some(dir) = any.downcast_ref::<MemDir>() {
        if !more {
            dir.meta.lock().nlink = 0;
        }
        return;
    } else {
        return;
    };
    let now = time::now();
    let mut meta = meta.lock();
    meta.nlink = if more { meta.nlink + 1 } else { meta.nlink.saturating_sub(1) };
    meta.ctime = now;
}

impl Inode for MemDir {
    fn file_type(&self) -> u32 {
        S_IFDIR
    }

    fn stat(&self) -> Result<Stat> {
        let (count, dirs) = {
            let entries = self.entries.lock();
            let dirs = entries.values().filter(|i| i.file_type() == S_IFDIR).count();
            (entries.len() as u64, dirs as u64)
        };
        let mut stat = self.meta.lock().stat(self.shared.dev, S_IFDIR, (count + 2) * 20);
        if stat.nlink != 0 {
            stat.nlink += dirs;
        }
        Ok(stat)
    }

    fn open(self: Arc<Self>, _flags: u32) -> Result<Arc<dyn File>> {
        Ok(self)
    }

    fn as_any(&self) -> &dyn Any {
        self
    }

    fn lookup(&self, name: &[u8]) -> Result<Arc<dyn Inode>> {
        self.entries.lock().get(name).cloned().ok_or(Errno::ENOENT)
    }

    fn is_closed(&self) -> bool {
        !self.shared.writable
    }

    fn create(&self, name: &[u8], new: New, mode: u32, owner: Owner) -> Result<Arc<dyn Inode>> {
        self.writable()?;
        let shared = Arc::clone(&self.shared);
        let inode: Arc<dyn Inode> = match new {
            New::File => Arc::new(MemFile::new(shared, mode, owner)),
            New::Directory => MemDir::new(shared, mode, owner, self.this.clone()),
            New::Symlink(target) => {
                Arc::new(MemLeaf::new(shared, 0o777, owner, Leaf::Symlink(target)))
            }
            New::Fifo => Arc::new(MemLeaf::new(shared, mode, owner, Leaf::Fifo(Fifo::new()))),
            New::Socket => Arc::new(MemLeaf::new(shared, mode, owner, Leaf::Socket)),
        };
        self.add(name, Arc::clone(&inode))?;
        Ok(inode)
    }

    fn link(&self, name: &[u8], inode: &Arc<dyn Inode>) -> Result<()> {
        if inode.file_type() == S_IFDIR {
            return Err(Errno::EPERM);
        }
        if inode.stat()?.dev != self.shared.dev {
            return Err(Errno::EXDEV);
        }
        self.add(name, Arc::clone(inode))?;
        count_links(inode, true);
        Ok(())
    }

    fn unlink(&self, name: &[u8], directory: bool) -> Result<()> {
        self.writable()?;
        let removed = {
            let mut entries = self.entries.lock();
            let inode = entries.get(name).ok_or(Errno::ENOENT)?;
            match (directory, inode.file_type() == S_IFDIR) {
                (true, false) => return Err(Errno::ENOTDIR),
                (false, true) => return Err(Errno::EISDIR),
                (true, true) => match inode.as_any().downcast_ref::<MemDir>() {
                    Some(dir) if dir.entries.lock().is_empty() => {}
                    Some(_) => return Err(Errno::ENOTEMPTY),
                    None => return Err(Errno::EBUSY),
                },
                (false, false) => {}
            }
            entries.remove(name)
        };
        if let Some(inode) = removed {
            count_links(&inode, false);
        }
        self.touch();
        Ok(())
    }

    fn rename(&self, name: &[u8], to: &Arc<dyn Inode>, new_name: &[u8], flags: u64) -> Result<()> {
        let to = to.as_any().downcast_ref::<Self>().ok_or(Errno::EXDEV)?;
        if to.shared.dev != self.shared.dev {
            return Err(Errno::EXDEV);
        }
        self.writable()?;
        let to = to.this.upgrade().ok_or(Errno::ENOENT)?;
        let replaced = {
            let _one_at_a_time = RENAME.lock();
            let moved = self.lookup(name)?;
            let old = to.lookup(new_name).ok();
            if let Some(dir) = moved.as_any().downcast_ref::<Self>()
                && dir.is_above(&to)
            {
                return Err(Errno::EINVAL);
            }
            if old.as_ref().is_some_and(|old| Arc::ptr_eq(old, &moved)) {
                return Ok(());
            }
            let replaced = if flags & RENAME_EXCHANGE != 0 {
                let old = old.ok_or(Errno::ENOENT)?;
                if let Some(dir) = old.as_any().downcast_ref::<Self>() {
                    *dir.parent.lock() = self.this.clone();
                }
                self.insert(name, old);
                None
            } else {
                if let Some(old) = &old {
                    if flags & RENAME_NOREPLACE != 0 {
                        return Err(Errno::EEXIST);
                    }
                    Self::replaceable(&moved, old)?;
                }
                self.entries.lock().remove(name);
                old
            };
            if let Some(dir) = moved.as_any().downcast_ref::<Self>() {
                *dir.parent.lock() = to.this.clone();
            }
            to.insert(new_name, moved);
            replaced
        };
        if let Some(old) = replaced {
            count_links(&old, false);
        }
        self.touch();
        to.touch();
        Ok(())
    }

    fn change(&self, change: &Change) -> Result<()> {
        self.writable()?;
        self.meta.lock().apply(change);
        Ok(())
    }
}

impl File for MemDir {
    fn stat(&self) -> Result<Stat> {
        Inode::stat(self)
    }

    fn read(&self, _buffer: &mut [u8]) -> Result<usize> {
        Err(Errno::EISDIR)
    }

    fn entries(&self) -> Result<Vec<Entry>> {
        let entries = self.entries.lock().clone();
        let entry = |(name, inode): (Vec<u8>, Arc<dyn Inode>)| {
            let file_type = inode.file_type();
            let ino = inode.stat().map_or(0, |s| s.ino);
            Entry { name, ino, file_type }
        };
        Ok(entries.into_iter().map(entry).collect())
    }

    fn change(&self, change: &Change) -> Result<()> {
        Inode::change(self, change)
    }
}

/// A regular file in memory.
pub(crate) struct MemFile {
    shared: Arc<Shared>,
    meta: Mutex<Meta>,
    data: Lock<Data>,
}

#[derive(Default)]
struct Data {
    size: u64,
    chunks: Vec<Option<Box<[u8]>>>,
}

impl Data {
    fn held(&self) -> u64 {
        (self.chunks.iter().filter(|c| c.is_some()).count() * CHUNK) as u64
    }
}

impl MemFile {
    fn new(shared: Arc<Shared>, mode: u32, owner: Owner) -> Self {
        let meta = Mutex::new(Meta::new(mode, owner, 1));
        Self { shared, meta, data: Lock::new(Data::default()) }
    }

    /// A file outside any tree, for `memfd_create(2)`.
    pub(crate) fn anonymous(owner: Owner) -> Arc<Self> {
        let shared = Shared { dev: 0, writable: true, used: AtomicU64::new(0), limit: u64::MAX };
        Arc::new(Self::new(Arc::new(shared), 0o777, owner))
    }

    fn modified(&self) {
        let now = time::now();
        let mut meta = self.meta.lock();
        meta.mtime = now;
        meta.ctime = now;
    }
}

/// Index of a chunk and offset in it.
fn position(offset: u64) -> Result<(usize, usize)> {
    let index = usize::try_from(offset / CHUNK as u64).map_err(|_| Errno::EFBIG)?;
    Ok((index, usize::try_from(offset % CHUNK as u64).map_err(|_| Errno::EFBIG)?))
}

impl File for MemFile {
    fn stat(&self) -> Result<Stat> {
        let (size, held) = {
            let data = self.data.lock();
            (data.size, data.held())
        };
        let mut stat = self.meta.lock().stat(self.shared.dev, S_IFREG, size);
        stat.blocks = held / 512;
        Ok(stat)
    }

    fn is_seekable(&self) -> bool {
        true
    }

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> Result<usize> {
        let data = self.data.lock();
        let left = usize::try_from(data.size.saturating_sub(offset)).unwrap_or(usize::MAX);
        let total = buffer.len().min(left);
        let mut done = 0;
        while done < total {
            let (index, at) = position(offset + done as u64)?;
            let n = (CHUNK - at).min(total - done);
            match data.chunks.get(index) {
                Some(Some(chunk)) => buffer[done..done + n].copy_from_slice(&chunk[at..at + n]),
                _ => buffer[done..done + n].fill(0),
            }
            done += n;
        }
        Ok(total)
    }

    fn write_at(&self, buffer: &[u8], offset: u64) -> Result<usize> {
        let end = offset.checked_add(buffer.len() as u64).filter(|&e| e < 1 << 62);
        let end = end.ok_or(Errno::EFBIG)?;
        let mut done = 0;
        {
            let mut data = self.data.lock();
            while done < buffer.len() {
                let (index, at) = position(offset + done as u64)?;
                if index >= data.chunks.len() {
                    data.chunks.resize_with(index + 1, || None);
                }
                let n = (CHUNK - at).min(buffer.len() - done);
                if data.chunks[index].is_none() {
                    if let Err(full) = self.shared.charge(CHUNK as u64) {
                        if done == 0 {
                            return Err(full);
                        }
                        break;
                    }
                    data.chunks[index] = Some(vec![0; CHUNK].into_boxed_slice());
                }
                if let Some(chunk) = &mut data.chunks[index] {
                    chunk[at..at + n].copy_from_slice(&buffer[done..done + n]);
                }
                done += n;
            }
            data.size = data.size.max(end.min(offset + done as u64));
        }
        self.modified();
        Ok(done)
    }

    fn truncate(&self, length: u64) -> Result<()> {
        if length >= 1 << 62 {
            return Err(Errno::EFBIG);
        }
        {
            let mut data = self.data.lock();
            if length < data.size {
                let (index, at) = position(length)?;
                let keep = if at == 0 { index } else { index + 1 };
                let before = data.held();
                data.chunks.truncate(keep);
                if let (true, Some(Some(chunk))) = (at != 0, data.chunks.get_mut(index)) {
                    chunk[at..].fill(0);
                }
                self.shared.release(before - data.held());
            }
            data.size = length;
        }
        self.modified();
        Ok(())
    }

    fn change(&self, change: &Change) -> Result<()> {
        self.meta.lock().apply(change);
        Ok(())
    }
}

impl Drop for MemFile {
    fn drop(&mut self) {
        let held = self.data.lock().held();
        self.shared.release(held);
    }
}

impl Inode for MemFile {
    fn file_type(&self) -> u32 {
        S_IFREG
    }

    fn stat(&self) -> Result<Stat> {
        File::stat(self)
    }

    fn open(self: Arc<Self>, flags: u32) -> Result<Arc<dyn File>> {
        if flags & O_TRUNC != 0 {
            File::truncate(&*self, 0)?;
        }
        Ok(self)
    }

    fn as_any(&self) -> &dyn Any {
        self
    }

    fn change(&self, change: &Change) -> Result<()> {
        File::change(self, change)
    }

    fn truncate(&self, length: u64) -> Result<()> {
        File::truncate(self, length)
    }
}

enum Leaf {
    Symlink(Vec<u8>),
    Fifo(Arc<Fifo>),
    Socket,
}

/// A symbolic link, FIFO or socket name in memory.
pub(crate) struct MemLeaf {
    shared: Arc<Shared>,
    meta: Mutex<Meta>,
    leaf: Leaf,
}

impl MemLeaf {
    fn new(shared: Arc<Shared>, mode: u32, owner: Owner, leaf: Leaf) -> Self {
        Self { shared, meta: Mutex::new(Meta::new(mode, owner, 1)), leaf }
    }

    /// A symbolic link of the skeleton.
    pub(crate) fn symlink(dev: u64, target: &[u8]) -> Arc<Self> {
        let shared = Shared { dev, writable: false, used: AtomicU64::new(0), limit: 0 };
        let leaf = Leaf::Symlink(target.to_vec());
        Arc::new(Self::new(Arc::new(shared), 0o777, Owner::default(), leaf))
    }
}

impl Inode for MemLeaf {
    fn file_type(&self) -> u32 {
        match self.leaf {
            Leaf::Symlink(_) => S_IFLNK,
            Leaf::Fifo(_) => S_IFIFO,
            Leaf::Socket => S_IFSOCK,
        }
    }

    fn stat(&self) -> Result<Stat> {
        let size = if let Leaf::Symlink(target) = &self.leaf { target.len() as u64 } else { 0 };
        Ok(self.meta.lock().stat(self.shared.dev, self.file_type(), size))
    }

    fn open(self: Arc<Self>, flags: u32) -> Result<Arc<dyn File>> {
        match &self.leaf {
            Leaf::Symlink(_) => Err(Errno::ELOOP),
            Leaf::Fifo(fifo) => Ok(fifo.open(flags)),
            Leaf::Socket => Err(Errno::ENXIO),
        }
    }

    fn as_any(&self) -> &dyn Any {
        self
    }

    fn readlink(&self) -> Result<Vec<u8>> {
        match &self.leaf {
            Leaf::Symlink(target) => Ok(target.clone()),
            Leaf::Fifo(_) | Leaf::Socket => Err(Errno::EINVAL),
        }
    }

    fn change(&self, change: &Change) -> Result<()> {
        if !self.shared.writable {
            return Err(Errno::EROFS);
        }
        self.meta.lock().apply(change);
        Ok(())
    }
}
