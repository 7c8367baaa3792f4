//! ENCLU[ERESUME]: goes back in after an asynchronous exit, the part that concerns state.

use sgx_types::{SsaGpr, Xfrm};

use crate::model::enclave::Enclave;
use crate::model::encls::is_canonical;
use crate::model::fault::{LeafResult, require};
use crate::model::memory::EpcMemory;
use crate::model::tcs::SsaFrame;

/// What ERESUME goes back to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Resumption {
    /// The frame to load the registers from.
    pub ssa: SsaFrame,
    /// RIP, from the frame.
    pub rip: u64,
    /// FS base, from the frame.
    pub fsbase: u64,
    /// GS base, from the frame.
    pub gsbase: u64,
}

impl<M: EpcMemory> Enclave<M> {
    /// Resumes on the TCS at RBX with the AEP in RCX: CSSA goes down by one. `xcr0` is the host's
    /// XCR0.
    ///
    /// The caller restores the registers from the frame; that XRSTOR takes the XSAVE area is for it
    /// to find out.
    ///
    /// Allocates nothing.
    ///
    /// # Errors
    ///
    /// As for [`eenter`](Self::eenter), except that CSSA must not be 0, and that RIP and the bases
    /// are those in the frame.
    pub fn eresume(&mut self, rbx: u64, aep: u64, xcr0: Xfrm) -> LeafResult<Resumption> {
        let tcs = self.check_tcs(rbx, aep, xcr0)?.fields;
        require(tcs.cssa > 0)?;
        let ssa = self.ssa_frame(tcs.ossa, tcs.cssa - 1);
        self.check_ssa(ssa)?;
        let field = |offset: usize| -> LeafResult<u64> {
            Ok(u64::from_le_bytes(self.read_operand(ssa.gpr.wrapping_add(offset as u64))?))
        };
        let resumption = Resumption {
            ssa,
            rip: field(SsaGpr::RIP)?,
            fsbase: field(SsaGpr::FSBASE)?,
            gsbase: field(SsaGpr::GSBASE)?,
        };
        let addresses = [resumption.rip, resumption.fsbase, resumption.gsbase];
        require(addresses.into_iter().all(is_canonical))?;
        require(tcs.state == 0)?;
        self.activate(rbx, aep, tcs.cssa, tcs.cssa - 1)?;
        Ok(resumption)
    }
}
