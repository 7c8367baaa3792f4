//! Sleeping until something happens.
//!
//! A thread that must wait puts its [`Waiter`] into the [`WaitQueue`] of everything it waits for, looks at
//! its condition, and parks. Whoever changes the condition wakes the queue afterwards. A thread that also
//! waits for host descriptors sleeps in the host's `poll` instead, with an eventfd beside them.

use alloc::{sync::Arc, vec::Vec};
use core::sync::atomic::{AtomicBool, AtomicI32, AtomicU64, AtomicUsize, Ordering::SeqCst};

use crate::{host, sync::Mutex, time};

/// A thread's handle for being woken.
#[derive(Debug)]
pub(crate) struct Waiter {
    index: u64,
    notified: AtomicBool,
    /// Host eventfd the thread polls, or -1.
    wake_fd: AtomicI32,
    in_poll: AtomicBool,
}

impl Waiter {
    pub(crate) const fn new(index: u64) -> Self {
        Self {
            index,
            notified: AtomicBool::new(false),
            wake_fd: AtomicI32::new(-1),
            in_poll: AtomicBool::new(false),
        }
    }

    /// A new waiter for the calling thread.
    pub(crate) fn current() -> Arc<Self> {
        Arc::new(Self::new(enclave_rt::thread::index()))
    }

    /// Wakes the thread, or keeps its next wait from sleeping.
    pub(crate) fn wake(&self) {
        if self.notified.swap(true, SeqCst) {
            return;
        }
        if self.in_poll.load(SeqCst) {
            host::signal_eventfd(self.wake_fd.load(SeqCst));
        } else {
            enclave_rt::thread::unpark(self.index);
        }
    }

    /// Sleeps until woken or `timeout_ns` has passed. May return early.
    pub(crate) fn park(&self, timeout_ns: Option<u64>) {
        let seen = enclave_rt::thread::park_word();
        if !self.notified.swap(false, SeqCst) {
            // The host's reason is a hint: the caller looks at its condition again.
            let _ = enclave_rt::thread::park(seen, timeout_ns);
            self.notified.store(false, SeqCst);
        }
    }

    /// Sleeps in the host's `poll` on `fds` until one is ready, the waiter is woken, or the time has
    /// passed; fills in what the host says is ready.
    pub(crate) fn poll(&self, fds: &mut [host::PollFd], timeout_ns: Option<u64>) {
        let wake_fd = self.open_wake_fd();
        self.in_poll.store(true, SeqCst);
        if !self.notified.load(SeqCst) {
            host::poll(fds, wake_fd, timeout_ns);
        }
        self.in_poll.store(false, SeqCst);
        if self.notified.swap(false, SeqCst)
            && let Some(fd) = wake_fd
        {
            host::drain_eventfd(fd);
        }
    }

    fn open_wake_fd(&self) -> Option<i32> {
        let fd = self.wake_fd.load(SeqCst);
        if fd >= 0 {
            return Some(fd);
        }
        let fd = host::eventfd().ok()?;
        self.wake_fd.store(fd, SeqCst);
        Some(fd)
    }
}

impl Drop for Waiter {
    fn drop(&mut self) {
        let fd = self.wake_fd.load(SeqCst);
        if fd >= 0 {
            host::close(fd);
        }
    }
}

/// Threads waiting for one thing.
#[derive(Debug)]
pub(crate) struct WaitQueue {
    waiters: Mutex<Vec<Arc<Waiter>>>,
    count: AtomicUsize,
    generation: AtomicU64,
}

impl WaitQueue {
    pub(crate) const fn new() -> Self {
        Self {
            waiters: Mutex::new(Vec::new()),
            count: AtomicUsize::new(0),
            generation: AtomicU64::new(0),
        }
    }

    pub(crate) fn add(&self, waiter: &Arc<Waiter>) {
        let mut waiters = self.waiters.lock();
        waiters.push(Arc::clone(waiter));
        self.count.store(waiters.len(), SeqCst);
    }

    /// Takes out one registration of the waiter.
    pub(crate) fn remove(&self, waiter: &Arc<Waiter>) {
        let mut waiters = self.waiters.lock();
        if let Some(at) = waiters.iter().position(|w| Arc::ptr_eq(w, waiter)) {
            waiters.swap_remove(at);
        }
        self.count.store(waiters.len(), SeqCst);
    }

    /// Wakes everybody who waits.
    pub(crate) fn wake_all(&self) {
        self.generation.fetch_add(1, SeqCst);
        if self.count.load(SeqCst) == 0 {
            return;
        }
        let waiters = self.waiters.lock().clone();
        for waiter in waiters {
            waiter.wake();
        }
    }

    /// How often the queue was woken: edge-triggered epoll compares it.
    pub(crate) fn generation(&self) -> u64 {
        self.generation.load(SeqCst)
    }
}

/// Why a wait ended without its condition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stop {
    TimedOut,
    Interrupted,
}

/// Something whose signals end a wait: a thread.
pub(crate) trait Sleeper {
    fn waiter(&self) -> &Arc<Waiter>;
    fn has_signal(&self) -> bool;

    /// Before it sleeps: it will not touch the program's memory until [`Self::step_in`].
    fn step_out(&self) {}

    /// After it has slept.
    fn step_in(&self) {}
}

/// Waits until `ready` yields a value. `deadline_ns` is on the monotonic clock. `ready` does not touch the
/// program's memory: another process may have its addresses meanwhile.
pub(crate) fn wait_for<T>(
    sleeper: &dyn Sleeper,
    queues: &[&WaitQueue],
    deadline_ns: Option<u64>,
    mut ready: impl FnMut() -> Option<T>,
) -> Result<T, Stop> {
    let waiter = sleeper.waiter();
    for queue in queues {
        queue.add(waiter);
    }
    let mut out = false;
    let outcome = loop {
        if let Some(value) = ready() {
            break Ok(value);
        }
        if sleeper.has_signal() {
            break Err(Stop::Interrupted);
        }
        let Some(left) = time_left(deadline_ns) else { break Err(Stop::TimedOut) };
        if !core::mem::replace(&mut out, true) {
            sleeper.step_out();
        }
        waiter.park(left);
    };
    for queue in queues {
        queue.remove(waiter);
    }
    if out {
        sleeper.step_in();
    }
    outcome
}

/// Nanoseconds until the deadline: `None` when it has passed, `Some(None)` without one.
pub(crate) fn time_left(deadline_ns: Option<u64>) -> Option<Option<u64>> {
    match deadline_ns {
        None => Some(None),
        Some(deadline) => match deadline.saturating_sub(time::monotonic_ns()) {
            0 => None,
            left => Some(Some(left)),
        },
    }
}
