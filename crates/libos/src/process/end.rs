//! How threads and processes end.

use alloc::sync::Arc;
use core::sync::atomic::Ordering::SeqCst;

use enclave_rt::host;

use super::{
    FIRST_PID, Process,
    family::{self, Ended},
    thread::Thread,
};
use crate::{linux::time::CLOCK_THREAD_CPUTIME_ID, process, syscall::futex, time};

/// Ends a process: its threads go one by one, each when it next passes the library OS.
pub(crate) fn begin(process: &Arc<Process>, how: Ended) {
    process.family.decide(how);
    for thread in process.threads() {
        thread.doom();
    }
}

/// Ends the calling thread, and its process with the last one.
pub(crate) fn finish_thread(thread: Arc<Thread>) -> ! {
    let process = Arc::clone(&thread.process);
    futex::leave(&thread);
    if let Ok(used) = time::read(CLOCK_THREAD_CPUTIME_ID) {
        process.family.times.lock().own_ns += used;
    }
    let last = {
        let mut threads = process.threads.lock();
        let gone = threads.remove(&thread.tid);
        let last = gone.is_some() && threads.is_empty();
        drop(threads);
        last
    };
    if last {
        finish_process(&process, &thread);
    }
    thread.space.leave();
    process.thread_ended.wake_all();
    let index = thread.index;
    drop(thread);
    drop(process);
    process::set_slot(index, None);
    enclave_rt::thread::exit()
}

/// The last thread is about to go; it is inside its address space.
fn finish_process(process: &Arc<Process>, thread: &Thread) {
    // The program that was run ends everything, as the first process of a container does.
    if process.pid == FIRST_PID {
        let mut space = thread.space.lock();
        let everything = space.bounds();
        // What the file does not take is in the log.
        let _ = space.write_back(everything);
        drop(space);
        let how = process.family.verdict().unwrap_or(Ended::Exited(0));
        host::exit_process(match how {
            Ended::Exited(status) => u64::from(status),
            Ended::Killed(signo) => 256 + u64::from(signo),
        });
    }
    let resident = process.memory_usage().1;
    {
        let mut times = process.family.times.lock();
        times.children_max_resident = times.children_max_resident.max(resident);
    }
    drop(process.space.lock().take());
    thread.space.give_up();
    thread.let_parent_go();
    let files = core::mem::take(&mut *process.files.lock());
    drop(files);
    family::bury(process);
}

/// Ends all other threads of the calling thread's process and waits until they are gone.
pub(crate) fn outlive_others(thread: &Arc<Thread>) {
    let process = &thread.process;
    for other in process.threads() {
        if !Arc::ptr_eq(&other, thread) {
            other.doom();
        }
    }
    let alone = || (process.threads.lock().len() == 1).then_some(());
    // The caller may be told to end meanwhile: then it stops waiting and does.
    let _ = crate::wait::wait_for(&thread.deaf(), &[&process.thread_ended], None, alone);
}

impl Thread {
    /// Tells the thread to end as soon as it can.
    pub(crate) fn doom(&self) {
        self.doomed.store(true, SeqCst);
        self.wake();
    }
}
