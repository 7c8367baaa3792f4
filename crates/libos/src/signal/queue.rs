//! Pending signals: one of each ordinary kind, a queue of real-time ones.

use alloc::collections::VecDeque;

use super::{info::Info, mask::Mask};

/// First real-time signal.
const SIGRTMIN: u32 = 32;
/// Real-time signals that are kept; `sigqueue(3)` fails with EAGAIN beyond.
const QUEUED_MAX: usize = 4096;

/// Signals that wait for delivery.
#[derive(Debug, Default)]
pub(crate) struct Queue {
    infos: VecDeque<Info>,
    set: Mask,
}

impl Queue {
    /// Adds a signal. An ordinary one that is pending already is dropped; `false` when the queue is full.
    pub(crate) fn push(&mut self, info: Info) -> bool {
        if info.signo < SIGRTMIN && self.set.contains(info.signo) {
            return true;
        }
        if self.infos.len() >= QUEUED_MAX {
            return false;
        }
        self.set = self.set.union(Mask::of(info.signo));
        self.infos.push_back(info);
        true
    }

    pub(crate) const fn set(&self) -> Mask {
        self.set
    }

    /// Takes the next signal of `allowed`: lowest number first, oldest of its number.
    pub(crate) fn take(&mut self, allowed: Mask) -> Option<Info> {
        let signo = self.set.intersection(allowed).first()?;
        let at = self.infos.iter().position(|i| i.signo == signo)?;
        let info = self.infos.remove(at)?;
        if !self.infos.iter().any(|i| i.signo == signo) {
            self.set = self.set.without(Mask::of(signo));
        }
        Some(info)
    }

    /// Drops all of one kind.
    pub(crate) fn discard(&mut self, signo: u32) {
        self.infos.retain(|i| i.signo != signo);
        self.set = self.set.without(Mask::of(signo));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn info(signo: u32, pid: u32) -> Info {
        Info::from_sender(signo, 0, pid, 0)
    }

    #[test]
    fn ordinary_signals_merge_and_real_time_ones_queue() {
        let mut queue = Queue::default();
        for (signo, pid) in [(34, 1), (10, 1), (10, 2), (34, 2)] {
            assert!(queue.push(info(signo, pid)));
        }
        let all = Mask::from_bits(u64::MAX);
        assert_eq!(queue.take(all.without(Mask::of(10))), Some(info(34, 1)));
        assert_eq!(queue.take(all), Some(info(10, 1)));
        assert_eq!(queue.take(all), Some(info(34, 2)));
        assert_eq!(queue.take(all), None);
        assert!(queue.set().is_empty());
    }
}
