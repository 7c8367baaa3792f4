//! Which pages of application memory the enclave owns, and with which permissions.

use core::ops::Range;

use super::{area::Prot, ranges::RangeMap};
use crate::{
    errno::{Errno, Result},
    rt,
};

/// The committed pages of an address space.
#[derive(Debug)]
pub(crate) struct Commit {
    pages: RangeMap<Prot>,
    /// Without EDMM every page was added, readable, writable and executable, when the enclave was built.
    edmm: bool,
}

impl Commit {
    pub(crate) const fn new(edmm: bool) -> Self {
        Self { pages: RangeMap::new(), edmm }
    }

    /// Bytes committed.
    pub(crate) fn bytes(&self) -> u64 {
        self.pages.iter().map(|(run, _)| run.end - run.start).sum()
    }

    pub(crate) fn gaps(&self, range: Range<u64>) -> alloc::vec::Vec<Range<u64>> {
        self.pages.gaps(range)
    }

    /// Commits the uncommitted pages of `range`, zeroed and writable.
    pub(crate) fn add(&mut self, range: Range<u64>) -> Result<()> {
        for gap in self.pages.gaps(range) {
            if self.edmm {
                rt::epc_accept(gap.clone())?;
            } else {
                rt::zero(gap.clone())?;
            }
            self.pages.insert(gap, Prot::READ_WRITE);
        }
        Ok(())
    }

    /// Gives the committed pages of `range` the permissions.
    pub(crate) fn protect(&mut self, range: Range<u64>, prot: Prot) -> Result<()> {
        for (run, old) in self.pages.within(range) {
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
            self.pages.insert(run, prot);
        }
        Ok(())
    }

    /// Gives the committed pages of `range` back.
    pub(crate) fn remove(&mut self, range: Range<u64>) -> Result<()> {
        for (run, _) in self.pages.remove(range) {
            if self.edmm {
                rt::epc_remove(run).map_err(|_| Errno::ENOMEM)?;
            }
        }
        Ok(())
    }

    /// Whether pages are committed by faults (SGX2).
    pub(crate) const fn is_dynamic(&self) -> bool {
        self.edmm
    }

    /// Whether the page at `at` is committed.
    pub(crate) fn is_committed(&self, at: u64) -> bool {
        self.pages.get(at).is_some()
    }
}
