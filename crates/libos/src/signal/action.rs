//! What a process wants done with its signals: `sigaction(2)`.

use alloc::boxed::Box;

use super::mask::Mask;
use crate::linux::{
    Encoder,
    signal::{
        NSIG, SIG_DFL, SIG_IGN, SIGCHLD, SIGCONT, SIGSTOP, SIGTSTP, SIGTTIN, SIGTTOU, SIGURG,
        SIGWINCH,
    },
    u64_at,
};

/// Size of the kernel's `struct sigaction`.
pub(crate) const SIGACTION_SIZE: usize = 32;

/// The kernel's `struct sigaction`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Action {
    pub(crate) handler: u64,
    pub(crate) flags: u64,
    pub(crate) restorer: u64,
    pub(crate) mask: Mask,
}

impl Action {
    pub(crate) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        Some(Self {
            handler: u64_at(bytes, 0)?,
            flags: u64_at(bytes, 8)?,
            restorer: u64_at(bytes, 16)?,
            mask: Mask::blockable(u64_at(bytes, 24)?),
        })
    }

    pub(crate) fn to_bytes(self) -> alloc::vec::Vec<u8> {
        let words = [self.handler, self.flags, self.restorer, self.mask.bits()];
        words.into_iter().fold(Encoder::new(), Encoder::u64).finish()
    }
}

/// What happens when there is no handler.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Default {
    Ignore,
    Stop,
    Terminate,
}

/// The default action of a signal, from `signal(7)`.
pub(crate) const fn default_of(signo: u32) -> Default {
    match signo {
        SIGCHLD | SIGURG | SIGWINCH | SIGCONT => Default::Ignore,
        SIGSTOP | SIGTSTP | SIGTTIN | SIGTTOU => Default::Stop,
        _ => Default::Terminate,
    }
}

/// The actions of a process, by signal number.
#[derive(Debug, Clone)]
pub(crate) struct Actions(Box<[Action; NSIG as usize + 1]>);

impl core::default::Default for Actions {
    fn default() -> Self {
        Self(Box::new([Action::default(); NSIG as usize + 1]))
    }
}

impl Actions {
    /// The action of signal `signo`, which is 1..=64.
    pub(crate) fn get(&self, signo: u32) -> Action {
        self.0.get(signo as usize).copied().unwrap_or_default()
    }

    pub(crate) fn set(&mut self, signo: u32, action: Action) {
        if let Some(slot) = self.0.get_mut(signo as usize) {
            *slot = action;
        }
    }

    /// Whether a signal has no effect at all.
    pub(crate) fn ignores(&self, signo: u32) -> bool {
        match self.get(signo).handler {
            SIG_IGN => true,
            SIG_DFL => matches!(default_of(signo), Default::Ignore),
            _ => false,
        }
    }
}
