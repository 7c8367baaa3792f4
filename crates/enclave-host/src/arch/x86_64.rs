//! x86-64: the floating-point control words, and the call of `__vdso_sgx_enter_enclave`.

use core::arch::{asm, global_asm};

/// MXCSR and FCW, which the calling convention preserves and an enclave may leave behind changed
/// (`__vdso_sgx_enter_enclave` does not restore them).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct FloatControl {
    mxcsr: u32,
    fcw: u16,
}

impl FloatControl {
    /// Reads the control words.
    pub(crate) fn save() -> Self {
        let (mut mxcsr, mut fcw) = (0u32, 0u16);
        // SAFETY: stores four bytes and two bytes to live locals.
        unsafe {
            asm!("stmxcsr [{}]", "fnstcw [{}]", in(reg) &raw mut mxcsr, in(reg) &raw mut fcw,
                options(nostack, preserves_flags));
        }
        Self { mxcsr, fcw }
    }

    /// Loads the control words.
    pub(crate) fn restore(&self) {
        // SAFETY: both values were read by `save` and are therefore valid.
        unsafe {
            asm!("ldmxcsr [{}]", "fldcw [{}]", in(reg) &raw const self.mxcsr,
                in(reg) &raw const self.fcw, options(nostack, readonly, preserves_flags));
        }
    }
}

/// A call of `__vdso_sgx_enter_enclave`; the assembly knows the offsets.
#[derive(Debug)]
#[repr(C)]
pub(crate) struct VdsoCall {
    /// Address of the function.
    pub(crate) function: u64,
    /// Top of the stack it is called on, a multiple of 16.
    pub(crate) stack_top: u64,
    /// Address of its `struct sgx_enclave_run`.
    pub(crate) run: u64,
    /// EENTER or ERESUME.
    pub(crate) leaf: u64,
    /// RDI, RSI and RDX.
    pub(crate) registers: [u64; 3],
}

unsafe extern "sysv64" {
    /// Calls the function and returns what it returns.
    ///
    /// It is not an ordinary function (uapi `asm/sgx.h`, "__vdso_sgx_enter_enclave"): the enclave gets and leaves
    /// every register but RBX, RBP and RSP, so all that the calling convention preserves is kept here, control words
    /// included. An exit goes back to the stack pointer of the last EENTER, even if that call has long returned and
    /// ERESUME came from another one. So the call is made at a fixed place of a stack of its own, with the same
    /// frame whoever calls.
    pub(crate) fn casemate_host_call_vdso(call: *const VdsoCall) -> i32;
}

global_asm!(
    ".pushsection .text.casemate_host,\"ax\",@progbits",
    ".type casemate_host_call_vdso,@function",
    ".globl casemate_host_call_vdso",
    "casemate_host_call_vdso:",
    "  push rbp",
    "  push rbx",
    "  push r12",
    "  push r13",
    "  push r14",
    "  push r15",
    "  sub rsp, 8",
    "  stmxcsr [rsp]",
    "  fnstcw [rsp + 4]",
    "  mov rax, [rdi + 8]",
    "  mov [rax - 8], rsp",
    "  lea rsp, [rax - 32]",
    // The seventh argument.
    "  mov rax, [rdi + 16]",
    "  mov [rsp], rax",
    "  mov rax, [rdi]",
    "  mov ecx, [rdi + 24]",
    "  mov rsi, [rdi + 40]",
    "  mov rdx, [rdi + 48]",
    "  mov rdi, [rdi + 32]",
    "  xor r8d, r8d",
    "  xor r9d, r9d",
    "  xor ebx, ebx",
    "  xor ebp, ebp",
    "  call rax",
    "  cld",
    "  mov rsp, [rsp + 24]",
    "  ldmxcsr [rsp]",
    "  fldcw [rsp + 4]",
    "  add rsp, 8",
    "  pop r15",
    "  pop r14",
    "  pop r13",
    "  pop r12",
    "  pop rbx",
    "  pop rbp",
    "  ret",
    ".size casemate_host_call_vdso, . - casemate_host_call_vdso",
    ".popsection",
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_words_are_put_back() {
        let saved = FloatControl::save();
        let rounding_down = FloatControl { mxcsr: saved.mxcsr | 0x2000, fcw: saved.fcw | 0x400 };
        rounding_down.restore();
        assert_eq!(FloatControl::save(), rounding_down);
        saved.restore();
        assert_eq!(FloatControl::save(), saved);
    }
}
