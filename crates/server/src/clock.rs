//! The host's clocks. Only the edges read them.

use std::sync::LazyLock;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use vault::time::HostClock;

/// The clocks of this machine.
#[derive(Clone, Copy, Debug)]
pub struct MachineClock;

static START: LazyLock<Instant> = LazyLock::new(monotonic);

#[allow(clippy::disallowed_methods, reason = "the edge is where the clock is read")]
fn monotonic() -> Instant {
    Instant::now()
}

#[allow(clippy::disallowed_methods, reason = "the edge is where the clock is read")]
fn wall() -> SystemTime {
    SystemTime::now()
}

fn milliseconds(duration: std::time::Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// Nanoseconds since 1970, for logs.
pub(crate) fn now() -> vault_sdk::time::Instant {
    let since = wall().duration_since(UNIX_EPOCH).unwrap_or_default();
    vault_sdk::time::Instant(u64::try_from(since.as_nanos()).unwrap_or(u64::MAX))
}

/// A point in time to measure from.
pub(crate) fn stopwatch() -> Instant {
    monotonic()
}

impl HostClock for MachineClock {
    fn wall_ms(&self) -> u64 {
        milliseconds(wall().duration_since(UNIX_EPOCH).unwrap_or_default())
    }

    fn monotonic_ms(&self) -> u64 {
        milliseconds(START.elapsed())
    }
}
