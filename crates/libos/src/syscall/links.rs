//! Names and attributes: making, linking, moving and removing files, modes, owners, times.

use alloc::sync::Arc;

use super::{
    Call,
    open::{self, AT_FDCWD_ARG, making, may, resolve, resolve_parent},
    uint,
};
use crate::{
    errno::{Errno, Result},
    fs::{
        inode::{Change, Inode, New},
        location::Location,
        path::{self, Last, Parent},
    },
    linux::{
        fcntl::{
            AT_EMPTY_PATH, AT_REMOVEDIR, AT_SYMLINK_FOLLOW, AT_SYMLINK_NOFOLLOW, RENAME_EXCHANGE,
            RENAME_NOREPLACE, W_OK, X_OK,
        },
        stat::{S_IFCHR, S_IFDIR, S_IFIFO, S_IFMT, S_IFREG, S_IFSOCK},
        time::{NS, Timespec, UTIME_NOW, UTIME_OMIT},
    },
    time,
};

/// A name that can be made: EEXIST for `/`, `.` and `..`, EACCES without rights.
fn new_name(call: &Call<'_>, parent: &Parent) -> Result<()> {
    if matches!(parent.name.as_slice(), b"" | b"." | b"..") || parent.lookup().is_ok() {
        return Err(Errno::EEXIST);
    }
    may(call, &parent.directory.inode().stat()?, W_OK | X_OK)
}

fn make(call: &Call<'_>, parent: &Parent, new: New, mode: u32) -> Result<u64> {
    new_name(call, parent)?;
    let (owner, umask) = making(call);
    parent.directory.inode().create(&parent.name, new, mode & 0o7777 & !umask, owner)?;
    Ok(0)
}

/// `mkdir(2)`.
pub(crate) fn sys_mkdir(call: &mut Call<'_>) -> Result<u64> {
    let [pathname, mode, ..] = call.args;
    let parent = resolve_parent(call, AT_FDCWD_ARG, pathname)?;
    make(call, &parent, New::Directory, uint(mode) & 0o1777)
}

/// `mkdirat(2)`.
pub(crate) fn sys_mkdirat(call: &mut Call<'_>) -> Result<u64> {
    let [dirfd, pathname, mode, ..] = call.args;
    let parent = resolve_parent(call, dirfd, pathname)?;
    make(call, &parent, New::Directory, uint(mode) & 0o1777)
}

/// `mknod(2)`.
pub(crate) fn sys_mknod(call: &mut Call<'_>) -> Result<u64> {
    let [pathname, mode, ..] = call.args;
    mknod_at(call, AT_FDCWD_ARG, pathname, uint(mode))
}

/// `mknodat(2)`.
pub(crate) fn sys_mknodat(call: &mut Call<'_>) -> Result<u64> {
    let [dirfd, pathname, mode, ..] = call.args;
    mknod_at(call, dirfd, pathname, uint(mode))
}

fn mknod_at(call: &Call<'_>, dirfd: u64, pathname: u64, mode: u32) -> Result<u64> {
    let new = match mode & S_IFMT {
        0 | S_IFREG => New::File,
        S_IFIFO => New::Fifo,
        S_IFSOCK => New::Socket,
        S_IFCHR => return Err(Errno::EPERM),
        _ => return Err(Errno::EPERM),
    };
    let parent = resolve_parent(call, dirfd, pathname)?;
    if parent.trailing_slash {
        return Err(Errno::ENOENT);
    }
    make(call, &parent, new, mode)
}

/// `symlink(2)`.
pub(crate) fn sys_symlink(call: &mut Call<'_>) -> Result<u64> {
    let [target, linkpath, ..] = call.args;
    symlink_at(call, target, AT_FDCWD_ARG, linkpath)
}

/// `symlinkat(2)`.
pub(crate) fn sys_symlinkat(call: &mut Call<'_>) -> Result<u64> {
    let [target, newdirfd, linkpath, ..] = call.args;
    symlink_at(call, target, newdirfd, linkpath)
}

fn symlink_at(call: &Call<'_>, target: u64, newdirfd: u64, linkpath: u64) -> Result<u64> {
    let target = call.user().path(target)?;
    if target.is_empty() {
        return Err(Errno::ENOENT);
    }
    let parent = resolve_parent(call, newdirfd, linkpath)?;
    if parent.trailing_slash && parent.lookup().is_err() {
        return Err(Errno::ENOENT);
    }
    make(call, &parent, New::Symlink(target), 0o777)
}

/// `link(2)`.
pub(crate) fn sys_link(call: &mut Call<'_>) -> Result<u64> {
    let [oldpath, newpath, ..] = call.args;
    link_at(call, (AT_FDCWD_ARG, oldpath), (AT_FDCWD_ARG, newpath), 0)
}

/// `linkat(2)`.
pub(crate) fn sys_linkat(call: &mut Call<'_>) -> Result<u64> {
    let [olddirfd, oldpath, newdirfd, newpath, flags, _] = call.args;
    link_at(call, (olddirfd, oldpath), (newdirfd, newpath), u64::from(uint(flags)))
}

fn link_at(call: &Call<'_>, old: (u64, u64), new: (u64, u64), flags: u64) -> Result<u64> {
    if flags & !(AT_SYMLINK_FOLLOW | AT_EMPTY_PATH) != 0 {
        return Err(Errno::EINVAL);
    }
    let path = call.user().path(old.1)?;
    let inode = if path.is_empty() && flags & AT_EMPTY_PATH != 0 {
        Arc::clone(call.file(old.0)?.location().ok_or(Errno::EXDEV)?.inode())
    } else {
        let last = if flags & AT_SYMLINK_FOLLOW != 0 { Last::Follow } else { Last::NoFollow };
        let (root, start) = open::start(call, old.0, &path)?;
        Arc::clone(path::resolve(&root, &start, &path, last)?.inode())
    };
    let parent = resolve_parent(call, new.0, new.1)?;
    new_name(call, &parent)?;
    if parent.trailing_slash {
        return Err(Errno::ENOENT);
    }
    parent.directory.inode().link(&parent.name, &inode)?;
    Ok(0)
}

/// `unlink(2)`.
pub(crate) fn sys_unlink(call: &mut Call<'_>) -> Result<u64> {
    unlink_at(call, AT_FDCWD_ARG, call.args[0], 0)
}

/// `rmdir(2)`.
pub(crate) fn sys_rmdir(call: &mut Call<'_>) -> Result<u64> {
    unlink_at(call, AT_FDCWD_ARG, call.args[0], AT_REMOVEDIR)
}

/// `unlinkat(2)`.
pub(crate) fn sys_unlinkat(call: &mut Call<'_>) -> Result<u64> {
    let [dirfd, pathname, flags, ..] = call.args;
    unlink_at(call, dirfd, pathname, u64::from(uint(flags)))
}

fn unlink_at(call: &Call<'_>, dirfd: u64, pathname: u64, flags: u64) -> Result<u64> {
    if flags & !AT_REMOVEDIR != 0 {
        return Err(Errno::EINVAL);
    }
    let directory = flags & AT_REMOVEDIR != 0;
    let parent = resolve_parent(call, dirfd, pathname)?;
    match (directory, parent.name.as_slice()) {
        (true, b"") => return Err(Errno::EBUSY),
        (true, b".") => return Err(Errno::EINVAL),
        (true, b"..") => return Err(Errno::ENOTEMPTY),
        (false, b"" | b"." | b"..") => return Err(Errno::EISDIR),
        _ => {}
    }
    let found = parent.lookup()?;
    if parent.trailing_slash && !directory {
        let is_dir = found.inode().file_type() == S_IFDIR;
        return Err(if is_dir { Errno::EISDIR } else { Errno::ENOTDIR });
    }
    may(call, &parent.directory.inode().stat()?, W_OK | X_OK)?;
    parent.directory.inode().unlink(&parent.name, directory)?;
    Ok(0)
}

/// `rename(2)`.
pub(crate) fn sys_rename(call: &mut Call<'_>) -> Result<u64> {
    let [oldpath, newpath, ..] = call.args;
    rename_at(call, (AT_FDCWD_ARG, oldpath), (AT_FDCWD_ARG, newpath), 0)
}

/// `renameat(2)`.
pub(crate) fn sys_renameat(call: &mut Call<'_>) -> Result<u64> {
    let [olddirfd, oldpath, newdirfd, newpath, ..] = call.args;
    rename_at(call, (olddirfd, oldpath), (newdirfd, newpath), 0)
}

/// `renameat2(2)`.
pub(crate) fn sys_renameat2(call: &mut Call<'_>) -> Result<u64> {
    let [olddirfd, oldpath, newdirfd, newpath, flags, _] = call.args;
    rename_at(call, (olddirfd, oldpath), (newdirfd, newpath), u64::from(uint(flags)))
}

fn rename_at(call: &Call<'_>, old: (u64, u64), new: (u64, u64), flags: u64) -> Result<u64> {
    let both = RENAME_NOREPLACE | RENAME_EXCHANGE;
    if flags & !both != 0 || flags & both == both {
        return Err(Errno::EINVAL);
    }
    let from = resolve_parent(call, old.0, old.1)?;
    let to = resolve_parent(call, new.0, new.1)?;
    for name in [&from.name, &to.name] {
        if matches!(name.as_slice(), b"" | b"." | b"..") {
            return Err(Errno::EBUSY);
        }
    }
    let moved = from.lookup()?;
    let is_directory = moved.inode().file_type() == S_IFDIR;
    if (from.trailing_slash || to.trailing_slash) && !is_directory {
        return Err(Errno::ENOTDIR);
    }
    for parent in [&from, &to] {
        may(call, &parent.directory.inode().stat()?, W_OK | X_OK)?;
    }
    from.directory.inode().rename(&from.name, to.directory.inode(), &to.name, flags)?;
    Ok(0)
}

/// `truncate(2)`.
pub(crate) fn sys_truncate(call: &mut Call<'_>) -> Result<u64> {
    let [path, length, ..] = call.args;
    if length.cast_signed() < 0 {
        return Err(Errno::EINVAL);
    }
    let location = resolve(call, AT_FDCWD_ARG, path, Last::Follow)?;
    if location.inode().file_type() == S_IFDIR {
        return Err(Errno::EISDIR);
    }
    may(call, &location.inode().stat()?, W_OK)?;
    location.inode().truncate(length).map(|()| 0)
}

/// Only the owner and root may change a file's attributes.
fn owns(call: &Call<'_>, inode: &Arc<dyn Inode>) -> Result<()> {
    let credentials = call.process().credentials.lock().clone();
    if credentials.is_root() || inode.stat()?.uid == credentials.uid.fs {
        Ok(())
    } else {
        Err(Errno::EPERM)
    }
}

fn chmod_at(call: &Call<'_>, location: &Location, mode: u64) -> Result<u64> {
    owns(call, location.inode())?;
    let change = Change { mode: Some(uint(mode) & 0o7777), ..Change::default() };
    location.inode().change(&change).map(|()| 0)
}

/// `chmod(2)`.
pub(crate) fn sys_chmod(call: &mut Call<'_>) -> Result<u64> {
    let [pathname, mode, ..] = call.args;
    chmod_at(call, &resolve(call, AT_FDCWD_ARG, pathname, Last::Follow)?, mode)
}

/// `fchmodat(2)`.
pub(crate) fn sys_fchmodat(call: &mut Call<'_>) -> Result<u64> {
    let [dirfd, pathname, mode, ..] = call.args;
    chmod_at(call, &resolve(call, dirfd, pathname, Last::Follow)?, mode)
}

/// `fchmod(2)`.
pub(crate) fn sys_fchmod(call: &mut Call<'_>) -> Result<u64> {
    let [fd, mode, ..] = call.args;
    let open = call.file(fd)?;
    open.usable()?;
    let change = Change { mode: Some(uint(mode) & 0o7777), ..Change::default() };
    open.file().change(&change).map(|()| 0)
}

fn ownership(call: &Call<'_>, owner: u64, group: u64) -> Result<Change> {
    let credentials = call.process().credentials.lock().clone();
    let set = |id: u64| (uint(id) != u32::MAX).then_some(uint(id));
    let (uid, gid) = (set(owner), set(group));
    let own_group = gid.is_none_or(|gid| credentials.in_group(gid));
    if credentials.is_root() || (uid.is_none_or(|u| u == credentials.uid.fs) && own_group) {
        Ok(Change { uid, gid, ..Change::default() })
    } else {
        Err(Errno::EPERM)
    }
}

/// `chown(2)`.
pub(crate) fn sys_chown(call: &mut Call<'_>) -> Result<u64> {
    let [pathname, owner, group, ..] = call.args;
    let location = resolve(call, AT_FDCWD_ARG, pathname, Last::Follow)?;
    location.inode().change(&ownership(call, owner, group)?).map(|()| 0)
}

/// `lchown(2)`.
pub(crate) fn sys_lchown(call: &mut Call<'_>) -> Result<u64> {
    let [pathname, owner, group, ..] = call.args;
    let location = resolve(call, AT_FDCWD_ARG, pathname, Last::NoFollow)?;
    location.inode().change(&ownership(call, owner, group)?).map(|()| 0)
}

/// `fchown(2)`.
pub(crate) fn sys_fchown(call: &mut Call<'_>) -> Result<u64> {
    let [fd, owner, group, ..] = call.args;
    call.file(fd)?.file().change(&ownership(call, owner, group)?).map(|()| 0)
}

/// `fchownat(2)`.
pub(crate) fn sys_fchownat(call: &mut Call<'_>) -> Result<u64> {
    let [dirfd, pathname, owner, group, flags, _] = call.args;
    let change = ownership(call, owner, group)?;
    let path = call.user().path(pathname)?;
    if path.is_empty() && flags & AT_EMPTY_PATH != 0 {
        return call.file(dirfd)?.file().change(&change).map(|()| 0);
    }
    let nofollow = flags & AT_SYMLINK_NOFOLLOW != 0;
    let last = if nofollow { Last::NoFollow } else { Last::Follow };
    resolve(call, dirfd, pathname, last)?.inode().change(&change).map(|()| 0)
}

/// `utimensat(2)`.
pub(crate) fn sys_utimensat(call: &mut Call<'_>) -> Result<u64> {
    let [dirfd, pathname, times, flags, ..] = call.args;
    let change = if times == 0 { both_now() } else { times_at(call, times)? };
    set_times(call, dirfd, pathname, &change, flags)
}

fn both_now() -> Change {
    let now = time::now();
    Change { atime: Some(now), mtime: Some(now), ..Change::default() }
}

fn times_at(call: &Call<'_>, times: u64) -> Result<Change> {
    let one = |at: u64| {
        let (sec, nsec) = (call.user().u64(at)?, call.user().u64(at.wrapping_add(8))?);
        match nsec {
            UTIME_NOW => Ok(Some(time::now())),
            UTIME_OMIT => Ok(None),
            _ => {
                let nsec = u32::try_from(nsec).ok().filter(|&n| u64::from(n) < NS);
                Ok(Some(Timespec { sec: sec.cast_signed(), nsec: nsec.ok_or(Errno::EINVAL)? }))
            }
        }
    };
    Ok(Change { atime: one(times)?, mtime: one(times.wrapping_add(16))?, ..Change::default() })
}

fn set_times(
    call: &Call<'_>,
    dirfd: u64,
    pathname: u64,
    change: &Change,
    flags: u64,
) -> Result<u64> {
    if pathname == 0 {
        let open = call.file(dirfd)?;
        open.usable()?;
        return open.file().change(change).map(|()| 0);
    }
    let nofollow = flags & AT_SYMLINK_NOFOLLOW != 0;
    let last = if nofollow { Last::NoFollow } else { Last::Follow };
    resolve(call, dirfd, pathname, last)?.inode().change(change).map(|()| 0)
}

/// `utime(2)`: whole seconds.
pub(crate) fn sys_utime(call: &mut Call<'_>) -> Result<u64> {
    let [filename, times, ..] = call.args;
    let change = if times == 0 {
        both_now()
    } else {
        let at = |at| Ok(Some(Timespec { sec: call.user().u64(at)?.cast_signed(), nsec: 0 }));
        Change { atime: at(times)?, mtime: at(times.wrapping_add(8))?, ..Change::default() }
    };
    set_times(call, AT_FDCWD_ARG, filename, &change, 0)
}

fn timevals(call: &Call<'_>, times: u64) -> Result<Change> {
    if times == 0 {
        return Ok(both_now());
    }
    let at = |at: u64| {
        let usec = call.user().u64(at.wrapping_add(8))?;
        let nsec = u32::try_from(usec.checked_mul(1000).ok_or(Errno::EINVAL)?);
        let nsec = nsec.ok().filter(|&n| u64::from(n) < NS).ok_or(Errno::EINVAL)?;
        Ok(Some(Timespec { sec: call.user().u64(at)?.cast_signed(), nsec }))
    };
    Ok(Change { atime: at(times)?, mtime: at(times.wrapping_add(16))?, ..Change::default() })
}

/// `utimes(2)`.
pub(crate) fn sys_utimes(call: &mut Call<'_>) -> Result<u64> {
    let [filename, times, ..] = call.args;
    let change = timevals(call, times)?;
    set_times(call, AT_FDCWD_ARG, filename, &change, 0)
}

/// `futimesat(2)`.
pub(crate) fn sys_futimesat(call: &mut Call<'_>) -> Result<u64> {
    let [dirfd, pathname, times, ..] = call.args;
    let change = timevals(call, times)?;
    set_times(call, dirfd, pathname, &change, 0)
}
