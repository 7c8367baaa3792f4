//! The checks that EENTER and ERESUME share.

use std::sync::Arc;

use sgx_types::{TcsFlags, Xfrm};

use crate::model::cell::TcsCell;
use crate::model::enclave::Enclave;
use crate::model::encls::is_canonical;
use crate::model::fault::{LeafError, LeafResult, require, require_page};
use crate::model::memory::{Access, PAGE_SIZE};
use crate::model::tcs::{SsaFrame, TcsState};

impl<M> Enclave<M> {
    /// Checks the TCS at `rbx` and the operating mode, up to and without the SSA.
    ///
    /// # Errors
    ///
    /// #GP and #PF in the SDM's order.
    pub(super) fn check_tcs(&self, rbx: u64, aep: u64, xcr0: Xfrm) -> LeafResult<TcsState> {
        require(rbx.is_multiple_of(PAGE_SIZE))?;
        require_page(self.in_elrange(rbx), rbx)?;
        require(is_canonical(aep))?;
        let settled = self.entry(rbx).is_some_and(|entry| entry.is_settled());
        require_page(settled, rbx)?;
        // A state exists only for PT_TCS pages.
        let tcs = self.tcs.get(rbx).ok_or(LeafError::pf(rbx))?.state();
        let fields = &tcs.fields;
        require(fields.ossa.is_multiple_of(PAGE_SIZE))?;
        require(fields.ofsbase.is_multiple_of(PAGE_SIZE))?;
        require(fields.ogsbase.is_multiple_of(PAGE_SIZE))?;
        // Reserved FLAGS need no check: EADD and EACCEPT let none through.
        require(self.is_initialized())?;
        require(xcr0.contains(self.secs.attributes.xfrm))?;
        // SPEC: TCS.FLAGS.AEXNOTIFY must equal the attribute; this processor never has it.
        let opted_in = fields.flags.contains(TcsFlags::DBGOPTIN);
        require(opted_in || !fields.flags.contains(TcsFlags::AEXNOTIFY))?;
        Ok(tcs)
    }

    /// Checks that every page of an SSA frame that the leaf would use can be read and written:
    /// those of the XSAVE area and the one of GPRSGX.
    ///
    /// # Errors
    ///
    /// #PF at the first page that cannot.
    pub(super) fn check_ssa(&self, frame: SsaFrame) -> LeafResult {
        for page in 0..self.xsave_pages {
            self.check_operand(frame.start.wrapping_add(page * PAGE_SIZE), Access::RW)?;
        }
        self.check_operand(frame.gpr, Access::RW)
    }

    /// Makes the thread active on the TCS, whose checks all held.
    ///
    /// # Errors
    ///
    /// #GP when another thread is inside on it.
    pub(super) fn activate(
        &mut self,
        tcs: u64,
        aep: u64,
        from_cssa: u32,
        to_cssa: u32,
    ) -> LeafResult {
        let slot = self.tcs.get_mut(tcs)?;
        require(slot.cell.enter_checked(from_cssa, to_cssa))?;
        slot.set_aep(aep);
        Ok(())
    }

    /// The TCS a thread is to leave from.
    ///
    /// # Errors
    ///
    /// #PF when there is none.
    pub(super) fn occupied(&mut self, tcs: u64) -> LeafResult<(TcsState, Arc<TcsCell>)> {
        let slot = self.tcs.get_mut(tcs)?;
        Ok((slot.state(), Arc::clone(&slot.cell)))
    }
}
