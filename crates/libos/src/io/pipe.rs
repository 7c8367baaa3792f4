//! Pipes and FIFOs: a ring of bytes inside the enclave.

use alloc::{collections::VecDeque, format, string::String, sync::Arc};

use crate::{
    errno::{Errno, Result},
    fs::{file::File, inode::Change, tmpfs},
    linux::{
        fcntl::{O_ACCMODE, O_RDONLY, O_WRONLY},
        poll::{POLLERR, POLLHUP, POLLIN, POLLOUT, POLLRDNORM, POLLWRNORM},
        stat::{S_IFIFO, Stat},
        time::Timespec,
    },
    sync::Mutex,
    time,
    user::UserMem,
    wait::WaitQueue,
};

/// Capacity of a pipe in bytes, as on Linux.
const CAPACITY: usize = 64 << 10;
/// Writes of at most this many bytes are not interleaved.
const PIPE_BUF: usize = 4096;
/// Most that `F_SETPIPE_SZ` may ask for.
const CAPACITY_MAX: usize = 1 << 20;
const FIONREAD: u64 = 0x541b;

struct State {
    bytes: VecDeque<u8>,
    capacity: usize,
    readers: usize,
    writers: usize,
}

/// What the two ends share.
pub(crate) struct Pipe {
    state: Mutex<State>,
    queue: WaitQueue,
    ino: u64,
    made: Timespec,
}

impl Pipe {
    fn new() -> Arc<Self> {
        let state = State { bytes: VecDeque::new(), capacity: CAPACITY, readers: 0, writers: 0 };
        let (queue, ino) = (WaitQueue::new(), tmpfs::next_ino());
        Arc::new(Self { state: Mutex::new(state), queue, ino, made: time::now() })
    }

    /// A pipe: the read end and the write end.
    pub(crate) fn pair() -> (Arc<dyn File>, Arc<dyn File>) {
        let pipe = Self::new();
        let reader = End::open(&pipe, true, false);
        (reader, End::open(&pipe, false, true))
    }
}

/// A FIFO's pipe, shared by everybody who opens it. Opening does not wait for the other side.
pub(crate) struct Fifo(Arc<Pipe>);

impl Fifo {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self(Pipe::new()))
    }

    pub(crate) fn open(&self, flags: u32) -> Arc<dyn File> {
        let access = flags & O_ACCMODE;
        End::open(&self.0, access != O_WRONLY, access != O_RDONLY)
    }
}

/// One end of a pipe (or both, of a FIFO opened for both).
struct End {
    pipe: Arc<Pipe>,
    reads: bool,
    writes: bool,
}

impl End {
    fn open(pipe: &Arc<Pipe>, reads: bool, writes: bool) -> Arc<Self> {
        let mut state = pipe.state.lock();
        state.readers += usize::from(reads);
        state.writers += usize::from(writes);
        drop(state);
        Arc::new(Self { pipe: Arc::clone(pipe), reads, writes })
    }
}

impl Drop for End {
    fn drop(&mut self) {
        let mut state = self.pipe.state.lock();
        state.readers -= usize::from(self.reads);
        state.writers -= usize::from(self.writes);
        drop(state);
        self.pipe.queue.wake_all();
    }
}

impl File for End {
    fn stat(&self) -> Result<Stat> {
        let (mode, made) = (S_IFIFO | 0o600, self.pipe.made);
        let times = Stat { atime: made, mtime: made, ctime: made, ..Stat::default() };
        Ok(Stat { dev: 0xd, ino: self.pipe.ino, nlink: 1, mode, blksize: 4096, ..times })
    }

    fn read(&self, buffer: &mut [u8]) -> Result<usize> {
        let mut state = self.pipe.state.lock();
        let n = state.bytes.len().min(buffer.len());
        if n == 0 && !buffer.is_empty() {
            return if state.writers == 0 { Ok(0) } else { Err(Errno::EAGAIN) };
        }
        let (first, second) = state.bytes.as_slices();
        let in_first = first.len().min(n);
        buffer[..in_first].copy_from_slice(&first[..in_first]);
        buffer[in_first..n].copy_from_slice(&second[..n - in_first]);
        state.bytes.drain(..n);
        drop(state);
        self.pipe.queue.wake_all();
        Ok(n)
    }

    fn write(&self, buffer: &[u8]) -> Result<usize> {
        let mut state = self.pipe.state.lock();
        if state.readers == 0 {
            return Err(Errno::EPIPE);
        }
        let room = state.capacity.saturating_sub(state.bytes.len());
        let atomic = buffer.len() <= PIPE_BUF;
        if room == 0 && !buffer.is_empty() || (atomic && room < buffer.len()) {
            return Err(Errno::EAGAIN);
        }
        let n = room.min(buffer.len());
        state.bytes.extend(&buffer[..n]);
        drop(state);
        self.pipe.queue.wake_all();
        Ok(n)
    }

    fn readiness(&self) -> u32 {
        let state = self.pipe.state.lock();
        let mut ready = 0;
        if self.reads {
            if !state.bytes.is_empty() {
                ready |= POLLIN | POLLRDNORM;
            }
            if state.writers == 0 {
                ready |= POLLHUP;
            }
        }
        if self.writes {
            if state.capacity.saturating_sub(state.bytes.len()) >= PIPE_BUF {
                ready |= POLLOUT | POLLWRNORM;
            }
            if state.readers == 0 {
                ready |= POLLERR;
            }
        }
        ready
    }

    fn queue(&self) -> Option<&WaitQueue> {
        Some(&self.pipe.queue)
    }

    fn ioctl(&self, user: UserMem<'_>, request: u64, argp: u64) -> Result<u64> {
        if request != FIONREAD {
            return Err(Errno::ENOTTY);
        }
        let held = self.pipe.state.lock().bytes.len();
        user.write_u32(argp, u32::try_from(held).unwrap_or(u32::MAX))?;
        Ok(0)
    }

    /// `F_SETPIPE_SZ`.
    fn truncate(&self, length: u64) -> Result<()> {
        let wanted = usize::try_from(length).map_err(|_| Errno::EPERM)?;
        if wanted > CAPACITY_MAX {
            return Err(Errno::EPERM);
        }
        let mut state = self.pipe.state.lock();
        let wanted = wanted.max(PIPE_BUF).next_power_of_two();
        if wanted < state.bytes.len() {
            return Err(Errno::EBUSY);
        }
        state.capacity = wanted;
        Ok(())
    }

    fn change(&self, _change: &Change) -> Result<()> {
        Ok(())
    }

    fn capacity(&self) -> Option<u64> {
        Some(self.pipe.state.lock().capacity as u64)
    }

    fn label(&self) -> String {
        format!("pipe:[{}]", self.pipe.ino)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing;

    #[test]
    fn bytes_come_out_in_order_and_the_end_is_seen() {
        let _machine = testing::quiet();
        let (reader, writer) = Pipe::pair();
        let mut out = [0; 8];
        assert_eq!(reader.read(&mut out), Err(Errno::EAGAIN));
        assert_eq!(writer.write(b"hello"), Ok(5));
        assert_eq!(reader.read(&mut out[..2]), Ok(2));
        assert_eq!(reader.read(&mut out[2..]), Ok(3));
        assert_eq!(&out[..5], b"hello");
        drop(writer);
        assert_eq!(reader.read(&mut out), Ok(0));
        assert_eq!(reader.readiness(), POLLHUP);
    }

    #[test]
    fn writing_without_a_reader_is_epipe_and_small_writes_are_whole() {
        let _machine = testing::quiet();
        let (reader, writer) = Pipe::pair();
        assert_eq!(writer.write(&[0; CAPACITY - 10]), Ok(CAPACITY - 10));
        assert_eq!(writer.write(&[0; 11]), Err(Errno::EAGAIN));
        assert_eq!(writer.write(&[0; PIPE_BUF + 1]), Ok(10));
        drop(reader);
        assert_eq!(writer.write(b"x"), Err(Errno::EPIPE));
    }
}
