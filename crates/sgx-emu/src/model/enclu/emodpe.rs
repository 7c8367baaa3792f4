//! ENCLU[EMODPE]: extends the permissions of a page.

use sgx_types::PageType;

use crate::model::enclave::Enclave;
use crate::model::encls::permissions;
use crate::model::epcm::Entry;
use crate::model::fault::{LeafResult, require, require_page};
use crate::model::memory::EpcMemory;

impl<M: EpcMemory> Enclave<M> {
    /// Adds the permissions of the SECINFO at RBX to the page at RCX. EMODPE takes effect at once
    /// and needs no EACCEPT.
    ///
    /// # Errors
    ///
    /// - #GP: a misaligned address or one outside ELRANGE; a SECINFO with reserved bits; write
    ///   asked for where neither the page nor the SECINFO has read.
    /// - #PF: the SECINFO cannot be read; the page is not a settled PT_REG.
    pub fn emodpe(&mut self, rbx: u64, rcx: u64) -> LeafResult {
        self.check_page_address(rcx)?;
        let secinfo = self.read_secinfo(rbx)?;
        let wanted = permissions(&secinfo);
        let regular = |entry: &Entry| entry.page_type == PageType::Reg && entry.is_settled();
        require_page(self.epcm.get(rcx).is_some_and(regular), rcx)?;
        let entry = self.entry_mut(rcx)?;
        require(entry.permissions.readable() || wanted.readable() || !wanted.writable())?;
        entry.permissions = entry.permissions.union(wanted);
        self.follow(rcx)?;
        self.settle()
    }
}
