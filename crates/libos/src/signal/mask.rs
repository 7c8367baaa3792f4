//! A set of signals.

use crate::linux::signal::{NSIG, SIGKILL, SIGSTOP};

/// A set of signals 1..=64, bit 0 for signal 1, as in `sigset_t`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Mask(u64);

impl Mask {
    /// From the program; SIGKILL and SIGSTOP cannot be blocked.
    pub(crate) const fn blockable(bits: u64) -> Self {
        Self(bits & !(Self::of(SIGKILL).0 | Self::of(SIGSTOP).0))
    }

    /// As it stands.
    pub(crate) const fn from_bits(bits: u64) -> Self {
        Self(bits)
    }

    pub(crate) const fn bits(self) -> u64 {
        self.0
    }

    /// The set of one signal; empty for a number that is none.
    pub(crate) const fn of(signo: u32) -> Self {
        if signo >= 1 && signo <= NSIG { Self(1 << (signo - 1)) } else { Self(0) }
    }

    pub(crate) const fn contains(self, signo: u32) -> bool {
        self.0 & Self::of(signo).0 != 0
    }

    pub(crate) const fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    pub(crate) const fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    pub(crate) const fn intersection(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    pub(crate) const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// The lowest signal in it: Linux delivers in this order.
    pub(crate) const fn first(self) -> Option<u32> {
        if self.0 == 0 { None } else { Some(self.0.trailing_zeros() + 1) }
    }
}
