//! ENCLU[EEXIT]: leaves the enclave, the part that concerns state.

use crate::model::enclave::Enclave;
use crate::model::encls::is_canonical;
use crate::model::fault::{LeafResult, require};

impl<M> Enclave<M> {
    /// Leaves from the TCS at `tcs` to the address in RBX; returns the AEP, which goes to RCX.
    ///
    /// # Errors
    ///
    /// #GP: RBX is not canonical, or no thread is inside on that TCS.
    pub fn eexit(&mut self, tcs: u64, rbx: u64) -> LeafResult<u64> {
        require(is_canonical(rbx))?;
        let (state, cell) = self.occupied(tcs)?;
        cell.eexit()?;
        Ok(state.fields.aep)
    }
}
