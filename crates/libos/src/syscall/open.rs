//! Opening files, and where a process is in the tree.

use alloc::{sync::Arc, vec::Vec};

use super::{Call, int, uint};
use crate::{
    errno::{Errno, Result},
    fs::{
        file::{File, OpenFile},
        inode::{Inode, New},
        location::Location,
        path::{self, Last},
        tmpfs::MemFile,
    },
    linux::{
        fcntl::{
            AT_FDCWD, O_ACCMODE, O_CLOEXEC, O_CREAT, O_DIRECTORY, O_EXCL, O_NOFOLLOW, O_PATH,
            O_RDONLY, O_TMPFILE, O_TRUNC, O_WRONLY, PATH_MAX, R_OK, W_OK, X_OK,
        },
        stat::{S_IFDIR, S_IFLNK, Stat},
    },
};

/// Flags that say how to open, not what state the description has.
const CREATION_FLAGS: u32 = O_CREAT | O_EXCL | O_TRUNC | O_NOFOLLOW | O_DIRECTORY | O_CLOEXEC;

/// Where a path of an `*at` call begins: its root and its start.
pub(crate) fn start(call: &Call<'_>, dirfd: u64, path: &[u8]) -> Result<(Location, Location)> {
    let fs = call.process().fs.lock().clone();
    if path.first() == Some(&b'/') || int(dirfd) == AT_FDCWD {
        return Ok((fs.root, fs.cwd));
    }
    let open = call.file(dirfd)?;
    let location = open.location().ok_or(Errno::ENOTDIR)?;
    Ok((fs.root, location.clone()))
}

/// Resolves the path at address `pathname`.
pub(crate) fn resolve(call: &Call<'_>, dirfd: u64, pathname: u64, last: Last) -> Result<Location> {
    let path = call.user().path(pathname)?;
    let (root, start) = start(call, dirfd, &path)?;
    path::resolve(&root, &start, &path, last)
}

/// Resolves the path at address `pathname` up to its last name.
pub(crate) fn resolve_parent(call: &Call<'_>, dirfd: u64, pathname: u64) -> Result<path::Parent> {
    let path = call.user().path(pathname)?;
    let (root, start) = start(call, dirfd, &path)?;
    path::resolve_parent(&root, &start, &path)
}

/// `open(2)`.
pub(crate) fn sys_open(call: &mut Call<'_>) -> Result<u64> {
    let [pathname, flags, mode, ..] = call.args;
    open_at(call, AT_FDCWD_ARG, pathname, uint(flags), uint(mode))
}

/// `AT_FDCWD` as an argument.
pub(crate) const AT_FDCWD_ARG: u64 = (AT_FDCWD as i64).cast_unsigned();

/// `openat(2)`.
pub(crate) fn sys_openat(call: &mut Call<'_>) -> Result<u64> {
    let [dirfd, pathname, flags, mode, ..] = call.args;
    open_at(call, dirfd, pathname, uint(flags), uint(mode))
}

/// `creat(2)`.
pub(crate) fn sys_creat(call: &mut Call<'_>) -> Result<u64> {
    let [pathname, mode, ..] = call.args;
    open_at(call, AT_FDCWD_ARG, pathname, O_CREAT | O_WRONLY | O_TRUNC, uint(mode))
}

fn open_at(call: &Call<'_>, dirfd: u64, pathname: u64, flags: u32, mode: u32) -> Result<u64> {
    let path = call.user().path(pathname)?;
    let (root, start) = start(call, dirfd, &path)?;
    let open = if flags & O_TMPFILE == O_TMPFILE {
        temporary(call, &root, &start, &path, flags)?
    } else {
        let (location, created) = find_or_create(call, &root, &start, &path, flags, mode)?;
        let file = open_found(call, &location, flags, created)?;
        OpenFile::new(file, Some(location), flags & !CREATION_FLAGS)
    };
    call.install(open, flags & O_CLOEXEC != 0)
}

fn find_or_create(
    call: &Call<'_>,
    root: &Location,
    start: &Location,
    path: &[u8],
    flags: u32,
    mode: u32,
) -> Result<(Location, bool)> {
    let exclusive = flags & O_EXCL != 0;
    let last = if flags & O_NOFOLLOW != 0 { Last::NoFollow } else { Last::Follow };
    if flags & O_CREAT == 0 || flags & O_PATH != 0 {
        return Ok((path::resolve(root, start, path, last)?, false));
    }
    let parent = if exclusive || last == Last::NoFollow {
        path::resolve_parent(root, start, path)?
    } else {
        path::resolve_create(root, start, path)?
    };
    if parent.name.is_empty() || parent.trailing_slash {
        return Err(Errno::EISDIR);
    }
    match parent.lookup() {
        Ok(_) if exclusive => Err(Errno::EEXIST),
        Ok(found) => {
            let jump = if last == Last::Follow { found.inode().jump() } else { None };
            Ok((jump.unwrap_or(Ok(found))?, false))
        }
        Err(Errno::ENOENT) => {
            let (owner, umask) = making(call);
            may(call, &parent.directory.inode().stat()?, W_OK | X_OK)?;
            let directory = parent.directory.inode();
            let made = directory.create(&parent.name, New::File, mode & 0o7777 & !umask, owner);
            match made {
                Ok(inode) => Ok((parent.directory.child(&parent.name, inode), true)),
                Err(Errno::EEXIST) if !exclusive => Ok((parent.lookup()?, false)),
                Err(error) => Err(error),
            }
        }
        Err(error) => Err(error),
    }
}

/// Owner and umask for something new.
pub(crate) fn making(call: &Call<'_>) -> (crate::process::credentials::Owner, u32) {
    (call.process().credentials.lock().owner(), call.process().fs.lock().umask)
}

/// Checks rights against a file's mode.
pub(crate) fn may(call: &Call<'_>, stat: &Stat, want: u32) -> Result<()> {
    let credentials = call.process().credentials.lock();
    if credentials.may(stat, want) { Ok(()) } else { Err(Errno::EACCES) }
}

fn open_found(
    call: &Call<'_>,
    location: &Location,
    flags: u32,
    created: bool,
) -> Result<Arc<dyn File>> {
    let inode = location.inode();
    let file_type = inode.file_type();
    if flags & O_DIRECTORY != 0 && file_type != S_IFDIR {
        return Err(Errno::ENOTDIR);
    }
    if flags & O_PATH != 0 {
        return Ok(Arc::new(PathOnly(Arc::clone(inode))));
    }
    if file_type == S_IFLNK {
        return Err(Errno::ELOOP);
    }
    let writes = flags & O_ACCMODE != O_RDONLY;
    if file_type == S_IFDIR && (writes || flags & O_CREAT != 0) {
        return Err(Errno::EISDIR);
    }
    if !created && !call.process().credentials.lock().is_root() {
        let reads = if flags & O_ACCMODE == O_WRONLY { 0 } else { R_OK };
        may(call, &inode.stat()?, reads | if writes { W_OK } else { 0 })?;
    }
    Arc::clone(inode).open(flags)
}

fn temporary(
    call: &Call<'_>,
    root: &Location,
    start: &Location,
    path: &[u8],
    flags: u32,
) -> Result<Arc<OpenFile>> {
    if flags & O_ACCMODE == O_RDONLY {
        return Err(Errno::EINVAL);
    }
    let directory = path::resolve(root, start, path, Last::Follow)?;
    if directory.inode().file_type() != S_IFDIR {
        return Err(Errno::ENOTDIR);
    }
    let owner = call.process().credentials.lock().owner();
    let file = MemFile::anonymous(owner);
    Ok(OpenFile::new(file, None, flags & !(CREATION_FLAGS | O_TMPFILE)))
}

/// What `O_PATH` opens: a place, nothing to read.
struct PathOnly(Arc<dyn Inode>);

impl File for PathOnly {
    fn stat(&self) -> Result<Stat> {
        self.0.stat()
    }
}

/// `getcwd(2)`.
pub(crate) fn sys_getcwd(call: &mut Call<'_>) -> Result<u64> {
    let [buf, size, ..] = call.args;
    let mut path = call.process().fs.lock().cwd.path();
    path.push(0);
    if path.len() as u64 > size {
        return Err(Errno::ERANGE);
    }
    call.user().write(buf, &path)?;
    Ok(path.len() as u64)
}

/// `chdir(2)`.
pub(crate) fn sys_chdir(call: &mut Call<'_>) -> Result<u64> {
    let location = resolve(call, AT_FDCWD_ARG, call.args[0], Last::Follow)?;
    change_directory(call, location)
}

/// `fchdir(2)`.
pub(crate) fn sys_fchdir(call: &mut Call<'_>) -> Result<u64> {
    let open = call.file(call.args[0])?;
    let location = open.location().ok_or(Errno::ENOTDIR)?.clone();
    change_directory(call, location)
}

fn change_directory(call: &Call<'_>, location: Location) -> Result<u64> {
    if location.inode().file_type() != S_IFDIR {
        return Err(Errno::ENOTDIR);
    }
    may(call, &location.inode().stat()?, X_OK)?;
    let old = core::mem::replace(&mut call.process().fs.lock().cwd, location);
    drop(old);
    Ok(0)
}

/// `umask(2)`.
pub(crate) fn sys_umask(call: &mut Call<'_>) -> Result<u64> {
    let mask = uint(call.args[0]) & 0o777;
    let mut fs = call.process().fs.lock();
    Ok(u64::from(core::mem::replace(&mut fs.umask, mask)))
}

/// `readlink(2)`.
pub(crate) fn sys_readlink(call: &mut Call<'_>) -> Result<u64> {
    let [pathname, buf, bufsiz, ..] = call.args;
    readlink_at(call, AT_FDCWD_ARG, pathname, buf, bufsiz)
}

/// `readlinkat(2)`.
pub(crate) fn sys_readlinkat(call: &mut Call<'_>) -> Result<u64> {
    let [dirfd, pathname, buf, bufsiz, ..] = call.args;
    readlink_at(call, dirfd, pathname, buf, bufsiz)
}

fn readlink_at(call: &Call<'_>, dirfd: u64, pathname: u64, buf: u64, bufsiz: u64) -> Result<u64> {
    if int(bufsiz) <= 0 {
        return Err(Errno::EINVAL);
    }
    let path = call.user().string(pathname, PATH_MAX, Errno::ENAMETOOLONG)?;
    let target: Vec<u8> = if path.is_empty() {
        let open = call.file(dirfd)?;
        open.location().ok_or(Errno::ENOENT)?.inode().readlink().map_err(|_| Errno::ENOENT)?
    } else {
        let (root, start) = start(call, dirfd, &path)?;
        path::resolve(&root, &start, &path, Last::NoFollow)?.inode().readlink()?
    };
    let n = target.len().min(usize::try_from(bufsiz).unwrap_or(usize::MAX));
    call.user().write(buf, &target[..n])?;
    Ok(n as u64)
}
