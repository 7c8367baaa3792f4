//! Trusted time: which time it is when the host that says so may lie. `docs/specs/trusted-time.md`.

use std::sync::{Mutex, PoisonError};

/// The host may say up to this much less than expected, in milliseconds.
const BACKWARD_MAX: u64 = 1_000;
/// The host may say up to this much more than expected, in milliseconds.
const JUMP_MAX: u64 = 300_000;

/// What the host says: both are the host's word.
pub trait HostClock: Send + Sync {
    /// Milliseconds since 1970-01-01 UTC.
    fn wall_ms(&self) -> u64;
    /// Milliseconds since some moment before the start.
    fn monotonic_ms(&self) -> u64;
}

/// Whether what the host says fits together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClockState {
    /// It does.
    Steady,
    /// The wall clock was set back.
    Backward,
    /// The wall clock went ahead more than five minutes.
    Jump,
}

/// The time, never less than it was.
#[derive(Debug)]
pub struct TrustedTime(Mutex<Inner>);

#[derive(Debug)]
struct Inner {
    now: u64,
    anchor: Option<u64>,
    state: ClockState,
}

impl TrustedTime {
    /// A time not before `floor_ms`, which the store remembers.
    pub fn new(floor_ms: u64) -> Self {
        TrustedTime(Mutex::new(Inner { now: floor_ms, anchor: None, state: ClockState::Steady }))
    }

    /// Takes a reading of the host's clocks and returns the time and its state.
    pub fn observe(&self, wall_ms: u64, monotonic_ms: u64) -> (u64, ClockState) {
        let mut inner = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        inner.observe(wall_ms, monotonic_ms);
        (inner.now, inner.state)
    }

    /// The time and state of the last reading.
    pub fn last(&self) -> (u64, ClockState) {
        let inner = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        (inner.now, inner.state)
    }

    /// Takes `time_ms` from a signed source or an operator, if it is not in the past.
    pub fn accept(&self, time_ms: u64) -> bool {
        let mut inner = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let is_ahead = time_ms >= inner.now;
        if is_ahead {
            inner.now = time_ms;
            inner.state = ClockState::Steady;
        }
        is_ahead
    }
}

impl Inner {
    fn observe(&mut self, wall: u64, monotonic: u64) {
        let Some(anchor) = self.anchor.replace(monotonic) else {
            self.state = if wall < self.now { ClockState::Backward } else { ClockState::Steady };
            self.now = self.now.max(wall);
            return;
        };
        let expected = self.now.saturating_add(monotonic.saturating_sub(anchor));
        if wall.saturating_add(BACKWARD_MAX) < expected {
            (self.now, self.state) = (expected, ClockState::Backward);
        } else if wall > expected.saturating_add(JUMP_MAX) {
            (self.now, self.state) = (expected, ClockState::Jump);
        } else {
            (self.now, self.state) = (self.now.max(wall), ClockState::Steady);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The vectors of the specification.
    #[test]
    fn vectors() {
        use ClockState::{Backward, Jump, Steady};
        let time = TrustedTime::new(1_000_000);
        let readings = [
            (1_000_500, 0, 1_000_500, Steady),
            (1_001_500, 1_000, 1_001_500, Steady),
            (1_001_000, 1_500, 1_001_500, Steady),
            (1_000_000, 2_000, 1_002_000, Backward),
            (1_003_000, 3_000, 1_003_000, Steady),
            (1_403_500, 4_000, 1_004_000, Jump),
            (1_404_500, 5_000, 1_005_000, Jump),
        ];
        for (wall, monotonic, now, state) in readings {
            assert_eq!(time.observe(wall, monotonic), (now, state), "({wall}, {monotonic})");
        }
        assert!(!time.accept(1_000_000), "an operator cannot turn it back");
        assert!(time.accept(1_405_000));
        assert_eq!(time.last(), (1_405_000, Steady));
    }

    proptest! {
        /// Whatever the host says, time does not go back, and no single reading makes it pass
        /// faster than the monotonic clock by more than the jump that is allowed.
        #[test]
        fn never_goes_back(readings in prop::collection::vec((any::<u64>(), any::<u64>()), 1..50)) {
            let time = TrustedTime::new(1);
            let mut last = (0, None);
            for (wall, monotonic) in readings {
                let (now, _) = time.observe(wall, monotonic);
                prop_assert!(now >= last.0);
                if let Some(before) = last.1 {
                    let elapsed: u64 = monotonic.saturating_sub(before);
                    prop_assert!(now - last.0 <= elapsed.saturating_add(JUMP_MAX));
                }
                last = (now, Some(monotonic));
            }
        }
    }
}
