//! Spike (i): asynchronous exits and ERESUME under a storm of signals, FS and GS swapped, the full
//! register state compared.

use std::{
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
    time::{Duration, Instant},
};

use sgx_emu::exec::{Options, on_interrupt};

use crate::probe::*;

/// Asynchronous exits wanted: a short form, or what `CASEMATE_STORM` says.
fn wanted() -> u64 {
    std::env::var("CASEMATE_STORM")
        .map_or(20_000, |n| n.parse().expect("CASEMATE_STORM is a count"))
}

static SEEN_INSIDE: AtomicU64 = AtomicU64::new(0);
static SEEN_OUTSIDE: AtomicU64 = AtomicU64::new(0);

fn count(in_enclave: bool) {
    let counter = if in_enclave { &SEEN_INSIDE } else { &SEEN_OUTSIDE };
    counter.fetch_add(1, Ordering::Relaxed);
}

fn seen() -> u64 {
    SEEN_INSIDE.load(Ordering::Relaxed) + SEEN_OUTSIDE.load(Ordering::Relaxed)
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
fn fill(probe: &Probe) {
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

fn storm(options: Options, wanted: u64) {
    let probe = Probe::start(options);
    on_interrupt(libc::SIGUSR1, count).unwrap();
    let _thread = probe.attach();
    fill(&probe);
    // SAFETY: names the calling thread.
    let target = unsafe { libc::pthread_self() };
    let stop = AtomicBool::new(false);
    let started = Instant::now();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            // One at a time, a little apart: a thread that always finds the next signal pending runs
            // nothing but handlers.
            for round in 0_u64.. {
                let before = seen();
                // SAFETY: the target thread outlives the scope.
                unsafe { libc::pthread_kill(target, libc::SIGUSR1) };
                while seen() == before && !stop.load(Ordering::Relaxed) {
                    std::hint::spin_loop();
                }
                if stop.load(Ordering::Relaxed) {
                    break;
                }
                for _ in 0..round * 7919 % 300 {
                    std::hint::spin_loop();
                }
            }
        });
        while probe.enclave.stats().interrupts < wanted {
            let failed = probe.call([STORM, 50, 2000]);
            assert_eq!(failed, 0, "1 flags, 2 general registers, 3 FS or GS, 4 vector registers");
            assert!(started.elapsed() < Duration::from_secs(600), "signals do not arrive");
        }
        stop.store(true, Ordering::Relaxed);
    });
    let stats = probe.enclave.stats();
    println!(
        "{} asynchronous exits in {:?}; handlers saw {} inside, {} outside",
        stats.interrupts,
        started.elapsed(),
        SEEN_INSIDE.load(Ordering::Relaxed),
        SEEN_OUTSIDE.load(Ordering::Relaxed)
    );
    assert!(SEEN_INSIDE.load(Ordering::Relaxed) > 0);
}

#[test]
fn registers_survive_a_storm_of_signals() {
    storm(Options::default(), wanted());
}
