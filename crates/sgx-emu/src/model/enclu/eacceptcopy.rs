//! ENCLU[EACCEPTCOPY]: fills a pending page from another and accepts it.

use sgx_types::{PageType, SgxError};

use crate::model::enclave::Enclave;
use crate::model::encls::permissions;
use crate::model::epcm::Entry;
use crate::model::fault::{LeafError, LeafResult, require, require_or};
use crate::model::memory::{Access, EpcMemory};

impl<M: EpcMemory> Enclave<M> {
    /// Copies the page at RDX to the PENDING page at RCX and gives it the permissions of the
    /// SECINFO at RBX.
    ///
    /// # Errors
    ///
    /// - #GP: a misaligned address or one outside ELRANGE; a SECINFO with reserved bits, another
    ///   type than PT_REG, or write without read.
    /// - #PF: the SECINFO or the source page cannot be read.
    /// - SGX_PAGE_ATTRIBUTES_MISMATCH: the target is not a PENDING page as EAUG leaves it.
    pub fn eacceptcopy(&mut self, rbx: u64, rcx: u64, rdx: u64) -> LeafResult {
        self.check_page_address(rcx)?;
        self.check_page_address(rdx)?;
        let secinfo = self.read_secinfo(rbx)?;
        let permissions = permissions(&secinfo);
        require(permissions.readable() || !permissions.writable())?;
        require(secinfo.flags.page_type() == Some(PageType::Reg))?;
        self.check_operand(rdx, Access::R)?;
        // A fault for an absent target makes the driver augment it, as with EACCEPT.
        let target = *self.epcm.get(rcx).ok_or(LeafError::pf(rcx))?;
        require_or(is_fresh(&target), SgxError::PageAttributesMismatch)?;

        let contents: [u8; 4096] = self.read_operand(rdx)?;
        self.memory.write(rcx, &contents)?;
        let entry = self.entry_mut(rcx)?;
        entry.permissions = permissions;
        entry.pending = false;
        self.follow(rcx)?;
        self.settle()
    }
}

/// Whether the page is as EAUG left it.
fn is_fresh(entry: &Entry) -> bool {
    entry.page_type == PageType::Reg
        && entry.pending
        && !entry.modified
        && !entry.blocked
        && entry.permissions == Access::RW
}
