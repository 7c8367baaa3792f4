//! `read`, `write` and their relatives.

use alloc::{sync::Arc, vec};

use super::{
    Call, int,
    transfer::{self, At, vectored},
};
use crate::{
    errno::{Errno, Result},
    fs::file::OpenFile,
    user::CHUNK,
};

/// `read(2)`.
pub(crate) fn sys_read(call: &mut Call<'_>) -> Result<u64> {
    let [fd, buf, count, ..] = call.args;
    let open = call.file(fd)?;
    transfer::read(call, &open, buf, count, At::Position)
}

/// `write(2)`.
pub(crate) fn sys_write(call: &mut Call<'_>) -> Result<u64> {
    let [fd, buf, count, ..] = call.args;
    let open = call.file(fd)?;
    transfer::write(call, &open, buf, count, At::Position)
}

fn offset(arg: u64) -> Result<At> {
    if arg >= 1 << 63 { Err(Errno::EINVAL) } else { Ok(At::Offset(arg)) }
}

/// `pread64(2)`.
pub(crate) fn sys_pread64(call: &mut Call<'_>) -> Result<u64> {
    let [fd, buf, count, at, ..] = call.args;
    let (open, at) = (call.file(fd)?, offset(at)?);
    transfer::read(call, &open, buf, count, at)
}

/// `pwrite64(2)`.
pub(crate) fn sys_pwrite64(call: &mut Call<'_>) -> Result<u64> {
    let [fd, buf, count, at, ..] = call.args;
    let (open, at) = (call.file(fd)?, offset(at)?);
    transfer::write(call, &open, buf, count, at)
}

fn read_all(call: &Call<'_>, fd: u64, parts: (u64, u64), at: At) -> Result<u64> {
    let open = call.file(fd)?;
    vectored(call, parts, at, |base, len, at| transfer::read(call, &open, base, len, at))
}

fn write_all(call: &Call<'_>, fd: u64, parts: (u64, u64), at: At) -> Result<u64> {
    let open = call.file(fd)?;
    vectored(call, parts, at, |base, len, at| transfer::write(call, &open, base, len, at))
}

/// `readv(2)`.
pub(crate) fn sys_readv(call: &mut Call<'_>) -> Result<u64> {
    let [fd, iov, iovcnt, ..] = call.args;
    read_all(call, fd, (iov, iovcnt), At::Position)
}

/// `writev(2)`.
pub(crate) fn sys_writev(call: &mut Call<'_>) -> Result<u64> {
    let [fd, iov, iovcnt, ..] = call.args;
    write_all(call, fd, (iov, iovcnt), At::Position)
}

/// `preadv(2)`.
pub(crate) fn sys_preadv(call: &mut Call<'_>) -> Result<u64> {
    let [fd, iov, iovcnt, at, ..] = call.args;
    read_all(call, fd, (iov, iovcnt), offset(at)?)
}

/// `pwritev(2)`.
pub(crate) fn sys_pwritev(call: &mut Call<'_>) -> Result<u64> {
    let [fd, iov, iovcnt, at, ..] = call.args;
    write_all(call, fd, (iov, iovcnt), offset(at)?)
}

fn offset_or_position(at: u64, flags: u64) -> Result<At> {
    if flags != 0 {
        return Err(Errno::EOPNOTSUPP);
    }
    if at == u64::MAX { Ok(At::Position) } else { offset(at) }
}

/// `preadv2(2)`.
pub(crate) fn sys_preadv2(call: &mut Call<'_>) -> Result<u64> {
    let [fd, iov, iovcnt, at, _, flags] = call.args;
    read_all(call, fd, (iov, iovcnt), offset_or_position(at, flags)?)
}

/// `pwritev2(2)`.
pub(crate) fn sys_pwritev2(call: &mut Call<'_>) -> Result<u64> {
    let [fd, iov, iovcnt, at, _, flags] = call.args;
    write_all(call, fd, (iov, iovcnt), offset_or_position(at, flags)?)
}

/// `lseek(2)`.
pub(crate) fn sys_lseek(call: &mut Call<'_>) -> Result<u64> {
    let [fd, offset, whence, ..] = call.args;
    call.file(fd)?.seek(offset.cast_signed(), whence)
}

/// `sendfile(2)`.
pub(crate) fn sys_sendfile(call: &mut Call<'_>) -> Result<u64> {
    let [out_fd, in_fd, offset, count, ..] = call.args;
    let (out, source) = (call.file(out_fd)?, call.file(in_fd)?);
    copy(call, &source, &out, (offset, 0), count)
}

/// `copy_file_range(2)`.
pub(crate) fn sys_copy_file_range(call: &mut Call<'_>) -> Result<u64> {
    let [fd_in, off_in, fd_out, off_out, len, flags] = call.args;
    if flags != 0 {
        return Err(Errno::EINVAL);
    }
    let (source, out) = (call.file(fd_in)?, call.file(fd_out)?);
    if !source.is_regular() || !out.is_regular() {
        return Err(Errno::EINVAL);
    }
    copy(call, &source, &out, (off_in, off_out), len)
}

/// Copies between files; each offset is the address of one in application memory, or 0 for the position.
fn copy(
    call: &Call<'_>,
    source: &Arc<OpenFile>,
    out: &Arc<OpenFile>,
    (source_at, out_at): (u64, u64),
    count: u64,
) -> Result<u64> {
    if source.file().is_seekable() {
        source.usable()?;
    } else {
        return Err(Errno::EINVAL);
    }
    out.writable()?;
    let load = |at: u64| if at == 0 { Ok(None) } else { call.user().u64(at).map(Some) };
    let (from, to) = (load(source_at)?, load(out_at)?);
    let mut buffer = vec![0; CHUNK];
    let mut done = 0u64;
    while done < count {
        let want = usize::try_from(count - done).unwrap_or(CHUNK).min(CHUNK);
        let got = match from {
            Some(at) => source.read_at(&mut buffer[..want], at.wrapping_add(done))?,
            None => source.read(call.thread, &mut buffer[..want])?,
        };
        if got == 0 {
            break;
        }
        let mut put = 0;
        while put < got {
            let chunk = &buffer[put..got];
            let written = match to {
                Some(at) => out.write_at(chunk, at.wrapping_add(done + put as u64)),
                None => out.write(call.thread, chunk),
            };
            match written {
                Ok(n) => put += n,
                Err(error) if done + put as u64 == 0 => {
                    if error == Errno::EPIPE {
                        transfer::broken_pipe(call)?;
                    }
                    rewind(source, from, got)?;
                    return Err(error);
                }
                Err(_) => break,
            }
        }
        done += put as u64;
        if put < got {
            rewind(source, from, got - put)?;
            break;
        }
    }
    if let Some(at) = from {
        call.user().write_u64(source_at, at.wrapping_add(done))?;
    }
    if let Some(at) = to {
        call.user().write_u64(out_at, at.wrapping_add(done))?;
    }
    Ok(done)
}

/// Takes back what was read from the position but not written.
fn rewind(source: &OpenFile, from: Option<u64>, bytes: usize) -> Result<()> {
    if from.is_none() {
        source.seek(-(i64::try_from(bytes).unwrap_or(0)), crate::linux::fcntl::SEEK_CUR)?;
    }
    Ok(())
}

/// `fsync(2)`, `fdatasync(2)`.
pub(crate) fn sys_fsync(call: &mut Call<'_>) -> Result<u64> {
    let open = call.file(call.args[0])?;
    open.usable()?;
    open.file().sync().map(|()| 0)
}

/// `sync(2)`, `syncfs(2)`, `fadvise64(2)`, `readahead(2)`: nothing is buffered here.
pub(crate) fn sys_nothing(_call: &mut Call<'_>) -> Result<u64> {
    Ok(0)
}

/// `ftruncate(2)`.
pub(crate) fn sys_ftruncate(call: &mut Call<'_>) -> Result<u64> {
    let [fd, length, ..] = call.args;
    if length.cast_signed() < 0 {
        return Err(Errno::EINVAL);
    }
    let open = call.file(fd)?;
    open.writable().map_err(|_| Errno::EINVAL)?;
    if !open.is_regular() {
        return Err(Errno::EINVAL);
    }
    open.file().truncate(length).map(|()| 0)
}

/// `fallocate(2)` without mode bits: only the size grows.
pub(crate) fn sys_fallocate(call: &mut Call<'_>) -> Result<u64> {
    let [fd, mode, offset, len, ..] = call.args;
    const FALLOC_FL_KEEP_SIZE: i32 = 1;
    if int(mode) & !FALLOC_FL_KEEP_SIZE != 0 {
        return Err(Errno::EOPNOTSUPP);
    }
    let end = offset.checked_add(len).filter(|&e| len > 0 && e < 1 << 63).ok_or(Errno::EINVAL)?;
    let open = call.file(fd)?;
    open.writable()?;
    if int(mode) == 0 && end > open.file().stat()?.size {
        open.file().truncate(end)?;
    }
    Ok(0)
}
