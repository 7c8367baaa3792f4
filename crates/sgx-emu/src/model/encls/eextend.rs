//! ENCLS[EEXTEND]: measures 256 bytes of a page.

use sgx_types::{EEXTEND_SIZE, PageType};

use crate::model::enclave::Enclave;
use crate::model::fault::{LeafError, LeafResult, require, require_page};
use crate::model::memory::EpcMemory;

impl<M: EpcMemory> Enclave<M> {
    /// Adds the 256 bytes at `linaddr` to the measurement.
    ///
    /// # Errors
    ///
    /// - #GP: `linaddr` is not a multiple of 256, or the enclave is already initialised.
    /// - #PF: the page is not valid, or neither PT_REG nor PT_TCS.
    pub fn eextend(&mut self, linaddr: u64) -> LeafResult {
        require(linaddr.is_multiple_of(EEXTEND_SIZE as u64))?;
        let entry = self.epcm.get(linaddr).ok_or(LeafError::pf(linaddr))?;
        require_page(matches!(entry.page_type, PageType::Reg | PageType::Tcs), linaddr)?;
        require(!self.is_initialized())?;
        let chunk: [u8; EEXTEND_SIZE] = self.read_operand(linaddr)?;
        self.measurement.eextend(linaddr - self.secs.baseaddr, &chunk);
        Ok(())
    }
}
