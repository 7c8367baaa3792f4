//! A thread of a process.

use alloc::{sync::Arc, vec::Vec};
use core::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};

use enclave_rt::context::Context;

use super::{Process, spawn::Vfork};
use crate::{
    signal::{mask::Mask, queue::Queue, stack::AltStack, watched::Watched},
    sync::Mutex,
    user::UserMem,
    vm::seat::Space,
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

/// How a thread begins.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Start {
    pub(crate) context: Context,
    /// Where its ID is written first (`CLONE_CHILD_SETTID`), 0 for nowhere.
    pub(crate) set_tid: u64,
}

/// A thread: a block of the enclave while it lives. `execve(2)` puts a new one in its place, since a thread has
/// one address space all its life.
pub(crate) struct Thread {
    pub(crate) tid: u32,
    /// Index of its block.
    pub(crate) index: u64,
    pub(crate) process: Arc<Process>,
    pub(crate) space: Arc<Space>,
    pub(crate) signals: Watched<ThreadSignals>,
    /// `set_tid_address(2)`, 0 for none.
    pub(crate) clear_child_tid: AtomicU64,
    /// `set_robust_list(2)`, 0 for none.
    pub(crate) robust_list: AtomicU64,
    pub(crate) name: Mutex<Option<Vec<u8>>>,
    /// How it starts, until it has started.
    pub(crate) start: Mutex<Option<Start>>,
    /// It is to end.
    pub(super) doomed: AtomicBool,
    /// The parent that waits until this thread has executed a program or ended.
    pub(super) vfork: Mutex<Option<Arc<Vfork>>>,
    waiter: Arc<Waiter>,
}

impl Thread {
    pub(crate) fn new(
        process: &Arc<Process>,
        space: &Arc<Space>,
        tid: u32,
        index: u64,
    ) -> Arc<Self> {
        Arc::new(Self {
            tid,
            index,
            process: Arc::clone(process),
            space: Arc::clone(space),
            signals: Watched::default(),
            clear_child_tid: AtomicU64::new(0),
            robust_list: AtomicU64::new(0),
            name: Mutex::new(None),
            start: Mutex::new(None),
            doomed: AtomicBool::new(false),
            vfork: Mutex::new(None),
            waiter: Arc::new(Waiter::new(index)),
        })
    }

    pub(crate) fn user(&self) -> UserMem<'_> {
        UserMem::new(&self.space)
    }

    pub(crate) fn clear_tid(&self) -> u64 {
        self.clear_child_tid.load(SeqCst)
    }

    /// Has it look at its signals: ends its current wait, or interrupts it where it runs.
    pub(crate) fn wake(&self) {
        self.waiter.wake();
        if self.index != enclave_rt::thread::index() {
            enclave_rt::thread::interrupt(self.index);
        }
    }

    /// Whether it has been told to end.
    pub(crate) fn is_doomed(&self) -> bool {
        self.doomed.load(SeqCst)
    }

    /// The thread in a wait that no signal ends, only its own end.
    pub(crate) const fn deaf(&self) -> Deaf<'_> {
        Deaf(self)
    }

    /// Lets a parent that waits since `vfork(2)` go on.
    pub(super) fn let_parent_go(&self) {
        let vfork = self.vfork.lock().take();
        if let Some(vfork) = vfork {
            vfork.finish();
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
        !all.without(mask).is_empty() || self.is_doomed()
    }

    fn step_out(&self) {
        self.space.leave();
    }

    fn step_in(&self) {
        self.space.enter();
    }
}

/// A thread that no signal wakes.
#[derive(Clone, Copy)]
pub(crate) struct Deaf<'a>(&'a Thread);

impl Sleeper for Deaf<'_> {
    fn waiter(&self) -> &Arc<Waiter> {
        &self.0.waiter
    }

    fn has_signal(&self) -> bool {
        crate::signal::host::collect();
        self.0.is_doomed()
    }

    fn step_out(&self) {
        self.0.step_out();
    }

    fn step_in(&self) {
        self.0.step_in();
    }
}
