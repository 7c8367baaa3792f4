//! Locks.
//!
//! [`Mutex`] spins: for a few instructions, never across an ocall or an access to application
//! memory. [`Lock`] sleeps: for state whose changes need ocalls, such as an address space.
//!
//! LOCK ORDER: `Lock` before `Mutex`; among `Lock`s: descriptor offset, address space, inode data.

use core::{
    fmt,
    ops::{Deref, DerefMut},
    sync::atomic::{AtomicUsize, Ordering, fence},
};

pub(crate) use enclave_rt::sync::{Mutex, MutexGuard};

use crate::wait::{WaitQueue, Waiter};

/// Attempts before a thread sleeps.
const SPINS: u32 = 200;

/// A lock that may be held across ocalls.
pub(crate) struct Lock<T> {
    value: Mutex<T>,
    sleepers: AtomicUsize,
    queue: WaitQueue,
}

impl<T> Lock<T> {
    pub(crate) const fn new(value: T) -> Self {
        Self { value: Mutex::new(value), sleepers: AtomicUsize::new(0), queue: WaitQueue::new() }
    }

    pub(crate) fn lock(&self) -> LockGuard<'_, T> {
        for _ in 0..SPINS {
            if let Some(guard) = self.value.try_lock() {
                return LockGuard { lock: self, guard: Some(guard) };
            }
            core::hint::spin_loop();
        }
        self.lock_slowly()
    }

    fn lock_slowly(&self) -> LockGuard<'_, T> {
        let waiter = Waiter::current();
        self.sleepers.fetch_add(1, Ordering::SeqCst);
        self.queue.add(&waiter);
        let guard = loop {
            if let Some(guard) = self.value.try_lock() {
                break guard;
            }
            waiter.park(None);
        };
        self.queue.remove(&waiter);
        self.sleepers.fetch_sub(1, Ordering::SeqCst);
        LockGuard { lock: self, guard: Some(guard) }
    }
}

impl<T: fmt::Debug> fmt::Debug for Lock<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lock").finish_non_exhaustive()
    }
}

/// Access to the value of a [`Lock`] until dropped.
pub(crate) struct LockGuard<'a, T> {
    lock: &'a Lock<T>,
    guard: Option<MutexGuard<'a, T>>,
}

impl<T> Deref for LockGuard<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        self.guard.as_ref().expect("the guard is taken only by drop")
    }
}

impl<T> DerefMut for LockGuard<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        self.guard.as_mut().expect("the guard is taken only by drop")
    }
}

impl<T> Drop for LockGuard<'_, T> {
    fn drop(&mut self) {
        self.guard = None;
        // The unlocking store must be seen before the sleepers are counted: who counts itself later finds the lock free.
        fence(Ordering::SeqCst);
        if self.lock.sleepers.load(Ordering::SeqCst) != 0 {
            self.lock.queue.wake_all();
        }
    }
}
