//! TCS: one way into an enclave.

use crate::Malformed;
use crate::bits::bitset;
use crate::layout::{Place, structure};

bitset! {
    /// TCS.FLAGS ("TCS.FLAGS").
    pub struct TcsFlags: u64 {
        /// Debugging features act while this thread is inside; EADD clears it.
        DBGOPTIN = 1,
        /// This thread may be told about AEX.
        AEXNOTIFY = 1 << 1,
    }
}

impl TcsFlags {
    fn check(self, place: Place) -> Result<(), Malformed> {
        if self.unnamed().is_empty() {
            return Ok(());
        }
        Err(place.refuse("reserved bits 63:2 clear", self.bits()))
    }
}

structure! {
    /// TCS ("Thread Control Structure (TCS)"). Offsets are from the base of ELRANGE, in bytes.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub struct Tcs = "TCS", 4096 bytes;
    fields {
        /// Whether a thread is inside; kept by the processor, zero in a source page.
        0 STATE: state: u64,
        /// Execution flags.
        8 FLAGS: flags: TcsFlags,
        /// Offset of the SSA stack; a multiple of 4096.
        16 OSSA: ossa: u64,
        /// Current SSA frame; EADD clears it.
        24 CSSA: cssa: u32,
        /// Number of SSA frames.
        28 NSSA: nssa: u32,
        /// Offset of the entry point.
        32 OENTRY: oentry: u64,
        /// Asynchronous exit pointer; kept by the processor, zero in a source page.
        40 AEP: aep: u64,
        /// Offset that becomes the FS base.
        48 OFSBASE: ofsbase: u64,
        /// Offset that becomes the GS base.
        56 OGSBASE: ogsbase: u64,
        /// FS limit, 32-bit mode only; the low 12 bits are set.
        64 FSLIMIT: fslimit: u32,
        /// GS limit, 32-bit mode only; the low 12 bits are set.
        68 GSLIMIT: gslimit: u32,
        /// Offset of the CET state save area.
        72 OCETSSA: ocetssa: u64,
        /// Shadow-stack pointer of the previous entry; kept by the processor.
        80 PREVSSP: prevssp: u64,
    }
    reserved { 88..4096, }
}
