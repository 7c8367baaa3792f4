//! Waiting until one of several files is ready, inside the enclave and on the host together.

use alloc::{sync::Arc, vec::Vec};

use crate::{
    errno::{Errno, Result},
    fs::file::File,
    host::{self, PollFd},
    linux::poll::POLL_ALWAYS,
    process::thread::Thread,
    wait::{Sleeper, WaitQueue, time_left},
};

/// A file, what is wanted of it, and what was found.
pub(crate) struct Interest {
    pub(crate) file: Arc<dyn File>,
    /// `POLL*` bits; errors and hang-ups are reported besides.
    pub(crate) events: u32,
    pub(crate) revents: u32,
    /// Do not ask the host about it: edge-triggered and already reported.
    pub(crate) disarmed: bool,
}

impl Interest {
    pub(crate) const fn new(file: Arc<dyn File>, events: u32) -> Self {
        Self { file, events, revents: 0, disarmed: false }
    }
}

/// Looks at every file once; asks the host with the given timeout about those that live there.
/// Returns whether anything is ready.
fn scan(thread: &Thread, interests: &mut [Interest], timeout_ns: Option<u64>) -> bool {
    let mut any = false;
    let mut fds = Vec::new();
    for interest in &mut *interests {
        interest.revents = 0;
        match interest.file.host_fd() {
            Some(fd) if !interest.disarmed => {
                let events = u16::try_from(interest.events & 0xffff).unwrap_or(0);
                fds.push(PollFd { fd, events, revents: 0 });
            }
            Some(_) => {}
            None => {
                interest.revents = interest.file.readiness() & (interest.events | POLL_ALWAYS);
                any |= interest.revents != 0;
            }
        }
    }
    match (fds.is_empty(), any) {
        (true, true) => return true,
        (false, true) => host::poll(&mut fds, Some(-1), Some(0)),
        (false, false) if timeout_ns == Some(0) => host::poll(&mut fds, Some(-1), Some(0)),
        (false, false) => thread.waiter().poll(&mut fds, timeout_ns),
        (true, false) if timeout_ns == Some(0) => {}
        (true, false) => thread.waiter().park(timeout_ns),
    }
    let asked = interests.iter_mut().filter(|i| i.file.host_fd().is_some() && !i.disarmed);
    for (interest, fd) in asked.zip(&fds) {
        interest.revents = u32::from(fd.revents);
        any |= interest.revents != 0;
    }
    any
}

/// Fills in what is ready now, without waiting.
pub(crate) fn look(thread: &Thread, interests: &mut [Interest]) -> bool {
    scan(thread, interests, Some(0))
}

/// Waits until something is ready, the deadline has passed, or a signal is pending.
///
/// # Errors
/// EINTR (restartable only by `RESTART_NO_HANDLER` rules) when a signal came first. Without anything ready
/// at the deadline all `revents` are zero.
pub(crate) fn wait(
    thread: &Thread,
    interests: &mut [Interest],
    extra: Option<&WaitQueue>,
    deadline_ns: Option<u64>,
) -> Result<()> {
    let files: Vec<Arc<dyn File>> = interests.iter().map(|i| Arc::clone(&i.file)).collect();
    let queues: Vec<&WaitQueue> =
        files.iter().filter_map(|file| file.queue()).chain(extra).collect();
    for queue in &queues {
        queue.add(thread.waiter());
    }
    let generation = extra.map(WaitQueue::generation);
    let mut out = false;
    let outcome = loop {
        if look(thread, interests) {
            break Ok(());
        }
        if thread.has_signal() {
            break Err(Errno::EINTR);
        }
        if extra.map(WaitQueue::generation) != generation {
            break Ok(());
        }
        let Some(left) = time_left(deadline_ns) else { break Ok(()) };
        if !core::mem::replace(&mut out, true) {
            thread.step_out();
        }
        if scan(thread, interests, left) {
            break Ok(());
        }
    };
    for queue in &queues {
        queue.remove(thread.waiter());
    }
    if out {
        thread.step_in();
    }
    outcome
}

/// Waits for events on one file.
///
/// # Errors
/// EAGAIN at the deadline, the restart code when a signal came first.
pub(crate) fn wait_one(
    thread: &Thread,
    file: &Arc<dyn File>,
    events: u32,
    deadline_ns: Option<u64>,
) -> Result<()> {
    let mut interests = [Interest::new(Arc::clone(file), events)];
    match wait(thread, &mut interests, None, deadline_ns) {
        Ok(()) if interests[0].revents == 0 => Err(Errno::EAGAIN),
        Ok(()) => Ok(()),
        Err(_) => Err(Errno::RESTART),
    }
}
