//! Parking and waking threads: a futex on a word in host memory.

use std::sync::atomic::{AtomicU32, Ordering};

use crate::platform::Errno;

/// A thread's park word: counts how often it was woken.
#[derive(Debug, Default)]
#[repr(align(64))]
pub(super) struct ParkWord(AtomicU32);

impl ParkWord {
    pub(super) fn address(&self) -> u64 {
        self.0.as_ptr() as u64
    }

    /// Waits while the word is `seen`, at most `timeout_ns` (`u64::MAX`: no limit).
    pub(super) fn wait(&self, seen: u32, timeout_ns: u64) -> Result<(), Errno> {
        let seconds = i64::try_from(timeout_ns / 1_000_000_000).unwrap_or(i64::MAX);
        let nanoseconds = i64::try_from(timeout_ns % 1_000_000_000).unwrap_or(0);
        let timeout = libc::timespec { tv_sec: seconds, tv_nsec: nanoseconds };
        let limit = if timeout_ns == u64::MAX { std::ptr::null() } else { &raw const timeout };
        // SAFETY: the word lives as long as the session; the timeout is live.
        let result = unsafe {
            libc::syscall(
                libc::SYS_futex,
                self.0.as_ptr(),
                libc::FUTEX_WAIT | libc::FUTEX_PRIVATE_FLAG,
                seen,
                limit,
            )
        };
        if result == 0 { Ok(()) } else { Err(Errno::last()) }
    }

    /// Adds one and wakes the thread.
    pub(super) fn wake(&self) {
        self.0.fetch_add(1, Ordering::Release);
        // SAFETY: as for `wait`.
        unsafe {
            libc::syscall(
                libc::SYS_futex,
                self.0.as_ptr(),
                libc::FUTEX_WAKE | libc::FUTEX_PRIVATE_FLAG,
                i32::MAX,
            )
        };
    }
}
