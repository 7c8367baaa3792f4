//! ENCLS[EBLOCK]: blocks a page, the first step of writing it out.
//!
//! Pages are never written out here, so a blocked page can only be removed.

use sgx_types::{PageType, SgxError};

use crate::model::enclave::Enclave;
use crate::model::fault::{LeafError, LeafResult, require};
use crate::model::memory::{EpcMemory, PAGE_SIZE};

impl<M: EpcMemory> Enclave<M> {
    /// Blocks the page: no new access to it succeeds.
    ///
    /// # Errors
    ///
    /// - #GP: `linaddr` is not aligned. #PF: it is not in ELRANGE.
    /// - SGX_PG_INVLD: the page is not valid.
    /// - SGX_NOTBLOCKABLE: its type cannot be blocked.
    /// - SGX_BLKSTATE: it is blocked already.
    pub fn eblock(&mut self, linaddr: u64) -> LeafResult {
        require(linaddr.is_multiple_of(PAGE_SIZE))?;
        if !self.in_elrange(linaddr) {
            return Err(LeafError::pf(linaddr));
        }
        let epoch = self.tcs.clock.epoch();
        let entry = self.epcm.get_mut(linaddr).ok_or(SgxError::PgInvld)?;
        match entry.page_type {
            PageType::Reg
            | PageType::Tcs
            | PageType::Trim
            | PageType::SsFirst
            | PageType::SsRest => {}
            PageType::Secs => return Err(SgxError::PgIsSecs.into()),
            PageType::Va => return Err(SgxError::NotBlockable.into()),
        }
        if entry.blocked {
            return Err(SgxError::Blkstate.into());
        }
        self.tcs.clock.disturb();
        entry.blocked = true;
        entry.epoch = epoch;
        self.follow(linaddr)?;
        self.settle()
    }
}
