//! `asm-generic/fcntl.h`, `linux/fcntl.h`.
#![allow(dead_code, reason = "the header's list is kept whole")]

pub(crate) const O_ACCMODE: u32 = 0o3;
pub(crate) const O_RDONLY: u32 = 0;
pub(crate) const O_WRONLY: u32 = 1;
pub(crate) const O_RDWR: u32 = 2;
pub(crate) const O_CREAT: u32 = 0o100;
pub(crate) const O_EXCL: u32 = 0o200;
pub(crate) const O_NOCTTY: u32 = 0o400;
pub(crate) const O_TRUNC: u32 = 0o1000;
pub(crate) const O_APPEND: u32 = 0o2000;
pub(crate) const O_NONBLOCK: u32 = 0o4000;
pub(crate) const O_DIRECTORY: u32 = 0o200_000;
pub(crate) const O_NOFOLLOW: u32 = 0o400_000;
pub(crate) const O_CLOEXEC: u32 = 0o2_000_000;
pub(crate) const O_PATH: u32 = 0o10_000_000;
pub(crate) const O_TMPFILE: u32 = 0o20_000_000 | O_DIRECTORY;
pub(crate) const O_LARGEFILE: u32 = 0o100_000;

pub(crate) const F_DUPFD: u64 = 0;
pub(crate) const F_GETFD: u64 = 1;
pub(crate) const F_SETFD: u64 = 2;
pub(crate) const F_GETFL: u64 = 3;
pub(crate) const F_SETFL: u64 = 4;
pub(crate) const F_GETLK: u64 = 5;
pub(crate) const F_SETLK: u64 = 6;
pub(crate) const F_SETLKW: u64 = 7;
pub(crate) const F_SETOWN: u64 = 8;
pub(crate) const F_GETOWN: u64 = 9;
pub(crate) const F_DUPFD_CLOEXEC: u64 = 1030;
pub(crate) const F_SETPIPE_SZ: u64 = 1031;
pub(crate) const F_GETPIPE_SZ: u64 = 1032;
pub(crate) const FD_CLOEXEC: u64 = 1;

pub(crate) const AT_FDCWD: i32 = -100;
pub(crate) const AT_SYMLINK_NOFOLLOW: u64 = 0x100;
pub(crate) const AT_REMOVEDIR: u64 = 0x200;
pub(crate) const AT_EACCESS: u64 = 0x200;
pub(crate) const AT_SYMLINK_FOLLOW: u64 = 0x400;
pub(crate) const AT_NO_AUTOMOUNT: u64 = 0x800;
pub(crate) const AT_EMPTY_PATH: u64 = 0x1000;
pub(crate) const AT_STATX_SYNC_TYPE: u64 = 0x6000;

pub(crate) const RENAME_NOREPLACE: u64 = 1;
pub(crate) const RENAME_EXCHANGE: u64 = 2;

pub(crate) const R_OK: u32 = 4;
pub(crate) const W_OK: u32 = 2;
pub(crate) const X_OK: u32 = 1;

pub(crate) const SEEK_SET: u64 = 0;
pub(crate) const SEEK_CUR: u64 = 1;
pub(crate) const SEEK_END: u64 = 2;
pub(crate) const SEEK_DATA: u64 = 3;
pub(crate) const SEEK_HOLE: u64 = 4;

/// Longest path, with its NUL.
pub(crate) const PATH_MAX: usize = 4096;
/// Longest name in a directory.
pub(crate) const NAME_MAX: usize = 255;
/// Most symbolic links followed in one path.
pub(crate) const SYMLOOP_MAX: u32 = 40;
