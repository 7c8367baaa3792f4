//! x86-64: the floating-point control words.

use core::arch::asm;

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
