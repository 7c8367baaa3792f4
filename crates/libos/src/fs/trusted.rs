//! Files whose content is measured: read-only, verified block by block before use.
//!
//! A leaf of the file's Merkle tree is read into private memory, hashed there, and only then used. The
//! last verified leaf is kept, so small reads hash once. The leaf hashes are read from the file beside the manifest
//! when a trusted file is first opened, and checked against its root; where they are missing or wrong they are
//! made anew by one full read.

use alloc::{format, string::String, sync::Arc, vec, vec::Vec};
use core::any::Any;

use manifest::{Hash, LEAF_SIZE, Tree};

use super::{file::File, inode::Inode, tmpfs};
use crate::{
    errno::{Errno, Result},
    host::{self, HostFd},
    linux::{
        fcntl::{O_ACCMODE, O_RDONLY},
        stat::{S_IFREG, Stat},
    },
    log::{self, Level},
    sync::{Lock, Mutex},
};

/// A trusted file in the tree.
pub(crate) struct TrustedInode {
    path: Vec<u8>,
    host: Vec<u8>,
    size: u64,
    mode: u32,
    root: Hash,
    dev: u64,
    ino: u64,
    stored: Option<Stored>,
    tree: Mutex<Option<Arc<Tree>>>,
}

/// The host's file with the leaf hashes of all trusted files: untrusted.
pub(crate) struct TreeFile {
    path: Vec<u8>,
    fd: Mutex<Option<Arc<HostFd>>>,
}

/// Where the leaf hashes of one file are stored: the file, and the offset in it.
pub(crate) type Stored = (Arc<TreeFile>, u64);

impl TreeFile {
    /// The file at a host path; `None` for an empty path, which means that there is none.
    pub(crate) fn new(path: &[u8]) -> Option<Arc<Self>> {
        let file = Self { path: path.to_vec(), fd: Mutex::new(None) };
        (!path.is_empty()).then(|| Arc::new(file))
    }

    /// Reads `len` bytes at `offset`.
    fn read(&self, offset: u64, len: u64) -> Result<Vec<u8>> {
        let known = self.fd.lock().clone();
        let fd = match known {
            Some(fd) => fd,
            None => {
                let fd = Arc::new(host::file::open(&self.path, O_RDONLY, 0)?);
                Arc::clone(self.fd.lock().get_or_insert(fd))
            }
        };
        read_whole(fd.raw(), offset, len)
    }
}

impl TrustedInode {
    pub(crate) fn new(
        path: &[u8],
        host: &[u8],
        size: u64,
        mode: u32,
        root: Hash,
        dev: u64,
    ) -> Self {
        Self {
            path: path.to_vec(),
            host: host.to_vec(),
            size,
            mode,
            root,
            dev,
            ino: tmpfs::next_ino(),
            stored: None,
            tree: Mutex::new(None),
        }
    }

    /// Says where the file's leaf hashes are stored.
    pub(crate) fn stored(self, stored: Option<Stored>) -> Self {
        Self { stored, ..self }
    }

    fn stat_now(&self) -> Stat {
        Stat {
            dev: self.dev,
            ino: self.ino,
            nlink: 1,
            mode: S_IFREG | self.mode,
            size: self.size,
            blksize: 4096,
            blocks: self.size.div_ceil(512),
            ..Stat::default()
        }
    }

    fn tree(&self, fd: &HostFd) -> Result<Arc<Tree>> {
        let known = self.tree.lock().clone();
        if let Some(tree) = known {
            return Ok(tree);
        }
        let tree = match self.stored_tree() {
            Some(tree) => tree,
            None => read_tree(fd.raw(), self.size)?,
        };
        if tree.root() != self.root {
            changed(&self.path);
            return Err(Errno::EIO);
        }
        let tree = Arc::new(tree);
        *self.tree.lock() = Some(Arc::clone(&tree));
        Ok(tree)
    }
}

impl TrustedInode {
    /// The tree from stored leaf hashes, if they are there and have the root of the manifest.
    fn stored_tree(&self) -> Option<Tree> {
        let len = Tree::stored_len(self.size);
        let Some((file, offset)) = self.stored.as_ref().filter(|_| len > 0) else {
            return Tree::from_stored(&[], self.size, &self.root).ok();
        };
        let why = match file.read(*offset, len) {
            Ok(stored) => match Tree::from_stored(&stored, self.size, &self.root) {
                Ok(tree) => return Some(tree),
                Err(mismatch) => format!("{mismatch}"),
            },
            Err(errno) => format!("{errno}"),
        };
        let path = String::from_utf8_lossy(&self.path);
        let file = String::from_utf8_lossy(&file.path);
        log::line(
            Level::Warn,
            &format!(
                "stored hashes of {path} in {file} are no use ({why}); the whole file is hashed instead"
            ),
        );
        None
    }
}

impl Inode for TrustedInode {
    fn file_type(&self) -> u32 {
        S_IFREG
    }

    fn stat(&self) -> Result<Stat> {
        Ok(self.stat_now())
    }

    fn open(self: Arc<Self>, flags: u32) -> Result<Arc<dyn File>> {
        if flags & O_ACCMODE != O_RDONLY {
            return Err(Errno::EROFS);
        }
        let fd = host::file::open(&self.host, O_RDONLY, 0).map_err(|errno| {
            let path = String::from_utf8_lossy(&self.path);
            log::line(
                Level::Error,
                &format!("trusted file {path} cannot be opened on the host: {errno}"),
            );
            Errno::EIO
        })?;
        let tree = self.tree(&fd)?;
        let stat = self.stat_now();
        Ok(Arc::new(TrustedFile::new(Arc::new(fd), tree, stat, &self.path)))
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

/// An open trusted file.
pub(crate) struct TrustedFile {
    fd: Arc<HostFd>,
    tree: Arc<Tree>,
    stat: Stat,
    path: Vec<u8>,
    /// Index and content of the last verified leaf.
    last: Lock<(u64, Vec<u8>)>,
}

impl TrustedFile {
    pub(crate) fn new(fd: Arc<HostFd>, tree: Arc<Tree>, stat: Stat, path: &[u8]) -> Self {
        Self { fd, tree, stat, path: path.to_vec(), last: Lock::new((u64::MAX, Vec::new())) }
    }
}

impl File for TrustedFile {
    fn stat(&self) -> Result<Stat> {
        Ok(self.stat)
    }

    fn is_seekable(&self) -> bool {
        true
    }

    fn content(&self) -> Option<Hash> {
        Some(self.tree.root())
    }

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> Result<usize> {
        let left = usize::try_from(self.stat.size.saturating_sub(offset)).unwrap_or(usize::MAX);
        let total = buffer.len().min(left);
        let mut last = self.last.lock();
        let mut done = 0;
        while done < total {
            let at = offset + done as u64;
            let index = at / LEAF_SIZE;
            if last.0 != index {
                last.0 = u64::MAX;
                last.1 = read_leaf(self.fd.raw(), index, self.stat.size)?;
                if !self.tree.holds(index, &last.1) {
                    changed(&self.path);
                    return Err(Errno::EIO);
                }
                last.0 = index;
            }
            let from = usize::try_from(at % LEAF_SIZE).unwrap_or(0);
            let leaf = last.1.get(from..).unwrap_or_default();
            let n = leaf.len().min(total - done);
            if n == 0 {
                return Err(Errno::EIO);
            }
            buffer[done..done + n].copy_from_slice(&leaf[..n]);
            done += n;
        }
        Ok(total)
    }

    fn write_at(&self, _buffer: &[u8], _offset: u64) -> Result<usize> {
        Err(Errno::EBADF)
    }
}

fn changed(path: &[u8]) {
    let path = String::from_utf8_lossy(path);
    let text =
        format!("trusted file {path} is not the one that was measured; compile the manifest again");
    log::line(Level::Error, &text);
}

/// Reads one leaf of a file of `size` bytes, whole.
fn read_leaf(fd: i32, index: u64, size: u64) -> Result<Vec<u8>> {
    let start = index * LEAF_SIZE;
    read_whole(fd, start, size.saturating_sub(start).min(LEAF_SIZE))
}

/// Reads `len` bytes, or what there is of them.
fn read_whole(fd: i32, start: u64, len: u64) -> Result<Vec<u8>> {
    let mut bytes = vec![0; usize::try_from(len).map_err(|_| Errno::EIO)?];
    let mut done = 0;
    while done < bytes.len() {
        let got = host::file::read_at(fd, &mut bytes[done..], start + done as u64)?;
        if got == 0 {
            bytes.truncate(done);
            break;
        }
        done += got;
    }
    Ok(bytes)
}

/// Hashes a file of `size` bytes.
pub(crate) fn read_tree(fd: i32, size: u64) -> Result<Tree> {
    let mut leaves = Vec::new();
    for index in 0..Tree::leaf_count(size) {
        leaves.push(Tree::leaf(&read_leaf(fd, index, size)?));
    }
    Ok(Tree::from_leaves(leaves))
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex as StdMutex;

    use enclave_rt::testing::Machine;

    use super::*;
    use crate::testing;

    fn content(len: usize) -> Vec<u8> {
        (0..len).map(|i| u8::try_from(i % 251).unwrap()).collect()
    }

    fn inode(data: &[u8]) -> Arc<TrustedInode> {
        let leaves = data.chunks(65536).map(Tree::leaf).collect();
        let root = Tree::from_leaves(leaves).root();
        Arc::new(TrustedInode::new(b"/bin/x", b"/host/x", data.len() as u64, 0o755, root, 1))
    }

    #[test]
    fn a_file_reads_as_measured() {
        let data = content(150_000);
        let _machine = testing::host_file(data.clone());
        let file = inode(&data).open(O_RDONLY).unwrap();
        let mut out = vec![0; 100_000];
        assert_eq!(file.read_at(&mut out, 60_000), Ok(90_000));
        assert_eq!(out[..90_000], data[60_000..]);
        assert_eq!(file.read_at(&mut out, 150_000), Ok(0));
    }

    #[test]
    fn a_file_changed_before_or_while_read_is_eio_with_a_log_line() {
        let data = content(150_000);
        let mut bad = data.clone();
        bad[140_000] ^= 1;
        let machine = testing::host_file(bad.clone());
        assert_eq!(inode(&data).open(O_RDONLY).map(drop), Err(Errno::EIO));
        assert!(machine.log_lines()[0].contains("/bin/x is not the one that was measured"));

        let machine = testing::host_file(data.clone());
        let file = inode(&data).open(O_RDONLY).unwrap();
        testing::replace_host_file(&machine, bad);
        let mut out = vec![0; 10];
        assert_eq!(file.read_at(&mut out, 0), Ok(10));
        assert_eq!(file.read_at(&mut out, 139_999), Err(Errno::EIO));
    }

    /// A trusted file `/bin/x` whose leaf hashes are stored in `/trees`, on a host that has both. Returns the reads
    /// of each as well: the file's, the tree's.
    fn with_trees(data: Vec<u8>, trees: Vec<u8>) -> (Arc<Machine>, Arc<StdMutex<[u64; 2]>>) {
        let reads = Arc::new(StdMutex::new([0, 0]));
        let counts = Arc::clone(&reads);
        let machine = testing::host(move |call| match call.detail {
            257 => {
                let path = call.bytes(call.args[1], 6);
                if path == b"/trees" { 8 } else { 7 }
            }
            3 => 0,
            17 => {
                let which = usize::try_from(call.args[0] - 7).unwrap();
                counts.lock().unwrap()[which] += 1;
                let content = [&data, &trees][which];
                let from = usize::try_from(call.args[3]).unwrap().min(content.len());
                let n = usize::try_from(call.args[2]).unwrap().min(content.len() - from);
                call.bytes(call.args[1], n).copy_from_slice(&content[from..from + n]);
                i64::try_from(n).unwrap()
            }
            _ => -38,
        });
        (machine, reads)
    }

    fn stored_inode(data: &[u8], offset: u64) -> Arc<TrustedInode> {
        let inode = Arc::into_inner(inode(data)).unwrap();
        Arc::new(inode.stored(TreeFile::new(b"/trees").map(|file| (file, offset))))
    }

    #[test]
    fn stored_hashes_spare_the_read_of_the_whole_file() {
        let data = content(10 * 65536);
        let leaves: Vec<Hash> = data.chunks(65536).map(Tree::leaf).collect();
        let trees = [[9; 64].as_slice(), &leaves.concat()].concat();
        let (machine, reads) = with_trees(data.clone(), trees);
        let file = stored_inode(&data, 64).open(O_RDONLY).unwrap();
        let mut out = [0; 100];
        assert_eq!(file.read_at(&mut out, 3 * 65536), Ok(100));
        assert_eq!(out, data[3 * 65536..][..100]);
        assert!(machine.log_lines().is_empty());
        let [of_file, of_trees] = *reads.lock().unwrap();
        assert!(of_file <= 65536 / 4096 && of_trees == 1, "{of_file} {of_trees}");
    }

    #[test]
    fn stored_hashes_that_lie_are_not_believed() {
        let data = content(150_000);
        let mut leaves = data.chunks(65536).map(Tree::leaf).collect::<Vec<_>>().concat();
        leaves[40] ^= 1;
        for trees in [leaves.clone(), leaves[..64].to_vec(), Vec::new()] {
            let (machine, _) = with_trees(data.clone(), trees);
            let file = stored_inode(&data, 0).open(O_RDONLY).unwrap();
            let mut out = vec![0; 150_000];
            assert_eq!(file.read_at(&mut out, 0), Ok(150_000));
            assert_eq!(out, data);
            assert!(
                machine.log_lines()[0].contains("stored hashes of /bin/x in /trees are no use")
            );
        }
        // Hashes of another file, which has the host's content: the root is still the manifest's.
        let mut bad = data.clone();
        bad[70_000] ^= 1;
        let leaves: Vec<Hash> = bad.chunks(65536).map(Tree::leaf).collect();
        let (machine, _) = with_trees(bad, leaves.concat());
        assert_eq!(stored_inode(&data, 0).open(O_RDONLY).map(drop), Err(Errno::EIO));
        assert!(machine.log_lines()[1].contains("/bin/x is not the one that was measured"));
    }

    #[test]
    fn a_file_that_shrank_is_eio() {
        let data = content(1000);
        let _machine = testing::host_file(data[..500].to_vec());
        let file = inode(&data).open(O_RDONLY).unwrap();
        assert_eq!(file.read_at(&mut [0; 10], 0), Err(Errno::EIO));
    }

    #[test]
    fn writing_is_refused() {
        let _machine = testing::quiet();
        assert_eq!(inode(b"x").open(1).map(drop), Err(Errno::EROFS));
    }
}
