//! ENCLS[EMODPR]: restricts the permissions of a page.

use sgx_types::{PageType, SecInfo, SgxError};

use super::eadd::permissions;
use crate::model::enclave::Enclave;
use crate::model::fault::{LeafError, LeafResult, require, require_or, require_page};
use crate::model::memory::{EpcMemory, PAGE_SIZE, PageRun};

impl<M: EpcMemory> Enclave<M> {
    /// Takes away the permissions that `secinfo` does not name. The page keeps the rest and waits
    /// for ETRACK and EACCEPT (PR).
    ///
    /// # Errors
    ///
    /// - #GP: `linaddr` not aligned, write without read asked for, or the enclave is not
    ///   initialised.
    /// - #PF: the page is not valid or not PT_REG.
    /// - SGX_PAGE_NOT_MODIFIABLE: the page is PENDING or MODIFIED.
    pub fn emodpr(&mut self, linaddr: u64, secinfo: &SecInfo) -> LeafResult {
        self.emodpr_run(PageRun::one(linaddr), secinfo).1
    }

    /// EMODPR for each page of a run, until one fails. Returns how many pages were restricted.
    pub fn emodpr_run(&mut self, run: PageRun, secinfo: &SecInfo) -> (u64, LeafResult) {
        self.tcs.clock.disturb();
        self.for_run(run, |enclave, linaddr| enclave.restrict(linaddr, secinfo))
    }

    fn restrict(&mut self, linaddr: u64, secinfo: &SecInfo) -> LeafResult {
        require(linaddr.is_multiple_of(PAGE_SIZE))?;
        let permissions = permissions(secinfo);
        require(permissions.readable() || !permissions.writable())?;
        let (initialized, epoch) = (self.is_initialized(), self.tcs.clock.epoch());
        let entry = self.epcm.get_mut(linaddr).ok_or(LeafError::pf(linaddr))?;
        require_or(!entry.pending && !entry.modified, SgxError::PageNotModifiable)?;
        require_page(entry.page_type == PageType::Reg, linaddr)?;
        require(initialized)?;
        entry.restricted = true;
        entry.epoch = epoch;
        entry.permissions = entry.permissions.intersection(permissions);
        self.follow(linaddr)
    }
}
