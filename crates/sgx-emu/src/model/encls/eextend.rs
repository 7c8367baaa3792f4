//! ENCLS[EEXTEND]: measures 256 bytes of a page.

use sgx_types::{EEXTEND_SIZE, PageType};

use crate::model::enclave::Enclave;
use crate::model::fault::{LeafError, LeafResult, require, require_page};
use crate::model::memory::{EpcMemory, PAGE_SIZE};

impl<M: EpcMemory> Enclave<M> {
    /// Adds the 256 bytes at `linaddr` to the measurement.
    ///
    /// # Errors
    ///
    /// - #GP: `linaddr` is not a multiple of 256, or the enclave is already initialised.
    /// - #PF: the page is not valid, or neither PT_REG nor PT_TCS.
    pub fn eextend(&mut self, linaddr: u64) -> LeafResult {
        self.extend::<EEXTEND_SIZE>(linaddr)
    }

    /// EEXTEND of every 256 bytes of a page, in order.
    pub(in crate::model) fn eextend_page(&mut self, linaddr: u64) -> LeafResult {
        require(linaddr.is_multiple_of(PAGE_SIZE))?;
        self.extend::<4096>(linaddr)
    }

    /// Measures `N` bytes of a page, a multiple of 256.
    fn extend<const N: usize>(&mut self, linaddr: u64) -> LeafResult {
        require(linaddr.is_multiple_of(EEXTEND_SIZE as u64))?;
        let entry = self.epcm.get(linaddr).ok_or(LeafError::pf(linaddr))?;
        require_page(matches!(entry.page_type, PageType::Reg | PageType::Tcs), linaddr)?;
        require(!self.is_initialized())?;
        let bytes: [u8; N] = self.read_operand(linaddr)?;
        let (chunks, _) = bytes.as_chunks::<EEXTEND_SIZE>();
        let offset = linaddr - self.secs.baseaddr;
        for (at, chunk) in (offset..).step_by(EEXTEND_SIZE).zip(chunks) {
            self.measurement.eextend(at, chunk);
        }
        Ok(())
    }
}
