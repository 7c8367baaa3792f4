//! Entry, exit and exceptions: the constants and signatures of `entry.S`.
//!
//! ```text
//! _start  CSSA 0, free    -> initialise, relocate once, casemate_rt_start   (never returns)
//!         CSSA 0, ocall   -> restore extended state, return from casemate_rt_ocall
//!         CSSA 1          -> stage 1: copy the SSA frame, redirect, EEXIT for ERESUME
//! stage 2 (by ERESUME)    -> save XMM, casemate_rt_trap, then the return path
//! return path             -> restartable: stage 1 sets RIP back to its start on an event
//! ```

use enclave_abi::{entry, layout, tcb as template};

use super::tcb;
use crate::context::{CONTEXT_SIZE, MXCSR_DEFAULT};

/// Room for XSAVEC of every component XFRM may name, AMX included.
const XSAVE_AREA: usize = 12 << 10;
/// Offset of GPRSGX in an SSA frame, which it ends (SDM volume 3D, state save area frame).
const GPRSGX: usize =
    layout::SSA_FRAME_PAGES as usize * layout::PAGE as usize - sgx_types::SsaGpr::SIZE;

/// What [`casemate_rt_enclu`] returns when a page it was to work on faulted; no leaf's error code.
pub(crate) const LEAF_FAULT: u64 = u64::MAX;

core::arch::global_asm!(
    include_str!("entry.S"),
    MXCSR = const MXCSR_DEFAULT,
    CONTEXT_SIZE = const CONTEXT_SIZE,
    XSAVE_AREA = const XSAVE_AREA,
    GPRSGX = const GPRSGX,
    LEAF_FAULT = const LEAF_FAULT,
    KERNEL_STACK_TOP = const template::KERNEL_STACK_TOP,
    EXCEPTION_STACK_TOP = const template::EXCEPTION_STACK_TOP,
    SSA = const template::SSA,
    STATE = const tcb::STATE,
    STATE_FREE = const tcb::STATE_FREE,
    STATE_INSIDE = const tcb::STATE_INSIDE,
    STATE_OCALL = const tcb::STATE_OCALL,
    URSP = const tcb::URSP,
    URBP = const tcb::URBP,
    HOST_RET = const tcb::HOST_RET,
    OCALL_SP = const tcb::OCALL_SP,
    OCALL_FRAME = const tcb::OCALL_FRAME,
    EVENT = const tcb::EVENT,
    USER_RIP = const tcb::USER_RIP,
    USER_RSP = const tcb::USER_RSP,
    CTX = const tcb::CTX,
    FAULT_ADDR = const tcb::FAULT_ADDR,
    EXC_URSP = const tcb::EXC_URSP,
    EXC_URBP = const tcb::EXC_URBP,
    EXC_RET = const tcb::EXC_RET,
    TRAP_INFO = const tcb::TRAP_INFO,
    TRAP_ADDR = const tcb::TRAP_ADDR,
    TRAP_ERR = const tcb::TRAP_ERR,
    FAST_CALLS = const tcb::FAST_CALLS,
    ENTER_START = const entry::ENTER_START,
    ENTER_THREAD = const entry::ENTER_THREAD,
    ENTER_OCALL_RETURN = const entry::ENTER_OCALL_RETURN,
    ENTER_EVENT = const entry::ENTER_EVENT,
    EVENT_LOOK = const entry::EVENT_LOOK,
    EXIT_OCALL = const entry::EXIT_OCALL,
    EXIT_RESUME = const entry::EXIT_RESUME,
    EXIT_THREAD = const entry::EXIT_THREAD,
    EXIT_ABORT = const entry::EXIT_ABORT,
    ABORT_BAD_ENTRY = const entry::ABORT_BAD_ENTRY,
    ABORT_RUNTIME_FAULT = const entry::ABORT_RUNTIME_FAULT,
);

unsafe extern "sysv64" {
    /// Leaves for an ocall whose frame is at `frame`; returns when the host has answered.
    pub(crate) fn casemate_rt_ocall(frame: u64);
    /// Leaves for good: the host must stop the enclave.
    pub(crate) fn casemate_rt_abort(code: u64, detail: u64) -> !;
    /// Leaves for good: this thread is finished.
    pub(crate) fn casemate_rt_exit_thread() -> !;
    /// Where trampolines go; not to be called.
    pub(crate) fn casemate_rt_fast() -> !;
    /// Returns to the application with the thread's `Context`.
    pub(crate) fn casemate_rt_return() -> !;
    /// ENCLU with RAX `leaf`; returns RAX, or [`LEAF_FAULT`].
    pub(crate) fn casemate_rt_enclu(leaf: u64, rbx: u64, rcx: u64, rdx: u64) -> u64;
    /// Copies `len` bytes; returns how many were not copied because of a fault.
    pub(crate) fn casemate_rt_copy(to: u64, from: u64, len: usize) -> usize;
    /// Zeroes `len` bytes; returns how many were not zeroed because of a fault.
    pub(crate) fn casemate_rt_zero(to: u64, len: usize) -> usize;
    /// Exchanges `len` bytes, a multiple of 64, of two ranges aligned to 64; a fault ends the enclave.
    pub(crate) fn casemate_rt_exchange(one: u64, other: u64, len: u64);
    /// Loads a word into `out`; 0, or 1 on a fault.
    pub(crate) fn casemate_rt_load_u32(from: u64, out: *mut u32) -> u64;
    /// LOCK CMPXCHG, the old word into `out`; 0, or 1 on a fault.
    pub(crate) fn casemate_rt_compare_exchange_u32(
        at: u64,
        expected: u32,
        new: u32,
        out: *mut u32,
    ) -> u64;
}
