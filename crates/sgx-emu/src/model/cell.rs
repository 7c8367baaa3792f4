//! The part of a TCS that entering and leaving changes.
//!
//! A processor enters and leaves in one step and takes no lock. Here a thread holds the [`TcsCell`] of
//! its TCS, whose one word has STATE, CSSA and the tracking epoch of the entry, and EENTER, EEXIT, AEX
//! and ERESUME are one atomic change of that word. The checks of EENTER and ERESUME that read the EPCM
//! are made under the model's lock ([`Enclave::eenter`](super::Enclave::eenter)) and remembered:
//!
//! ```text
//!   thread                                leaf that narrows (EMODPR, EMODT, EBLOCK, EREMOVE)
//!   word := active          (1)           generation += 1          (a)
//!   generation == checked?  (2)           changes the EPCM; is a thread active?   (b)
//! ```
//!
//! (1) and (2), and (a) and (b), are in sequentially consistent order: a thread that finds the generation
//! unchanged is seen by the leaf, and a thread that the leaf does not see makes the checks again, under
//! the lock.
//!
//! Tracking (SDM volume 3D, section 36.5.3 and ENCLS[ETRACK]) counts threads by the epoch they entered in;
//! ETRACK starts an epoch. Pages changed in epoch n are tracked after the next ETRACK, once every thread
//! whose word says n or earlier has left. A thread that enters while ETRACK runs may keep the earlier
//! epoch: it then has to leave once more than it must, never less.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use super::enclu::Entered;
use super::fault::{LeafError, LeafResult};
use super::tcs::SsaFrame;

const ACTIVE: u64 = 1;
const CSSA_MAX: u32 = 0x7fff_ffff;
/// Frames whose checks are remembered. Casemate's threads have two.
const FRAMES: usize = 2;

/// Entries and exits on one TCS, or on all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// EENTER.
    pub entries: u64,
    /// EEXIT.
    pub exits: u64,
    /// Asynchronous exits for exceptions.
    pub exceptions: u64,
    /// Asynchronous exits for interrupts.
    pub interrupts: u64,
}

impl Counts {
    /// The sum of two.
    #[must_use]
    pub const fn plus(self, other: Self) -> Self {
        Self {
            entries: self.entries + other.entries,
            exits: self.exits + other.exits,
            exceptions: self.exceptions + other.exceptions,
            interrupts: self.interrupts + other.interrupts,
        }
    }
}

/// Why a thread leaves asynchronously.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AexCause {
    /// An exception inside.
    Exception,
    /// An interrupt from outside.
    Interrupt,
    /// ERESUME found a frame that it could not load: it never went in.
    Undone,
}

/// What the TCSs of an enclave share.
#[derive(Debug)]
pub(super) struct Clock {
    /// Tracking epoch, which starts with ETRACK. It wraps; a page left changed for exactly 2^32 epochs
    /// would be held back once more, never let through.
    epoch: AtomicU32,
    /// Goes up before anything that EENTER or ERESUME checks can get worse.
    generation: AtomicU64,
    /// Counts of TCSs that are gone.
    retired: [AtomicU64; 4],
}

impl Default for Clock {
    fn default() -> Self {
        Self {
            epoch: AtomicU32::new(0),
            generation: AtomicU64::new(1),
            retired: Default::default(),
        }
    }
}

impl Clock {
    pub(super) fn epoch(&self) -> u32 {
        self.epoch.load(Ordering::SeqCst)
    }

    pub(super) fn start_epoch(&self) {
        self.epoch.fetch_add(1, Ordering::SeqCst);
    }

    /// To be called before a page loses permissions or is removed.
    pub(super) fn disturb(&self) {
        self.generation.fetch_add(1, Ordering::SeqCst);
    }

    pub(super) fn retire(&self, counts: Counts) {
        let added = [counts.entries, counts.exits, counts.exceptions, counts.interrupts];
        for (total, more) in self.retired.iter().zip(added) {
            total.fetch_add(more, Ordering::Relaxed);
        }
    }

    pub(super) fn retired(&self) -> Counts {
        counts_of(&self.retired)
    }
}

fn counts_of(counters: &[AtomicU64; 4]) -> Counts {
    let [entries, exits, exceptions, interrupts] =
        [0, 1, 2, 3].map(|i: usize| counters[i].load(Ordering::Relaxed));
    Counts { entries, exits, exceptions, interrupts }
}

/// STATE, CSSA and entry epoch of a TCS, with what follows from its other fields, which never change.
#[derive(Debug)]
pub struct TcsCell {
    /// Bit 0: STATE. Bits 1 to 31: CSSA. Bits 32 to 63: epoch of the entry.
    word: AtomicU64,
    /// The generation in which the checks for entering with this frame last held.
    checked: [AtomicU64; FRAMES],
    /// As in [`Counts`]. Written by the thread inside alone.
    counts: [AtomicU64; 4],
    clock: Arc<Clock>,
    nssa: u32,
    entry: Entered,
    second_frame: SsaFrame,
}

impl TcsCell {
    /// A TCS that no thread is inside of. `entry` is what EENTER with CSSA 0 loads.
    pub(super) fn new(
        clock: Arc<Clock>,
        nssa: u32,
        entry: Entered,
        second_frame: SsaFrame,
    ) -> Self {
        Self {
            word: AtomicU64::new(0),
            checked: Default::default(),
            counts: Default::default(),
            clock,
            nssa: nssa.min(CSSA_MAX),
            entry,
            second_frame,
        }
    }

    /// STATE and CSSA.
    #[must_use]
    pub fn occupancy(&self) -> (bool, u32) {
        unpack(self.word.load(Ordering::SeqCst))
    }

    /// Transitions on this TCS so far.
    #[must_use]
    pub fn counts(&self) -> Counts {
        counts_of(&self.counts)
    }

    /// EENTER, if the checks that need the model still hold since they were last made. `None`: make them.
    #[must_use]
    pub fn eenter(&self) -> Option<Entered> {
        let (_, cssa) = self.occupancy();
        let entered = self.entered(cssa)?;
        let in_frames = cssa < self.nssa;
        (in_frames && self.activate(cssa, cssa)).then_some(entered)
    }

    /// ERESUME, as [`Self::eenter`]. The caller has checked the frame's contents.
    #[must_use]
    pub fn eresume(&self) -> Option<SsaFrame> {
        let frame = self.checked_resumable_frame()?;
        self.activate(frame.index + 1, frame.index).then_some(frame)
    }

    /// The frame that ERESUME would load, if its pages were found usable since they last could change.
    #[must_use]
    pub fn checked_resumable_frame(&self) -> Option<SsaFrame> {
        let (_, cssa) = self.occupancy();
        let frame = self.entered(cssa.checked_sub(1)?)?.ssa;
        self.is_checked(frame.index).then_some(frame)
    }

    /// Takes an EENTER back that never went in.
    pub fn withdraw(&self) {
        if self.deactivate(0).is_ok() {
            let entries = &self.counts[0];
            entries.store(entries.load(Ordering::Relaxed) - 1, Ordering::Relaxed);
        }
    }

    /// EEXIT.
    ///
    /// # Errors
    ///
    /// #GP when no thread is inside.
    pub fn eexit(&self) -> LeafResult {
        self.deactivate(0)?;
        self.count(1);
        Ok(())
    }

    /// AEX. Returns the new CSSA.
    ///
    /// # Errors
    ///
    /// #GP when no thread is inside, which cannot happen to a processor.
    pub fn aex(&self, cause: AexCause) -> LeafResult<u32> {
        let cssa = self.deactivate(1)?;
        match cause {
            AexCause::Exception => self.count(2),
            AexCause::Interrupt => self.count(3),
            AexCause::Undone => {}
        }
        Ok(cssa)
    }

    /// Enters after all checks were made under the model's lock, or changes nothing because another
    /// thread is inside.
    pub(super) fn enter_checked(&self, from_cssa: u32, to_cssa: u32) -> bool {
        if let Some(checked) = self.checked.get(to_cssa as usize) {
            checked.store(self.clock.generation.load(Ordering::SeqCst), Ordering::SeqCst);
        }
        let entered = self.switch(from_cssa, to_cssa).is_some();
        if entered && from_cssa == to_cssa {
            self.count(0);
        }
        entered
    }

    /// The epoch in which the thread inside entered.
    pub(super) fn inside_since(&self) -> Option<u32> {
        let word = self.word.load(Ordering::SeqCst);
        (word & ACTIVE != 0).then_some(epoch_of(word))
    }

    /// Lets the thread inside leave and come back, as an interrupt to its processor does.
    pub(super) fn interrupt(&self) {
        let now = self.clock.epoch();
        let _ = self.word.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |word| {
            let (active, cssa) = unpack(word);
            active.then(|| pack(true, cssa, now))
        });
    }

    fn entered(&self, cssa: u32) -> Option<Entered> {
        match cssa {
            0 => Some(self.entry),
            1 => Some(Entered { cssa, ssa: self.second_frame, ..self.entry }),
            _ => None,
        }
    }

    fn activate(&self, from_cssa: u32, to_cssa: u32) -> bool {
        let Some(before) = self.switch(from_cssa, to_cssa) else { return false };
        let holds = self.is_checked(to_cssa);
        if holds {
            if from_cssa == to_cssa {
                self.count(0);
            }
        } else {
            self.word.store(before, Ordering::SeqCst);
        }
        holds
    }

    fn is_checked(&self, frame: u32) -> bool {
        let now = self.clock.generation.load(Ordering::SeqCst);
        self.checked
            .get(frame as usize)
            .is_some_and(|checked| checked.load(Ordering::SeqCst) == now)
    }

    /// Makes the TCS active; returns the word before, or `None` when it was not idle with `from_cssa`.
    fn switch(&self, from_cssa: u32, to_cssa: u32) -> Option<u64> {
        let before = self.word.load(Ordering::SeqCst);
        if unpack(before) != (false, from_cssa) {
            return None;
        }
        let after = pack(true, to_cssa, self.clock.epoch());
        self.word.compare_exchange(before, after, Ordering::SeqCst, Ordering::SeqCst).ok()
    }

    fn deactivate(&self, more_cssa: u32) -> LeafResult<u32> {
        let left = self.word.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |word| {
            let (active, cssa) = unpack(word);
            active.then(|| pack(false, cssa + more_cssa, 0))
        });
        left.map(|word| unpack(word).1 + more_cssa).map_err(|_| LeafError::GP)
    }

    /// Counts one; only the thread inside, or just outside, on this TCS does.
    fn count(&self, which: usize) {
        let counter = &self.counts[which];
        counter.store(counter.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
    }
}

fn pack(active: bool, cssa: u32, epoch: u32) -> u64 {
    u64::from(active) | u64::from(cssa) << 1 | u64::from(epoch) << 32
}

fn unpack(word: u64) -> (bool, u32) {
    let [low, _] = halves(word);
    (low & 1 != 0, low >> 1)
}

fn epoch_of(word: u64) -> u32 {
    let [_, high] = halves(word);
    high
}

fn halves(word: u64) -> [u32; 2] {
    let [a, b, c, d, e, f, g, h] = word.to_le_bytes();
    [u32::from_le_bytes([a, b, c, d]), u32::from_le_bytes([e, f, g, h])]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cell() -> (Arc<Clock>, TcsCell) {
        let clock = Arc::new(Clock::default());
        let ssa = SsaFrame { index: 0, start: 0x1000, gpr: 0x4f48 };
        let entry = Entered { rip: 1, cssa: 0, fsbase: 2, gsbase: 3, ssa };
        let second = SsaFrame { index: 1, start: 0x5000, gpr: 0x8f48 };
        (Arc::clone(&clock), TcsCell::new(clock, 2, entry, second))
    }

    #[test]
    fn nothing_is_entered_before_its_checks() {
        let (_, cell) = cell();
        assert_eq!(cell.eenter(), None);
        assert!(cell.enter_checked(0, 0));
        assert_eq!(cell.aex(AexCause::Exception), Ok(1));
        assert_eq!(cell.eenter(), None, "frame 1 was not checked");
        assert_eq!(cell.eresume().map(|frame| frame.index), Some(0), "frame 0 was");
        assert_eq!(cell.eexit(), Ok(()));
        assert_eq!(cell.eexit(), Err(LeafError::GP), "nobody is inside");
    }

    #[test]
    fn a_change_of_pages_asks_for_new_checks() {
        let (clock, cell) = cell();
        assert!(cell.enter_checked(0, 0));
        cell.eexit().unwrap();
        assert!(cell.eenter().is_some());
        cell.eexit().unwrap();
        clock.disturb();
        assert_eq!(cell.eenter(), None);
        assert_eq!(cell.occupancy(), (false, 0));
        assert!(cell.enter_checked(0, 0));
    }

    #[test]
    fn a_busy_tcs_and_one_without_frames_left_refuse() {
        let (_, cell) = cell();
        assert!(cell.enter_checked(0, 0));
        assert!(!cell.enter_checked(0, 0));
        assert_eq!(cell.eenter(), None);
        cell.aex(AexCause::Interrupt).unwrap();
        assert!(cell.enter_checked(1, 1));
        cell.aex(AexCause::Interrupt).unwrap();
        assert_eq!(cell.eenter(), None, "CSSA is NSSA");
        let counts = cell.counts();
        assert_eq!((counts.interrupts, counts.exceptions), (2, 0));
    }

    #[test]
    fn an_interrupt_brings_the_thread_into_the_current_epoch() {
        let (clock, cell) = cell();
        assert_eq!(cell.inside_since(), None);
        assert!(cell.enter_checked(0, 0));
        clock.start_epoch();
        assert_eq!(cell.inside_since(), Some(0));
        cell.interrupt();
        assert_eq!(cell.inside_since(), Some(1));
    }
}
