//! Threads as the enclave sees them: thread blocks with an index.

use enclave_abi::ocall::Ocall;

use crate::{backend, host, kernel::Events};

/// Index of the calling thread's block.
#[must_use]
pub fn index() -> u64 {
    backend::thread_index()
}

/// Asks the host to start a thread on block `index`, which then calls [`crate::kernel::Kernel::start_thread`].
/// The entry is accepted once per call; a host that enters without being asked ends the enclave.
///
/// # Errors
/// The host's reason.
pub fn spawn(index: u64) -> Result<(), host::Error> {
    let tcs = backend::expect_thread(index);
    host::Request::new(Ocall::SpawnThread).value(tcs).send().map(|_| ())
}

/// Ends the calling thread. Its block can be spawned on again as soon as the host has left it.
pub fn exit() -> ! {
    backend::exit_thread()
}

/// The calling thread's park word. Read it, look at the condition, then [`park`] on the value read.
#[must_use]
pub fn park_word() -> u32 {
    backend::park_word()
}

/// Waits until the park word differs from `seen`, the thread is unparked, an event arrives, or
/// `timeout_ns` has passed. May return early; the caller looks at its condition again.
///
/// # Errors
/// ETIMEDOUT or EINTR from the host, unverified: a hint.
pub fn park(seen: u32, timeout_ns: Option<u64>) -> Result<(), host::Error> {
    host::Request::new(Ocall::Park)
        .value(u64::from(seen))
        .value(timeout_ns.unwrap_or(u64::MAX))
        .send()
        .map(|_| ())
}

/// Takes what the host has told the calling thread of since it last looked.
pub fn take_events() -> Events {
    Events(backend::take_events())
}

/// Has thread `index` look at its signals: in the enclave it gets [`crate::kernel::Kernel::event`], a wait of it
/// ends early.
pub fn interrupt(index: u64) {
    // A host that does not do it delays a signal, which it can do anyway.
    let _ = host::Request::new(Ocall::Interrupt).value(index).send();
}

/// Has some thread interrupted in `ns` nanoseconds, or never; replaces what was set before.
pub fn set_alarm(ns: Option<u64>) {
    let _ = host::Request::new(Ocall::SetAlarm).value(ns.unwrap_or(u64::MAX)).send();
}

/// Wakes thread `index` from [`park`], or keeps its next park from waiting.
pub fn unpark(index: u64) {
    let _ = host::Request::new(Ocall::Unpark).value(index).send();
}
