//! Spike (i): asynchronous exits and ERESUME under a storm of signals, FS and GS swapped, the full
//! register state compared.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::{Duration, Instant},
};

use sgx_emu::exec::{Options, on_interrupt};

use crate::probe::*;

/// A short form, or the asynchronous exits that `CASEMATE_STORM` wants (with `--release`).
fn wanted() -> (u64, i64) {
    match std::env::var("CASEMATE_STORM") {
        Ok(n) => (n.parse().expect("CASEMATE_STORM is a count"), 25_000),
        Err(_) => (20_000, 100_000),
    }
}

static SEEN_INSIDE: AtomicU64 = AtomicU64::new(0);
static SEEN_OUTSIDE: AtomicU64 = AtomicU64::new(0);

fn count(in_enclave: bool) {
    let counter = if in_enclave { &SEEN_INSIDE } else { &SEEN_OUTSIDE };
    counter.fetch_add(1, Ordering::Relaxed);
}

/// Whether XSAVE writes the word at this offset: registers, not what lies between their areas.
fn in_a_component(probe: &Probe, at: u64) -> bool {
    let xfrm = probe.processor.xfrm.bits();
    let extended = probe.processor.xsave.features.iter().enumerate().skip(2);
    let mut areas = extended.filter(|(number, _)| xfrm >> number & 1 == 1).map(|(_, area)| *area);
    (32..416).contains(&at)
        || areas.any(|(start, size)| (start..start + size).contains(&u32::try_from(at).unwrap()))
}

/// Fills the XSAVE image and the general registers' values with a pattern.
pub(crate) fn fill(probe: &Probe) {
    let size = probe.processor.xsave.size(probe.processor.xfrm);
    let mut state = 0x1234_5678_9abc_def1_u64;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    for at in (0..u64::from(size)).step_by(8) {
        let value = match at {
            0 => 0xff_0000_037f, // FCW, FTW
            8 | 16 => 0,         // FIP, FDP
            24 => 0x1f80,        // MXCSR
            512 => probe.processor.xfrm.bits(),
            520..576 => 0,
            at if !in_a_component(probe, at) => 0,
            _ => next(),
        };
        probe.poke(DATA + at, value);
    }
    for at in (0..0x78).step_by(8) {
        probe.poke(DATA + 0x5000 + at, next());
    }
    // R15 becomes FS base: canonical.
    probe.poke(DATA + 0x5070, next() >> 20);
    probe.poke(DATA + 0x5078, u64::from(size));
}

/// A timer that sends the calling thread a signal, once or every so often, while it lives.
#[derive(Debug)]
pub(crate) struct Timer(libc::timer_t);

impl Timer {
    pub(crate) fn start(signal: i32, every_ns: i64) -> Self {
        Self::set(signal, every_ns, every_ns)
    }

    /// One signal, after this time.
    pub(crate) fn once(signal: i32, after_ns: i64) -> Self {
        Self::set(signal, after_ns, 0)
    }

    fn set(signal: i32, after_ns: i64, every_ns: i64) -> Self {
        // SAFETY: all-zero bytes are a valid sigevent.
        let mut event: libc::sigevent = unsafe { std::mem::zeroed() };
        event.sigev_notify = libc::SIGEV_THREAD_ID;
        event.sigev_signo = signal;
        // SAFETY: names the calling thread.
        event.sigev_notify_thread_id = unsafe { libc::gettid() };
        let mut timer = std::ptr::null_mut();
        // SAFETY: both structures are live.
        let made =
            unsafe { libc::timer_create(libc::CLOCK_MONOTONIC, &raw mut event, &raw mut timer) };
        assert_eq!(made, 0, "timer_create");
        let time = |ns| libc::timespec { tv_sec: 0, tv_nsec: ns };
        let spec = libc::itimerspec { it_interval: time(every_ns), it_value: time(after_ns) };
        // SAFETY: the timer was just made.
        let set = unsafe { libc::timer_settime(timer, 0, &raw const spec, std::ptr::null_mut()) };
        assert_eq!(set, 0, "timer_settime");
        Self(timer)
    }
}

impl Drop for Timer {
    fn drop(&mut self) {
        // SAFETY: the timer is this object's own.
        unsafe { libc::timer_delete(self.0) };
    }
}

/// One storm: a timer that fires nearly as fast as the thread can take it, so that the signals hit every
/// instruction of the transitions and of the enclave's code. No other thread takes part. A timer faster than the
/// handler would leave the enclave no time at all.
fn storm(options: Options, wanted: u64, interval_ns: i64) {
    let probe = Probe::start(options);
    on_interrupt(libc::SIGUSR1, count).unwrap();
    let _thread = probe.attach();
    fill(&probe);
    let started = Instant::now();
    let mut progress = (0, started);
    {
        let _timer = Timer::start(libc::SIGUSR1, interval_ns);
        loop {
            let failed = probe.call([STORM, 50, 200]);
            assert_eq!(failed, 0, "1 flags, 2 general registers, 3 FS or GS, 4 vector registers");
            let taken = probe.enclave.stats().interrupts;
            if taken >= wanted {
                break;
            }
            if taken > progress.0 {
                progress = (taken, Instant::now());
            }
            assert!(progress.1.elapsed() < Duration::from_secs(60), "signals do not arrive");
        }
    }
    println!(
        "{} asynchronous exits in {:?}; handlers saw {} inside, {} outside",
        probe.enclave.stats().interrupts,
        started.elapsed(),
        SEEN_INSIDE.load(Ordering::Relaxed),
        SEEN_OUTSIDE.load(Ordering::Relaxed)
    );
    assert!(SEEN_INSIDE.load(Ordering::Relaxed) > 0);
}

#[test]
fn registers_survive_a_storm_of_signals() {
    let (wanted, interval_ns) = wanted();
    storm(Options::default(), wanted, interval_ns);
}
