//! Parents and children: who is told of whose end, and who waits for whom.

use alloc::{
    collections::BTreeMap,
    sync::{Arc, Weak},
    vec::Vec,
};
use core::sync::atomic::{AtomicBool, AtomicU32, Ordering::SeqCst};

use super::Process;
use crate::{
    linux::signal::{CLD_EXITED, CLD_KILLED, SA_NOCLDSTOP, SA_NOCLDWAIT, SIG_IGN, SIGCHLD},
    signal::{info::Info, send},
    sync::Mutex,
    system,
    wait::WaitQueue,
};

/// How a process ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ended {
    /// With this status, 0 to 255.
    Exited(u32),
    Killed(u32),
}

impl Ended {
    /// The status word of `wait(2)`.
    pub(crate) const fn to_word(self) -> u32 {
        match self {
            Self::Exited(status) => (status & 0xff) << 8,
            Self::Killed(signo) => signo & 0x7f,
        }
    }

    /// `si_code` and `si_status`.
    pub(crate) const fn to_code(self) -> (i32, u32) {
        match self {
            Self::Exited(status) => (CLD_EXITED, status & 0xff),
            Self::Killed(signo) => (CLD_KILLED, signo),
        }
    }
}

/// Processor time in nanoseconds.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Times {
    /// Of threads that have ended.
    pub(crate) own_ns: u64,
    /// Of children that were waited for.
    pub(crate) children_ns: u64,
    /// Largest resident size of such a child, in bytes.
    pub(crate) children_max_resident: u64,
}

/// A process's place in the family.
pub(crate) struct Family {
    /// `None` for children of PID 1.
    parent: Mutex<Option<Weak<Process>>>,
    children: Mutex<BTreeMap<u32, Arc<Process>>>,
    /// Woken when a child ends, stops or goes on.
    pub(crate) child_changed: WaitQueue,
    /// Woken when the process itself ends: pidfds wait for it.
    pub(crate) ended_queue: WaitQueue,
    pub(crate) exit_signal: AtomicU32,
    /// How it ends, once that is decided.
    verdict: Mutex<Option<Ended>>,
    /// It has ended and waits to be waited for.
    zombie: AtomicBool,
    /// `PR_SET_CHILD_SUBREAPER`.
    pub(crate) subreaper: AtomicBool,
    /// `PR_SET_PDEATHSIG`.
    pub(crate) parent_death_signal: AtomicU32,
    pub(crate) times: Mutex<Times>,
}

impl Family {
    pub(crate) fn new(parent: Option<&Arc<Process>>, exit_signal: u32) -> Self {
        Self {
            parent: Mutex::new(parent.map(Arc::downgrade)),
            children: Mutex::default(),
            child_changed: WaitQueue::new(),
            ended_queue: WaitQueue::new(),
            exit_signal: AtomicU32::new(exit_signal),
            verdict: Mutex::new(None),
            zombie: AtomicBool::new(false),
            subreaper: AtomicBool::new(false),
            parent_death_signal: AtomicU32::new(0),
            times: Mutex::default(),
        }
    }

    pub(crate) fn parent(&self) -> Option<Arc<Process>> {
        self.parent.lock().as_ref()?.upgrade()
    }

    pub(crate) fn adopt(&self, child: &Arc<Process>) {
        self.children.lock().insert(child.pid, Arc::clone(child));
    }

    /// Its children, by PID.
    pub(crate) fn children(&self) -> Vec<Arc<Process>> {
        self.children.lock().values().cloned().collect()
    }

    /// Decides how the process ends; the first word counts. Whether this was it.
    pub(crate) fn decide(&self, how: Ended) -> bool {
        let mut verdict = self.verdict.lock();
        let first = verdict.is_none();
        verdict.get_or_insert(how);
        first
    }

    /// How it ends or has ended.
    pub(crate) fn verdict(&self) -> Option<Ended> {
        *self.verdict.lock()
    }

    /// Whether it has ended, waited for or not.
    pub(crate) fn has_ended(&self) -> bool {
        self.zombie.load(SeqCst)
    }

    /// How it ended, if it has and nobody has waited for it.
    pub(crate) fn ended(&self) -> Option<Ended> {
        if self.zombie.load(SeqCst) { self.verdict() } else { None }
    }

    /// Takes an ended child out of the world. `false` when another thread was faster.
    pub(crate) fn reap(&self, child: &Arc<Process>) -> bool {
        if self.children.lock().remove(&child.pid).is_none() {
            return false;
        }
        let theirs = *child.family.times.lock();
        let mut times = self.times.lock();
        times.children_ns += theirs.own_ns + theirs.children_ns;
        times.children_max_resident = times.children_max_resident.max(theirs.children_max_resident);
        drop(times);
        system::forget(child.pid);
        true
    }
}

/// Marks a process without threads as ended, hands its children on, and tells its parent.
pub(super) fn bury(process: &Arc<Process>) {
    let family = &process.family;
    let how = *family.verdict.lock().get_or_insert(Ended::Exited(0));
    hand_on_children(process);
    family.zombie.store(true, SeqCst);
    family.ended_queue.wake_all();
    match family.parent() {
        Some(parent) => tell(&parent, process, how),
        // PID 1 waits for everybody at once.
        None => system::forget(process.pid),
    }
}

/// Children go to the next ancestor that asked for them, or to PID 1.
fn hand_on_children(process: &Arc<Process>) {
    let mut heir = process.family.parent();
    while let Some(candidate) = &heir {
        if candidate.family.subreaper.load(SeqCst) {
            break;
        }
        heir = candidate.family.parent();
    }
    for child in process.family.children() {
        process.family.children.lock().remove(&child.pid);
        *child.family.parent.lock() = heir.as_ref().map(Arc::downgrade);
        let signo = child.family.parent_death_signal.load(SeqCst);
        if signo != 0 {
            let uid = process.credentials.lock().uid.real;
            let _ = send::to_process(&child, Info::from_sender(signo, 0, process.pid, uid));
        }
        match &heir {
            Some(heir) => {
                heir.family.adopt(&child);
                if let Some(how) = child.family.ended() {
                    tell(heir, &child, how);
                }
            }
            None if child.family.ended().is_some() => system::forget(child.pid),
            None => {}
        }
    }
}

/// Tells a parent that its child has ended.
fn tell(parent: &Arc<Process>, child: &Arc<Process>, how: Ended) {
    let action = parent.actions.lock().get(SIGCHLD);
    let signo = child.family.exit_signal.load(SeqCst);
    let unwanted = action.handler == SIG_IGN || action.flags & SA_NOCLDWAIT != 0;
    if signo == SIGCHLD && unwanted {
        parent.family.reap(child);
    }
    if signo != 0 {
        let (code, status) = how.to_code();
        let _ = send::to_process(parent, about_child(signo, code, child, status));
    }
    parent.family.child_changed.wake_all();
}

/// Tells the parent that a child has stopped or goes on.
pub(super) fn tell_of_stop(child: &Arc<Process>, code: i32, status: u32) {
    let Some(parent) = child.family.parent() else { return };
    if parent.actions.lock().get(SIGCHLD).flags & SA_NOCLDSTOP == 0 {
        let _ = send::to_process(&parent, about_child(SIGCHLD, code, child, status));
    }
    parent.family.child_changed.wake_all();
}

fn about_child(signo: u32, code: i32, child: &Process, status: u32) -> Info {
    let uid = child.credentials.lock().uid.real;
    Info::from_child(signo, code, (child.pid, uid, status))
}
