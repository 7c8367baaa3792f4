//! What comes with a signal: `siginfo_t`.

use alloc::vec::Vec;

use crate::linux::{Encoder, signal::SI_KERNEL, u32_at, u64_at};

/// Size of `siginfo_t` in bytes.
pub(crate) const SIGINFO_SIZE: usize = 128;

/// A signal with its circumstances.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Info {
    pub(crate) signo: u32,
    pub(crate) code: i32,
    pub(crate) fields: Fields,
}

/// The part of `siginfo_t` that depends on the code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fields {
    None,
    /// Who sent it, and the value of `sigqueue(3)`.
    Sender {
        pid: u32,
        uid: u32,
        value: u64,
    },
    /// Which timer of `timer_create(2)`, and its `sigev_value`.
    Timer {
        id: u32,
        value: u64,
    },
    /// Where the fault was.
    Fault {
        addr: u64,
    },
    /// Which child changed, and its exit status or signal.
    Child {
        pid: u32,
        uid: u32,
        status: u32,
    },
}

impl Info {
    /// Sent by a process.
    pub(crate) const fn from_sender(signo: u32, code: i32, pid: u32, uid: u32) -> Self {
        Self { signo, code, fields: Fields::Sender { pid, uid, value: 0 } }
    }

    /// Raised by the system.
    pub(crate) const fn from_kernel(signo: u32) -> Self {
        Self { signo, code: SI_KERNEL, fields: Fields::None }
    }

    /// About child `(pid, uid, status)`.
    pub(crate) const fn from_child(signo: u32, code: i32, child: (u32, u32, u32)) -> Self {
        let (pid, uid, status) = child;
        Self { signo, code, fields: Fields::Child { pid, uid, status } }
    }

    /// Raised by an instruction at or access to `addr`.
    pub(crate) const fn from_fault(signo: u32, code: i32, addr: u64) -> Self {
        Self { signo, code, fields: Fields::Fault { addr } }
    }

    /// `siginfo_t`.
    pub(crate) fn to_bytes(self) -> Vec<u8> {
        let head = Encoder::new().u32(self.signo).u32(0).u32(self.code.cast_unsigned()).u32(0);
        let body = match self.fields {
            Fields::None => head,
            Fields::Sender { pid, uid, value } => head.u32(pid).u32(uid).u64(value),
            // si_overrun is asked for by timer_getoverrun(2).
            Fields::Timer { id, value } => head.u32(id).u32(0).u64(value),
            Fields::Fault { addr } => head.u64(addr),
            Fields::Child { pid, uid, status } => head.u32(pid).u32(uid).u32(status),
        };
        body.pad_to(SIGINFO_SIZE).finish()
    }

    /// From the `siginfo_t` a program passes to `rt_sigqueueinfo(2)`.
    pub(crate) fn from_bytes(bytes: &[u8], signo: u32) -> Option<Self> {
        let fields = Fields::Sender {
            pid: u32_at(bytes, 16)?,
            uid: u32_at(bytes, 20)?,
            value: u64_at(bytes, 24)?,
        };
        Some(Self { signo, code: u32_at(bytes, 8)?.cast_signed(), fields })
    }
}
