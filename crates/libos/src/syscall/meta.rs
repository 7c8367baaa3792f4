//! What files are: `stat` in all forms, access, directory listings, `statfs`.

use alloc::vec::Vec;

use super::{
    Call,
    open::{self, AT_FDCWD_ARG},
    uint,
};
use crate::{
    errno::{Errno, Result},
    fs::path::{self, Last},
    linux::{
        Encoder,
        fcntl::{
            AT_EACCESS, AT_EMPTY_PATH, AT_NO_AUTOMOUNT, AT_STATX_SYNC_TYPE, AT_SYMLINK_NOFOLLOW,
            PATH_MAX, R_OK, W_OK, X_OK,
        },
        stat::Stat,
    },
};

/// `TMPFS_MAGIC`.
const TMPFS_MAGIC: u64 = 0x0102_1994;

fn stat_at(call: &Call<'_>, dirfd: u64, pathname: u64, flags: u64) -> Result<Stat> {
    let known = AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH | AT_NO_AUTOMOUNT | AT_STATX_SYNC_TYPE;
    if u64::from(uint(flags)) & !known != 0 {
        return Err(Errno::EINVAL);
    }
    let path = if pathname == 0 && flags & AT_EMPTY_PATH != 0 {
        Vec::new()
    } else {
        call.user().string(pathname, PATH_MAX, Errno::ENAMETOOLONG)?
    };
    if path.is_empty() && flags & AT_EMPTY_PATH != 0 {
        if super::int(dirfd) == crate::linux::fcntl::AT_FDCWD {
            let cwd = call.process().fs.lock().cwd.clone();
            return cwd.inode().stat();
        }
        return call.file(dirfd)?.file().stat();
    }
    let (root, start) = open::start(call, dirfd, &path)?;
    let last = if flags & AT_SYMLINK_NOFOLLOW != 0 { Last::NoFollow } else { Last::Follow };
    path::resolve(&root, &start, &path, last)?.inode().stat()
}

/// `stat(2)`.
pub(crate) fn sys_stat(call: &mut Call<'_>) -> Result<u64> {
    let [pathname, statbuf, ..] = call.args;
    let stat = stat_at(call, AT_FDCWD_ARG, pathname, 0)?;
    call.user().write(statbuf, &stat.to_stat()).map(|()| 0)
}

/// `lstat(2)`.
pub(crate) fn sys_lstat(call: &mut Call<'_>) -> Result<u64> {
    let [pathname, statbuf, ..] = call.args;
    let stat = stat_at(call, AT_FDCWD_ARG, pathname, AT_SYMLINK_NOFOLLOW)?;
    call.user().write(statbuf, &stat.to_stat()).map(|()| 0)
}

/// `fstat(2)`.
pub(crate) fn sys_fstat(call: &mut Call<'_>) -> Result<u64> {
    let [fd, statbuf, ..] = call.args;
    let stat = call.file(fd)?.file().stat()?;
    call.user().write(statbuf, &stat.to_stat()).map(|()| 0)
}

/// `fstatat(2)`.
pub(crate) fn sys_newfstatat(call: &mut Call<'_>) -> Result<u64> {
    let [dirfd, pathname, statbuf, flags, ..] = call.args;
    let stat = stat_at(call, dirfd, pathname, flags)?;
    call.user().write(statbuf, &stat.to_stat()).map(|()| 0)
}

/// `statx(2)`.
pub(crate) fn sys_statx(call: &mut Call<'_>) -> Result<u64> {
    let [dirfd, pathname, flags, _mask, statxbuf, ..] = call.args;
    let stat = stat_at(call, dirfd, pathname, flags)?;
    call.user().write(statxbuf, &stat.to_statx()).map(|()| 0)
}

/// `access(2)`.
pub(crate) fn sys_access(call: &mut Call<'_>) -> Result<u64> {
    let [pathname, mode, ..] = call.args;
    access_at(call, AT_FDCWD_ARG, pathname, mode, 0)
}

/// The system call `faccessat`, which has no flags.
pub(crate) fn sys_faccessat(call: &mut Call<'_>) -> Result<u64> {
    let [dirfd, pathname, mode, ..] = call.args;
    access_at(call, dirfd, pathname, mode, 0)
}

/// `faccessat2(2)`.
pub(crate) fn sys_faccessat2(call: &mut Call<'_>) -> Result<u64> {
    let [dirfd, pathname, mode, flags, ..] = call.args;
    access_at(call, dirfd, pathname, mode, flags)
}

fn access_at(call: &Call<'_>, dirfd: u64, pathname: u64, mode: u64, flags: u64) -> Result<u64> {
    let mode = uint(mode);
    if mode & !(R_OK | W_OK | X_OK) != 0 {
        return Err(Errno::EINVAL);
    }
    let stat = stat_at(call, dirfd, pathname, flags & !AT_EACCESS)?;
    let mut credentials = call.process().credentials.lock().clone();
    if flags & AT_EACCESS == 0 {
        credentials.uid.fs = credentials.uid.real;
        credentials.gid.fs = credentials.gid.real;
    }
    if credentials.may(&stat, mode) { Ok(0) } else { Err(Errno::EACCES) }
}

/// `getdents64(2)`.
pub(crate) fn sys_getdents64(call: &mut Call<'_>) -> Result<u64> {
    listing(call, |entry, next| {
        let size = (19 + entry.name.len() + 1).next_multiple_of(8);
        Encoder::new()
            .u64(entry.ino)
            .u64(next)
            .u16(u16::try_from(size).unwrap_or(u16::MAX))
            .u8(kind(entry.file_type))
            .bytes(&entry.name)
            .pad_to(size)
            .finish()
    })
}

/// `getdents(2)`: the type is the last byte of the record.
pub(crate) fn sys_getdents(call: &mut Call<'_>) -> Result<u64> {
    listing(call, |entry, next| {
        let size = (18 + entry.name.len() + 2).next_multiple_of(8);
        let mut record = Encoder::new()
            .u64(entry.ino)
            .u64(next)
            .u16(u16::try_from(size).unwrap_or(u16::MAX))
            .bytes(&entry.name)
            .pad_to(size)
            .finish();
        record[size - 1] = kind(entry.file_type);
        record
    })
}

fn kind(file_type: u32) -> u8 {
    u8::try_from(file_type >> 12 & 0xf).unwrap_or(0)
}

fn listing(
    call: &Call<'_>,
    encode: impl Fn(&crate::fs::inode::Entry, u64) -> Vec<u8>,
) -> Result<u64> {
    let [fd, dirp, count, ..] = call.args;
    let open = call.file(fd)?;
    open.usable()?;
    let (entries, from) = open.listing()?;
    let room = usize::try_from(count).unwrap_or(usize::MAX).min(1 << 20);
    let mut out = Vec::new();
    let mut at = from;
    for entry in entries.iter().skip(usize::try_from(from).unwrap_or(usize::MAX)) {
        let record = encode(entry, at + 1);
        if out.len() + record.len() > room {
            if out.is_empty() {
                return Err(Errno::EINVAL);
            }
            break;
        }
        out.extend(record);
        at += 1;
    }
    call.user().write(dirp, &out)?;
    open.set_position(at);
    Ok(out.len() as u64)
}

/// `struct statfs` of a tmpfs.
fn statfs_bytes() -> Vec<u8> {
    let blocks = 1 << 20;
    Encoder::new()
        .u64(TMPFS_MAGIC)
        .u64(4096)
        .u64(blocks)
        .u64(blocks / 2)
        .u64(blocks / 2)
        .u64(blocks)
        .u64(blocks / 2)
        .u64(0)
        .u64(255)
        .u64(4096)
        .pad_to(120)
        .finish()
}

/// `statfs(2)`: every file system looks like a tmpfs.
pub(crate) fn sys_statfs(call: &mut Call<'_>) -> Result<u64> {
    let [path, buf, ..] = call.args;
    open::resolve(call, AT_FDCWD_ARG, path, Last::Follow)?;
    call.user().write(buf, &statfs_bytes()).map(|()| 0)
}

/// `fstatfs(2)`.
pub(crate) fn sys_fstatfs(call: &mut Call<'_>) -> Result<u64> {
    let [fd, buf, ..] = call.args;
    call.file(fd)?;
    call.user().write(buf, &statfs_bytes()).map(|()| 0)
}
