//! Entering on hardware, against the model of the vDSO and of a processor.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::model::ModelDriver;
use super::tests::{RT, load_on};
use super::vdso_model::{self, Does, Seen};
use crate::arch::FloatControl;
use crate::platform::{EENTER, ERESUME, Enclave, Entry, Errno, Exception, Left};

fn enclave() -> Arc<dyn Enclave> {
    let enclave = load_on(&ModelDriver::default()).unwrap();
    enclave.attach_thread().unwrap();
    enclave
}

fn enter(enclave: &dyn Enclave, function: u32, registers: [u64; 3]) -> Left {
    // SAFETY: the model runs no enclave.
    unsafe { enclave.enter(&Entry { tcs: RT, function, registers }) }
}

#[test]
fn exits_keep_their_registers_and_exceptions_their_details() {
    let enclave = enclave();
    vdso_model::script(&[Does::Exit([2, 3, 4]), Does::Raise(14, 6, 0x5000)]);
    assert_eq!(enter(&*enclave, EENTER, [1, 2, 3]), Left::Exit([2, 3, 4]));
    let fault = Exception { function: ERESUME, vector: 14, error_code: 6, address: 0x5000 };
    assert_eq!(enter(&*enclave, EENTER, [5, 6, 7]), Left::Exception(fault));
    assert_eq!(enter(&*enclave, 7, [1; 3]), Left::Refused(Errno::EINVAL));
    assert_eq!(vdso_model::seen(), [Seen::Entered(0, [1, 2, 3]), Seen::Entered(0, [5, 6, 7])]);
}

#[test]
fn a_thread_that_was_not_prepared_does_not_enter() {
    let enclave = load_on(&ModelDriver::default()).unwrap();
    std::thread::spawn(move || {
        assert_eq!(enter(&*enclave, EENTER, [0; 3]), Left::Refused(Errno::EBUSY));
    })
    .join()
    .unwrap();
}

/// Enters from `depth` calls further down the stack.
#[inline(never)]
fn deeper(enclave: &dyn Enclave, depth: usize, function: u32) -> Left {
    let used = std::hint::black_box([depth; 100]);
    if used[0] == 0 {
        return enter(enclave, function, [1; 3]);
    }
    let left = deeper(enclave, depth - 1, function);
    assert_eq!(std::hint::black_box(used), [depth; 100], "the caller's stack is whole");
    left
}

#[test]
fn exceptions_are_handled_and_resumed_from_any_depth_of_the_host() {
    let enclave = enclave();
    vdso_model::script(&[
        Does::Raise(6, 0, 0),
        Does::Exit([9, 0, 0]),
        Does::Raise(14, 2, 0x7000),
        Does::Exit([9, 0, 0]),
        Does::Exit([1, 2, 3]),
    ]);
    assert!(matches!(deeper(&*enclave, 1, EENTER), Left::Exception(e) if e.vector == 6));
    assert_eq!(deeper(&*enclave, 5, EENTER), Left::Exit([9, 0, 0]));
    assert!(matches!(deeper(&*enclave, 9, ERESUME), Left::Exception(e) if e.vector == 14));
    assert_eq!(deeper(&*enclave, 0, EENTER), Left::Exit([9, 0, 0]));
    // This exit goes back to where the first EENTER came from.
    assert_eq!(deeper(&*enclave, 7, ERESUME), Left::Exit([1, 2, 3]));
    let seen = vdso_model::seen();
    assert!(!seen.iter().any(|s| matches!(s, Seen::Violation(_))), "{seen:?}");
    assert_eq!(seen.iter().filter(|s| matches!(s, Seen::Resumed(0))).count(), 2);
}

#[test]
fn what_the_calling_convention_preserves_is_preserved() {
    let enclave = enclave();
    let control = FloatControl::save();
    for does in [Does::Exit([1; 3]), Does::Raise(14, 0, 0)] {
        vdso_model::script(&[does]);
        let call = || enter(&*enclave, EENTER, [1; 3]);
        let call: &dyn Fn() -> Left = &call;
        assert_eq!(preserved(&call), [0x1212, 0x1313, 0x1414, 0x1515], "R12 to R15, {does:?}");
        assert_eq!(FloatControl::save(), control, "control words, {does:?}");
    }
}

extern "sysv64" fn run(call: *const &dyn Fn() -> Left) {
    // SAFETY: `preserved` passes a live reference.
    std::hint::black_box(unsafe { (*call)() });
}

/// R12 to R15 after `call`, which finds recognisable values in them.
fn preserved(call: &&dyn Fn() -> Left) -> [u64; 4] {
    let mut found = [0_u64; 4];
    // SAFETY: 1. `run` gets the reference it expects, with an aligned stack. 2. The registers are put back, and all that
    // a call may change is declared.
    unsafe {
        std::arch::asm!(
            "mov r12, 0x1212",
            "mov r13, 0x1313",
            "mov r14, 0x1414",
            "mov r15, 0x1515",
            "call {run}",
            run = sym run,
            in("rdi") std::ptr::from_ref(call),
            out("r12") found[0],
            out("r13") found[1],
            out("r14") found[2],
            out("r15") found[3],
            clobber_abi("sysv64"),
        );
    }
    found
}

static TOLD: AtomicU64 = AtomicU64::new(0);

/// Enters the interrupted TCS once more, on the signal stack.
fn on_signal(in_enclave: bool) {
    assert!(in_enclave, "the signal comes while the model is inside");
    let mut stack = libc::stack_t { ss_sp: std::ptr::null_mut(), ss_flags: 0, ss_size: 0 };
    // SAFETY: reads the thread's signal stack into a live structure.
    unsafe { libc::sigaltstack(std::ptr::null(), &raw mut stack) };
    assert_eq!(stack.ss_flags, libc::SS_ONSTACK, "handlers run on the signal stack");
    assert!(stack.ss_size >= 64 << 10, "room for a frame with every register");
    let enclave = std::ptr::with_exposed_provenance::<Arc<dyn Enclave>>(
        usize::try_from(TOLD.swap(0, Ordering::SeqCst)).unwrap(),
    );
    // SAFETY: the test stored the address of its enclave, which outlives the entry.
    let enclave = unsafe { &**enclave };
    assert_eq!(enter(enclave, EENTER, [5, 1 << 15, 0]), Left::Exit([2, 0, 0]));
    // No third frame.
    vdso_nested_refused(enclave);
}

fn vdso_nested_refused(enclave: &dyn Enclave) {
    // The handler's own entry has returned, so one more is possible, and it is at CSSA 1 again.
    assert_eq!(enter(enclave, EENTER, [5, 1, 0]), Left::Exit([2, 0, 0]));
}

#[test]
fn a_signal_enters_the_interrupted_thread_once_more_and_it_goes_on() {
    let enclave = enclave();
    enclave.on_interrupt(libc::SIGUSR2, on_signal).unwrap();
    TOLD.store((&raw const enclave).expose_provenance() as u64, Ordering::SeqCst);
    vdso_model::script(&[
        Does::Signal(libc::SIGUSR2),
        Does::Exit([2, 0, 0]),
        Does::Exit([2, 0, 0]),
        Does::Exit([1, 7, 8]),
    ]);
    // One call: the signal, what its handler does, and the resumption all happen inside it.
    assert_eq!(enter(&*enclave, EENTER, [1, 0, 0]), Left::Exit([1, 7, 8]));
    let expected = [
        Seen::Entered(0, [1, 0, 0]),
        Seen::Entered(1, [5, 1 << 15, 0]),
        Seen::Entered(1, [5, 1, 0]),
        Seen::Resumed(0),
    ];
    assert_eq!(vdso_model::seen(), expected);
}
