//! ENCLS[EMODT]: turns a page into a TCS, or trims it.

use sgx_types::{PageType, SecInfo, SgxError};

use crate::model::enclave::Enclave;
use crate::model::fault::{LeafError, LeafResult, require, require_or, require_page};
use crate::model::memory::{Access, EpcMemory, PAGE_SIZE, PageRun};

impl<M: EpcMemory> Enclave<M> {
    /// Changes the type of a page to PT_TCS or PT_TRIM and takes all access away. The page waits
    /// for ETRACK and EACCEPT (MODIFIED).
    ///
    /// # Errors
    ///
    /// - #GP: `linaddr` not aligned, another type asked for, or the enclave is not initialised.
    /// - #PF: the page is not valid, or neither PT_REG nor a PT_TCS to be trimmed.
    /// - SGX_PAGE_NOT_MODIFIABLE: the page is PENDING or MODIFIED.
    pub fn emodt(&mut self, linaddr: u64, secinfo: &SecInfo) -> LeafResult {
        self.emodt_run(PageRun::one(linaddr), secinfo).1
    }

    /// EMODT for each page of a run, until one fails. Returns how many pages were changed.
    pub fn emodt_run(&mut self, run: PageRun, secinfo: &SecInfo) -> (u64, LeafResult) {
        self.tcs.clock.disturb();
        self.for_run(run, |enclave, linaddr| enclave.change_type(linaddr, secinfo))
    }

    fn change_type(&mut self, linaddr: u64, secinfo: &SecInfo) -> LeafResult {
        require(linaddr.is_multiple_of(PAGE_SIZE))?;
        let wanted = match secinfo.flags.page_type() {
            Some(wanted @ (PageType::Tcs | PageType::Trim)) => wanted,
            _ => return Err(LeafError::GP),
        };
        let (initialized, epoch) = (self.is_initialized(), self.tcs.clock.epoch());
        let entry = self.epcm.get_mut(linaddr).ok_or(LeafError::pf(linaddr))?;
        let changeable = match entry.page_type {
            PageType::Reg => true,
            PageType::Tcs | PageType::SsFirst | PageType::SsRest => wanted == PageType::Trim,
            PageType::Secs | PageType::Va | PageType::Trim => false,
        };
        require_page(changeable, linaddr)?;
        require_or(!entry.pending && !entry.modified, SgxError::PageNotModifiable)?;
        require(initialized)?;
        entry.restricted = false;
        entry.modified = true;
        entry.epoch = epoch;
        entry.permissions = Access::NONE;
        entry.page_type = wanted;
        self.follow(linaddr)
    }
}
