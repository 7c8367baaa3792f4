//! The time between two looks at the host's clock, from the time-stamp counter.
//!
//! A clock is anchored to the host's at least once a second; in between it runs by the counter, at the rate measured
//! between the first anchor and the last. Counter and host clock are both untrusted: a hypervisor can scale the one,
//! the host can set the other. What holds is that time does not run backwards (`time`), and that a counter that
//! jumps is noticed at the next anchor.

use enclave_rt::sync::Mutex;

use crate::vdso::{self, Reading, Which};

/// Longest time by the counter alone, in nanoseconds.
const ANCHOR_LIFE_NS: u64 = 1_000_000_000;
/// Shortest stretch of the host's clock to measure a rate from.
const BASELINE_NS: u64 = 10_000_000;
/// Fraction bits of a rate.
const SHIFT: u32 = 32;

/// A moment on both clocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Moment {
    tsc: u64,
    ns: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Anchor {
    first: Moment,
    last: Moment,
    /// Nanoseconds per tick with [`SHIFT`] fraction bits; 0: not known yet.
    rate: u64,
}

impl Anchor {
    const fn at(moment: Moment) -> Self {
        Self { first: moment, last: moment, rate: 0 }
    }

    /// The time at `tsc`, if this anchor still says it.
    fn time(&self, tsc: u64) -> Option<u64> {
        let ticks = tsc.checked_sub(self.last.tsc).filter(|_| self.rate != 0)?;
        let ns = u64::try_from((u128::from(ticks) * u128::from(self.rate)) >> SHIFT).ok()?;
        (ns < ANCHOR_LIFE_NS).then(|| self.last.ns.saturating_add(ns))
    }

    /// Raised so that it does not say less at `tsc` than `old` may have said by then.
    fn not_before(mut self, old: &Self, tsc: u64) -> Self {
        let since = |anchor: &Self| {
            let ticks = u128::from(tsc.saturating_sub(anchor.last.tsc)) * u128::from(anchor.rate);
            u64::try_from(ticks >> SHIFT).unwrap_or(u64::MAX).min(ANCHOR_LIFE_NS)
        };
        let told = old.last.ns.saturating_add(since(old));
        let tells = self.last.ns.saturating_add(since(&self));
        self.last.ns = self.last.ns.saturating_add(told.saturating_sub(tells));
        self
    }

    /// The same for the application's own reading.
    fn reading(&self) -> Reading {
        let life = u128::from(ANCHOR_LIFE_NS) << SHIFT;
        let ticks = life.checked_div(u128::from(self.rate)).unwrap_or(0);
        Reading {
            tsc: self.last.tsc,
            ns: self.last.ns,
            rate: self.rate,
            ticks: u64::try_from(ticks).unwrap_or(u64::MAX),
        }
    }

    /// Goes on to another moment. A clock or counter that went back starts anew.
    fn renewed(&self, now: Moment) -> Self {
        let ns = now.ns.checked_sub(self.first.ns);
        let ticks = now.tsc.checked_sub(self.first.tsc).filter(|&ticks| ticks != 0);
        let (Some(ns), Some(ticks)) = (ns, ticks) else { return Self::at(now) };
        let rate = if ns < BASELINE_NS {
            0
        } else {
            u64::try_from((u128::from(ns) << SHIFT) / u128::from(ticks)).unwrap_or(0)
        };
        Self { first: self.first, last: now, rate }
    }
}

/// A host clock with its anchor.
#[derive(Debug)]
pub(crate) struct Ticking {
    anchor: Mutex<Option<Anchor>>,
    which: Which,
}

impl Ticking {
    pub(crate) const fn new(which: Which) -> Self {
        Self { anchor: Mutex::new(None), which }
    }

    /// The time in nanoseconds; `ask` reads the host's clock, `tsc` the counter.
    pub(crate) fn read(
        &self,
        ask: impl FnOnce() -> Option<u64>,
        tsc: impl Fn() -> u64,
    ) -> Option<u64> {
        let anchor = *self.anchor.lock();
        if let Some(ns) = anchor.and_then(|anchor| anchor.time(tsc())) {
            return Some(ns);
        }
        let before = tsc();
        let ns = ask()?;
        let after = tsc();
        // The host read its clock somewhere in between.
        let now = Moment { tsc: before + after.saturating_sub(before) / 2, ns };
        let mut slot = self.anchor.lock();
        let told = vdso::publish(self.which, || {
            let renewed = match &*slot {
                None => Anchor::at(now),
                Some(old) => old.renewed(now).not_before(old, tsc()),
            };
            *slot = Some(renewed);
            renewed.reading()
        });
        // Not less than the application has read by itself.
        Some(ns.max(told.ns))
    }
}

#[cfg(test)]
mod tests {
    use core::cell::Cell;

    use super::*;

    /// A machine whose counter ticks twice a nanosecond.
    struct Machine {
        ns: Cell<u64>,
        asked: Cell<u32>,
    }

    impl Machine {
        fn read(&self, clock: &Ticking) -> u64 {
            let ask = || {
                self.asked.set(self.asked.get() + 1);
                Some(self.ns.get())
            };
            clock.read(ask, || self.ns.get() * 2).unwrap()
        }
    }

    #[test]
    fn once_the_rate_is_known_the_host_is_asked_once_a_second() {
        let machine = Machine { ns: Cell::new(5_000_000_000), asked: Cell::new(0) };
        let clock = Ticking::new(Which::Real);
        machine.read(&clock);
        machine.ns.set(5_020_000_000);
        machine.read(&clock);
        assert_eq!(machine.asked.get(), 2);
        for ms in 5_021..5_500 {
            machine.ns.set(ms * 1_000_000);
            assert!(machine.read(&clock).abs_diff(machine.ns.get()) < 10);
        }
        assert_eq!(machine.asked.get(), 2);
        machine.ns.set(6_021_000_000);
        assert_eq!(machine.read(&clock), 6_021_000_000);
        assert_eq!(machine.asked.get(), 3, "the anchor is a second old");
    }

    #[test]
    fn a_new_anchor_says_no_less_than_the_old_one() {
        let first = Moment { tsc: 0, ns: 1_000_000_000 };
        let old = Anchor::at(first).renewed(Moment { tsc: 40_000_000, ns: 1_020_000_000 });
        let tsc = 80_000_000;
        let told = old.time(tsc).unwrap();
        // The host's clock is now behind what the counter told, then ahead of it.
        for ns in [1_039_990_000, 1_040_000_000, 1_040_010_000] {
            let new = old.renewed(Moment { tsc: tsc - 2000, ns: ns - 1000 }).not_before(&old, tsc);
            let says = new.time(tsc).unwrap();
            assert!(says >= told && says <= told.max(ns) + 10, "{ns}: {says}, {told}");
        }
    }

    #[test]
    fn a_counter_or_clock_that_goes_back_is_not_used() {
        let first = Moment { tsc: 1000, ns: 1_000_000_000 };
        let anchor = Anchor::at(first).renewed(Moment { tsc: 41_000_000, ns: 1_020_000_000 });
        assert!(anchor.time(42_000_000).is_some());
        assert_eq!(anchor.time(40_000_000), None, "before the anchor");
        assert_eq!(anchor.time(u64::MAX), None, "long after it");
        let back = Moment { tsc: 500, ns: 2_000_000_000 };
        assert_eq!(anchor.renewed(back), Anchor::at(back));
        let earlier = Moment { tsc: 50_000_000, ns: 5 };
        assert_eq!(anchor.renewed(earlier), Anchor::at(earlier));
    }
}
