//! Moving bytes between files and application memory, a chunk at a time.

use alloc::{sync::Arc, vec};

use super::Call;
use crate::{
    errno::{Errno, Result},
    fs::file::OpenFile,
    linux::signal::SIGPIPE,
    signal::{info::Info, send},
    user::CHUNK,
};

/// Most bytes one call moves, as on Linux.
const COUNT_MAX: u64 = 0x7fff_f000;

/// Where in the file.
#[derive(Debug, Clone, Copy)]
pub(crate) enum At {
    /// The current position, which moves.
    Position,
    /// An offset; the position stays.
    Offset(u64),
}

/// A first error counts only if nothing was moved before it.
fn partial(done: u64, error: Errno) -> Result<u64> {
    if done > 0 { Ok(done) } else { Err(error) }
}

/// Reads into one buffer of the application.
pub(crate) fn read(
    call: &Call<'_>,
    open: &Arc<OpenFile>,
    buf: u64,
    count: u64,
    at: At,
) -> Result<u64> {
    let count = count.min(COUNT_MAX);
    let size = usize::try_from(count).unwrap_or(CHUNK).min(CHUNK);
    let mut buffer = vec![0; size];
    let mut done = 0;
    loop {
        let want = usize::try_from(count - done).unwrap_or(CHUNK).min(CHUNK);
        let got = match at {
            At::Position => open.read(call.thread, &mut buffer[..want]),
            At::Offset(offset) => open.read_at(&mut buffer[..want], offset.wrapping_add(done)),
        };
        let got = match got {
            Ok(got) => got,
            Err(error) => return partial(done, error),
        };
        if let Err(error) = call.user().write(buf.wrapping_add(done), &buffer[..got]) {
            return partial(done, error);
        }
        done += got as u64;
        // A short read ends the call: at the end of a file, or when a pipe or socket has no more now.
        let more = got == want && done < count && open.file().is_seekable();
        if !more {
            return Ok(done);
        }
    }
}

/// Writes from one buffer of the application.
pub(crate) fn write(
    call: &Call<'_>,
    open: &Arc<OpenFile>,
    buf: u64,
    count: u64,
    at: At,
) -> Result<u64> {
    let count = count.min(COUNT_MAX);
    let size = usize::try_from(count).unwrap_or(CHUNK).min(CHUNK);
    let mut buffer = vec![0; size];
    let mut done = 0;
    loop {
        let want = usize::try_from(count - done).unwrap_or(CHUNK).min(CHUNK);
        if let Err(error) = call.user().read(buf.wrapping_add(done), &mut buffer[..want]) {
            return partial(done, error);
        }
        let put = match at {
            At::Position => open.write(call.thread, &buffer[..want]),
            At::Offset(offset) => open.write_at(&buffer[..want], offset.wrapping_add(done)),
        };
        let put = match put {
            Ok(put) => put,
            Err(Errno::EPIPE) => {
                broken_pipe(call)?;
                return partial(done, Errno::EPIPE);
            }
            Err(error) => return partial(done, error),
        };
        done += put as u64;
        let goes_on =
            if open.is_nonblocking() && !open.file().is_seekable() { put == want } else { put > 0 };
        if done >= count || !goes_on {
            return Ok(done);
        }
    }
}

/// The signal that comes with EPIPE.
pub(crate) fn broken_pipe(call: &Call<'_>) -> Result<()> {
    let uid = call.process().credentials.lock().uid.real;
    let info = Info::from_sender(SIGPIPE, 0, call.process().pid, uid);
    send::to_thread(call.thread, info)
}

/// Runs a transfer over the parts of a vectored call until one comes out short.
pub(crate) fn vectored(
    call: &Call<'_>,
    (iov, iovcnt): (u64, u64),
    at: At,
    mut one: impl FnMut(u64, u64, At) -> Result<u64>,
) -> Result<u64> {
    let parts = call.user().iovec(iov, iovcnt)?;
    let mut done = 0u64;
    for (base, len) in parts {
        if len == 0 {
            continue;
        }
        let here = match at {
            At::Position => At::Position,
            At::Offset(offset) => At::Offset(offset.wrapping_add(done)),
        };
        match one(base, len, here) {
            Ok(n) => {
                done += n;
                if n < len {
                    break;
                }
            }
            Err(error) => return partial(done, error),
        }
    }
    Ok(done)
}
