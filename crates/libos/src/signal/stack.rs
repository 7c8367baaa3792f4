//! The alternate signal stack: `sigaltstack(2)`.

use alloc::vec::Vec;

use crate::{
    errno::{Errno, Result},
    linux::{
        Encoder,
        signal::{MINSIGSTKSZ, SS_AUTODISARM, SS_DISABLE, SS_ONSTACK},
        u32_at, u64_at,
    },
};

/// Size of `stack_t`.
pub(crate) const STACK_T_SIZE: usize = 24;

/// A thread's alternate stack.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct AltStack {
    pub(crate) sp: u64,
    pub(crate) size: u64,
    /// `SS_DISABLE` and `SS_AUTODISARM`.
    pub(crate) flags: u32,
}

impl Default for AltStack {
    fn default() -> Self {
        Self { sp: 0, size: 0, flags: SS_DISABLE }
    }
}

impl AltStack {
    /// Whether a stack pointer lies on it.
    pub(crate) const fn holds(&self, rsp: u64) -> bool {
        self.flags & SS_DISABLE == 0
            && self.flags & SS_AUTODISARM == 0
            && rsp > self.sp
            && rsp - self.sp <= self.size
    }

    /// Its end, where a frame goes, if it may be used by a thread whose stack pointer is `rsp`.
    pub(crate) const fn top_for(&self, rsp: u64) -> Option<u64> {
        if self.flags & SS_DISABLE != 0 || self.holds(rsp) {
            return None;
        }
        self.sp.checked_add(self.size)
    }

    /// `stack_t` as a thread with this stack pointer sees it.
    pub(crate) fn to_bytes(self, rsp: u64) -> Vec<u8> {
        let on = if self.holds(rsp) { SS_ONSTACK } else { 0 };
        Encoder::new().u64(self.sp).u32(self.flags | on).u32(0).u64(self.size).finish()
    }

    /// From the program's `stack_t`.
    pub(crate) fn from_bytes(bytes: &[u8]) -> Result<Self> {
        let field = |value: Option<u64>| value.ok_or(Errno::EFAULT);
        let sp = field(u64_at(bytes, 0))?;
        let flags = u32_at(bytes, 8).ok_or(Errno::EFAULT)?;
        let size = field(u64_at(bytes, 16))?;
        match flags & !SS_AUTODISARM {
            SS_DISABLE => Ok(Self { sp: 0, size: 0, flags }),
            0 | SS_ONSTACK if size < MINSIGSTKSZ => Err(Errno::ENOMEM),
            0 | SS_ONSTACK => Ok(Self { sp, size, flags: flags & SS_AUTODISARM }),
            _ => Err(Errno::EINVAL),
        }
    }
}
