//! The fixed part of an SSA frame: GPRSGX at its end and, below it, EXINFO.
//!
//! ```text
//! frame start                                                          frame end
//! | XSAVE area ... | padding ... | EXINFO (16, if MISCSELECT) | GPRSGX (184) |
//! ```

use crate::Malformed;
use crate::layout::{Field, Place, structure};

/// Exception vectors an AEX reports in EXITINFO ("Exception Vectors").
pub mod vector {
    /// Divide error.
    pub const DE: u8 = 0;
    /// Debug exception.
    pub const DB: u8 = 1;
    /// Breakpoint.
    pub const BP: u8 = 3;
    /// Bound range exceeded.
    pub const BR: u8 = 5;
    /// Invalid opcode.
    pub const UD: u8 = 6;
    /// General protection; reported only with MISCSELECT.EXINFO.
    pub const GP: u8 = 13;
    /// Page fault; reported only with MISCSELECT.EXINFO.
    pub const PF: u8 = 14;
    /// x87 floating-point error.
    pub const MF: u8 = 16;
    /// Alignment check.
    pub const AC: u8 = 17;
    /// SIMD floating-point exception.
    pub const XM: u8 = 19;
    /// Control protection; reported only with MISCSELECT.CPINFO.
    pub const CP: u8 = 21;
}

/// What caused the AEX ("EXITINFO.EXIT_TYPE").
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum ExitType {
    /// A hardware exception.
    Hardware = 3,
    /// A software exception (INT3, INTO).
    Software = 6,
}

/// EXITINFO ("EXITINFO"): the cause of the last AEX, if it is one the enclave may handle.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct ExitInfo(u32);

impl ExitInfo {
    const VALID: u32 = 1 << 31;
    const EXIT_TYPE_SHIFT: u32 = 8;

    /// The value after an AEX that the enclave is not told about, such as an interrupt.
    pub const NONE: Self = ExitInfo(0);

    /// Makes the value after an exception that the enclave is told about.
    pub const fn new(vector: u8, exit_type: ExitType) -> Self {
        ExitInfo(Self::VALID | (exit_type as u32) << Self::EXIT_TYPE_SHIFT | vector as u32)
    }

    /// Makes the value from its integer.
    pub const fn from_bits(bits: u32) -> Self {
        ExitInfo(bits)
    }

    /// Returns the integer.
    pub const fn bits(self) -> u32 {
        self.0
    }

    /// Returns whether vector and type mean anything.
    pub const fn valid(self) -> bool {
        self.0 & Self::VALID != 0
    }

    /// Returns the exception vector.
    pub const fn vector(self) -> u8 {
        let [vector, ..] = self.0.to_le_bytes();
        vector
    }

    /// Returns the exit type, unless the number has no meaning.
    pub const fn exit_type(self) -> Option<ExitType> {
        match (self.0 >> Self::EXIT_TYPE_SHIFT) & 7 {
            3 => Some(ExitType::Hardware),
            6 => Some(ExitType::Software),
            _ => None,
        }
    }
}

impl Field for ExitInfo {
    const SIZE: usize = 4;
    const ZERO: Self = ExitInfo::NONE;

    fn read(bytes: &[u8], place: Place) -> Result<Self, Malformed> {
        Field::read(bytes, place).map(Self)
    }

    fn write(&self, out: &mut [u8]) {
        self.0.write(out);
    }
}

structure! {
    /// EXINFO ("EXINFO Structure"): more about a page fault or general-protection fault. It ends
    /// where GPRSGX begins.
    #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
    pub struct Exinfo = "EXINFO", 16 bytes;
    fields {
        /// Faulting linear address of a page fault; zero for a general-protection fault.
        0 MADDR: maddr: u64,
        /// Error code of the exception.
        8 ERRCD: errcd: u32,
    }
    reserved { 12..16, }
}

structure! {
    /// GPRSGX ("GPRSGX Region"): the registers of the interrupted thread, the last 184 bytes of the
    /// frame.
    #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
    pub struct SsaGpr = "GPRSGX", 184 bytes;
    fields {
        /// RAX.
        0 RAX: rax: u64,
        /// RCX.
        8 RCX: rcx: u64,
        /// RDX.
        16 RDX: rdx: u64,
        /// RBX.
        24 RBX: rbx: u64,
        /// RSP.
        32 RSP: rsp: u64,
        /// RBP.
        40 RBP: rbp: u64,
        /// RSI.
        48 RSI: rsi: u64,
        /// RDI.
        56 RDI: rdi: u64,
        /// R8.
        64 R8: r8: u64,
        /// R9.
        72 R9: r9: u64,
        /// R10.
        80 R10: r10: u64,
        /// R11.
        88 R11: r11: u64,
        /// R12.
        96 R12: r12: u64,
        /// R13.
        104 R13: r13: u64,
        /// R14.
        112 R14: r14: u64,
        /// R15.
        120 R15: r15: u64,
        /// Flags.
        128 RFLAGS: rflags: u64,
        /// Instruction pointer.
        136 RIP: rip: u64,
        /// RSP outside, as it was at EENTER; restored by an AEX.
        144 URSP: ursp: u64,
        /// RBP outside, as it was at EENTER; restored by an AEX.
        152 URBP: urbp: u64,
        /// Cause of the AEX.
        160 EXITINFO: exitinfo: ExitInfo,
        /// Whether ERESUME is to become EENTER (bit 0).
        167 AEXNOTIFY: aexnotify: u8,
        /// FS base inside.
        168 FSBASE: fsbase: u64,
        /// GS base inside.
        176 GSBASE: gsbase: u64,
    }
    reserved { 164..167, }
}

impl SsaGpr {
    /// Offset of the reserved bytes.
    pub const RESERVED: usize = 164;
}
