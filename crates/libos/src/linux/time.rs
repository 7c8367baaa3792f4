//! `linux/time.h`.
#![allow(dead_code, reason = "the header's list is kept whole")]

pub(crate) const CLOCK_REALTIME: u64 = 0;
pub(crate) const CLOCK_MONOTONIC: u64 = 1;
pub(crate) const CLOCK_PROCESS_CPUTIME_ID: u64 = 2;
pub(crate) const CLOCK_THREAD_CPUTIME_ID: u64 = 3;
pub(crate) const CLOCK_MONOTONIC_RAW: u64 = 4;
pub(crate) const CLOCK_REALTIME_COARSE: u64 = 5;
pub(crate) const CLOCK_MONOTONIC_COARSE: u64 = 6;
pub(crate) const CLOCK_BOOTTIME: u64 = 7;

pub(crate) const TIMER_ABSTIME: u64 = 1;
pub(crate) const UTIME_NOW: u64 = 0x3fff_ffff;
pub(crate) const UTIME_OMIT: u64 = 0x3fff_fffe;

/// Nanoseconds in a second.
pub(crate) const NS: u64 = 1_000_000_000;

/// Seconds and nanoseconds of a time or a duration, as `struct timespec`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub(crate) struct Timespec {
    pub(crate) sec: i64,
    pub(crate) nsec: u32,
}

impl Timespec {
    pub(crate) fn from_ns(ns: u64) -> Self {
        let nsec = u32::try_from(ns % NS).unwrap_or(0);
        Self { sec: (ns / NS).cast_signed(), nsec }
    }

    /// Nanoseconds since zero; times before it are zero, times too large are the largest.
    pub(crate) fn to_ns(self) -> u64 {
        u64::try_from(self.sec)
            .map_or(0, |sec| sec.saturating_mul(NS).saturating_add(u64::from(self.nsec)))
    }

    /// From the two words of a structure, if they are in range.
    pub(crate) fn from_words(sec: u64, nsec: u64) -> Option<Self> {
        let sec = sec.cast_signed();
        let nsec = u32::try_from(nsec).ok().filter(|&n| u64::from(n) < NS)?;
        (sec >= 0).then_some(Self { sec, nsec })
    }

    pub(crate) fn to_bytes(self) -> [u8; 16] {
        let mut out = [0; 16];
        out[..8].copy_from_slice(&self.sec.to_le_bytes());
        out[8..].copy_from_slice(&u64::from(self.nsec).to_le_bytes());
        out
    }
}
