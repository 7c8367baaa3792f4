//! Asynchronous exit, the part that concerns state (SDM volume 3D, "Asynchronous Enclave Exit").

use crate::model::cell::AexCause;
use crate::model::enclave::Enclave;
use crate::model::fault::LeafResult;
use crate::model::tcs::SsaFrame;

/// What an asynchronous exit works with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AsyncExit {
    /// The frame to store the registers in. Outside, RSP and RBP become its URSP and URBP.
    pub ssa: SsaFrame,
    /// Outside, RIP and RCX's meaning: the asynchronous exit pointer. RAX becomes 3 (ERESUME), RBX
    /// the TCS, RCX this.
    pub aep: u64,
}

impl<M> Enclave<M> {
    /// Leaves asynchronously from the TCS at `tcs`: CSSA goes up by one.
    ///
    /// # Errors
    ///
    /// #GP when no thread is inside on that TCS, which cannot happen to a processor.
    pub fn aex(&mut self, tcs: u64) -> LeafResult<AsyncExit> {
        let (state, cell) = self.occupied(tcs)?;
        // EENTER and ERESUME let a thread in only with CSSA below NSSA.
        cell.aex(AexCause::Interrupt)?;
        let ssa = self.ssa_frame(state.fields.ossa, state.fields.cssa);
        Ok(AsyncExit { ssa, aep: state.fields.aep })
    }
}
