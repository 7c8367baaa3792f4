//! The main thread: tells the enclave of the host's signals and of its alarm, and waits for its end.
//!
//! The forwarded signals are blocked in every thread and taken here with `sigtimedwait(2)`. One thread of the
//! enclave is told of each; the library OS finds out whom it concerns. SIGTTIN and SIGTTOU keep their meaning for
//! the host process: a background job that uses the terminal is stopped by the kernel.

use std::sync::atomic::Ordering::SeqCst;

use enclave_abi::entry::{EVENT_LOOK, FORWARDED_SIGNALS, event_of};

use super::{Ended, Session, interrupt};
use crate::Error;

/// How often a kick is repeated while a thread has not been told.
const REPEAT_NS: u64 = 10_000_000;
/// Signals a user sends to end a program: if an earlier one of the same kind has not even reached the enclave,
/// it is stuck, and the host ends it.
const ENDING: [i32; 4] = [libc::SIGHUP, libc::SIGINT, libc::SIGQUIT, libc::SIGTERM];
/// How long the earlier one must have been waiting.
const PATIENCE_NS: u64 = 1_000_000_000;

/// The signal that wakes the main thread: one below the kick.
fn wake_signal() -> i32 {
    libc::SIGRTMAX() - 1
}

/// Nanoseconds of the monotonic clock.
pub(super) fn now_ns() -> u64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `time` is writable.
    unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC, &raw mut time) };
    let word = |value: i64| u64::try_from(value).unwrap_or(0);
    word(time.tv_sec) * 1_000_000_000 + word(time.tv_nsec)
}

/// Wakes the main thread `tid`, so that it looks at what has changed.
pub(super) fn wake(tid: i32) {
    if tid != 0 {
        // SAFETY: sends a signal to a thread of this process.
        unsafe { libc::syscall(libc::SYS_tgkill, std::process::id(), tid, wake_signal()) };
    }
}

/// `Ocall::SetAlarm`.
pub(super) fn set_alarm(session: &Session, ns: u64) -> i64 {
    let at = if ns == u64::MAX { ns } else { now_ns().saturating_add(ns) };
    let before = session.alarm.swap(at, SeqCst);
    if at < before {
        session.wake();
    }
    0
}

/// `Ocall::StopProcess`.
pub(super) fn stop_process() -> i64 {
    // SAFETY: takes numbers alone. The process goes on here when it is continued.
    unsafe { libc::raise(libc::SIGSTOP) };
    0
}

/// The main thread's part.
pub(super) struct Forwarder<'a> {
    session: &'a Session,
    signals: libc::sigset_t,
    /// Since when a signal waits to be told: (event, time).
    waiting: Vec<(u64, u64)>,
}

impl<'a> Forwarder<'a> {
    /// Blocks the forwarded signals in this thread, and so in all that it starts, and receives them from now on.
    pub(super) fn install(session: &'a Session) -> Result<Self, Error> {
        interrupt::install(&*session.enclave)?;
        let signals = forwarded();
        // SAFETY: the set is initialised.
        let result = unsafe {
            libc::pthread_sigmask(libc::SIG_BLOCK, &raw const signals, std::ptr::null_mut())
        };
        if result != 0 {
            return Err(Error::Platform {
                step: "take over the signals that are forwarded",
                advice: "they cannot be blocked".into(),
                source: std::io::Error::from_raw_os_error(result),
            });
        }
        // SAFETY: takes no arguments.
        session.main_tid.store(unsafe { libc::gettid() }, SeqCst);
        Ok(Self { session, signals, waiting: Vec::new() })
    }

    /// Forwards until the enclave has ended.
    pub(super) fn forward_until_end(mut self) -> Ended {
        loop {
            if let Some(ended) = self.session.ended() {
                return ended;
            }
            if let Some(signal) = self.wait() {
                self.forward(signal);
            }
            self.ring();
            self.session.threads.iter().filter(|thread| thread.is_due()).for_each(|t| t.kick());
        }
    }

    /// Waits for a signal, a wake-up (which is none), or the time of the next thing to do.
    fn wait(&self) -> Option<i32> {
        let due = self.session.threads.iter().any(interrupt::Told::is_due);
        let alarm = self.session.alarm.load(SeqCst);
        let left = if alarm == u64::MAX { alarm } else { alarm.saturating_sub(now_ns()) };
        let left = if due { left.min(REPEAT_NS) } else { left };
        let time = libc::timespec {
            tv_sec: i64::try_from(left / 1_000_000_000).unwrap_or(i64::MAX),
            tv_nsec: i64::try_from(left % 1_000_000_000).unwrap_or(0),
        };
        let limit = if left == u64::MAX { std::ptr::null() } else { &raw const time };
        // SAFETY: set and time live until the call returns; no information is asked for.
        let signal =
            unsafe { libc::sigtimedwait(&raw const self.signals, std::ptr::null_mut(), limit) };
        (signal > 0 && signal != wake_signal()).then_some(signal)
    }

    /// Notes a signal for a thread of the enclave.
    fn forward(&mut self, signal: i32) {
        let event = event_of(signal.cast_unsigned());
        self.waiting.retain(|(event, _)| self.session.threads.iter().any(|t| t.lacks(*event)));
        let since = self.waiting.iter().find(|(waiting, _)| *waiting == event).map(|(_, at)| *at);
        match since {
            Some(since)
                if ENDING.contains(&signal) && now_ns().saturating_sub(since) > PATIENCE_NS =>
            {
                self.session.finish(Ended::Killed(u8::try_from(signal).unwrap_or(0)));
            }
            Some(_) => {}
            None => self.waiting.push((event, now_ns())),
        }
        self.session.tell(event);
    }

    /// Tells of the alarm when its time has come.
    fn ring(&self) {
        let alarm = self.session.alarm.load(SeqCst);
        if alarm != u64::MAX && now_ns() >= alarm {
            // A new alarm that was set meanwhile stays.
            let _ = self.session.alarm.compare_exchange(alarm, u64::MAX, SeqCst, SeqCst);
            self.session.tell(EVENT_LOOK);
        }
    }
}

/// The forwarded signals that this process was started to ignore, as a set of events: the program is to ignore them
/// too, until it says otherwise.
pub(super) fn ignored() -> u64 {
    let is_ignored = |signal: &u32| {
        // SAFETY: all zero is a valid `sigaction`.
        let mut action: libc::sigaction = unsafe { std::mem::zeroed() };
        // SAFETY: reads the action of a signal into a live structure.
        let read =
            unsafe { libc::sigaction(signal.cast_signed(), std::ptr::null(), &raw mut action) };
        read == 0 && action.sa_sigaction == libc::SIG_IGN
    };
    let forwarded = (1..63).filter(|n| FORWARDED_SIGNALS & event_of(*n) != 0);
    forwarded.filter(is_ignored).map(event_of).fold(0, |set, event| set | event)
}

/// The signals that are taken here.
fn forwarded() -> libc::sigset_t {
    // SAFETY: all zero is a valid set on Linux, and `sigemptyset` makes it one anyway.
    let mut set: libc::sigset_t = unsafe { std::mem::zeroed() };
    // SAFETY: the set is writable.
    unsafe { libc::sigemptyset(&raw mut set) };
    let numbers = (1..63).filter(|n| FORWARDED_SIGNALS & event_of(*n) != 0);
    for signal in numbers.map(u32::cast_signed).chain([wake_signal()]) {
        // SAFETY: the set is initialised; a number that is no signal is an error.
        unsafe { libc::sigaddset(&raw mut set, signal) };
    }
    set
}
