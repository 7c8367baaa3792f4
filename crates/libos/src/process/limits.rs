//! Resource limits: `getrlimit(2)`.

/// `RLIMIT_STACK`.
pub(crate) const RLIMIT_STACK: usize = 3;
/// `RLIMIT_NOFILE`.
pub(crate) const RLIMIT_NOFILE: usize = 7;
/// Number of limits.
pub(crate) const RLIM_NLIMITS: usize = 16;
/// No limit.
pub(crate) const RLIM_INFINITY: u64 = u64::MAX;
/// Bytes of the first thread's stack.
pub(crate) const STACK_SIZE: u64 = 8 << 20;

/// A soft and a hard limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Limit {
    pub(crate) soft: u64,
    pub(crate) hard: u64,
}

/// All limits of a process, by number.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits(pub(crate) [Limit; RLIM_NLIMITS]);

impl Limits {
    /// Descriptors are below this.
    pub(crate) fn descriptors(&self) -> u64 {
        self.0[RLIMIT_NOFILE].soft
    }
}

impl Default for Limits {
    fn default() -> Self {
        let mut limits = [Limit { soft: RLIM_INFINITY, hard: RLIM_INFINITY }; RLIM_NLIMITS];
        limits[RLIMIT_STACK].soft = STACK_SIZE;
        limits[4] = Limit { soft: 0, hard: RLIM_INFINITY };
        limits[RLIMIT_NOFILE] = Limit { soft: 1024, hard: 1 << 20 };
        limits[8] = Limit { soft: 8 << 20, hard: 8 << 20 };
        limits[12] = Limit { soft: 819_200, hard: 819_200 };
        limits[13] = Limit { soft: 0, hard: 0 };
        limits[14] = Limit { soft: 0, hard: 0 };
        Self(limits)
    }
}
