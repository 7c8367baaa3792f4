//! What the processor holds about one enclave.

use std::sync::Arc;

use sgx_types::{AttributeFlags, Measurement, Mrenclave, Secs, SsaGpr, Tcs};

use super::cell::{Counts, TcsCell};
use super::enclu::Entered;
use super::epcm::{Entry, Epcm};
use super::fault::{LeafError, LeafResult, require_page};
use super::mapping::{Fidelity, Mapping};
use super::memory::{Access, EpcMemory, PAGE_SIZE, page_of};
use super::processor::Processor;
use super::tcs::{Slot, SsaFrame, TcsState, TcsTable};

/// One enclave: its SECS, the EPCM entries of its pages, its TCSs and its measurement.
///
/// Made by [`Enclave::ecreate`]; the leaves are its methods. `M` is where the pages live.
///
/// INVARIANTS
/// - The memory gives enclave code at most [`Entry::accessible`] on every page, except pages that
///   are PENDING under [`Fidelity::Relaxed`].
/// - A TCS state exists for every page that EENTER might take, and for no other page except those
///   whose PT_TRIM is not accepted yet. A thread is inside only on a TCS with a state.
/// - CSSA of every TCS is at most its NSSA.
/// - MRENCLAVE and MRSIGNER do not change once ATTRIBUTES.INIT is set.
#[derive(Debug)]
pub struct Enclave<M> {
    pub(super) secs: Secs,
    /// SECS.ISVEXTPRODID and SECS.ISVFAMILYID, which have no place in the SECS that software sees.
    pub(super) isvextprodid: [u8; 16],
    pub(super) isvfamilyid: [u8; 16],
    pub(super) measurement: Measurement,
    pub(super) processor: Processor,
    /// Pages of the XSAVE area for the enclave's XFRM, which every entry checks.
    pub(super) xsave_pages: u64,
    pub(super) epcm: Epcm,
    pub(super) tcs: TcsTable,
    pub(super) fidelity: Fidelity,
    pub(super) mapping: Mapping,
    pub(super) memory: M,
}

impl<M> Enclave<M> {
    /// The SECS. MRENCLAVE, MRSIGNER, ISVPRODID and ISVSVN are zero until EINIT has set them.
    pub fn secs(&self) -> &Secs {
        &self.secs
    }

    /// What MRENCLAVE will be if nothing more is measured before EINIT.
    pub fn measurement(&self) -> Mrenclave {
        self.measurement.clone().finish()
    }

    /// SECS.ISVEXTPRODID; zero until EINIT.
    pub fn isvextprodid(&self) -> [u8; 16] {
        self.isvextprodid
    }

    /// SECS.ISVFAMILYID; zero until EINIT.
    pub fn isvfamilyid(&self) -> [u8; 16] {
        self.isvfamilyid
    }

    /// Whether EINIT has succeeded.
    pub fn is_initialized(&self) -> bool {
        self.secs.attributes.flags.contains(AttributeFlags::INIT)
    }

    /// Whether `linaddr` is in ELRANGE.
    pub fn in_elrange(&self, linaddr: u64) -> bool {
        self.epcm.contains(linaddr)
    }

    /// The EPCM entry of the page that holds `linaddr`; nothing when the page is not valid.
    pub fn entry(&self, linaddr: u64) -> Option<&Entry> {
        self.epcm.get(linaddr)
    }

    /// Every valid page with its linear address, in order.
    pub fn entries(&self) -> impl Iterator<Item = (u64, &Entry)> {
        self.epcm.iter()
    }

    /// Number of valid pages, the SECS not counted.
    pub fn valid_pages(&self) -> u64 {
        self.epcm.valid_pages()
    }

    /// The TCS at `linaddr`, if that page is a TCS that EENTER could use.
    pub fn tcs(&self, linaddr: u64) -> Option<TcsState> {
        self.tcs.get(linaddr).map(Slot::state)
    }

    /// What entering and leaving changes of the TCS at `linaddr`.
    pub fn tcs_cell(&self, linaddr: u64) -> Option<Arc<TcsCell>> {
        self.tcs.get(linaddr).map(|slot| Arc::clone(&slot.cell))
    }

    /// Every TCS, by linear address.
    pub fn tcss(&self) -> impl Iterator<Item = TcsState> {
        self.tcs.iter().map(Slot::state)
    }

    /// Transitions since the enclave was made.
    pub fn counts(&self) -> Counts {
        self.tcs.iter().fold(self.tcs.clock.retired(), |sum, slot| sum.plus(slot.cell.counts()))
    }

    /// Number of threads inside.
    pub fn threads_inside(&self) -> u32 {
        let inside = self.tcs.iter().filter(|slot| slot.cell.occupancy().0).count();
        u32::try_from(inside).unwrap_or(u32::MAX)
    }

    /// How closely mapped access follows the EPCM.
    pub fn fidelity(&self) -> Fidelity {
        self.fidelity
    }

    /// The processor the enclave was made on.
    pub fn processor(&self) -> &Processor {
        &self.processor
    }

    /// The memory the pages live in.
    pub fn memory(&self) -> &M {
        &self.memory
    }

    /// The memory the pages live in. Changing access behind the model's back is a bug.
    pub fn memory_mut(&mut self) -> &mut M {
        &mut self.memory
    }

    /// Gives up the enclave without any check, as when the machine loses power, and returns the
    /// memory.
    pub fn into_memory(self) -> M {
        self.memory
    }

    /// Makes a TCS of the page that EADD or EACCEPT has checked.
    pub(super) fn insert_tcs(&mut self, linaddr: u64, fields: Tcs) {
        let base = self.secs.baseaddr;
        let entry = Entered {
            rip: base.wrapping_add(fields.oentry),
            cssa: 0,
            fsbase: base.wrapping_add(fields.ofsbase),
            gsbase: base.wrapping_add(fields.ogsbase),
            ssa: self.ssa_frame(fields.ossa, 0),
        };
        let clock = Arc::clone(&self.tcs.clock);
        let second = self.ssa_frame(fields.ossa, 1);
        self.tcs.insert(linaddr, fields, TcsCell::new(clock, fields.nssa, entry, second));
    }

    /// Where SSA frame `index` of the stack at offset `ossa` lies.
    pub(super) fn ssa_frame(&self, ossa: u64, index: u32) -> SsaFrame {
        let size = PAGE_SIZE.saturating_mul(self.secs.ssaframesize.into());
        let start =
            self.secs.baseaddr.wrapping_add(ossa).wrapping_add(size.saturating_mul(index.into()));
        let gpr = start.wrapping_add(size).wrapping_sub(SsaGpr::SIZE as u64);
        SsaFrame { index, start, gpr }
    }

    /// Checks that enclave code may use the page of an operand with `access`.
    ///
    /// # Errors
    ///
    /// #PF at `linaddr` unless the page is a settled PT_REG that allows it.
    pub(super) fn check_operand(&self, linaddr: u64, access: Access) -> LeafResult {
        let allowed = self.epcm.get(linaddr).map_or(Access::NONE, Entry::accessible);
        require_page(allowed.contains(access), linaddr)
    }
}

impl<M: EpcMemory> Enclave<M> {
    /// Reads an operand that does not cross a page.
    pub(super) fn read_operand<const N: usize>(&self, linaddr: u64) -> LeafResult<[u8; N]> {
        let mut bytes = [0; N];
        self.memory.read(linaddr, &mut bytes)?;
        Ok(bytes)
    }

    /// Lets the memory follow the EPCM entry of one page; the change may wait for
    /// [`settle`](Self::settle).
    pub(super) fn follow(&mut self, linaddr: u64) -> LeafResult {
        self.mapping.follow(&mut self.epcm, &mut self.memory, page_of(linaddr))
    }

    /// Makes every change of access that still waits.
    pub(super) fn settle(&mut self) -> LeafResult {
        self.mapping.flush(&mut self.epcm, &mut self.memory)
    }

    /// Runs a leaf's changes for each page of a run and makes the changes of access at the end,
    /// also when a page fails. Returns how many pages were done with the error that stopped it.
    pub(super) fn for_run(
        &mut self,
        run: super::memory::PageRun,
        mut leaf: impl FnMut(&mut Self, u64) -> LeafResult,
    ) -> (u64, LeafResult) {
        let mut done = 0;
        let mut result = Ok(());
        for linaddr in run.addresses() {
            result = leaf(self, linaddr);
            if result.is_err() {
                break;
            }
            done += 1;
        }
        let settled = self.settle();
        (done, result.and(settled))
    }

    /// The entry of a page that a leaf has found valid.
    pub(super) fn entry_mut(&mut self, linaddr: u64) -> LeafResult<&mut Entry> {
        self.epcm.get_mut(linaddr).ok_or(LeafError::pf(linaddr))
    }
}
