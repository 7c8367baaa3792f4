//! Strict mode's single-stepping: every instruction is looked at before it runs.
//!
//! A processor refuses some instructions in an enclave that a plain process may execute; stepping finds them. The
//! trap flag is never visible to the enclave: PUSHFQ and POPFQ are carried out here.

use std::{ptr, sync::atomic::Ordering};

use iced_x86::{Code, Decoder, DecoderOptions, FlowControl, Instruction, Mnemonic};

use super::{
    enclave::{Shared, Strict},
    record::Record,
    signal,
};

const TRAP_FLAG: u64 = 0x100;

/// What to do with the next instruction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Run it.
    Go,
    /// Raise #UD: a processor would in an enclave.
    Illegal,
    /// Make an asynchronous exit before it.
    Interrupt,
}

/// RFLAGS.TF where the mode steps.
pub(super) fn trap_flag(strict: Strict) -> u64 {
    if strict >= Strict::Step { TRAP_FLAG } else { 0 }
}

/// Has the decoder build its tables, which must not happen in a signal handler.
pub(super) fn warm_up() {
    let _ = decode(&[0x90], 0);
}

fn decode(bytes: &[u8], rip: u64) -> Instruction {
    Decoder::with_ip(64, bytes, rip, DecoderOptions::NONE).decode()
}

/// Looks at the instruction that the context will execute next.
pub(super) fn on_step(
    record: &mut Record,
    shared: &Shared,
    context: &mut libc::ucontext_t,
) -> Verdict {
    signal::STEPS.fetch_add(1, Ordering::Relaxed);
    let gregs = &mut context.uc_mcontext.gregs;
    let rip = gregs[libc::REG_RIP as usize].cast_unsigned();
    let in_image = (shared.options.image.0..shared.options.image.1).contains(&rip);
    if rip >= shared.elrange_size {
        signal::die(&format!("strict mode: enclave code runs outside ELRANGE at {rip:#x}"));
    }
    if !shared.may_read(rip) {
        // The fetch will fault by itself.
        return Verdict::Go;
    }
    let mut bytes = [0; 15];
    let len = readable(shared, rip);
    let from = ptr::with_exposed_provenance::<u8>(rip as usize);
    // SAFETY: both pages that the bytes come from were found readable by enclave code.
    unsafe { ptr::copy_nonoverlapping(from, bytes.as_mut_ptr(), len) };
    let instruction = decode(&bytes[..len], rip);
    if is_illegal(&instruction) {
        return Verdict::Illegal;
    }
    let rsp = gregs[libc::REG_RSP as usize].cast_unsigned();
    let stack_is_there = shared.may_read(rsp) && shared.may_read(rsp.wrapping_sub(8));
    if stack_is_there && carry_out_flags(&instruction, gregs) {
        return Verdict::Go;
    }
    let storm =
        shared.options.strict == Strict::StepAndInterrupt && in_image && !record.just_resumed(rip);
    if storm { Verdict::Interrupt } else { Verdict::Go }
}

/// How many of the 15 bytes at `rip` can be read: fewer at the end of the last page that can.
fn readable(shared: &Shared, rip: u64) -> usize {
    let here = (4096 - rip % 4096) as usize;
    let next = rip - rip % 4096 + 4096;
    if here >= 15 || shared.may_read(next) { 15 } else { here }
}

/// PUSHFQ and POPFQ without the trap flag. Returns whether it was one; it has then been executed.
fn carry_out_flags(instruction: &Instruction, gregs: &mut [i64; 23]) -> bool {
    let rsp = gregs[libc::REG_RSP as usize].cast_unsigned();
    let flags = gregs[libc::REG_EFL as usize].cast_unsigned();
    match instruction.code() {
        Code::Pushfq => {
            let to = ptr::with_exposed_provenance_mut::<u64>((rsp - 8) as usize);
            // SAFETY: the instruction itself would write there now, and the page is there.
            unsafe { to.write_unaligned(flags & !TRAP_FLAG) };
            gregs[libc::REG_RSP as usize] = (rsp - 8).cast_signed();
        }
        Code::Popfq => {
            let from = ptr::with_exposed_provenance::<u64>(rsp as usize);
            // SAFETY: the instruction itself would read there now, and the page is there.
            let popped = unsafe { from.read_unaligned() };
            let loaded = (popped & signal::RFLAGS_LOADABLE) | 0x202 | TRAP_FLAG;
            gregs[libc::REG_EFL as usize] = loaded.cast_signed();
            gregs[libc::REG_RSP as usize] = (rsp + 8).cast_signed();
        }
        _ => return false,
    }
    gregs[libc::REG_RIP as usize] = instruction.next_ip().cast_signed();
    true
}

/// Whether SGX refuses the instruction in an enclave although ring 3 would run it (SDM volume 3D, "Illegal
/// Instructions"). System calls trap by themselves.
fn is_illegal(instruction: &Instruction) -> bool {
    use Mnemonic as M;
    let mnemonic = instruction.mnemonic();
    let listed = matches!(
        mnemonic,
        M::Cpuid
            | M::Getsec
            | M::Rdpmc
            | M::Sgdt
            | M::Sidt
            | M::Sldt
            | M::Str
            | M::Vmcall
            | M::Vmfunc
            | M::Sysenter
            | M::Sysexit
            | M::Iret
            | M::Iretd
            | M::Iretq
            | M::In
            | M::Out
            | M::Insb
            | M::Insw
            | M::Insd
            | M::Outsb
            | M::Outsw
            | M::Outsd
    );
    let interrupt = instruction.flow_control() == FlowControl::Interrupt
        && !matches!(mnemonic, M::Syscall | M::Int3 | M::Ud2 | M::Ud0 | M::Ud1);
    listed
        || interrupt
        || instruction.is_jmp_far()
        || instruction.is_call_far()
        || mnemonic == M::Retf
}
