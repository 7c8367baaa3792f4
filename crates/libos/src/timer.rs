//! Timers that send signals: `setitimer(2)`, `alarm(2)`, `timer_create(2)`.
//!
//! A timer runs on the monotonic clock as the library OS tells it. The host is asked to interrupt a thread at the
//! earliest due time; whichever thread that is sends the signals of all timers that are due. A host that does not
//! ring delays signals until a thread looks for another reason.

use alloc::{collections::BTreeMap, sync::Weak, vec::Vec};
use core::sync::atomic::{AtomicU64, Ordering::SeqCst};

use crate::{
    process::{Process, thread::Thread},
    signal::{info::Info, send},
    system, time,
};

/// When the host has been asked to ring, in nanoseconds of the monotonic clock.
static RINGING_AT: AtomicU64 = AtomicU64::new(u64::MAX);

/// Whom a timer signals.
#[derive(Debug, Clone)]
pub(crate) enum Target {
    Process,
    Thread(Weak<Thread>),
    /// `SIGEV_NONE`: nobody, the time left can be read.
    Nobody,
}

/// A timer.
#[derive(Debug, Clone)]
pub(crate) struct Timer {
    /// When it is due, in nanoseconds of the monotonic clock; `None`: it does not run.
    pub(crate) due_ns: Option<u64>,
    /// 0 for once.
    pub(crate) interval_ns: u64,
    pub(crate) info: Info,
    pub(crate) target: Target,
    /// The clock that absolute times are given on.
    pub(crate) clockid: u64,
    /// Expirations that came while the signal was pending, at its last delivery.
    pub(crate) overrun: u64,
}

impl Timer {
    /// Nanoseconds until it is due; 0 if it does not run. At least 1 if it does.
    pub(crate) fn left_ns(&self, now: u64) -> u64 {
        self.due_ns.map_or(0, |due| due.saturating_sub(now).max(1))
    }

    /// Goes on to the next time after `now` if it is due; whether it was.
    fn pass(&mut self, now: u64) -> bool {
        let Some(due) = self.due_ns.filter(|&due| due <= now) else { return false };
        let missed = (now - due).checked_div(self.interval_ns);
        self.overrun = missed.unwrap_or(0).min(i32::MAX.unsigned_abs().into());
        self.due_ns = missed.map(|n| due.saturating_add((n + 1).saturating_mul(self.interval_ns)));
        true
    }
}

/// The timers of a process.
#[derive(Debug, Default)]
pub(crate) struct Timers {
    /// `ITIMER_REAL`, which `alarm(2)` sets too.
    pub(crate) real: Option<Timer>,
    /// Those of `timer_create(2)`.
    pub(crate) by_id: BTreeMap<u32, Timer>,
}

impl Timers {
    fn all(&mut self) -> impl Iterator<Item = &mut Timer> {
        self.real.iter_mut().chain(self.by_id.values_mut())
    }

    fn earliest(&mut self) -> Option<u64> {
        self.all().filter_map(|timer| timer.due_ns).min()
    }
}

/// Sends the signals of all timers that are due, and asks the host to ring for the next.
pub(crate) fn expire() {
    let ringing = RINGING_AT.load(SeqCst);
    if ringing == u64::MAX {
        return;
    }
    let now = time::monotonic_ns();
    if ringing > now {
        // The host may have rung already: its clock and the one in here are not the same.
        return enclave_rt::thread::set_alarm(Some(ringing - now));
    }
    RINGING_AT.store(u64::MAX, SeqCst);
    for process in system::processes() {
        let due: Vec<Timer> = {
            let mut timers = process.timers.lock();
            timers.all().filter_map(|timer| timer.pass(now).then(|| timer.clone())).collect()
        };
        for timer in due {
            signal(&process, &timer);
        }
    }
    arm();
}

fn signal(process: &alloc::sync::Arc<Process>, timer: &Timer) {
    // The queue of real-time signals may be full; then the expiration is lost, as on Linux.
    let _ = match &timer.target {
        Target::Process => send::to_process(process, timer.info),
        Target::Thread(thread) => match thread.upgrade() {
            Some(thread) => send::to_thread(&thread, timer.info),
            None => Ok(()),
        },
        Target::Nobody => Ok(()),
    };
}

/// Asks the host to ring for the earliest timer, unless it will ring before.
pub(crate) fn arm() {
    let earliest =
        system::processes().iter().filter_map(|process| process.timers.lock().earliest()).min();
    let Some(earliest) = earliest else { return };
    if RINGING_AT.fetch_min(earliest, SeqCst) > earliest {
        let left = earliest.saturating_sub(time::monotonic_ns());
        enclave_rt::thread::set_alarm(Some(left));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn timer(due: u64, interval: u64) -> Timer {
        Timer {
            due_ns: Some(due),
            interval_ns: interval,
            info: Info::from_kernel(14),
            target: Target::Process,
            clockid: 1,
            overrun: 0,
        }
    }

    #[test]
    fn a_timer_without_interval_is_due_once() {
        let mut once = timer(100, 0);
        assert!(!once.pass(99));
        assert_eq!(once.left_ns(99), 1);
        assert!(once.pass(100));
        assert!(!once.pass(1000));
        assert_eq!(once.left_ns(1000), 0);
    }

    #[test]
    fn an_interval_goes_on_in_step_and_counts_what_it_missed() {
        let mut ticks = timer(100, 10);
        assert!(ticks.pass(100));
        assert_eq!((ticks.due_ns, ticks.overrun), (Some(110), 0));
        assert!(ticks.pass(145));
        assert_eq!((ticks.due_ns, ticks.overrun), (Some(150), 3));
    }
}
