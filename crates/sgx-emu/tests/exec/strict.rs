//! Strict mode finds what the plain emulator forgives.

use sgx_emu::exec::{Left, Options, Strict};

use crate::probe::*;

fn strict(strict: Strict) -> Options {
    Options { strict, image: (CODE, CODE + 4096), ..Options::default() }
}

#[test]
fn every_mode_computes_the_same() {
    for mode in [Strict::Closed, Strict::Step, Strict::StepAndInterrupt] {
        let probe = Probe::start(strict(mode));
        let _thread = probe.attach();
        assert_eq!(probe.call([ADD, 40, 2]), 42, "{mode:?}");
        assert_eq!(probe.call([TOUCH, DATA, 9]), 9, "{mode:?}");
        let left = probe.enter(EENTER, [SYSCALL, 0, 0]);
        assert!(matches!(left, Left::Exception { vector: 6, .. }), "{mode:?} {left:x?}");
        assert_eq!(probe.enter(EENTER, [9, 2, 0]), Left::Exit([2, 2, 0]), "{mode:?}");
        assert_eq!(probe.enter(ERESUME, [0; 3]), Left::Exit([39, 0, 0]), "{mode:?}");
    }
}

#[test]
fn an_interrupt_at_every_instruction_is_taken() {
    let probe = Probe::start(strict(Strict::StepAndInterrupt));
    let _thread = probe.attach();
    let before = probe.enclave.stats().interrupts;
    assert_eq!(probe.call([ADD, 1, 2]), 3);
    // test, jne, cmp, ja, lea, movsxd, add, jmp, lea, jmp, mov, mov, ENCLU.
    assert!(probe.enclave.stats().interrupts - before >= 12);
}

#[test]
fn the_host_cannot_read_the_enclave_while_nobody_is_inside() {
    let probe = Probe::start(strict(Strict::Closed));
    let _thread = probe.attach();
    probe.call([ADD, 1, 2]);
    let maps = std::fs::read_to_string("/proc/self/maps").unwrap();
    let open = maps.lines().filter(|line| {
        let start = u64::from_str_radix(line.split('-').next().unwrap(), 16).unwrap();
        (0x2_0000..SIZE).contains(&start) && !line.contains("---p")
    });
    assert_eq!(open.count(), 0, "{maps}");
}
