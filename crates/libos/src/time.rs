//! Time: the host's clocks, never running backwards.
//!
//! The host's clock is not trusted to be right, only kept from going back: each clock answers at
//! least what it answered before. `CLOCK_BOOTTIME` and the coarse clocks are the monotonic and real ones.

use core::sync::atomic::{AtomicU64, Ordering};

use crate::{
    errno::{Errno, Result},
    host,
    linux::time::{
        CLOCK_BOOTTIME, CLOCK_MONOTONIC, CLOCK_MONOTONIC_COARSE, CLOCK_MONOTONIC_RAW,
        CLOCK_PROCESS_CPUTIME_ID, CLOCK_REALTIME, CLOCK_REALTIME_COARSE, CLOCK_THREAD_CPUTIME_ID,
        Timespec,
    },
};

static REAL: AtomicU64 = AtomicU64::new(0);
static MONOTONIC: AtomicU64 = AtomicU64::new(0);

/// Nanoseconds since some point before the start; never less than last time.
pub(crate) fn monotonic_ns() -> u64 {
    clamped(&MONOTONIC, CLOCK_MONOTONIC)
}

/// Nanoseconds since 1970 as the host tells them; never less than last time.
pub(crate) fn real_ns() -> u64 {
    clamped(&REAL, CLOCK_REALTIME)
}

/// The time of day, for timestamps.
pub(crate) fn now() -> Timespec {
    Timespec::from_ns(real_ns())
}

fn clamped(last: &AtomicU64, clock: u64) -> u64 {
    let told = host::clock(clock).unwrap_or(0);
    last.fetch_max(told, Ordering::SeqCst).max(told)
}

/// The value of clock `clockid`.
pub(crate) fn read(clockid: u64) -> Result<u64> {
    match clockid {
        CLOCK_REALTIME | CLOCK_REALTIME_COARSE => Ok(real_ns()),
        CLOCK_MONOTONIC | CLOCK_MONOTONIC_RAW | CLOCK_MONOTONIC_COARSE | CLOCK_BOOTTIME => {
            Ok(monotonic_ns())
        }
        // The host's accounting of the thread is all there is.
        CLOCK_PROCESS_CPUTIME_ID | CLOCK_THREAD_CPUTIME_ID => host::clock(clockid),
        _ => Err(Errno::EINVAL),
    }
}

/// The monotonic time at which clock `clockid` will have reached `until_ns`.
pub(crate) fn deadline(clockid: u64, until_ns: u64) -> Result<u64> {
    let left = until_ns.saturating_sub(read(clockid)?);
    Ok(monotonic_ns().saturating_add(left))
}

/// The monotonic time in `ns` nanoseconds.
pub(crate) fn after(ns: u64) -> u64 {
    monotonic_ns().saturating_add(ns)
}
