//! Running another program in a process: `execve(2)` from the point of no return on.

use alloc::{format, sync::Arc};
use core::sync::atomic::Ordering::SeqCst;

use enclave_rt::context::Context;

use super::{
    Process, end,
    family::Ended,
    thread::{Thread, ThreadSignals},
};
use crate::{
    errno::{Errno, Result},
    linux::signal::{NSIG, SIG_IGN, SIGKILL},
    loader::exec::Prepared,
    log::{self, Level},
    process,
    signal::action::{Action, Actions},
    syscall::futex,
};

/// Replaces the program of the calling thread's process; returns the registers the new one starts with. The calling
/// thread has another [`Thread`] afterwards.
///
/// # Errors
/// EINTR when the process is to end anyway. A program that cannot be loaded is no error any more: the process ends.
pub(crate) fn replace_program(thread: &Arc<Thread>, prepared: Prepared) -> Result<Context> {
    let process = &thread.process;
    end::outlive_others(thread);
    if thread.is_doomed() {
        return Err(Errno::EINTR);
    }
    futex::leave(thread);
    let memory = Arc::clone(thread.space.lock().memory());
    let space = prepared.space(&memory);
    let next = Thread::new(process, &space, process.pid, thread.index);
    {
        let mut old = thread.signals.lock();
        let pending = core::mem::take(&mut old.pending);
        *next.signals.lock() =
            ThreadSignals { mask: old.mask, pending, ..ThreadSignals::default() };
    }
    {
        let mut threads = process.threads.lock();
        let gone = threads.remove(&thread.tid);
        threads.insert(next.tid, Arc::clone(&next));
        drop(threads);
        drop(gone);
    }
    let old = process.space.lock().replace(Arc::clone(&space));
    drop(old);
    process::set_slot(thread.index, Some(Arc::clone(&next)));
    thread.space.give_up();
    thread.space.leave();
    thread.let_parent_go();
    space.enter();
    let credentials = process.credentials.lock().clone();
    let ids = (credentials.uid.effective, credentials.gid.effective);
    let loaded = match prepared.load(&space, ids) {
        Ok(loaded) => loaded,
        Err(errno) => {
            let name = process.comm();
            let text = format!(
                "process {} ({name}) ended: its next program cannot be loaded: {errno}",
                process.pid
            );
            log::line(Level::Error, &text);
            end::begin(process, Ended::Killed(SIGKILL));
            return Ok(Context::default());
        }
    };
    *process.program.lock() = loaded.program;
    start_afresh(process);
    Ok(Context::at_start(loaded.entry, loaded.rsp))
}

/// What does not outlive the old program: handlers, descriptors that are to be closed, and attributes.
fn start_afresh(process: &Process) {
    {
        let mut actions = process.actions.lock();
        let old = core::mem::take(&mut *actions);
        *actions = ignored_only(&old);
    }
    let closed = process.files.lock().take_close_on_exec();
    drop(closed);
    process.dumpable.store(true, SeqCst);
    process.has_executed.store(true, SeqCst);
    process.family.parent_death_signal.store(0, SeqCst);
}

/// Handlers lie in memory that is gone: only what was ignored stays ignored.
pub(super) fn ignored_only(old: &Actions) -> Actions {
    let mut new = Actions::default();
    for signo in 1..=NSIG {
        if old.get(signo).handler == SIG_IGN {
            new.set(signo, Action { handler: SIG_IGN, ..Action::default() });
        }
    }
    new
}
