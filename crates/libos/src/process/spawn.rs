//! Making threads and processes: `clone(2)`.

use alloc::{format, sync::Arc};
use core::sync::atomic::{AtomicBool, Ordering::SeqCst};

use enclave_rt::context::Context;

use super::{
    Origin, Process,
    exec::ignored_only,
    pidfd::PidFd,
    thread::{Start, Thread},
};
use crate::{
    errno::{Errno, Result},
    fs::file::OpenFile,
    linux::fcntl::O_RDWR,
    linux::sched::{
        CLONE_CHILD_CLEARTID, CLONE_CHILD_SETTID, CLONE_CLEAR_SIGHAND, CLONE_FILES, CLONE_FS,
        CLONE_PARENT_SETTID, CLONE_PIDFD, CLONE_SETTLS, CLONE_SIGHAND, CLONE_THREAD, CLONE_VFORK,
        CLONE_VM,
    },
    log::{self, Level},
    process, system,
    wait::{self, WaitQueue},
};

/// What a thread of the same process must share.
const THREAD_FLAGS: u64 = CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD;

/// What `clone(2)` is asked for.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Request {
    pub(crate) flags: u64,
    /// Signal to the parent at the end, 0 for none.
    pub(crate) exit_signal: u32,
    /// Stack pointer of the new thread, 0 for the caller's.
    pub(crate) stack: u64,
    pub(crate) parent_tid: u64,
    pub(crate) child_tid: u64,
    pub(crate) tls: u64,
    /// Where the pidfd is written (`CLONE_PIDFD`).
    pub(crate) pidfd: u64,
}

/// A parent that waits until its child no longer uses its memory.
#[derive(Debug)]
pub(crate) struct Vfork {
    done: AtomicBool,
    queue: WaitQueue,
}

impl Vfork {
    fn new() -> Arc<Self> {
        Arc::new(Self { done: AtomicBool::new(false), queue: WaitQueue::new() })
    }

    pub(super) fn finish(&self) {
        self.done.store(true, SeqCst);
        self.queue.wake_all();
    }
}

/// Makes a thread or a process and returns its ID.
pub(crate) fn clone(caller: &Arc<Thread>, context: &Context, request: Request) -> Result<u32> {
    let thread = if request.flags & CLONE_THREAD != 0 {
        if request.flags & THREAD_FLAGS != THREAD_FLAGS || request.stack == 0 {
            return Err(Errno::EINVAL);
        }
        claim(|index, tid| Thread::new(&caller.process, &caller.space, tid, index))?
    } else {
        if request.flags & (CLONE_SIGHAND | CLONE_FILES | CLONE_FS) != 0 {
            let text = "clone of a process that shares descriptors, directories or handlers refused with EINVAL";
            log::once(Level::Warn, text.into());
            return Err(Errno::EINVAL);
        }
        new_process(caller, &request)?
    };
    let vfork = (request.flags & CLONE_VFORK != 0).then(Vfork::new);
    thread.vfork.lock().clone_from(&vfork);
    let tid = thread.tid;
    prepare(caller, &thread, context, &request).inspect_err(|_| unmake(&thread))?;
    if let Err(error) = enclave_rt::thread::spawn(thread.index) {
        unmake(&thread);
        log::line(Level::Error, &format!("the host did not start a thread: {error}"));
        return Err(Errno::EAGAIN);
    }
    drop(thread);
    if let Some(vfork) = vfork {
        let done = || vfork.done.load(SeqCst).then_some(());
        let _ = wait::wait_for(&caller.deaf(), &[&vfork.queue], None, done);
    }
    Ok(tid)
}

/// A thread on a free block.
fn claim(make: impl FnOnce(u64, u32) -> Arc<Thread>) -> Result<Arc<Thread>> {
    let limit = system::thread_limit();
    let made = process::claim_slot(limit, |index| make(index, process::next_tid()));
    made.ok_or_else(|| {
        let text = format!(
            "all {limit} threads of the enclave are in use; `enclave.threads` in the manifest sets how many there are"
        );
        log::once(Level::Error, text);
        Errno::EAGAIN
    })
}

fn new_process(caller: &Arc<Thread>, request: &Request) -> Result<Arc<Thread>> {
    let space = match request.flags & CLONE_VM != 0 {
        true => caller.space.share(),
        false => caller.space.fork()?,
    };
    let parent = &caller.process;
    let made = claim(|index, pid| {
        let exit_signal = request.exit_signal;
        let origin = Origin { pid, space: Arc::clone(&space), exit_signal };
        let child = Process::child(parent, origin);
        Thread::new(&child, &space, pid, index)
    });
    if made.is_err() {
        space.give_up();
    }
    made.inspect(|thread| system::register(&thread.process))
}

/// Gives the thread everything it starts with.
fn prepare(
    caller: &Arc<Thread>,
    thread: &Arc<Thread>,
    context: &Context,
    request: &Request,
) -> Result<()> {
    let flags = request.flags;
    let mut start: Context = *context;
    start.rax = 0;
    if request.stack != 0 {
        start.rsp = request.stack;
    }
    if flags & CLONE_SETTLS != 0 {
        start.fs_base = request.tls;
    }
    {
        let (mask, stack) = {
            let own = caller.signals.lock();
            (own.mask, own.stack)
        };
        let mut signals = thread.signals.lock();
        signals.mask = mask;
        if flags & CLONE_VM == 0 {
            signals.stack = stack;
        }
    }
    if flags & CLONE_PARENT_SETTID != 0 {
        caller.user().write_u32(request.parent_tid, thread.tid)?;
    }
    if flags & CLONE_PIDFD != 0 {
        let open = OpenFile::new(PidFd::new(Arc::clone(&thread.process)), None, O_RDWR);
        let limit = caller.process.limits.lock().descriptors();
        let fd = caller.process.files.lock().insert(open, true, 0, limit)?;
        #[allow(clippy::cast_possible_truncation, reason = "descriptors are int")]
        caller.user().write_u32(request.pidfd, fd as u32)?;
    }
    if flags & CLONE_CLEAR_SIGHAND != 0 {
        let mut actions = thread.process.actions.lock();
        let ignored = ignored_only(&actions);
        *actions = ignored;
    }
    if flags & CLONE_CHILD_CLEARTID != 0 {
        thread.clear_child_tid.store(request.child_tid, SeqCst);
    }
    if flags & CLONE_THREAD == 0 {
        thread.name.lock().clone_from(&caller.name.lock());
        thread.robust_list.store(0, SeqCst);
    }
    let set_tid = if flags & CLONE_CHILD_SETTID != 0 { request.child_tid } else { 0 };
    *thread.start.lock() = Some(Start { context: start, set_tid });
    thread.process.threads.lock().insert(thread.tid, Arc::clone(thread));
    Ok(())
}

/// Takes back a thread that never ran, and its process if it was to be the first.
fn unmake(thread: &Arc<Thread>) {
    let process = &thread.process;
    let gone = process.threads.lock().remove(&thread.tid);
    drop(gone);
    process::set_slot(thread.index, None);
    if process.pid == thread.tid {
        drop(process.space.lock().take());
        thread.space.give_up();
        match process.family.parent() {
            Some(parent) => drop(parent.family.reap(process)),
            None => system::forget(process.pid),
        }
    }
}
