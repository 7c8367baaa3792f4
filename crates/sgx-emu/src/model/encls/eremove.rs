//! ENCLS[EREMOVE]: takes a page out of the enclave.

use sgx_types::{PageType, SgxError};

use crate::model::enclave::Enclave;
use crate::model::fault::{LeafError, LeafResult, require, require_or};
use crate::model::memory::{Access, EpcMemory, PAGE_SIZE, PageRun};

impl<M: EpcMemory> Enclave<M> {
    /// Removes the page; its contents are lost. Does nothing when it is not valid.
    ///
    /// # Errors
    ///
    /// - #GP: `linaddr` is not aligned. #PF: it is not in ELRANGE.
    /// - SGX_ENCLAVE_ACT: a thread is inside, and the page is not a PT_TRIM that was accepted.
    pub fn eremove(&mut self, linaddr: u64) -> LeafResult {
        self.eremove_run(PageRun::one(linaddr)).1
    }

    /// EREMOVE for each page of a run, until one fails. Returns how many pages were removed (or
    /// were absent).
    pub fn eremove_run(&mut self, run: PageRun) -> (u64, LeafResult) {
        self.tcs.clock.disturb();
        let (unmapped, result) = self.for_run(run, |enclave, linaddr| enclave.unmap(linaddr));
        if let Err(LeafError::Host(_)) = result {
            // Some pages may still be accessible: none is forgotten.
            return (0, result);
        }
        if unmapped == 0 {
            return (0, result);
        }
        let removed = PageRun { pages: unmapped, ..run };
        if let Err(error) = self.memory.discard(removed) {
            return (0, Err(error.into()));
        }
        for linaddr in removed.addresses() {
            self.epcm.remove(linaddr);
            self.tcs.remove(linaddr);
        }
        (unmapped, result)
    }

    /// EREMOVE of the SECS: ends the enclave and returns its memory.
    ///
    /// # Errors
    ///
    /// SGX_CHILD_PRESENT, with the enclave, while it has valid pages.
    pub fn eremove_secs(self) -> Result<M, (Box<Self>, LeafError)> {
        match require_or(self.valid_pages() == 0, SgxError::ChildPresent) {
            Ok(()) => Ok(self.into_memory()),
            Err(error) => Err((Box::new(self), error)),
        }
    }

    /// Makes the checks of EREMOVE and takes all access away.
    fn unmap(&mut self, linaddr: u64) -> LeafResult {
        require(linaddr.is_multiple_of(PAGE_SIZE))?;
        if !self.in_elrange(linaddr) {
            return Err(LeafError::pf(linaddr));
        }
        let Some(entry) = self.epcm.get(linaddr) else { return Ok(()) };
        let trimmed = entry.page_type == PageType::Trim && !entry.modified;
        require_or(trimmed || self.threads_inside() == 0, SgxError::EnclaveAct)?;
        self.mapping.set(&mut self.epcm, &mut self.memory, linaddr, Access::NONE)
    }
}
