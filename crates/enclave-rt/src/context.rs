//! The registers of an application thread while the library OS works for it.

/// Register state of an interrupted application thread. The upper halves of vector registers are
/// not here: the image never touches them, so they stay live in the processor.
///
/// The assembly in `arch` knows this layout; a test holds the two together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(C, align(16))]
#[allow(missing_docs, reason = "registers are named by the processor's manual")]
pub struct Context {
    /// XMM0 to XMM15.
    pub xmm: [u128; 16],
    pub rax: u64,
    pub rbx: u64,
    pub rcx: u64,
    pub rdx: u64,
    pub rsi: u64,
    pub rdi: u64,
    pub rbp: u64,
    pub rsp: u64,
    pub r8: u64,
    pub r9: u64,
    pub r10: u64,
    pub r11: u64,
    pub r12: u64,
    pub r13: u64,
    pub r14: u64,
    pub r15: u64,
    pub rip: u64,
    pub rflags: u64,
    /// FS base: the application's thread pointer.
    pub fs_base: u64,
    /// SSE control and status.
    pub mxcsr: u32,
    /// x87 control word.
    pub fcw: u32,
}

/// Size of a [`Context`] in bytes.
pub const CONTEXT_SIZE: usize = 416;

/// RFLAGS bits an application may set: CF, PF, AF, ZF, SF, DF, OF, AC and ID. Not TF: single-stepping
/// would trap inside the return path.
pub const RFLAGS_USER: u64 = 0x1 | 0x4 | 0x10 | 0x40 | 0x80 | 0x400 | 0x800 | 0x4_0000 | 0x20_0000;
/// RFLAGS bits that are always one in the application: bit 1 and IF.
pub const RFLAGS_FIXED: u64 = 0x202;
/// MXCSR bits that do not fault when loaded.
pub const MXCSR_MASK: u32 = 0xffff;
/// MXCSR after reset.
pub const MXCSR_DEFAULT: u32 = 0x1f80;
/// x87 control word after FNINIT.
pub const FCW_DEFAULT: u32 = 0x37f;

/// The extended state that XSAVE writes here: XCR0, by XGETBV. On hardware it is the enclave's XFRM; the
/// emulator cannot change the processor's.
#[must_use]
pub fn xcr0() -> u64 {
    crate::backend::xcr0()
}

impl Context {
    /// A thread about to execute its first instruction: all registers zero but these two.
    #[must_use]
    pub fn at_start(rip: u64, rsp: u64) -> Self {
        Self { rip, rsp, ..Self::default() }
    }

    /// The state with every field forced into what can be loaded without a fault.
    #[must_use]
    pub fn sanitized(mut self) -> Self {
        self.sanitize();
        self
    }

    /// Forces every field into what can be loaded without a fault.
    pub fn sanitize(&mut self) {
        self.rflags = (self.rflags & RFLAGS_USER) | RFLAGS_FIXED;
        self.mxcsr &= MXCSR_MASK;
        self.fcw &= 0xffff;
    }
}

impl Default for Context {
    fn default() -> Self {
        Self {
            xmm: [0; 16],
            rax: 0,
            rbx: 0,
            rcx: 0,
            rdx: 0,
            rsi: 0,
            rdi: 0,
            rbp: 0,
            rsp: 0,
            r8: 0,
            r9: 0,
            r10: 0,
            r11: 0,
            r12: 0,
            r13: 0,
            r14: 0,
            r15: 0,
            rip: 0,
            rflags: RFLAGS_FIXED,
            fs_base: 0,
            mxcsr: MXCSR_DEFAULT,
            fcw: FCW_DEFAULT,
        }
    }
}

const _: () = assert!(size_of::<Context>() == CONTEXT_SIZE);
const _: () = assert!(core::mem::offset_of!(Context, rax) == 256);
const _: () = assert!(core::mem::offset_of!(Context, rip) == 384);
const _: () = assert!(core::mem::offset_of!(Context, fcw) == 412);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trap_flag_and_reserved_control_bits_are_dropped() {
        let wild =
            Context { rflags: u64::MAX, mxcsr: u32::MAX, fcw: u32::MAX, ..Context::default() };
        let safe = wild.sanitized();
        assert_eq!(safe.rflags & 0x100, 0, "TF");
        assert_eq!(safe.rflags & 0x202, 0x202);
        assert_eq!(safe.mxcsr, 0xffff);
        assert_eq!(safe.fcw, 0xffff);
    }
}
