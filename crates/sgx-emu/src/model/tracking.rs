//! The tracking mechanism: has every thread that could hold an old translation left the enclave?
//! (SDM volume 3D, section 36.5.3 and ENCLS[ETRACK].)
//!
//! ```text
//!   epoch n-1                epoch n
//!   threads: `previous`      threads: `current`
//!            |                        |
//!            +-- ETRACK is refused    +-- pages changed now carry epoch n; they are
//!                until this is 0          tracked after the next ETRACK, once the
//!                                         threads counted here have left
//! ```

/// Threads inside, by the epoch they entered in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Tracking {
    epoch: u32,
    current: u32,
    previous: u32,
}

impl Tracking {
    /// The epoch that starts with the last ETRACK. It wraps; a page left changed for exactly 2^32
    /// epochs would be held back once more, never let through.
    pub(super) fn epoch(&self) -> u32 {
        self.epoch
    }

    /// Counts a thread in; the result is to be given to [`leave`](Self::leave).
    pub(super) fn enter(&mut self) -> u32 {
        self.current += 1;
        self.epoch
    }

    /// Counts a thread out that entered in `epoch`.
    pub(super) fn leave(&mut self, epoch: u32) {
        let count = if epoch == self.epoch { &mut self.current } else { &mut self.previous };
        *count = count.saturating_sub(1);
    }

    /// Number of threads inside.
    pub(super) fn threads_inside(&self) -> u32 {
        self.current + self.previous
    }

    /// Whether threads from before the last ETRACK are still inside (SECS.TRACKING is not 0).
    pub(super) fn is_incomplete(&self) -> bool {
        self.previous != 0
    }

    /// Starts a new epoch.
    ///
    /// # Preconditions
    ///
    /// The previous cycle is complete.
    pub(super) fn start_epoch(&mut self) {
        self.previous = core::mem::take(&mut self.current);
        self.epoch = self.epoch.wrapping_add(1);
    }

    /// Lets a thread that entered in `epoch` leave and come back; returns its new epoch.
    pub(super) fn interrupt(&mut self, epoch: u32) -> u32 {
        self.leave(epoch);
        self.enter()
    }

    /// Whether no thread can hold a translation older than a change made in `epoch`.
    pub(super) fn is_tracked(&self, epoch: u32) -> bool {
        epoch != self.epoch && (epoch != self.epoch.wrapping_sub(1) || !self.is_incomplete())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn change_is_tracked_once_threads_of_its_epoch_have_left() {
        let mut tracking = Tracking::default();
        let inside = tracking.enter();
        let changed = tracking.epoch();
        assert!(!tracking.is_tracked(changed), "no ETRACK yet");
        tracking.start_epoch();
        assert!(!tracking.is_tracked(changed), "the thread is still inside");
        tracking.leave(inside);
        assert!(tracking.is_tracked(changed));
    }

    #[test]
    fn thread_that_entered_after_etrack_does_not_hold_the_cycle_open() {
        let mut tracking = Tracking::default();
        tracking.start_epoch();
        tracking.enter();
        assert!(!tracking.is_incomplete());
        assert_eq!(tracking.threads_inside(), 1);
    }

    #[test]
    fn interrupting_a_thread_completes_the_cycle_and_keeps_it_inside() {
        let mut tracking = Tracking::default();
        let epoch = tracking.enter();
        tracking.start_epoch();
        assert!(tracking.is_incomplete());
        let epoch = tracking.interrupt(epoch);
        assert!(!tracking.is_incomplete());
        assert_eq!((epoch, tracking.threads_inside()), (tracking.epoch(), 1));
    }
}
