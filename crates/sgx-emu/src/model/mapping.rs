//! Keeps the memory's access in step with the EPCM, in as few calls as the pages allow.
//!
//! A change of access costs the host a system call and, where it splits a mapping, one of a limited
//! number of mappings. So changes to neighbouring pages that end in the same access are collected
//! into one run, and a page whose access is already right costs nothing.

use super::epcm::Epcm;
use super::fault::LeafResult;
use super::memory::{Access, EpcMemory, PageRun};

/// A run of this many pages or more, augmented at once, is mapped at once under
/// [`Fidelity::Relaxed`].
pub const RELAXED_RUN_PAGES: u64 = 64;

/// How closely mapped access follows the EPCM.
///
/// The EPCM, the outcome of every leaf, measurements, reports and keys are the same in both.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Fidelity {
    /// As on a processor: a page is accessible exactly as its EPCM entry says. An augmented page
    /// faults until EACCEPT or EACCEPTCOPY.
    #[default]
    Strict,
    /// Pages augmented in one run of at least [`RELAXED_RUN_PAGES`] are readable and writable at
    /// once, while still PENDING. The one difference that shows: enclave code that touches such a
    /// page before it accepts it gets zeros, or keeps what it wrote, where a processor raises #PF.
    /// EACCEPT of such a page then changes no mapping. Everything else is as in `Strict`: the page
    /// loses this access with the first other change to it (EBLOCK), and shorter runs get none.
    Relaxed,
}

/// The changes of access that are not yet made.
#[derive(Clone, Debug, Default)]
pub(super) struct Mapping {
    run: Option<Change>,
}

/// A change of access to a run of pages.
#[derive(Clone, Copy, Debug)]
struct Change {
    run: PageRun,
    access: Access,
    /// Whether no page of the run loses access.
    widens: bool,
}

impl Mapping {
    /// Notes that the page at `linaddr` is to have the access its EPCM entry gives.
    pub(super) fn follow<M: EpcMemory>(
        &mut self,
        epcm: &mut Epcm,
        memory: &mut M,
        linaddr: u64,
    ) -> LeafResult {
        let Some(entry) = epcm.get(linaddr) else { return Ok(()) };
        self.set(epcm, memory, linaddr, entry.accessible())
    }

    /// Notes that the page at `linaddr` is to have `access`.
    pub(super) fn set<M: EpcMemory>(
        &mut self,
        epcm: &mut Epcm,
        memory: &mut M,
        linaddr: u64,
        access: Access,
    ) -> LeafResult {
        let Some(entry) = epcm.get(linaddr) else { return Ok(()) };
        let already = entry.mapped == access;
        let widens = access.contains(entry.mapped);
        if let Some(change) = &mut self.run {
            let same = change.access == access && change.widens == widens;
            if same && change.run.end() == linaddr && !already {
                change.run.pages += 1;
                return Ok(());
            }
            self.flush(epcm, memory)?;
        }
        if !already {
            self.run = Some(Change { run: PageRun::one(linaddr), access, widens });
        }
        Ok(())
    }

    /// Makes the changes noted so far.
    ///
    /// INVARIANT: `mapped` changes only when the memory has changed, so that a change that failed
    /// is tried again, and fails again, at the next leaf on the page.
    pub(super) fn flush<M: EpcMemory>(&mut self, epcm: &mut Epcm, memory: &mut M) -> LeafResult {
        let Some(Change { run, access, widens }) = self.run.take() else { return Ok(()) };
        if widens {
            memory.widen_access(run, access)?;
        } else {
            memory.set_access(run, access)?;
        }
        for linaddr in run.addresses() {
            if let Some(entry) = epcm.get_mut(linaddr) {
                entry.mapped = access;
            }
        }
        Ok(())
    }
}
