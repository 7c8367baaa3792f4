//! Stopping processes and letting them go on: job control's part of `signal(7)`.

use alloc::sync::Arc;
use core::sync::atomic::{AtomicBool, Ordering::SeqCst};

use super::{Process, family, thread::Thread};
use crate::{
    linux::signal::{
        CLD_CONTINUED, CLD_STOPPED, SIGCONT, SIGKILL, SIGSTOP, SIGTSTP, SIGTTIN, SIGTTOU,
    },
    sync::Mutex,
    wait::{self, WaitQueue},
};

/// Whether a process is stopped, and what its parent has not heard of yet.
pub(crate) struct Stopping {
    state: Mutex<State>,
    /// Whether it is stopped, to be read without the lock.
    stopped: AtomicBool,
    /// Woken when the process goes on.
    queue: WaitQueue,
}

#[derive(Debug, Default)]
struct State {
    stopped_by: Option<u32>,
    /// The stop has not been waited for.
    untold_stop: bool,
    /// It goes on, which has not been waited for.
    untold_continue: bool,
}

impl Stopping {
    pub(crate) fn new() -> Self {
        Self { state: Mutex::default(), stopped: AtomicBool::new(false), queue: WaitQueue::new() }
    }

    /// Whether the process is stopped.
    pub(crate) fn is_stopped(&self) -> bool {
        self.stopped.load(SeqCst)
    }

    /// The signal that keeps the process stopped.
    pub(crate) fn stopped_by(&self) -> Option<u32> {
        self.state.lock().stopped_by
    }

    /// The stop that `wait(2)` has to report; reported once if `take`.
    pub(crate) fn stop_to_tell(&self, take: bool) -> Option<u32> {
        let mut state = self.state.lock();
        let signo = state.stopped_by.filter(|_| state.untold_stop)?;
        state.untold_stop &= !take;
        Some(signo)
    }

    /// Whether `wait(2)` has to report that the process goes on; reported once if `take`.
    pub(crate) fn continue_to_tell(&self, take: bool) -> bool {
        let mut state = self.state.lock();
        let untold = state.untold_continue;
        state.untold_continue &= !take;
        untold
    }
}

/// Stops a process by a signal it has taken.
pub(crate) fn stop(process: &Arc<Process>, signo: u32) {
    {
        let mut state = process.stopping.state.lock();
        if state.stopped_by.is_some() {
            return;
        }
        *state = State { stopped_by: Some(signo), untold_stop: true, untold_continue: false };
        process.stopping.stopped.store(true, SeqCst);
    }
    family::tell_of_stop(process, CLD_STOPPED, signo);
}

/// Lets a process go on: SIGCONT or SIGKILL was sent.
pub(crate) fn go_on(process: &Arc<Process>, signo: u32) {
    let was_stopped = {
        let mut state = process.stopping.state.lock();
        let was = state.stopped_by.take().is_some();
        state.untold_stop = false;
        process.stopping.stopped.store(false, SeqCst);
        state.untold_continue |= was && signo == SIGCONT;
        was
    };
    if was_stopped {
        process.stopping.queue.wake_all();
        if signo != SIGKILL {
            family::tell_of_stop(process, CLD_CONTINUED, SIGCONT);
        }
    }
}

/// Whether a signal stops by default.
pub(crate) const fn is_stop(signo: u32) -> bool {
    matches!(signo, SIGSTOP | SIGTSTP | SIGTTIN | SIGTTOU)
}

/// Waits while the thread's process is stopped.
pub(crate) fn wait_while_stopped(thread: &Thread) {
    let stopping = &thread.process.stopping;
    let goes_on = || stopping.stopped_by().is_none().then_some(());
    if goes_on().is_none() {
        let _ = wait::wait_for(&thread.deaf(), &[&stopping.queue], None, goes_on);
    }
}
