//! Entry, exit, exceptions and leaves.

use sgx_emu::exec::{Left, Options};
use sgx_types::{PageType, SecInfo, SecInfoFlags};

use crate::probe::*;

#[test]
fn arguments_go_in_and_the_result_comes_out() {
    let probe = Probe::start(Options::default());
    let _thread = probe.attach();
    assert_eq!(probe.call([ADD, 40, 2]), 42);
    assert_eq!(probe.enclave.stats().entries, 1);
    assert_eq!(probe.enclave.stats().exits, 1);
}

#[test]
fn a_thread_that_is_not_attached_is_refused() {
    let probe = Probe::start(Options::default());
    assert_eq!(probe.enter(EENTER, [ADD, 1, 2]), Left::Refused);
}

#[test]
fn a_system_call_is_an_invalid_opcode_at_its_instruction() {
    let probe = Probe::start(Options::default());
    let _thread = probe.attach();
    let left = probe.enter(EENTER, [SYSCALL, 0, 0]);
    assert!(matches!(left, Left::Exception { function: ERESUME, vector: 6, .. }), "{left:x?}");
    // The handler inside skips the two bytes; RAX is then still the number.
    assert_eq!(probe.enter(EENTER, [9, 2, 0]), Left::Exit([2, 2, 0]));
    assert_eq!(probe.peek(DATA + 0x4028), 0x8000_0306, "EXITINFO");
    assert_eq!(probe.enter(ERESUME, [0; 3]), Left::Exit([39, 0, 0]));
}

#[test]
fn a_fault_reports_its_address_inside() {
    let probe = Probe::start(Options::default());
    let _thread = probe.attach();
    let absent = 0x7000_0123;
    let left = probe.enter(EENTER, [FAULT, absent, 77]);
    assert!(matches!(left, Left::Exception { vector: 14, .. }), "{left:x?}");
    assert_eq!(probe.enter(EENTER, [9, 3, 0]), Left::Exit([2, 3, 0]));
    assert_eq!(probe.peek(DATA + 0x4030), absent, "EXINFO.MADDR");
    let Left::Exit([77, ..]) = probe.enter(ERESUME, [0; 3]) else { panic!("must resume") };
}

#[test]
fn the_state_machine_refuses_what_the_manual_refuses() {
    let probe = Probe::start(Options::default());
    let _thread = probe.attach();
    let refused = |left| matches!(left, Left::Exception { vector: 13, .. });
    assert!(refused(probe.enter(ERESUME, [0; 3])), "ERESUME with CSSA 0");
    probe.enter(EENTER, [SYSCALL, 0, 0]);
    probe.enter(EENTER, [SYSCALL, 0, 0]);
    // CSSA is 1: the probe's event code runs, whatever RDI says.
    assert!(matches!(probe.enter(ERESUME, [0; 3]), Left::Exception { vector: 6, .. }));
}

#[test]
fn pages_are_accepted_and_then_usable() {
    for patched in [true, false] {
        let probe = Probe::start_with_sites(Options::default(), patched);
        let _thread = probe.attach();
        let flags = SecInfoFlags::R.union(SecInfoFlags::W).union(SecInfoFlags::PENDING);
        let secinfo = SecInfo::new(PageType::Reg, flags).to_bytes();
        for (index, word) in secinfo.chunks_exact(8).enumerate() {
            let at = DATA + 0x6000 + index as u64 * 8;
            probe.poke(at, u64::from_le_bytes(word.try_into().unwrap()));
        }
        let page = 0x100_0000;
        for n in 0..100 {
            for (i, operand) in [5, DATA + 0x6000, page + n * 4096, 0].into_iter().enumerate() {
                probe.poke(DATA + 0x4040 + i as u64 * 8, operand);
            }
            assert_eq!(probe.call([LEAF, 0, 0]), 0, "EACCEPT of page {n}");
        }
        for n in 0..100 {
            assert_eq!(probe.call([TOUCH, page + n * 4096, n + 5]), n + 5);
        }
        let beyond = probe.enter(EENTER, [TOUCH, page + 100 * 4096, 1]);
        assert!(matches!(beyond, Left::Exception { vector: 14, .. }), "{beyond:x?}");
    }
}

#[test]
fn cpuid_traps_where_the_processor_can() {
    let probe = Probe::start(Options::default());
    let _thread = probe.attach();
    match probe.enter(EENTER, [CPUID, 0, 0]) {
        Left::Exception { vector: 6, .. } => {}
        // No CPUID faulting on this processor: it answers for the host.
        Left::Exit([highest, ..]) => {
            assert!(highest >= 0xd);
            assert!(!cpuid_faults(), "this processor could have trapped");
        }
        other => panic!("{other:x?}"),
    }
    // The host's own CPUID still answers.
    assert!(std::arch::x86_64::__cpuid(0).eax >= 0xd);
}

fn cpuid_faults() -> bool {
    std::fs::read_to_string("/proc/cpuinfo").unwrap().contains("cpuid_fault")
}

#[test]
#[ignore = "a measurement, not a check: cargo xtask bench runtime runs it"]
fn cost() {
    let cycles = std::env::var("CASEMATE_TRANSITION_CYCLES").map_or(0, |n| n.parse().unwrap());
    let probe = Probe::start(Options { transition_cycles: cycles, ..Options::default() });
    let _thread = probe.attach();
    let rounds = if cycles == 0 { 1_000_000 } else { 20_000 };
    let start = std::time::Instant::now();
    for i in 0..rounds {
        assert_eq!(probe.call([ADD, i, 1]), i + 1);
    }
    println!("\n{:.1}", start.elapsed().as_secs_f64() * 1e9 / rounds as f64);
}
