//! The vDSO as bytes: the library OS maps them into application memory and fills in where its clocks are.
//!
//! A clock is eight words: a sequence number, odd while it is written; a value of the time-stamp counter; the
//! nanoseconds then; nanoseconds per tick with 32 fraction bits, 0 for not known; how many ticks it is good for.
//! First the real clock, then the monotonic one.

use core::arch::global_asm;

use crate::fast;

/// `CLOCK_REALTIME` and its coarse form.
const REAL_CLOCKS: u32 = 1 << 0 | 1 << 5;
/// `CLOCK_MONOTONIC`, its raw and coarse forms, and `CLOCK_BOOTTIME`.
const MONOTONIC_CLOCKS: u32 = 1 << 1 | 1 << 4 | 1 << 6 | 1 << 7;

global_asm!(
    include_str!("vdso.S"),
    ENTRY = const fast::ENTRY,
    REAL_CLOCKS = const REAL_CLOCKS,
    MONOTONIC_CLOCKS = const MONOTONIC_CLOCKS,
);

unsafe extern "C" {
    static casemate_rt_vdso: u8;
    static casemate_rt_vdso_clocks: u8;
    static casemate_rt_vdso_end: u8;
}

/// Words of a clock.
pub const CLOCK_WORDS: usize = 8;

/// The object for clocks at `clocks`, less than a page.
#[must_use]
pub fn object(clocks: u64) -> alloc::vec::Vec<u8> {
    let start = &raw const casemate_rt_vdso;
    let end = &raw const casemate_rt_vdso_end;
    let place = &raw const casemate_rt_vdso_clocks;
    let len = end.addr() - start.addr();
    // SAFETY: the assembly defines these bytes, which are never written.
    let mut bytes = unsafe { core::slice::from_raw_parts(start, len) }.to_vec();
    let at = place.addr() - start.addr();
    if let Some(word) = bytes.get_mut(at..at + 8) {
        word.copy_from_slice(&clocks.to_le_bytes());
    }
    bytes
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_object_is_a_page_at_most_and_knows_its_clocks() {
        let bytes = super::object(0x1122_3344_5566_7788);
        assert!(bytes.starts_with(b"\x7fELF") && bytes.len() <= 4096, "{}", bytes.len());
        let clocks = 0x1122_3344_5566_7788_u64.to_le_bytes();
        assert_eq!(bytes.windows(8).filter(|word| *word == clocks).count(), 1);
    }
}
