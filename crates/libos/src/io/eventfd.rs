//! `eventfd(2)`: a counter inside the enclave.

use alloc::{string::String, sync::Arc};

use crate::{
    errno::{Errno, Result},
    fs::file::File,
    linux::{
        poll::{POLLIN, POLLOUT},
        stat::Stat,
    },
    sync::Mutex,
    wait::WaitQueue,
};

/// A counter that can be waited for.
pub(crate) struct EventFd {
    count: Mutex<u64>,
    semaphore: bool,
    queue: WaitQueue,
}

impl EventFd {
    pub(crate) fn new(count: u64, semaphore: bool) -> Arc<Self> {
        Arc::new(Self { count: Mutex::new(count), semaphore, queue: WaitQueue::new() })
    }
}

impl File for EventFd {
    fn stat(&self) -> Result<Stat> {
        Ok(Stat { dev: 0xe, ino: 1, nlink: 1, mode: 0o600, blksize: 4096, ..Stat::default() })
    }

    fn read(&self, buffer: &mut [u8]) -> Result<usize> {
        let out = buffer.get_mut(..8).ok_or(Errno::EINVAL)?;
        let mut count = self.count.lock();
        if *count == 0 {
            return Err(Errno::EAGAIN);
        }
        let taken = if self.semaphore { 1 } else { *count };
        *count -= taken;
        drop(count);
        out.copy_from_slice(&taken.to_le_bytes());
        self.queue.wake_all();
        Ok(8)
    }

    fn write(&self, buffer: &[u8]) -> Result<usize> {
        let word = buffer.get(..8).and_then(|b| b.try_into().ok()).ok_or(Errno::EINVAL)?;
        let added = u64::from_le_bytes(word);
        if added == u64::MAX {
            return Err(Errno::EINVAL);
        }
        let mut count = self.count.lock();
        let sum = count.checked_add(added).filter(|&sum| sum < u64::MAX);
        *count = sum.ok_or(Errno::EAGAIN)?;
        drop(count);
        self.queue.wake_all();
        Ok(8)
    }

    fn readiness(&self) -> u32 {
        let count = *self.count.lock();
        let readable = if count > 0 { POLLIN } else { 0 };
        readable | if count < u64::MAX - 1 { POLLOUT } else { 0 }
    }

    fn queue(&self) -> Option<&WaitQueue> {
        Some(&self.queue)
    }

    fn label(&self) -> String {
        "anon_inode:[eventfd]".into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing;

    #[test]
    fn a_counter_adds_up_and_empties() {
        let _machine = testing::quiet();
        let fd = EventFd::new(1, false);
        assert_eq!(fd.write(&2u64.to_le_bytes()), Ok(8));
        let mut out = [0; 8];
        assert_eq!(fd.read(&mut out), Ok(8));
        assert_eq!(u64::from_le_bytes(out), 3);
        assert_eq!(fd.read(&mut out), Err(Errno::EAGAIN));
        assert_eq!(fd.write(&u64::MAX.to_le_bytes()), Err(Errno::EINVAL));
        assert_eq!(fd.read(&mut [0; 4]), Err(Errno::EINVAL));
    }

    #[test]
    fn a_semaphore_gives_one_at_a_time() {
        let _machine = testing::quiet();
        let fd = EventFd::new(2, true);
        let mut out = [0; 8];
        assert_eq!(fd.read(&mut out), Ok(8));
        assert_eq!((out[0], fd.readiness() & POLLIN), (1, POLLIN));
    }
}
