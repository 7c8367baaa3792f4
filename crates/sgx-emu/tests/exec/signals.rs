//! No signal is lost between the host's last look and EENTER.

use std::sync::atomic::{AtomicU64, Ordering};

use sgx_emu::exec::{Left, Options, Strict, on_interrupt};

use crate::{probe::*, storm::Timer};

const USR2: u64 = 1 << (libc::SIGUSR2 - 1);
/// What `probe_spin` waits for.
const GO_ON: u64 = DATA + 0x4060;

static INSIDE: AtomicU64 = AtomicU64::new(0);

fn release(in_enclave: bool) {
    if in_enclave {
        INSIDE.fetch_add(1, Ordering::Relaxed);
        // SAFETY: the probe's data pages are mapped read-write and no reference to them exists.
        unsafe { std::ptr::with_exposed_provenance_mut::<u64>(GO_ON as usize).write_volatile(1) };
    }
}

fn enter_unless(probe: &Probe, registers: [u64; 3]) -> Left {
    // SAFETY: the probe touches nothing outside ELRANGE.
    unsafe { probe.enclave.enter_unless(TCS, EENTER, registers, USR2) }
}

#[test]
fn a_signal_that_came_outside_keeps_the_thread_out_once() {
    for strict in [Strict::Off, Strict::Closed] {
        let probe = Probe::start(Options { strict, ..Options::default() });
        on_interrupt(libc::SIGUSR2, release).unwrap();
        on_interrupt(libc::SIGUSR1, |_| ()).unwrap();
        let _thread = probe.attach();
        assert_eq!(enter_unless(&probe, [ADD, 1, 2]), Left::Exit([3, 1, 2]));
        for signal in [libc::SIGUSR2, libc::SIGUSR1] {
            // SAFETY: both have handlers.
            unsafe { libc::raise(signal) };
        }
        assert_eq!(enter_unless(&probe, [ADD, 1, 2]), Left::Signalled(USR2), "not SIGUSR1");
        assert_eq!(enter_unless(&probe, [ADD, 1, 2]), Left::Exit([3, 1, 2]), "only once");
        assert_eq!(probe.enclave.stats().entries, 2);
        // SAFETY: as above.
        unsafe { libc::raise(libc::SIGUSR2) };
        assert_eq!(probe.call([ADD, 1, 2]), 3, "an entry that heeds none goes in");
    }
}

/// Each round one signal comes at some instruction around the entry. Either the entry is refused, or the enclave,
/// which waits for nothing else, is interrupted. A lost one would leave it waiting.
#[test]
fn a_signal_at_any_instruction_of_the_entry_is_seen() {
    let probe = Probe::start(Options::default());
    on_interrupt(libc::SIGUSR2, release).unwrap();
    let _thread = probe.attach();
    let (mut refused, before) = (0, INSIDE.load(Ordering::Relaxed));
    const ROUNDS: u64 = 3000;
    for round in 0..ROUNDS {
        probe.poke(GO_ON, 0);
        let _timer = Timer::once(libc::SIGUSR2, 1 + (round * 37 % 9000) as i64);
        match enter_unless(&probe, [SPIN, 0, 0]) {
            Left::Signalled(USR2) => refused += 1,
            Left::Exit(_) => {}
            other => panic!("{other:x?}"),
        }
    }
    let interrupted = INSIDE.load(Ordering::Relaxed) - before;
    assert_eq!(refused + interrupted, ROUNDS, "refused {refused}, interrupted {interrupted}");
}
