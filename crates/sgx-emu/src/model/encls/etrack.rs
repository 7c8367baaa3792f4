//! ENCLS[ETRACK]: starts a tracking cycle.

use sgx_types::SgxError;

use crate::model::enclave::Enclave;
use crate::model::epcm::Entry;
use crate::model::fault::{LeafResult, require_or};

impl<M> Enclave<M> {
    /// Starts a tracking cycle: pages changed before it can be accepted once every thread that is
    /// inside now has left, for however short a time.
    ///
    /// # Errors
    ///
    /// SGX_PREV_TRK_INCMPL: threads from before the previous cycle are still inside.
    pub fn etrack(&mut self) -> LeafResult {
        require_or(!self.tcs.tracking_is_incomplete(), SgxError::PrevTrkIncmpl)?;
        self.tcs.clock.start_epoch();
        Ok(())
    }
}

impl<M> Enclave<M> {
    /// Makes every thread inside count as having left and come back, as the driver's interrupt to
    /// all processors does.
    ///
    /// That no thread acts on an earlier access any more is what
    /// [`EpcMemory::set_access`](crate::model::EpcMemory::set_access) promises, so nothing has to
    /// happen to the threads themselves. The exception are threads whose TCS was blocked, or made
    /// PT_TRIM: ERESUME would fault, so they stay counted as not having left. Returns how many; it
    /// is for the caller to take them out.
    pub fn interrupt_all_threads(&mut self) -> u32 {
        let mut stuck = 0;
        for tcs in self.tcs.iter().filter(|tcs| tcs.cell.occupancy().0) {
            if self.epcm.get(tcs.linaddr).is_some_and(Entry::is_settled) {
                tcs.cell.interrupt();
            } else {
                stuck += 1;
            }
        }
        stuck
    }
}
