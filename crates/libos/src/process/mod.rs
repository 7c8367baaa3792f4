//! Processes and threads.
//!
//! All state of a process hangs on its [`Process`]; nothing of it is global, so that several can live in
//! one enclave. PID 1 is the runtime's own slot (`casemate-init` will fill it); the application is its child.
//! [`family`] has who waits for whom, [`end`] how threads and processes end, [`stop`] how they are
//! stopped and continued, [`spawn`] and [`exec`] how they come about.

pub(crate) mod credentials;
pub(crate) mod end;
pub(crate) mod exec;
pub(crate) mod family;
pub(crate) mod fd;
pub(crate) mod limits;
pub(crate) mod pidfd;
pub(crate) mod spawn;
pub(crate) mod stop;
pub(crate) mod thread;

use alloc::{collections::BTreeMap, string::String, sync::Arc, vec::Vec};
use core::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering};

use enclave_abi::layout::THREADS_MAX;
use enclave_rt::PerThread;

use self::{
    credentials::Credentials, family::Family, fd::FdTable, limits::Limits, stop::Stopping,
    thread::Thread,
};
use crate::{
    fs::location::Location,
    linux::signal::SIGCHLD,
    signal::{action::Actions, queue::Queue, watched::Watched},
    sync::Mutex,
    timer::Timers,
    vm::seat::Space,
    wait::WaitQueue,
};

/// PID of the runtime's slot.
pub(crate) const INIT_PID: u32 = 1;
/// PID of the application.
pub(crate) const FIRST_PID: u32 = 2;

/// Thread blocks an enclave can have.
#[allow(clippy::cast_possible_truncation, reason = "224 fits any usize")]
const SLOT_COUNT: usize = THREADS_MAX as usize;

/// Threads by block index.
static SLOTS: [Mutex<Option<Arc<Thread>>>; SLOT_COUNT] = [const { Mutex::new(None) }; SLOT_COUNT];
static NEXT_TID: AtomicU32 = AtomicU32::new(FIRST_PID + 1);
/// Where the search for a free block starts: behind the one given last, whose thread may still be leaving.
static NEXT_SLOT: AtomicUsize = AtomicUsize::new(0);

/// How often each slot has changed.
static CHANGES: [AtomicU32; SLOT_COUNT] = [const { AtomicU32::new(0) }; SLOT_COUNT];
/// What each block's thread found in its slot, and after how many changes.
static OWN: PerThread<(u32, Arc<Thread>)> = PerThread::new();

/// The calling thread for the time of a system call, without a lock. Give it back by [`release`].
pub(crate) fn borrow() -> Option<(u32, Arc<Thread>)> {
    let index = usize::try_from(enclave_rt::thread::index()).ok()?;
    let changes = CHANGES.get(index)?.load(Ordering::Acquire);
    match OWN.take() {
        Some(own) if own.0 == changes => Some(own),
        _ => current().map(|thread| (changes, thread)),
    }
}

/// Ends [`borrow`].
pub(crate) fn release(own: (u32, Arc<Thread>)) {
    OWN.put(own);
}

fn changed(index: usize) {
    if let Some(changes) = CHANGES.get(index) {
        changes.fetch_add(1, Ordering::Release);
    }
}

/// The thread that calls, if it is an application's.
pub(crate) fn current() -> Option<Arc<Thread>> {
    in_slot(enclave_rt::thread::index())
}

/// The thread on a block.
pub(crate) fn in_slot(index: u64) -> Option<Arc<Thread>> {
    SLOTS.get(usize::try_from(index).ok()?)?.lock().clone()
}

/// Puts a thread on its block, or takes it off.
pub(crate) fn set_slot(index: u64, thread: Option<Arc<Thread>>) {
    if let Some(slot) = usize::try_from(index).ok().and_then(|i| SLOTS.get(i)) {
        let old = core::mem::replace(&mut *slot.lock(), thread);
        changed(usize::try_from(index).unwrap_or(SLOT_COUNT));
        drop(old);
    }
}

/// A free block below `limit`, reserved by putting the thread that `make` builds on it.
pub(crate) fn claim_slot(limit: u64, make: impl FnOnce(u64) -> Arc<Thread>) -> Option<Arc<Thread>> {
    let count = SLOTS.len().min(usize::try_from(limit).ok()?);
    let first = NEXT_SLOT.load(Ordering::Relaxed);
    for index in (first..first + count).map(|i| i % count) {
        let mut slot = SLOTS[index].lock();
        if slot.is_none() {
            let thread = make(index as u64);
            *slot = Some(Arc::clone(&thread));
            changed(index);
            NEXT_SLOT.store(index + 1, Ordering::Relaxed);
            return Some(thread);
        }
    }
    None
}

/// Interrupts the threads of address spaces.
pub(crate) fn interrupt_in(is_meant: impl Fn(&Space) -> bool) {
    let own = enclave_rt::thread::index();
    for (index, slot) in SLOTS.iter().enumerate() {
        let meant = slot.lock().as_ref().is_some_and(|thread| is_meant(&thread.space));
        if meant && index as u64 != own {
            enclave_rt::thread::interrupt(index as u64);
        }
    }
}

/// A new thread ID.
pub(crate) fn next_tid() -> u32 {
    NEXT_TID.fetch_add(1, Ordering::Relaxed)
}

/// Where a process is in the tree, and how it makes files.
#[derive(Debug, Clone)]
pub(crate) struct FsContext {
    pub(crate) root: Location,
    pub(crate) cwd: Location,
    pub(crate) umask: u32,
}

/// What the program was started as: for `/proc` and the auxiliary vector.
#[derive(Debug, Clone)]
pub(crate) struct Program {
    pub(crate) exe: Location,
    pub(crate) args: Vec<Vec<u8>>,
    pub(crate) env: Vec<Vec<u8>>,
    pub(crate) started_ns: u64,
}

/// A process.
pub(crate) struct Process {
    pub(crate) pid: u32,
    pub(crate) pgid: AtomicU32,
    pub(crate) sid: AtomicU32,
    /// `None` once it has ended.
    pub(crate) space: Mutex<Option<Arc<Space>>>,
    pub(crate) files: Mutex<FdTable>,
    pub(crate) fs: Mutex<FsContext>,
    pub(crate) actions: Mutex<Actions>,
    /// Signals for any of its threads.
    pub(crate) pending: Watched<Queue>,
    pub(crate) credentials: Mutex<Credentials>,
    pub(crate) limits: Mutex<Limits>,
    pub(crate) threads: Mutex<BTreeMap<u32, Arc<Thread>>>,
    /// Woken when a thread has ended.
    pub(crate) thread_ended: WaitQueue,
    pub(crate) program: Mutex<Program>,
    pub(crate) dumpable: AtomicBool,
    pub(crate) no_new_privs: AtomicBool,
    pub(crate) timers: Mutex<Timers>,
    /// It has called `execve(2)` since it was made.
    pub(crate) has_executed: AtomicBool,
    pub(crate) family: Family,
    pub(crate) stopping: Stopping,
}

/// What a new process has from its parent, beyond copies of the parent's state.
pub(crate) struct Origin {
    pub(crate) pid: u32,
    pub(crate) space: Arc<Space>,
    /// Signal its parent gets when it ends, 0 for none.
    pub(crate) exit_signal: u32,
}

impl Process {
    /// The application's process, without threads yet.
    pub(crate) fn first(
        space: Arc<Space>,
        files: FdTable,
        fs: FsContext,
        program: Program,
    ) -> Arc<Self> {
        Arc::new(Self {
            pid: FIRST_PID,
            pgid: AtomicU32::new(FIRST_PID),
            sid: AtomicU32::new(FIRST_PID),
            space: Mutex::new(Some(space)),
            files: Mutex::new(files),
            fs: Mutex::new(fs),
            actions: Mutex::new(Actions::default()),
            pending: Watched::default(),
            credentials: Mutex::new(Credentials::default()),
            limits: Mutex::new(Limits::default()),
            threads: Mutex::default(),
            thread_ended: WaitQueue::new(),
            program: Mutex::new(program),
            dumpable: AtomicBool::new(true),
            no_new_privs: AtomicBool::new(false),
            timers: Mutex::default(),
            has_executed: AtomicBool::new(true),
            family: Family::new(None, SIGCHLD),
            stopping: Stopping::new(),
        })
    }

    /// A child of `parent`, without threads yet.
    pub(crate) fn child(parent: &Arc<Self>, origin: Origin) -> Arc<Self> {
        let Origin { pid, space, exit_signal } = origin;
        let child = Arc::new(Self {
            pid,
            pgid: AtomicU32::new(parent.pgid.load(Ordering::SeqCst)),
            sid: AtomicU32::new(parent.sid.load(Ordering::SeqCst)),
            space: Mutex::new(Some(space)),
            files: Mutex::new(parent.files.lock().clone()),
            fs: Mutex::new(parent.fs.lock().clone()),
            actions: Mutex::new(parent.actions.lock().clone()),
            pending: Watched::default(),
            credentials: Mutex::new(parent.credentials.lock().clone()),
            limits: Mutex::new(*parent.limits.lock()),
            threads: Mutex::default(),
            thread_ended: WaitQueue::new(),
            program: Mutex::new(parent.program.lock().clone()),
            dumpable: AtomicBool::new(parent.dumpable.load(Ordering::SeqCst)),
            no_new_privs: AtomicBool::new(parent.no_new_privs.load(Ordering::SeqCst)),
            timers: Mutex::default(),
            has_executed: AtomicBool::new(false),
            family: Family::new(Some(parent), exit_signal),
            stopping: Stopping::new(),
        });
        parent.family.adopt(&child);
        child
    }

    /// PID of its parent.
    pub(crate) fn ppid(&self) -> u32 {
        self.family.parent().map_or(INIT_PID, |parent| parent.pid)
    }

    /// Its memory, unless it has ended.
    pub(crate) fn space(&self) -> Option<Arc<Space>> {
        self.space.lock().clone()
    }

    /// Bytes mapped and bytes committed.
    pub(crate) fn memory_usage(&self) -> (u64, u64) {
        self.space().map_or((0, 0), |space| space.lock().usage())
    }

    /// The name `ps` shows: the last part of the program's path, 15 bytes at most.
    pub(crate) fn comm(&self) -> String {
        let path = self.program.lock().exe.path();
        let name = path.rsplit(|&b| b == b'/').next().unwrap_or_default();
        String::from_utf8_lossy(&name[..name.len().min(15)]).into_owned()
    }

    /// All its threads.
    pub(crate) fn threads(&self) -> Vec<Arc<Thread>> {
        self.threads.lock().values().cloned().collect()
    }
}
