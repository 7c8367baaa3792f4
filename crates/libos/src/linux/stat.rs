//! `asm/stat.h`, `linux/stat.h`.
#![allow(dead_code, reason = "the header's list is kept whole")]

use alloc::vec::Vec;

use super::{Encoder, time::Timespec, u32_at, u64_at};

pub(crate) const S_IFMT: u32 = 0o170_000;
pub(crate) const S_IFSOCK: u32 = 0o140_000;
pub(crate) const S_IFLNK: u32 = 0o120_000;
pub(crate) const S_IFREG: u32 = 0o100_000;
pub(crate) const S_IFBLK: u32 = 0o060_000;
pub(crate) const S_IFDIR: u32 = 0o040_000;
pub(crate) const S_IFCHR: u32 = 0o020_000;
pub(crate) const S_IFIFO: u32 = 0o010_000;
pub(crate) const S_ISVTX: u32 = 0o1000;

pub(crate) const STATX_BASIC_STATS: u32 = 0x7ff;

/// Size of `struct stat`.
pub(crate) const STAT_SIZE: usize = 144;

/// What `stat(2)` tells of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Stat {
    pub(crate) dev: u64,
    pub(crate) ino: u64,
    pub(crate) nlink: u64,
    pub(crate) mode: u32,
    pub(crate) uid: u32,
    pub(crate) gid: u32,
    pub(crate) rdev: u64,
    pub(crate) size: u64,
    pub(crate) blksize: u32,
    pub(crate) blocks: u64,
    pub(crate) atime: Timespec,
    pub(crate) mtime: Timespec,
    pub(crate) ctime: Timespec,
}

impl Stat {
    /// The type bits of the mode.
    pub(crate) const fn file_type(&self) -> u32 {
        self.mode & S_IFMT
    }

    /// `struct stat`.
    pub(crate) fn to_stat(self) -> Vec<u8> {
        Encoder::new()
            .u64(self.dev)
            .u64(self.ino)
            .u64(self.nlink)
            .u32(self.mode)
            .u32(self.uid)
            .u32(self.gid)
            .u32(0)
            .u64(self.rdev)
            .u64(self.size)
            .u64(u64::from(self.blksize))
            .u64(self.blocks)
            .bytes(&self.atime.to_bytes())
            .bytes(&self.mtime.to_bytes())
            .bytes(&self.ctime.to_bytes())
            .pad_to(STAT_SIZE)
            .finish()
    }

    /// From the `struct stat` a host wrote; nothing in it is believed yet.
    pub(crate) fn from_stat(bytes: &[u8]) -> Option<Self> {
        let time = |at: usize| -> Option<Timespec> {
            let nsec = u32::try_from(u64_at(bytes, at + 8)?).ok()?;
            Some(Timespec { sec: u64_at(bytes, at)?.cast_signed(), nsec: nsec.min(999_999_999) })
        };
        Some(Self {
            dev: u64_at(bytes, 0)?,
            ino: u64_at(bytes, 8)?,
            nlink: u64_at(bytes, 16)?,
            mode: u32_at(bytes, 24)?,
            uid: u32_at(bytes, 28)?,
            gid: u32_at(bytes, 32)?,
            rdev: u64_at(bytes, 40)?,
            size: u64_at(bytes, 48)?,
            blksize: u32::try_from(u64_at(bytes, 56)?).ok()?,
            blocks: u64_at(bytes, 64)?,
            atime: time(72)?,
            mtime: time(88)?,
            ctime: time(104)?,
        })
    }

    /// `struct statx`.
    pub(crate) fn to_statx(self) -> Vec<u8> {
        let time = |e: Encoder, t: Timespec| e.i64(t.sec).u32(t.nsec).u32(0);
        #[allow(clippy::cast_possible_truncation, reason = "masked to sixteen bits")]
        let mode = (self.mode & 0xffff) as u16;
        let encoder = Encoder::new()
            .u32(STATX_BASIC_STATS)
            .u32(self.blksize)
            .u64(0)
            .u32(u32::try_from(self.nlink).unwrap_or(u32::MAX))
            .u32(self.uid)
            .u32(self.gid)
            .u16(mode)
            .u16(0)
            .u64(self.ino)
            .u64(self.size)
            .u64(self.blocks)
            .u64(0);
        let encoder = time(encoder, self.atime);
        let encoder = time(encoder, Timespec::default());
        let encoder = time(encoder, self.ctime);
        time(encoder, self.mtime)
            .u32(major(self.rdev))
            .u32(minor(self.rdev))
            .u32(major(self.dev))
            .u32(minor(self.dev))
            .pad_to(256)
            .finish()
    }
}

/// The device number of a major and a minor number.
pub(crate) const fn makedev(major: u64, minor: u64) -> u64 {
    (minor & 0xff) | (major & 0xfff) << 8 | (minor & !0xff) << 12 | (major & !0xfff) << 32
}

fn major(dev: u64) -> u32 {
    u32::try_from((dev >> 8 & 0xfff) | (dev >> 32 & 0xffff_f000)).unwrap_or(0)
}

fn minor(dev: u64) -> u32 {
    u32::try_from((dev & 0xff) | (dev >> 12 & 0xffff_ff00)).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stat_round_trips_and_has_linux_sizes() {
        let stat = Stat {
            dev: makedev(8, 1),
            ino: 7,
            mode: S_IFREG | 0o644,
            size: 1234,
            mtime: Timespec { sec: 5, nsec: 6 },
            ..Stat::default()
        };
        assert_eq!(stat.to_stat().len(), STAT_SIZE);
        assert_eq!(Stat::from_stat(&stat.to_stat()), Some(stat));
        assert_eq!(stat.to_statx().len(), 256);
        assert_eq!(u64_at(&stat.to_statx(), 40), Some(1234));
        assert_eq!((major(makedev(259, 300)), minor(makedev(259, 300))), (259, 300));
    }

    #[test]
    fn a_cut_stat_is_refused() {
        assert_eq!(Stat::from_stat(&[0; 100]), None);
    }
}
