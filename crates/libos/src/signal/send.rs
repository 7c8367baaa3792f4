//! Sending signals to threads and processes.

use alloc::sync::Arc;

use super::{info::Info, mask::Mask};
use crate::{
    errno::{Errno, Result},
    linux::signal::{SIGCONT, SIGKILL, SIGSTOP, SIGTSTP, SIGTTIN, SIGTTOU},
    process::{Process, stop, thread::Thread},
};

/// Sends to one thread.
///
/// # Errors
/// EAGAIN when too many real-time signals are pending.
pub(crate) fn to_thread(thread: &Arc<Thread>, info: Info) -> Result<()> {
    settle_stop(&thread.process, &thread.process.threads(), info.signo);
    if is_dropped(thread, info.signo) {
        return Ok(());
    }
    if !thread.signals.lock().pending.push(info) {
        return Err(Errno::EAGAIN);
    }
    thread.wake();
    Ok(())
}

/// Sends to a process: some thread that does not block it will take it.
///
/// # Errors
/// EAGAIN when too many real-time signals are pending.
pub(crate) fn to_process(process: &Arc<Process>, info: Info) -> Result<()> {
    let threads = process.threads();
    settle_stop(process, &threads, info.signo);
    let blocked_somewhere = |t: &Arc<Thread>| t.signals.lock().mask.contains(info.signo);
    if process.actions.lock().ignores(info.signo) && !threads.iter().any(blocked_somewhere) {
        return Ok(());
    }
    if !process.pending.lock().push(info) {
        return Err(Errno::EAGAIN);
    }
    let willing = threads.iter().filter(|t| !t.signals.lock().mask.contains(info.signo));
    if info.signo == SIGKILL {
        threads.iter().for_each(|thread| thread.wake());
    } else if let Some(thread) = willing.into_iter().next() {
        thread.wake();
    }
    Ok(())
}

/// SIGCONT takes back stops that are pending and lets a stopped process go on, whatever becomes of the signal
/// itself; a stop takes back SIGCONT; SIGKILL ends a stop.
fn settle_stop(process: &Arc<Process>, threads: &[Arc<Thread>], signo: u32) {
    let discard = |signo| {
        process.pending.lock().discard(signo);
        threads.iter().for_each(|thread| thread.signals.lock().pending.discard(signo));
    };
    if signo == SIGCONT {
        [SIGSTOP, SIGTSTP, SIGTTIN, SIGTTOU].into_iter().for_each(discard);
    } else if stop::is_stop(signo) {
        discard(SIGCONT);
    }
    if signo == SIGCONT || signo == SIGKILL {
        stop::go_on(process, signo);
    }
}

/// An ignored signal is not even pending, unless it is blocked: its action may change before it is not.
fn is_dropped(thread: &Thread, signo: u32) -> bool {
    let blocked = thread.signals.lock().mask.contains(signo);
    !blocked && thread.process.actions.lock().ignores(signo)
}

/// A signal that the running instruction raised: it cannot be blocked or ignored.
pub(crate) fn force(thread: &Arc<Thread>, info: Info) {
    use crate::linux::signal::{SIG_DFL, SIG_IGN};
    let blocked = thread.signals.lock().mask.contains(info.signo);
    {
        let mut actions = thread.process.actions.lock();
        let mut action = actions.get(info.signo);
        if blocked || action.handler == SIG_IGN {
            action.handler = SIG_DFL;
            actions.set(info.signo, action);
        }
    }
    let mut signals = thread.signals.lock();
    signals.mask = signals.mask.without(Mask::of(info.signo));
    signals.pending.push(info);
}
