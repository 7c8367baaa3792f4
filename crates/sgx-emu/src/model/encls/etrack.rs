//! ENCLS[ETRACK]: starts a tracking cycle.

use sgx_types::SgxError;

use crate::model::enclave::Enclave;
use crate::model::fault::{LeafResult, require_or};

impl<M> Enclave<M> {
    /// Starts a tracking cycle: pages changed before it can be accepted once every thread that is
    /// inside now has left, for however short a time.
    ///
    /// # Errors
    ///
    /// SGX_PREV_TRK_INCMPL: threads from before the previous cycle are still inside.
    pub fn etrack(&mut self) -> LeafResult {
        require_or(!self.tracking.is_incomplete(), SgxError::PrevTrkIncmpl)?;
        self.tracking.start_epoch();
        Ok(())
    }
}

impl<M> Enclave<M> {
    /// Makes every thread inside count as having left and come back, as the driver's interrupt to
    /// all processors does.
    ///
    /// That no thread acts on an earlier access any more is what
    /// [`EpcMemory::set_access`](crate::model::EpcMemory::set_access) promises, so nothing has to
    /// happen to the threads themselves.
    pub fn interrupt_all_threads(&mut self) {
        self.tracking.interrupt_all();
        let epoch = self.tracking.epoch();
        for tcs in self.tcs.iter_mut().filter(|tcs| tcs.is_active()) {
            tcs.entry_epoch = epoch;
        }
    }
}
