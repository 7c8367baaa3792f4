//! System calls served without the caller.

use sgx_emu::exec::{Left, Options, Relay, on_interrupt};

use crate::probe::*;

fn relaying() -> Options {
    Options { relay: Some(Relay { enter: RELAY, resume: 2 }), ..Options::default() }
}

#[test]
fn a_system_call_is_served_inside_and_the_caller_sees_only_the_exit() {
    let probe = Probe::start(relaying());
    let _thread = probe.attach();
    for round in 1..=1000 {
        assert_eq!(probe.enter(EENTER, [SYSCALL, 0, 0]), Left::Exit([39, 0, 0]));
        let stats = probe.enclave.stats();
        assert_eq!(probe.peek(DATA + 0x4020), round, "entries with CSSA 1");
        assert_eq!((stats.entries, stats.exits), (2 * round, 2 * round));
        assert_eq!((stats.exceptions, stats.interrupts), (round, 0));
    }
    assert_eq!(probe.peek(DATA + 0x4028), 0x8000_0306, "EXITINFO");
}

#[test]
fn every_register_but_rcx_and_r11_survives_a_served_system_call() {
    let probe = Probe::start(relaying());
    let _thread = probe.attach();
    crate::storm::fill(&probe);
    assert_eq!(probe.call([STORM_SYSCALL, 200, 1]), 0);
    assert_eq!(probe.enclave.stats().exceptions, 200);
}

#[test]
fn another_answer_than_resume_is_the_callers() {
    let probe = Probe::start(Options {
        relay: Some(Relay { enter: RELAY, resume: 77 }),
        ..Options::default()
    });
    let _thread = probe.attach();
    assert_eq!(probe.enter(EENTER, [SYSCALL, 0, 0]), Left::Exit([2, 2, 0]));
    assert_eq!(probe.enter(ERESUME, [0; 3]), Left::Exit([39, 0, 0]));
}

fn nothing(_in_enclave: bool) {}

#[test]
fn signals_among_served_system_calls_tear_nothing() {
    let probe = Probe::start(relaying());
    on_interrupt(libc::SIGUSR1, nothing).unwrap();
    let _thread = probe.attach();
    crate::storm::fill(&probe);
    let _timer = crate::storm::Timer::start(libc::SIGUSR1, 50_000);
    let started = std::time::Instant::now();
    while probe.enclave.stats().interrupts < 2000 {
        assert_eq!(probe.call([STORM_SYSCALL, 500, 1]), 0);
        assert!(started.elapsed().as_secs() < 100, "signals do not arrive");
    }
}
