//! Values from host memory: read once, judged before use.
//!
//! The host can change its memory at any time, so a value that was checked there may be another when it is
//! used. A [`FromHost`] is a copy, made in one go into enclave memory; what it holds comes out through a
//! judgement only.

/// A value as the host wrote it: copied once, not yet believed.
#[derive(Debug, Clone, Copy)]
#[must_use = "a value of the host means nothing before it is judged"]
pub struct FromHost<T>(T);

impl<T> FromHost<T> {
    /// Wraps a copy that has just been made.
    pub(crate) const fn copied(value: T) -> Self {
        Self(value)
    }

    /// What `judge` makes of the value; `None` is a lie.
    pub fn check<U>(self, judge: impl FnOnce(T) -> Option<U>) -> Option<U> {
        judge(self.0)
    }

    /// The value, where every value is as good as any other: the caller says why.
    pub fn any_will_do(self) -> T {
        self.0
    }
}

#[cfg(casemate_image)]
pub(crate) use range::HostRange;

#[cfg(casemate_image)]
mod range {
    use alloc::{vec, vec::Vec};

    use super::FromHost;
    use crate::image::{backend, outside_enclave};

    /// Host memory: wholly outside ELRANGE and in user space.
    #[derive(Debug, Clone, Copy)]
    pub(crate) struct HostRange {
        address: u64,
        len: usize,
    }

    impl HostRange {
        /// The range, if all of it is the host's.
        pub(crate) fn new(address: u64, len: u64) -> Option<Self> {
            let range = Self { address, len: usize::try_from(len).ok()? };
            outside_enclave(address, len).then_some(range)
        }

        /// Its first `N` bytes; zeros if it is shorter or not readable.
        pub(crate) fn read<const N: usize>(self) -> FromHost<[u8; N]> {
            let mut bytes = [0; N];
            if N <= self.len {
                backend::copy_from_host(self.address, &mut bytes);
            }
            FromHost::copied(bytes)
        }

        /// All of it; zeros if it is not readable.
        pub(crate) fn read_all(self) -> FromHost<Vec<u8>> {
            let mut bytes = vec![0; self.len];
            backend::copy_from_host(self.address, &mut bytes);
            FromHost::copied(bytes)
        }
    }
}
