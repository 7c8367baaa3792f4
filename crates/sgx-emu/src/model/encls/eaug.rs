//! ENCLS[EAUG]: adds a page after EINIT.

use sgx_types::PageType;

use crate::model::enclave::Enclave;
use crate::model::epcm::Entry;
use crate::model::fault::{LeafResult, require, require_page};
use crate::model::mapping::{Fidelity, RELAXED_RUN_PAGES};
use crate::model::memory::{Access, EpcMemory, PAGE_SIZE, PageRun};

impl<M: EpcMemory> Enclave<M> {
    /// Adds a zeroed, readable and writable PT_REG page at `linaddr`, PENDING until EACCEPT or
    /// EACCEPTCOPY. (EAUG with a SECINFO adds shadow-stack pages only, which are not modelled.)
    ///
    /// # Errors
    ///
    /// - #GP: `linaddr` not aligned or outside ELRANGE, or the enclave is not initialised.
    /// - #PF: the page is already valid.
    pub fn eaug(&mut self, linaddr: u64) -> LeafResult {
        self.add_pending(linaddr)
    }

    /// EAUG for each page of a run, until one fails. Returns how many pages were added.
    ///
    /// This is where [`Fidelity::Relaxed`] acts.
    pub fn eaug_run(&mut self, run: PageRun) -> (u64, LeafResult) {
        let at_once = self.fidelity == Fidelity::Relaxed && run.pages >= RELAXED_RUN_PAGES;
        self.for_run(run, |enclave, linaddr| {
            enclave.add_pending(linaddr)?;
            if at_once {
                let Self { mapping, epcm, memory, .. } = enclave;
                mapping.set(epcm, memory, linaddr, Access::RW)?;
            }
            Ok(())
        })
    }

    fn add_pending(&mut self, linaddr: u64) -> LeafResult {
        require(linaddr.is_multiple_of(PAGE_SIZE))?;
        require_page(self.epcm.get(linaddr).is_none(), linaddr)?;
        require(self.is_initialized())?;
        require(self.in_elrange(linaddr))?;
        // An absent page reads as zeros (see EpcMemory::discard) and gives no access.
        let entry = Entry { pending: true, ..Entry::new(PageType::Reg, Access::RW) };
        self.epcm.insert(linaddr, entry);
        Ok(())
    }
}
