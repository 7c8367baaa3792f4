//! Signal state with a summary that can be read without its lock.
//!
//! Nearly every system call ends with nothing pending. Whoever changes the state publishes what matters for that
//! question when the guard is dropped; the look itself is three loads.

use core::{
    ops::{Deref, DerefMut},
    sync::atomic::{AtomicU64, Ordering},
};

use super::{mask::Mask, queue::Queue};
use crate::{
    process::thread::{Thread, ThreadSignals},
    sync::{Mutex, MutexGuard},
};

/// What a summary says.
pub(crate) trait Summary {
    /// Signals that wait, and signals that do not get through.
    fn summary(&self) -> (Mask, Mask);
}

impl Summary for Queue {
    fn summary(&self) -> (Mask, Mask) {
        (self.set(), Mask::default())
    }
}

impl Summary for ThreadSignals {
    fn summary(&self) -> (Mask, Mask) {
        // A mask that is to be put back at the end of the call counts as a signal that always gets through.
        match self.saved_mask {
            None => (self.pending.set(), self.mask),
            Some(_) => (Mask::from_bits(u64::MAX), Mask::default()),
        }
    }
}

/// A lock whose value is summarised when it is released.
#[derive(Debug, Default)]
pub(crate) struct Watched<T> {
    value: Mutex<T>,
    pending: AtomicU64,
    blocked: AtomicU64,
}

impl<T: Summary> Watched<T> {
    pub(crate) fn lock(&self) -> Guard<'_, T> {
        Guard { guard: self.value.lock(), of: self }
    }
}

/// Access to the value until dropped.
#[derive(Debug)]
pub(crate) struct Guard<'a, T: Summary> {
    guard: MutexGuard<'a, T>,
    of: &'a Watched<T>,
}

impl<T: Summary> Deref for Guard<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.guard
    }
}

impl<T: Summary> DerefMut for Guard<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        &mut self.guard
    }
}

impl<T: Summary> Drop for Guard<'_, T> {
    fn drop(&mut self) {
        let (pending, blocked) = self.guard.summary();
        self.of.blocked.store(blocked.bits(), Ordering::SeqCst);
        self.of.pending.store(pending.bits(), Ordering::SeqCst);
    }
}

/// Whether no signal waits for the thread, no mask is to be put back, and it need not stop, end or let another process
/// have its turn. What is sent meanwhile brings an event.
pub(crate) fn is_quiet(thread: &Thread) -> bool {
    let own = thread.signals.pending.load(Ordering::SeqCst);
    let all = own | thread.process.pending.pending.load(Ordering::SeqCst);
    all & !thread.signals.blocked.load(Ordering::SeqCst) == 0
        && !thread.is_doomed()
        && !thread.process.stopping.is_stopped()
        && !thread.space.is_wanted()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_summary_follows_every_change() {
        let watched = Watched::<ThreadSignals>::default();
        let seen =
            || (watched.pending.load(Ordering::SeqCst), watched.blocked.load(Ordering::SeqCst));
        watched.lock().mask = Mask::of(10);
        assert_eq!(seen(), (0, Mask::of(10).bits()));
        let info = crate::signal::info::Info::from_sender(10, 0, 1, 0);
        watched.lock().pending.push(info);
        assert_eq!(seen(), (Mask::of(10).bits(), Mask::of(10).bits()));
        watched.lock().saved_mask = Some(Mask::default());
        assert_eq!(seen(), (u64::MAX, 0), "a saved mask must be looked at");
    }
}
