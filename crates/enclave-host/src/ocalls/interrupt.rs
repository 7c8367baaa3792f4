//! Interrupting threads of the enclave.
//!
//! A thread is told of events in one of two ways: if it runs inside, the kick makes an asynchronous exit, and
//! the handler enters it once more with `ENTER_EVENT`; if it is outside, the events go in with the answer of its
//! ocall, which the kick ends early if it waits. Between a look and a wait or an entry lies a moment in which
//! a kick is missed, so the main thread repeats it until the events have gone in (`signals`).
//!
//! The other direction has such a moment too: events told to the runtime just before it leaves to wait. Therefore
//! the first wait after a telling ends at once, and the enclave looks again.

use std::cell::Cell;
use std::sync::atomic::{AtomicBool, AtomicI32, AtomicU64, Ordering::SeqCst};

use enclave_abi::entry::{ENTER_EVENT, EVENT_LOOK, EXIT_ABORT, EXIT_RESUME};

use super::{Ended, Session, thread};
use crate::Error;
use crate::arch::FloatControl;
use crate::platform::{EENTER, Enclave, Entry, Errno, Left};

/// The host signal that kicks a thread.
fn kick_signal() -> i32 {
    libc::SIGRTMAX()
}

/// One thread block as the rest of the process sees it.
#[derive(Debug, Default)]
pub(super) struct Told {
    /// Its thread ID on the host, 0 while it has none.
    tid: AtomicI32,
    /// Events it has not been told of.
    events: AtomicU64,
    /// Whether it was told of some since it last waited.
    told: AtomicBool,
}

impl Told {
    /// Notes events.
    pub(super) fn add(&self, events: u64) {
        self.events.fetch_or(events, SeqCst);
    }

    /// Whether it has a host thread.
    pub(super) fn is_running(&self) -> bool {
        self.tid.load(SeqCst) != 0
    }

    /// Whether all of these events are noted and not told.
    pub(super) fn lacks(&self, events: u64) -> bool {
        self.events.load(SeqCst) & events == events
    }

    /// Whether it must still be told of something.
    pub(super) fn is_due(&self) -> bool {
        self.events.load(SeqCst) != 0
    }

    /// Takes what it is to be told now.
    pub(super) fn take(&self) -> u64 {
        let events = self.events.swap(0, SeqCst);
        if events != 0 {
            self.told.store(true, SeqCst);
        }
        events
    }

    /// Takes what it will never be told, because it ends.
    pub(super) fn leave(&self) -> u64 {
        self.tid.store(0, SeqCst);
        self.events.swap(0, SeqCst)
    }

    /// Whether a wait must end before it begins.
    pub(super) fn may_not_wait(&self) -> bool {
        self.told.swap(false, SeqCst) | self.is_due()
    }

    /// Sends the kick, if there is a thread to be kicked.
    pub(super) fn kick(&self) {
        let tid = self.tid.load(SeqCst);
        if tid != 0 {
            // SAFETY: sends a signal to a thread of this process; one that has gone is an error.
            unsafe { libc::syscall(libc::SYS_tgkill, std::process::id(), tid, kick_signal()) };
        }
    }
}

/// Installs the handler of the kick.
pub(super) fn install(enclave: &dyn Enclave) -> Result<(), Error> {
    enclave.on_interrupt(kick_signal(), on_kick)
}

/// `Ocall::Interrupt`.
pub(super) fn interrupt(session: &Session, index: u64) -> i64 {
    let Some(target) = session.told(index) else { return Errno::EINVAL.result() };
    target.add(EVENT_LOOK);
    target.kick();
    session.wake();
    0
}

/// The thread that runs here, for the handler on its stack.
pub(super) struct Current<'a> {
    session: &'a Session,
    index: u64,
    tcs: u64,
    /// Whether an entry at CSSA 1 is under way: there is no third SSA frame.
    at_cssa_1: Cell<bool>,
}

thread_local! {
    static CURRENT: Cell<*const ()> = const { Cell::new(std::ptr::null()) };
}

impl<'a> Current<'a> {
    pub(super) fn new(session: &'a Session, index: u64) -> Self {
        let tcs = session.layout.thread(index).tcs;
        Self { session, index, tcs, at_cssa_1: Cell::new(false) }
    }

    /// Can be interrupted from now on, until the guard is dropped.
    pub(super) fn register(&self) -> impl Drop {
        struct Registered<'t>(&'t Told);
        impl Drop for Registered<'_> {
            fn drop(&mut self) {
                CURRENT.set(std::ptr::null());
                self.0.tid.store(0, SeqCst);
            }
        }
        CURRENT.set(std::ptr::from_ref(self).cast());
        let told = self.told();
        // SAFETY: takes no arguments.
        told.tid.store(unsafe { libc::gettid() }, SeqCst);
        Registered(told)
    }

    pub(super) fn told(&self) -> &'a Told {
        self.session.told(self.index).unwrap_or(&self.session.nobody)
    }

    /// Enters, keeping the host's floating-point control words; `at_cssa_1` says at which CSSA.
    pub(super) fn enter(&self, entry: &Entry, at_cssa_1: bool) -> Left {
        self.at_cssa_1.set(at_cssa_1);
        let control = FloatControl::save();
        // SAFETY: the image is the one whose measurement was signed; it is trusted to touch host memory only
        // where it is told to: its `HostThread` and what that names, which live on.
        let left = unsafe { self.session.enclave.enter(entry) };
        control.restore();
        self.at_cssa_1.set(false);
        left
    }

    /// Tells the interrupted enclave of its events.
    fn tell(&self) {
        if self.at_cssa_1.get() {
            return;
        }
        let events = self.told().take();
        if events == 0 {
            return;
        }
        let entry = Entry { tcs: self.tcs, function: EENTER, registers: [ENTER_EVENT, events, 0] };
        let reason = match self.enter(&entry, true) {
            Left::Exit([EXIT_RESUME, ..]) => return,
            // The enclave was handling an exception already, which the platform had brought it: no frame is free. The main
            // thread tries again.
            Left::Exception(exception) if exception.function == EENTER => {
                return self.told().add(events);
            }
            Left::Exit([EXIT_ABORT, code, detail]) => thread::abort(code, detail),
            other => format!("telling thread {} of a signal failed: {other:x?}", self.index),
        };
        self.session.finish(Ended::Aborted(reason));
        // Returning would resume the enclave; the main thread ends the process.
        loop {
            std::thread::park();
        }
    }
}

/// The handler of the kick. Outside the enclave interrupting a wait was all it had to do.
fn on_kick(in_enclave: bool) {
    let current = CURRENT.get().cast::<Current<'_>>();
    if in_enclave && !current.is_null() {
        // SAFETY: `register` set the pointer to a value on this thread's stack and its guard clears it.
        // Interrupted inside the enclave, this thread holds no lock and is in no allocation.
        unsafe { &*current }.tell();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_wait_after_a_telling_ends_at_once() {
        let told = Told::default();
        assert!(!told.may_not_wait());
        told.add(EVENT_LOOK);
        assert!(told.may_not_wait(), "not told yet");
        assert_eq!(told.take(), EVENT_LOOK);
        assert!(told.may_not_wait(), "told, and perhaps not looked at");
        assert!(!told.may_not_wait());
    }

    #[test]
    fn events_of_one_kind_merge_and_are_taken_once() {
        let told = Told::default();
        told.add(1 << 15);
        told.add(1 << 2);
        told.add(1 << 15);
        assert!(told.lacks(1 << 15) && !told.lacks(1 << 9));
        assert_eq!((told.take(), told.take()), (1 << 15 | 1 << 2, 0));
    }
}
