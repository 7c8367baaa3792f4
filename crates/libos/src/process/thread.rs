//! A thread of a process.

use alloc::{sync::Arc, vec::Vec};
use core::sync::atomic::{AtomicU64, Ordering};

use enclave_rt::context::Context;

use super::Process;
use crate::{
    signal::{mask::Mask, queue::Queue, stack::AltStack, watched::Watched},
    sync::Mutex,
    user::UserMem,
    wait::{Sleeper, Waiter},
};

/// What only signals change.
#[derive(Debug, Default)]
pub(crate) struct ThreadSignals {
    pub(crate) mask: Mask,
    /// The mask to return to once a handler has been entered (`sigsuspend`, `ppoll`).
    pub(crate) saved_mask: Option<Mask>,
    pub(crate) pending: Queue,
    pub(crate) stack: AltStack,
}

/// A thread: a block of the enclave while it lives.
pub(crate) struct Thread {
    pub(crate) tid: u32,
    /// Index of its block.
    pub(crate) index: u64,
    pub(crate) process: Arc<Process>,
    pub(crate) signals: Watched<ThreadSignals>,
    /// `set_tid_address(2)`, 0 for none.
    pub(crate) clear_child_tid: AtomicU64,
    /// `set_robust_list(2)`, 0 for none.
    pub(crate) robust_list: AtomicU64,
    pub(crate) name: Mutex<Option<Vec<u8>>>,
    /// Registers to start with, until it has started.
    pub(crate) start: Mutex<Option<Context>>,
    waiter: Arc<Waiter>,
}

impl Thread {
    pub(crate) fn new(process: &Arc<Process>, tid: u32, index: u64) -> Arc<Self> {
        Arc::new(Self {
            tid,
            index,
            process: Arc::clone(process),
            signals: Watched::default(),
            clear_child_tid: AtomicU64::new(0),
            robust_list: AtomicU64::new(0),
            name: Mutex::new(None),
            start: Mutex::new(None),
            waiter: Arc::new(Waiter::new(index)),
        })
    }

    pub(crate) fn user(&self) -> UserMem<'_> {
        self.process.user()
    }

    pub(crate) fn clear_tid(&self) -> u64 {
        self.clear_child_tid.load(Ordering::SeqCst)
    }

    /// Has it look at its signals: ends its current wait, or interrupts it where it runs.
    pub(crate) fn wake(&self) {
        self.waiter.wake();
        if self.index != enclave_rt::thread::index() {
            enclave_rt::thread::interrupt(self.index);
        }
    }
}

impl Sleeper for Thread {
    fn waiter(&self) -> &Arc<Waiter> {
        &self.waiter
    }

    fn has_signal(&self) -> bool {
        crate::signal::host::collect();
        let (mask, own) = {
            let signals = self.signals.lock();
            (signals.mask, signals.pending.set())
        };
        let all = own.union(self.process.pending.lock().set());
        !all.without(mask).is_empty()
    }
}
