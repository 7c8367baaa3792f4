//! The pages an address space has contents for, and where those are.

use alloc::{sync::Arc, vec::Vec};
use core::ops::Range;

use super::{memory::Memory, ranges::RangeMap};
use crate::errno::Result;

/// Where the contents of a page are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    /// At its address.
    In,
    /// Kept elsewhere while another process has the address: this plus the address (wrapping).
    Out(u64),
}

/// The committed pages of an address space. While one of its threads runs, all of them are in.
#[derive(Debug)]
pub(crate) struct Commit {
    pub(super) pages: RangeMap<Place>,
    pub(super) memory: Arc<Memory>,
}

impl Commit {
    pub(crate) const fn new(memory: Arc<Memory>) -> Self {
        Self { pages: RangeMap::new(), memory }
    }

    /// Bytes committed.
    pub(crate) fn bytes(&self) -> u64 {
        self.pages.iter().map(|(run, _)| run.end - run.start).sum()
    }

    pub(crate) fn gaps(&self, range: Range<u64>) -> Vec<Range<u64>> {
        self.pages.gaps(range)
    }

    /// The runs whose contents are at their addresses.
    pub(super) fn runs_in(&self) -> Vec<Range<u64>> {
        let inside = self.pages.iter().filter(|(_, place)| **place == Place::In);
        inside.map(|(run, _)| run).collect()
    }

    /// The runs of `range` that are kept elsewhere.
    pub(super) fn runs_out(&self, range: Range<u64>) -> Vec<(Range<u64>, u64)> {
        let out = |(run, place)| match place {
            Place::In => None,
            Place::Out(delta) => Some((run, delta)),
        };
        self.pages.within(range).into_iter().filter_map(out).collect()
    }

    /// Commits the uncommitted pages of `range`, zeroed and writable.
    pub(crate) fn add(&mut self, range: Range<u64>) -> Result<()> {
        for gap in self.pages.gaps(range) {
            self.memory.accept(gap.clone())?;
            self.pages.insert(gap, Place::In);
        }
        Ok(())
    }

    /// Gives the committed pages of `range` the permissions.
    pub(crate) fn protect(&mut self, range: Range<u64>, prot: super::area::Prot) -> Result<()> {
        for (run, _) in self.pages.within(range) {
            self.memory.protect(run, prot)?;
        }
        Ok(())
    }

    /// Gives the committed pages of `range` back.
    pub(crate) fn remove(&mut self, range: Range<u64>) -> Result<()> {
        for (run, place) in self.pages.remove(range) {
            match place {
                Place::In => self.memory.remove(run)?,
                Place::Out(delta) => self.memory.put_back(kept_at(&run, delta)),
            }
        }
        Ok(())
    }

    /// Whether pages are committed by faults (SGX2).
    pub(crate) fn is_dynamic(&self) -> bool {
        self.memory.is_dynamic()
    }

    /// Whether the page at `at` is committed.
    pub(crate) fn is_committed(&self, at: u64) -> bool {
        self.pages.get(at).is_some()
    }
}

/// Where the contents of a run that is out are kept.
pub(super) const fn kept_at(run: &Range<u64>, delta: u64) -> Range<u64> {
    run.start.wrapping_add(delta)..run.end.wrapping_add(delta)
}
