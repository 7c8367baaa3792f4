//! Signals of the host, and the alarm: what a thread is told of when it is interrupted.
//!
//! The host may send what a user sends to a program, and nothing that the processor raises. It can keep a
//! signal back or send one at any time, as the user can; a program must stand both.

use enclave_abi::entry::{FORWARDED_SIGNALS, event_of};
use enclave_rt::kernel::Events;

use super::{action::Action, info::Info, send};
use crate::{
    linux::signal::{SI_USER, SIG_IGN},
    process::{FIRST_PID, Process},
    system, timer,
};

/// Takes what the calling thread was told of, and sends it where it belongs.
pub(crate) fn collect() {
    let events = enclave_rt::thread::take_events();
    if !events.is_empty() {
        told(events);
    }
}

/// Has the program start with the signals of a set ignored that the host process was started to ignore.
pub(crate) fn ignore(process: &Process, events: u64) {
    let mut actions = process.actions.lock();
    for signo in (1..64).filter(|&n| FORWARDED_SIGNALS & events & event_of(n) != 0) {
        actions.set(signo, Action { handler: SIG_IGN, ..Action::default() });
    }
}

/// Sends the signals of `events` to the program, and those of timers that are due.
pub(crate) fn told(events: Events) {
    for signo in events.signals().filter(|&n| FORWARDED_SIGNALS & event_of(n) != 0) {
        if let Some(process) = system::process(FIRST_PID) {
            // The queue of real-time signals may be full; then one is lost, as on Linux.
            let _ = send::to_process(&process, Info::from_sender(signo, SI_USER, 0, 0));
        }
    }
    timer::expire();
}
