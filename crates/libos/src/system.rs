//! What belongs to the enclave as a whole: the processes in it, and the choices it was laid out by.

use alloc::{collections::BTreeMap, sync::Arc, vec::Vec};
use core::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use enclave_abi::layout::Layout;

use crate::{
    process::Process,
    sync::{Lock, Mutex},
};

static PROCESSES: Mutex<BTreeMap<u32, Arc<Process>>> = Mutex::new(BTreeMap::new());
static THREADS: AtomicU64 = AtomicU64::new(1);
static PROCESSORS: AtomicU64 = AtomicU64::new(1);
static DEBUG: AtomicBool = AtomicBool::new(false);
static HOSTNAME: Lock<Vec<u8>> = Lock::new(Vec::new());

/// Takes the measured choices over, and how many processors the host says there are.
pub(crate) fn init(layout: &Layout, processors: u32) {
    PROCESSORS.store(u64::from(processors), Ordering::SeqCst);
    THREADS.store(layout.threads, Ordering::SeqCst);
    DEBUG.store(layout.debug, Ordering::SeqCst);
    *HOSTNAME.lock() = b"enclave".to_vec();
}

/// Whether the enclave is built for debugging, so that the log may name what the program holds.
pub(crate) fn is_debug() -> bool {
    DEBUG.load(Ordering::SeqCst)
}

/// Thread blocks there are.
pub(crate) fn thread_limit() -> u64 {
    THREADS.load(Ordering::SeqCst)
}

/// Processors the program is told of: as many as the host process may use, which is the host's word, but no more
/// than the program can have threads, or fit an affinity mask of one word.
pub(crate) fn processors() -> u64 {
    PROCESSORS.load(Ordering::SeqCst).clamp(1, thread_limit().clamp(1, 63))
}

/// Adds a process.
pub(crate) fn register(process: &Arc<Process>) {
    PROCESSES.lock().insert(process.pid, Arc::clone(process));
}

/// Takes a process out: it has ended and everybody knows.
pub(crate) fn forget(pid: u32) {
    let gone = PROCESSES.lock().remove(&pid);
    drop(gone);
}

/// The processes of a group.
pub(crate) fn group(pgid: u32) -> Vec<Arc<Process>> {
    let all = processes().into_iter();
    all.filter(|p| p.pgid.load(Ordering::SeqCst) == pgid && p.family.ended().is_none()).collect()
}

/// The process with this ID.
pub(crate) fn process(pid: u32) -> Option<Arc<Process>> {
    PROCESSES.lock().get(&pid).cloned()
}

/// All processes.
pub(crate) fn processes() -> Vec<Arc<Process>> {
    PROCESSES.lock().values().cloned().collect()
}

/// The host name as `uname(2)` says it.
pub(crate) fn hostname() -> Vec<u8> {
    HOSTNAME.lock().clone()
}

/// `sethostname(2)`.
pub(crate) fn set_hostname(name: Vec<u8>) {
    *HOSTNAME.lock() = name;
}
