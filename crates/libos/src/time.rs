//! Time: the host's clocks, never running backwards.
//!
//! The host's clock is not trusted to be right, only kept from going back: each clock answers at
//! least what it answered before. Most reads stay inside the enclave ([`Ticking`]). `CLOCK_BOOTTIME` and the coarse clocks are the monotonic and real ones.

use core::sync::atomic::{AtomicU64, Ordering};

use crate::{
    errno::{Errno, Result},
    host,
    linux::time::{
        CLOCK_BOOTTIME, CLOCK_MONOTONIC, CLOCK_MONOTONIC_COARSE, CLOCK_MONOTONIC_RAW,
        CLOCK_PROCESS_CPUTIME_ID, CLOCK_REALTIME, CLOCK_REALTIME_COARSE, CLOCK_THREAD_CPUTIME_ID,
        Timespec,
    },
    tick::Ticking,
    vdso::Which,
};

/// A clock and the latest time it told.
struct Clock {
    ticking: Ticking,
    latest: AtomicU64,
    id: u64,
}

impl Clock {
    const fn new(id: u64, which: Which) -> Self {
        Self { ticking: Ticking::new(which), latest: AtomicU64::new(0), id }
    }

    fn ns(&self) -> u64 {
        let told = self.ticking.read(|| host::clock(self.id).ok(), enclave_rt::clock::tsc);
        let told = told.unwrap_or(0);
        self.latest.fetch_max(told, Ordering::SeqCst).max(told)
    }
}

static REAL: Clock = Clock::new(CLOCK_REALTIME, Which::Real);
static MONOTONIC: Clock = Clock::new(CLOCK_MONOTONIC, Which::Monotonic);

/// Nanoseconds since some point before the start; never less than last time.
pub(crate) fn monotonic_ns() -> u64 {
    MONOTONIC.ns()
}

/// Nanoseconds since 1970 as the host tells them; never less than last time.
pub(crate) fn real_ns() -> u64 {
    REAL.ns()
}

/// The time of day, for timestamps.
pub(crate) fn now() -> Timespec {
    Timespec::from_ns(real_ns())
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
