//! ENCLU[EENTER]: enters the enclave, the part that concerns state.

use sgx_types::Xfrm;

use crate::model::enclave::Enclave;
use crate::model::encls::is_canonical;
use crate::model::fault::{LeafResult, require};
use crate::model::tcs::SsaFrame;

/// What EENTER loads into registers. RCX gets the address after the EENTER instruction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entered {
    /// RIP: the entry point.
    pub rip: u64,
    /// RAX: CSSA.
    pub cssa: u32,
    /// FS base.
    pub fsbase: u64,
    /// GS base.
    pub gsbase: u64,
    /// The frame that the next AEX will fill. The caller stores RSP and RBP in its URSP and URBP.
    pub ssa: SsaFrame,
}

impl<M> Enclave<M> {
    /// Enters on the TCS at RBX with the AEP in RCX. `xcr0` is the host's XCR0.
    ///
    /// Allocates nothing.
    ///
    /// # Errors
    ///
    /// - #GP: RBX not page-aligned, an AEP or entry point or base that is not canonical, a TCS with
    ///   misaligned OSSA, OFSBASE or OGSBASE or reserved flags, no SSA frame left, a thread already
    ///   inside, an XFRM that XCR0 does not cover, an enclave not initialised.
    /// - #PF: RBX is no TCS that can be used, or a page of the SSA frame cannot be written.
    pub fn eenter(&mut self, rbx: u64, aep: u64, xcr0: Xfrm) -> LeafResult<Entered> {
        let tcs = self.check_tcs(rbx, aep, xcr0)?.fields;
        require(tcs.cssa < tcs.nssa)?;
        let ssa = self.ssa_frame(tcs.ossa, tcs.cssa);
        self.check_ssa(ssa)?;
        let base = self.secs.baseaddr;
        let entry = Entered {
            rip: base.wrapping_add(tcs.oentry),
            cssa: tcs.cssa,
            fsbase: base.wrapping_add(tcs.ofsbase),
            gsbase: base.wrapping_add(tcs.ogsbase),
            ssa,
        };
        require([entry.rip, entry.fsbase, entry.gsbase].into_iter().all(is_canonical))?;
        require(tcs.state == 0)?;
        self.activate(rbx, aep, tcs.cssa, tcs.cssa)?;
        Ok(entry)
    }
}
