//! Reads of the structures that enclave code passes by address.

use sgx_types::SecInfo;

use crate::model::enclave::Enclave;
use crate::model::fault::{LeafError, LeafResult, require, require_page};
use crate::model::memory::{Access, EpcMemory};

impl<M: EpcMemory> Enclave<M> {
    /// Reads the SECINFO that EACCEPT, EACCEPTCOPY and EMODPE take in RBX.
    ///
    /// # Errors
    ///
    /// #GP for a bad address or reserved bits, #PF for a page that enclave code cannot read.
    pub(super) fn read_secinfo(&self, rbx: u64) -> LeafResult<SecInfo> {
        require(rbx.is_multiple_of(SecInfo::SIZE as u64))?;
        require(self.in_elrange(rbx))?;
        self.check_operand(rbx, Access::R)?;
        let image = self.read_operand::<{ SecInfo::SIZE }>(rbx)?;
        SecInfo::from_bytes(&image).map_err(|_| LeafError::GP)
    }

    /// Checks the address of an operand: aligned, in ELRANGE, and on a page that enclave code may
    /// use with `access`.
    ///
    /// # Errors
    ///
    /// #GP, then #PF.
    pub(super) fn check_address(&self, linaddr: u64, align: u64, access: Access) -> LeafResult {
        require(linaddr.is_multiple_of(align))?;
        require(self.in_elrange(linaddr))?;
        self.check_operand(linaddr, access)
    }

    /// Checks the address of a page that a leaf works on: aligned and in ELRANGE.
    ///
    /// # Errors
    ///
    /// #GP.
    pub(super) fn check_page_address(&self, linaddr: u64) -> LeafResult {
        require(linaddr.is_multiple_of(crate::model::memory::PAGE_SIZE))?;
        require(self.in_elrange(linaddr))
    }

    /// Checks that the page of `linaddr` is valid and not blocked.
    ///
    /// # Errors
    ///
    /// #PF.
    pub(super) fn check_present(&self, linaddr: u64) -> LeafResult {
        require_page(self.epcm.get(linaddr).is_some_and(|entry| !entry.blocked), linaddr)
    }
}
