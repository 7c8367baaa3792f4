//! What a trapped CPUID costs: in the program's own signal handler, as the emulator would do it.

use std::arch::x86_64::__cpuid_count;
use std::io;
use std::mem::MaybeUninit;
use std::sync::{Barrier, PoisonError};
use std::time::Duration;

use crate::{ELRANGE_OWNER, check, pin_to_processor_0, processor_time};

const ARCH_SET_CPUID: libc::c_long = 0x1012;

/// Prints nanoseconds of CPUID untouched and trapped, and of a switch between threads.
pub(super) fn report() -> io::Result<()> {
    let native = per_cpuid(2000);
    let trapped = with_faulting(|| per_cpuid(2000))?;
    println!("CPUID: {native:?} untouched (the hypervisor answers), {trapped:?} trapped");
    let same = yield_time(false)?;
    let mixed = yield_time(true)?;
    println!("sched_yield between two threads: {same:?}; one with CPUID faulting: {mixed:?}");
    Ok(())
}

fn per_cpuid(count: u32) -> Duration {
    let start = processor_time();
    for _ in 0..count {
        std::hint::black_box(__cpuid_count(1, 0));
    }
    (processor_time() - start) / count
}

/// Runs `work` on a thread whose CPUID faults and is answered by a handler in this process.
pub(super) fn with_faulting<T: Send>(work: impl FnOnce() -> T + Send) -> io::Result<T> {
    let _owner = ELRANGE_OWNER.lock().unwrap_or_else(PoisonError::into_inner);
    let previous = handle_segv()?;
    let result = std::thread::scope(|scope| {
        scope
            .spawn(|| {
                set_faulting()?;
                Ok(work())
            })
            .join()
            .unwrap_or_else(|_| Err(io::Error::other("the faulting thread panicked")))
    });
    // SAFETY: restores the action that was there before.
    unsafe { libc::sigaction(libc::SIGSEGV, &raw const previous, std::ptr::null_mut()) };
    result
}

fn set_faulting() -> io::Result<()> {
    // SAFETY: affects only how this thread's CPUID behaves.
    let result = unsafe { libc::syscall(libc::SYS_arch_prctl, ARCH_SET_CPUID, 0) };
    check("arch_prctl(ARCH_SET_CPUID, 0)", result).map(drop)
}

/// Processor time of one `sched_yield` when two threads on one processor take turns.
fn yield_time(one_faults: bool) -> io::Result<Duration> {
    const YIELDS: u32 = 5000;
    let barrier = Barrier::new(2);
    let run = |faults: bool| -> io::Result<Duration> {
        pin_to_processor_0()?;
        if faults {
            set_faulting()?;
        }
        barrier.wait();
        let start = processor_time();
        for _ in 0..YIELDS {
            std::thread::yield_now();
        }
        Ok((processor_time() - start) / YIELDS)
    };
    std::thread::scope(|scope| {
        let first = scope.spawn(|| run(one_faults));
        let second = scope.spawn(|| run(false));
        let panicked = |_| Err(io::Error::other("a yielding thread panicked"));
        first.join().unwrap_or_else(panicked)?;
        second.join().unwrap_or_else(panicked)
    })
}

fn handle_segv() -> io::Result<libc::sigaction> {
    // SAFETY: structures of integers: all zero is a value.
    let mut action: libc::sigaction = unsafe { MaybeUninit::zeroed().assume_init() };
    let mut previous = action;
    action.sa_sigaction = answer_cpuid as *const () as usize;
    action.sa_flags = libc::SA_SIGINFO | libc::SA_ONSTACK;
    // SAFETY: the handler only touches the interrupted registers.
    let result = unsafe { libc::sigaction(libc::SIGSEGV, &raw const action, &raw mut previous) };
    check("sigaction", result)?;
    Ok(previous)
}

extern "C" fn answer_cpuid(_: i32, _: *mut libc::siginfo_t, context: *mut libc::ucontext_t) {
    // SAFETY: the kernel passes the interrupted thread's context.
    let registers = unsafe { &mut (*context).uc_mcontext.gregs };
    // SAFETY: the address is the instruction that faulted, or the fault was a fetch and the
    // program dies here of a second one.
    let code = unsafe { (registers[libc::REG_RIP as usize] as *const [u8; 2]).read() };
    if code != [0x0f, 0xa2] {
        // SAFETY: ends the program; nothing else is safe after an unexpected fault.
        unsafe { libc::abort() };
    }
    for register in [libc::REG_RAX, libc::REG_RBX, libc::REG_RCX, libc::REG_RDX] {
        registers[register as usize] = 0;
    }
    registers[libc::REG_RIP as usize] += 2;
}
