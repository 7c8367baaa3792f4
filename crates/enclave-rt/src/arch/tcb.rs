//! The runtime's part of the thread control block: byte offsets from the GS base.

use core::arch::asm;

use enclave_abi::tcb::RUNTIME;
pub(crate) use enclave_abi::tcb::{INDEX, LAYOUT};

/// Where the thread is: one of the `STATE_*` values.
pub(crate) const STATE: usize = RUNTIME;
/// RSP at the last EENTER with CSSA 0.
pub(crate) const URSP: usize = RUNTIME + 0x08;
/// RBP at the last EENTER with CSSA 0.
pub(crate) const URBP: usize = RUNTIME + 0x10;
/// Return address of the last EENTER with CSSA 0.
pub(crate) const HOST_RET: usize = RUNTIME + 0x18;
/// Stack pointer of a thread that is in an ocall: its XSAVE area.
pub(crate) const OCALL_SP: usize = RUNTIME + 0x20;
/// Stack pointer above that XSAVE area.
pub(crate) const OCALL_FRAME: usize = RUNTIME + 0x28;
/// Events the host has told of and nobody has looked at: a set, see `enclave_abi::entry::event_of`.
pub(crate) const EVENT: usize = RUNTIME + 0x30;
/// RIP and RSP of the application during the last instructions of the return to it.
pub(crate) const USER_RIP: usize = RUNTIME + 0x38;
pub(crate) const USER_RSP: usize = RUNTIME + 0x40;
/// Address of the application's `Context`, at the top of the kernel stack.
pub(crate) const CTX: usize = RUNTIME + 0x48;
/// Address a user-memory copy faulted at.
pub(crate) const FAULT_ADDR: usize = RUNTIME + 0x50;
/// RSP, RBP and return address of the last EENTER with CSSA 1.
pub(crate) const EXC_URSP: usize = RUNTIME + 0x58;
pub(crate) const EXC_URBP: usize = RUNTIME + 0x60;
pub(crate) const EXC_RET: usize = RUNTIME + 0x68;
/// EXITINFO, EXINFO.MADDR and EXINFO.ERRCD of the trap handed to stage 2.
pub(crate) const TRAP_INFO: usize = RUNTIME + 0x70;
pub(crate) const TRAP_ADDR: usize = RUNTIME + 0x78;
pub(crate) const TRAP_ERR: usize = RUNTIME + 0x80;
/// The host's shared buffer and park word, checked to lie outside ELRANGE.
pub(crate) const BUFFER_ADDR: usize = RUNTIME + 0x88;
pub(crate) const BUFFER_LEN: usize = RUNTIME + 0x90;
pub(crate) const PARK_ADDR: usize = RUNTIME + 0x98;

/// Where trampolines go.
pub(crate) const FAST_ENTRY: usize = crate::fast::ENTRY as usize;
/// System calls that came from trampolines, and that trapped.
pub(crate) const FAST_CALLS: usize = RUNTIME + 0x108;
pub(crate) const TRAPPED_CALLS: usize = RUNTIME + 0x110;

/// The thread has never run or has finished.
pub(crate) const STATE_FREE: u64 = 0;
/// The thread runs in the enclave, or was interrupted there.
pub(crate) const STATE_INSIDE: u64 = 1;
/// The thread has left for an ocall.
pub(crate) const STATE_OCALL: u64 = 2;

/// Reads a field of the calling thread's block.
pub(crate) fn load(offset: usize) -> u64 {
    let value;
    // SAFETY: inside the enclave GS always points at the thread's own control block, a committed
    // page, and every offset of this module lies in it.
    unsafe {
        asm!("mov {}, gs:[{}]", out(reg) value, in(reg) offset, options(nostack, readonly, preserves_flags));
    }
    value
}

/// Takes the events that the host has told of; stage 1 may add some at any instruction.
pub(crate) fn take_events() -> u64 {
    let mut events = 0;
    // SAFETY: as for `load`; XCHG is one instruction, so no event is lost between read and write.
    unsafe {
        asm!("xchg gs:[{}], {}", in(reg) EVENT, inout(reg) events, options(nostack, preserves_flags));
    }
    events
}

/// Writes a field of the calling thread's block.
pub(crate) fn store(offset: usize, value: u64) {
    // SAFETY: as for `load`; the fields are plain integers owned by this thread.
    unsafe {
        asm!("mov gs:[{}], {}", in(reg) offset, in(reg) value, options(nostack, preserves_flags));
    }
}
