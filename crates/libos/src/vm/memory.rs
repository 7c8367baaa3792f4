//! Application memory as a whole, which all address spaces of the enclave divide among them.
//!
//! Three maps: which addresses are in use, by how many address spaces; which pages the enclave owns, with their
//! EPCM permissions; and which of those pages are set aside for the contents of processes that are
//! switched out ([`super::switch`]).

use alloc::sync::Arc;
use core::ops::Range;

use super::{COMMIT_RUN, PAGE, area::Prot, page_down, ranges::RangeMap, seat::Seat};
use crate::{
    errno::{Errno, Result},
    log, rt,
    sync::Mutex,
};

/// Below this mappings go only where the program insists: it is where programs that are not
/// position-independent live, and their heaps.
const LOW_END: u64 = 1 << 32;
/// End of what `MAP_32BIT` means.
const MAP_32BIT_END: u64 = 1 << 31;

/// Application memory of the enclave.
#[derive(Debug)]
pub(crate) struct Memory {
    bounds: Range<u64>,
    /// Without EDMM every page was added, readable, writable and executable, when the enclave was built.
    edmm: bool,
    state: Mutex<State>,
    fixed: Arc<Seat>,
}

#[derive(Debug)]
struct State {
    /// How many address spaces use an address.
    taken: RangeMap<u32>,
    /// Committed pages.
    slots: RangeMap<Prot>,
    /// Committed pages of the store that nothing is kept in.
    spare: RangeMap<()>,
}

/// Where a free range is looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Zone {
    Any,
    /// `MAP_32BIT`.
    Low,
}

impl Memory {
    pub(crate) fn new(bounds: Range<u64>, edmm: bool) -> Arc<Self> {
        let state =
            State { taken: RangeMap::new(), slots: RangeMap::new(), spare: RangeMap::new() };
        Arc::new(Self { bounds, edmm, state: Mutex::new(state), fixed: Seat::new() })
    }

    pub(crate) fn bounds(&self) -> Range<u64> {
        self.bounds.clone()
    }

    /// Whether pages are committed by faults (SGX2).
    pub(crate) const fn is_dynamic(&self) -> bool {
        self.edmm
    }

    /// The seat of all programs that are linked for particular addresses.
    pub(crate) const fn fixed_seat(&self) -> &Arc<Seat> {
        &self.fixed
    }

    /// Bytes committed, by whomever.
    pub(crate) fn committed(&self) -> u64 {
        self.state.lock().slots.iter().map(|(run, _)| run.end - run.start).sum()
    }

    /// Takes the highest free range of `length` bytes; `align` is a power of two.
    pub(crate) fn reserve(
        self: &Arc<Self>,
        length: u64,
        align: u64,
        zone: Zone,
    ) -> Result<Reservation> {
        let mut state = self.state.lock();
        let Range { start, end } = self.bounds;
        let low = LOW_END.clamp(start, end);
        let found = match zone {
            Zone::Any => state
                .highest_free(low..end, length, align)
                .or_else(|| state.highest_free(start..low, length, align)),
            Zone::Low => state.highest_free(start..MAP_32BIT_END.clamp(start, end), length, align),
        };
        let Some(at) = found else {
            drop(state);
            if matches!(zone, Zone::Any) {
                log::address_space_full(length, end.next_power_of_two());
            }
            return Err(Errno::ENOMEM);
        };
        let range = at..at + length;
        state.count(range.clone(), true);
        Ok(Reservation { memory: Arc::clone(self), range })
    }

    /// Takes the highest free range of `length` bytes below `limit`.
    pub(crate) fn reserve_below(self: &Arc<Self>, limit: u64, length: u64) -> Result<Reservation> {
        let mut state = self.state.lock();
        let Range { start, end } = self.bounds;
        let at = state.highest_free(start..limit.clamp(start, end), length, PAGE);
        let range = at.map(|at| at..at + length).ok_or(Errno::ENOMEM)?;
        state.count(range.clone(), true);
        Ok(Reservation { memory: Arc::clone(self), range })
    }

    /// Takes a range that nobody uses.
    pub(crate) fn reserve_at(self: &Arc<Self>, range: Range<u64>) -> Option<Reservation> {
        let mut state = self.state.lock();
        if !self.holds(&range) || !state.taken.within(range.clone()).is_empty() {
            return None;
        }
        state.count(range.clone(), true);
        Some(Reservation { memory: Arc::clone(self), range })
    }

    /// Parts of a range that somebody uses, and how many do.
    pub(crate) fn users(&self, range: Range<u64>) -> alloc::vec::Vec<(Range<u64>, u32)> {
        self.state.lock().taken.within(range)
    }

    const fn holds(&self, range: &Range<u64>) -> bool {
        range.start >= self.bounds.start && range.end <= self.bounds.end
    }

    /// Notes one more user of a range.
    pub(crate) fn take(&self, range: Range<u64>) {
        self.state.lock().count(range, true);
    }

    /// Notes one user less.
    pub(crate) fn release(&self, range: Range<u64>) {
        self.state.lock().count(range, false);
    }

    /// Commits absent pages, zeroed and writable.
    pub(crate) fn accept(&self, range: Range<u64>) -> Result<()> {
        if self.edmm {
            rt::epc_accept(range.clone())?;
        } else {
            rt::zero(range.clone())?;
        }
        self.state.lock().slots.insert(range, Prot::READ_WRITE);
        Ok(())
    }

    /// Gives the committed pages of `range` exactly these rights.
    pub(crate) fn protect(&self, range: Range<u64>, prot: Prot) -> Result<()> {
        let slots = self.state.lock().slots.within(range);
        for (run, old) in slots {
            if old == prot {
                continue;
            }
            if self.edmm {
                let both = old.union(prot);
                if both != old {
                    rt::epc_extend(run.clone(), both);
                }
                if both != prot {
                    rt::epc_restrict(run.clone(), prot)?;
                }
            }
            self.state.lock().slots.insert(run, prot);
        }
        Ok(())
    }

    /// Adds the right to read to the committed pages of `range`.
    pub(crate) fn make_readable(&self, range: Range<u64>) -> Result<()> {
        let slots = self.state.lock().slots.within(range);
        for (run, old) in slots {
            self.protect(run, old.union(Prot::READ))?;
        }
        Ok(())
    }

    /// Adds the right to write to the committed pages of `range`.
    pub(crate) fn make_writable(&self, range: Range<u64>) -> Result<()> {
        let slots = self.state.lock().slots.within(range);
        for (run, old) in slots {
            self.protect(run, old.union(Prot::READ_WRITE))?;
        }
        Ok(())
    }

    /// Gives committed pages back.
    pub(crate) fn remove(&self, range: Range<u64>) -> Result<()> {
        let slots = self.state.lock().slots.remove(range);
        for (run, _) in slots {
            if self.edmm {
                rt::epc_remove(run)?;
            }
        }
        Ok(())
    }

    /// Pages to keep `length` bytes in, writable, contents whatever they were.
    pub(crate) fn set_aside(self: &Arc<Self>, length: u64) -> Result<Range<u64>> {
        {
            let mut state = self.state.lock();
            let fits = |(run, ()): &(Range<u64>, &())| run.end - run.start >= length;
            let found = state.spare.iter().find(fits).map(|(run, ())| run.start);
            if let Some(at) = found {
                state.spare.remove(at..at + length);
                return Ok(at..at + length);
            }
        }
        let grown = length.next_multiple_of(COMMIT_RUN * PAGE);
        // The store keeps its addresses for good.
        let range = self.reserve(grown, PAGE, Zone::Any)?.keep();
        self.accept(range.clone())?;
        if length < grown {
            self.state.lock().spare.insert(range.start + length..range.end, ());
        }
        Ok(range.start..range.start + length)
    }

    /// Returns pages to the store.
    pub(crate) fn put_back(&self, range: Range<u64>) {
        self.state.lock().spare.insert(range, ());
    }
}

impl State {
    fn highest_free(&self, zone: Range<u64>, length: u64, align: u64) -> Option<u64> {
        let mut end = zone.end;
        for (run, _) in self.taken.iter().rev() {
            if run.start >= end {
                continue;
            }
            if run.end <= zone.start {
                break;
            }
            if let Some(at) = fit(run.end, end, length, align) {
                return Some(at);
            }
            end = run.start;
        }
        fit(zone.start, end, length, align)
    }

    fn count(&mut self, range: Range<u64>, more: bool) {
        for gap in self.taken.gaps(range.clone()) {
            if more {
                self.taken.insert(gap, 0);
            }
        }
        for (run, users) in self.taken.within(range) {
            match if more { users + 1 } else { users - 1 } {
                0 => drop(self.taken.remove(run)),
                users => self.taken.insert(run, users),
            }
        }
    }
}

fn fit(low: u64, high: u64, length: u64, align: u64) -> Option<u64> {
    let at = high.checked_sub(length)? & !(align - 1);
    (at >= low).then_some(page_down(at))
}

/// A range that is taken until this is dropped.
#[derive(Debug)]
pub(crate) struct Reservation {
    memory: Arc<Memory>,
    range: Range<u64>,
}

impl Reservation {
    pub(crate) const fn start(&self) -> u64 {
        self.range.start
    }

    pub(crate) fn range(&self) -> Range<u64> {
        self.range.clone()
    }

    /// Leaves the range taken.
    pub(crate) fn keep(mut self) -> Range<u64> {
        let range = self.range.clone();
        self.range = 0..0;
        range
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        if !self.range.is_empty() {
            self.memory.release(self.range.clone());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_is_free_again_when_its_last_user_is_gone() {
        let memory = Memory::new(0x2_0000..0x10_0000_0000, true);
        let first = memory.reserve(0x4000, PAGE, Zone::Any).unwrap().keep();
        assert_eq!(first.end, 0x10_0000_0000);
        memory.take(first.clone());
        memory.release(first.clone());
        assert!(memory.reserve_at(first.clone()).is_none());
        memory.release(first.clone());
        assert!(memory.reserve_at(first).is_some());
    }

    #[test]
    fn low_addresses_are_left_to_those_who_need_them() {
        let memory = Memory::new(0x2_0000..0x1_8000_0000, true);
        let high = memory.reserve(0x8000_0000, PAGE, Zone::Any).unwrap();
        assert_eq!(high.start(), LOW_END);
        assert!(memory.reserve(PAGE, PAGE, Zone::Low).unwrap().start() < MAP_32BIT_END);
        // When nothing else is left they are for everybody.
        assert!(memory.reserve(PAGE, PAGE, Zone::Any).unwrap().start() < LOW_END);
    }

    #[test]
    fn pages_set_aside_are_used_again() {
        let machine = crate::testing::quiet();
        let memory = Memory::new(0x2_0000..0x10_0000_0000, true);
        let kept = memory.set_aside(3 * PAGE).unwrap();
        let pages = machine.committed();
        memory.put_back(kept);
        memory.set_aside(COMMIT_RUN * PAGE).unwrap();
        assert_eq!(machine.committed(), pages);
    }
}
