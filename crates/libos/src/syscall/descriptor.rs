//! Descriptors: `close`, `dup`, `fcntl`, pipes, eventfds, memfds.

use alloc::sync::Arc;

use super::{Call, uint};
use crate::{
    errno::{Errno, Result},
    fs::{file::OpenFile, tmpfs::MemFile},
    io::{epoll::Epoll, eventfd::EventFd, pipe::Pipe},
    linux::fcntl::{
        F_DUPFD, F_DUPFD_CLOEXEC, F_GETFD, F_GETFL, F_GETLK, F_GETOWN, F_GETPIPE_SZ, F_SETFD,
        F_SETFL, F_SETLK, F_SETLKW, F_SETOWN, F_SETPIPE_SZ, FD_CLOEXEC, O_CLOEXEC, O_LARGEFILE,
        O_NONBLOCK, O_RDONLY, O_RDWR, O_WRONLY,
    },
};

/// `F_UNLCK`.
const F_UNLCK: u16 = 2;
const O_DIRECT: u32 = 0o40_000;
const EFD_SEMAPHORE: u32 = 1;
const CLOSE_RANGE_UNSHARE: u32 = 2;
const CLOSE_RANGE_CLOEXEC: u32 = 4;

/// `close(2)`.
pub(crate) fn sys_close(call: &mut Call<'_>) -> Result<u64> {
    let closed = call.process().files.lock().remove(call.args[0])?;
    drop(closed);
    Ok(0)
}

/// `close_range(2)`.
pub(crate) fn sys_close_range(call: &mut Call<'_>) -> Result<u64> {
    let [first, last, flags, ..] = call.args;
    let flags = uint(flags);
    if flags & !(CLOSE_RANGE_UNSHARE | CLOSE_RANGE_CLOEXEC) != 0 || uint(first) > uint(last) {
        return Err(Errno::EINVAL);
    }
    let range = u64::from(uint(first))..=u64::from(uint(last));
    let fds = call.process().files.lock().open_fds();
    for fd in fds.into_iter().filter(|fd| range.contains(fd)) {
        if flags & CLOSE_RANGE_CLOEXEC != 0 {
            call.process().files.lock().set_close_on_exec(fd, true)?;
        } else {
            let closed = call.process().files.lock().remove(fd);
            drop(closed);
        }
    }
    Ok(0)
}

/// `dup(2)`.
pub(crate) fn sys_dup(call: &mut Call<'_>) -> Result<u64> {
    let open = call.file(call.args[0])?;
    call.install(open, false)
}

/// `dup2(2)`.
pub(crate) fn sys_dup2(call: &mut Call<'_>) -> Result<u64> {
    let [oldfd, newfd, ..] = call.args;
    if uint(oldfd) == uint(newfd) {
        call.file(oldfd)?;
        return Ok(u64::from(uint(newfd)));
    }
    duplicate(call, oldfd, newfd, false)
}

/// `dup3(2)`.
pub(crate) fn sys_dup3(call: &mut Call<'_>) -> Result<u64> {
    let [oldfd, newfd, flags, ..] = call.args;
    if uint(oldfd) == uint(newfd) || uint(flags) & !O_CLOEXEC != 0 {
        return Err(Errno::EINVAL);
    }
    duplicate(call, oldfd, newfd, uint(flags) & O_CLOEXEC != 0)
}

fn duplicate(call: &Call<'_>, oldfd: u64, newfd: u64, close_on_exec: bool) -> Result<u64> {
    let open = call.file(oldfd)?;
    let limit = call.process().limits.lock().descriptors();
    let old = call.process().files.lock().replace(newfd, open, close_on_exec, limit)?;
    drop(old);
    Ok(u64::from(uint(newfd)))
}

/// `fcntl(2)`.
pub(crate) fn sys_fcntl(call: &mut Call<'_>) -> Result<u64> {
    let [fd, op, arg, ..] = call.args;
    let open = call.file(fd)?;
    match u64::from(uint(op)) {
        cmd @ (F_DUPFD | F_DUPFD_CLOEXEC) => {
            let limit = call.process().limits.lock().descriptors();
            if arg >= limit {
                return Err(Errno::EINVAL);
            }
            let mut files = call.process().files.lock();
            files.insert(open, cmd == F_DUPFD_CLOEXEC, arg, limit)
        }
        F_GETFD => {
            let on = call.process().files.lock().close_on_exec(fd)?;
            Ok(if on { FD_CLOEXEC } else { 0 })
        }
        F_SETFD => {
            call.process().files.lock().set_close_on_exec(fd, arg & FD_CLOEXEC != 0)?;
            Ok(0)
        }
        F_GETFL => Ok(u64::from(open.flags() | O_LARGEFILE)),
        F_SETFL => {
            open.set_flags(uint(arg));
            Ok(0)
        }
        // One process: its own locks never conflict.
        F_GETLK => {
            call.user().write(arg, &F_UNLCK.to_le_bytes())?;
            Ok(0)
        }
        F_SETLK | F_SETLKW | F_SETOWN | 36..=38 => Ok(0),
        F_GETOWN => Ok(0),
        F_GETPIPE_SZ => open.file().capacity().ok_or(Errno::EBADF),
        F_SETPIPE_SZ => {
            open.file().capacity().ok_or(Errno::EBADF)?;
            open.file().truncate(arg)?;
            open.file().capacity().ok_or(Errno::EBADF)
        }
        _ => Err(Errno::EINVAL),
    }
}

/// `flock(2)`: one process never conflicts with itself.
pub(crate) fn sys_flock(call: &mut Call<'_>) -> Result<u64> {
    call.file(call.args[0])?.usable().map(|()| 0)
}

/// `pipe(2)`.
pub(crate) fn sys_pipe(call: &mut Call<'_>) -> Result<u64> {
    make_pipe(call, 0)
}

/// `pipe2(2)`.
pub(crate) fn sys_pipe2(call: &mut Call<'_>) -> Result<u64> {
    let flags = uint(call.args[1]);
    if flags & !(O_CLOEXEC | O_NONBLOCK | O_DIRECT) != 0 {
        return Err(Errno::EINVAL);
    }
    make_pipe(call, flags)
}

fn make_pipe(call: &Call<'_>, flags: u32) -> Result<u64> {
    let (reader, writer) = Pipe::pair();
    let status = flags & O_NONBLOCK;
    let close_on_exec = flags & O_CLOEXEC != 0;
    let reader = call.install(OpenFile::new(reader, None, O_RDONLY | status), close_on_exec)?;
    let writer = call.install(OpenFile::new(writer, None, O_WRONLY | status), close_on_exec);
    let made = writer.and_then(|writer| {
        let pair = [uint(reader).to_le_bytes(), uint(writer).to_le_bytes()].concat();
        call.user().write(call.args[0], &pair).inspect_err(|_| {
            let _ = call.process().files.lock().remove(writer);
        })
    });
    made.map(|()| 0).inspect_err(|_| {
        let _ = call.process().files.lock().remove(reader);
    })
}

/// `eventfd(2)` without flags.
pub(crate) fn sys_eventfd(call: &mut Call<'_>) -> Result<u64> {
    let event = EventFd::new(u64::from(uint(call.args[0])), false);
    call.install(OpenFile::new(event, None, O_RDWR), false)
}

/// `eventfd(2)`.
pub(crate) fn sys_eventfd2(call: &mut Call<'_>) -> Result<u64> {
    let [initval, flags, ..] = call.args;
    let flags = uint(flags);
    if flags & !(EFD_SEMAPHORE | O_CLOEXEC | O_NONBLOCK) != 0 {
        return Err(Errno::EINVAL);
    }
    let event = EventFd::new(u64::from(uint(initval)), flags & EFD_SEMAPHORE != 0);
    let open = OpenFile::new(event, None, O_RDWR | flags & O_NONBLOCK);
    call.install(open, flags & O_CLOEXEC != 0)
}

/// `memfd_create(2)`.
pub(crate) fn sys_memfd_create(call: &mut Call<'_>) -> Result<u64> {
    let [name, flags, ..] = call.args;
    call.user().string(name, 250, Errno::EINVAL)?;
    let owner = call.process().credentials.lock().owner();
    let open = OpenFile::new(MemFile::anonymous(owner), None, O_RDWR);
    call.install(open, uint(flags) & 1 != 0)
}

/// `epoll_create(2)`.
pub(crate) fn sys_epoll_create(call: &mut Call<'_>) -> Result<u64> {
    if super::int(call.args[0]) <= 0 {
        return Err(Errno::EINVAL);
    }
    call.install(OpenFile::new(Epoll::new(), None, O_RDWR), false)
}

/// `epoll_create1(2)`.
pub(crate) fn sys_epoll_create1(call: &mut Call<'_>) -> Result<u64> {
    let flags = uint(call.args[0]);
    if flags & !O_CLOEXEC != 0 {
        return Err(Errno::EINVAL);
    }
    let open: Arc<OpenFile> = OpenFile::new(Epoll::new(), None, O_RDWR);
    call.install(open, flags & O_CLOEXEC != 0)
}
