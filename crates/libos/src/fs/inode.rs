//! Something in the tree of files.

use alloc::{sync::Arc, vec::Vec};
use core::any::Any;

use super::{file::File, location::Location};
use crate::{
    errno::{Errno, Result},
    linux::{stat::Stat, time::Timespec},
    process::credentials::Owner,
};

/// What a directory is asked to make.
#[derive(Debug, Clone)]
pub(crate) enum New {
    File,
    Directory,
    /// With its target.
    Symlink(Vec<u8>),
    /// A FIFO.
    Fifo,
    /// A socket's name.
    Socket,
}

/// Attributes to change; `None` leaves one as it is.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Change {
    /// Permission bits.
    pub(crate) mode: Option<u32>,
    pub(crate) uid: Option<u32>,
    pub(crate) gid: Option<u32>,
    pub(crate) atime: Option<Timespec>,
    pub(crate) mtime: Option<Timespec>,
}

/// An entry of a directory listing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) name: Vec<u8>,
    pub(crate) ino: u64,
    /// `S_IFMT` bits, 0 where unknown.
    pub(crate) file_type: u32,
}

/// Something in the tree. What a kind of file cannot do answers with the errno Linux has for it.
pub(crate) trait Inode: Send + Sync {
    /// `S_IFMT` bits.
    fn file_type(&self) -> u32;

    fn stat(&self) -> Result<Stat>;

    /// Opens it with the flags of `open(2)`.
    fn open(self: Arc<Self>, flags: u32) -> Result<Arc<dyn File>>;

    fn as_any(&self) -> &dyn Any;

    /// Whether what is in it may run: not what the host can make up as it likes.
    fn holds_code(&self) -> bool {
        true
    }

    /// The entry `name` of a directory.
    fn lookup(&self, _name: &[u8]) -> Result<Arc<dyn Inode>> {
        Err(Errno::ENOTDIR)
    }

    /// The target of a symbolic link.
    fn readlink(&self) -> Result<Vec<u8>> {
        Err(Errno::EINVAL)
    }

    /// Where a magic link of `/proc` leads, whatever its text says.
    fn jump(&self) -> Option<Result<Location>> {
        None
    }

    fn create(&self, _name: &[u8], _new: New, _mode: u32, _owner: Owner) -> Result<Arc<dyn Inode>> {
        Err(Errno::EROFS)
    }

    fn link(&self, _name: &[u8], _inode: &Arc<dyn Inode>) -> Result<()> {
        Err(Errno::EROFS)
    }

    /// Removes an entry: a directory if `directory`, else anything else.
    fn unlink(&self, _name: &[u8], _directory: bool) -> Result<()> {
        Err(Errno::EROFS)
    }

    /// Moves entry `name` to `new_name` of directory `to`, of the same file system.
    fn rename(
        &self,
        _name: &[u8],
        _to: &Arc<dyn Inode>,
        _new_name: &[u8],
        _flags: u64,
    ) -> Result<()> {
        Err(Errno::EROFS)
    }

    fn change(&self, _change: &Change) -> Result<()> {
        Err(Errno::EROFS)
    }

    fn truncate(&self, _length: u64) -> Result<()> {
        Err(Errno::EINVAL)
    }

    /// Whether what is read from it may be run as a program: it is measured, or was made inside.
    fn may_execute(&self) -> bool {
        true
    }

    /// Whether a missing name here is missing because the manifest does not list it.
    fn is_closed(&self) -> bool {
        false
    }
}
