//! `/dev`: the devices every program expects.

use alloc::{sync::Arc, vec::Vec};
use core::any::Any;

use super::{
    file::File,
    inode::{Change, Inode},
    text::{Dynamic, MagicLink},
    tmpfs,
};
use crate::{
    errno::{Errno, Result},
    linux::stat::{S_IFCHR, Stat, makedev},
    rt,
};

/// `st_dev` of `/dev`.
pub(crate) const DEV: u64 = 5;

/// What a character device does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Device {
    Null,
    Zero,
    Full,
    Random,
}

/// A character device.
struct Node {
    device: Device,
    rdev: u64,
    ino: u64,
}

impl Node {
    fn new(device: Device, minor: u64) -> Arc<Self> {
        Arc::new(Self { device, rdev: makedev(1, minor), ino: tmpfs::next_ino() })
    }
}

impl File for Node {
    fn stat(&self) -> Result<Stat> {
        Ok(Stat {
            dev: DEV,
            ino: self.ino,
            nlink: 1,
            mode: S_IFCHR | 0o666,
            rdev: self.rdev,
            blksize: 4096,
            ..Stat::default()
        })
    }

    fn read(&self, buffer: &mut [u8]) -> Result<usize> {
        match self.device {
            Device::Null => return Ok(0),
            Device::Zero | Device::Full => buffer.fill(0),
            Device::Random => rt::random(buffer),
        }
        Ok(buffer.len())
    }

    fn write(&self, buffer: &[u8]) -> Result<usize> {
        match self.device {
            Device::Full => Err(Errno::ENOSPC),
            // What is written to a random device cannot be credited: entropy is the processor's.
            Device::Null | Device::Zero | Device::Random => Ok(buffer.len()),
        }
    }

    fn read_at(&self, buffer: &mut [u8], _offset: u64) -> Result<usize> {
        self.read(buffer)
    }

    fn write_at(&self, buffer: &[u8], _offset: u64) -> Result<usize> {
        self.write(buffer)
    }

    fn is_seekable(&self) -> bool {
        self.device != Device::Random
    }

    fn change(&self, _change: &Change) -> Result<()> {
        Ok(())
    }
}

impl Inode for Node {
    fn file_type(&self) -> u32 {
        S_IFCHR
    }

    fn stat(&self) -> Result<Stat> {
        File::stat(self)
    }

    fn open(self: Arc<Self>, _flags: u32) -> Result<Arc<dyn File>> {
        Ok(self)
    }

    fn as_any(&self) -> &dyn Any {
        self
    }

    fn truncate(&self, _length: u64) -> Result<()> {
        Ok(())
    }
}

/// The directory `/dev`; `more` holds what other modules put there.
pub(crate) fn directory(more: Vec<(&'static [u8], Arc<dyn Inode>)>) -> Arc<dyn Inode> {
    let link = |target: &'static [u8]| MagicLink::new(DEV, move || Ok(target.to_vec()));
    let mut members: Vec<(Vec<u8>, Arc<dyn Inode>)> = alloc::vec![
        (b"null".to_vec(), Node::new(Device::Null, 3) as Arc<dyn Inode>),
        (b"zero".to_vec(), Node::new(Device::Zero, 5)),
        (b"full".to_vec(), Node::new(Device::Full, 7)),
        (b"random".to_vec(), Node::new(Device::Random, 8)),
        (b"urandom".to_vec(), Node::new(Device::Random, 9)),
        (b"fd".to_vec(), link(b"/proc/self/fd")),
        (b"stdin".to_vec(), link(b"/proc/self/fd/0")),
        (b"stdout".to_vec(), link(b"/proc/self/fd/1")),
        (b"stderr".to_vec(), link(b"/proc/self/fd/2")),
    ];
    members.extend(more.into_iter().map(|(name, inode)| (name.to_vec(), inode)));
    Dynamic::new(DEV, move || members.clone())
}
