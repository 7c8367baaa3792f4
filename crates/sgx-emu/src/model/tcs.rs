//! The thread control structures of an enclave.
//!
//! A processor keeps a TCS in its EPC page. No one but leaves can reach that page, so the model
//! keeps the fields here; the page in memory holds the image that EADD or EACCEPT checked, which
//! EEXTEND measures, and is not updated afterwards.
//!
//! What entering and leaving changes is in a [`TcsCell`] of its own (see there).

use std::sync::Arc;

use sgx_types::Tcs;

use super::cell::{Clock, TcsCell};
use super::fault::{LeafError, LeafResult};

/// State of one valid TCS page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TcsState {
    /// Linear address of the page.
    pub linaddr: u64,
    /// The fields. STATE, AEP and CSSA are current here: STATE is 1 while a thread is inside.
    pub fields: Tcs,
}

impl TcsState {
    /// Whether a thread is inside on this TCS (STATE = ACTIVE).
    #[must_use]
    pub const fn is_active(&self) -> bool {
        self.fields.state != 0
    }
}

/// Where an SSA frame lies, in linear addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SsaFrame {
    /// Number of the frame in its stack; the stack has NSSA.
    pub index: u32,
    /// The frame's first byte, where the XSAVE area begins.
    pub start: u64,
    /// Where GPRSGX begins: the last 184 bytes of the frame.
    pub gpr: u64,
}

/// A TCS: STATE and CSSA are in the cell, the other fields here.
#[derive(Debug)]
pub(super) struct Slot {
    pub(super) linaddr: u64,
    fields: Tcs,
    pub(super) cell: Arc<TcsCell>,
}

impl Slot {
    /// All fields as they are now.
    pub(super) fn state(&self) -> TcsState {
        let (active, cssa) = self.cell.occupancy();
        let fields = Tcs { state: u64::from(active), cssa, ..self.fields };
        TcsState { linaddr: self.linaddr, fields }
    }

    pub(super) fn set_aep(&mut self, aep: u64) {
        self.fields.aep = aep;
    }
}

/// The TCSs of an enclave, sorted by linear address. Looking one up allocates nothing.
#[derive(Debug, Default)]
pub(super) struct TcsTable {
    slots: Vec<Slot>,
    pub(super) clock: Arc<Clock>,
}

impl TcsTable {
    /// Adds a TCS that no thread is inside of.
    pub(super) fn insert(&mut self, linaddr: u64, fields: Tcs, cell: TcsCell) {
        let slot = Slot { linaddr, fields, cell: Arc::new(cell) };
        match self.position(linaddr) {
            Ok(at) => self.slots[at] = slot,
            Err(at) => self.slots.insert(at, slot),
        }
    }

    pub(super) fn remove(&mut self, linaddr: u64) {
        if let Ok(at) = self.position(linaddr) {
            let slot = self.slots.remove(at);
            self.clock.retire(slot.cell.counts());
        }
    }

    pub(super) fn get(&self, linaddr: u64) -> Option<&Slot> {
        self.position(linaddr).ok().map(|at| &self.slots[at])
    }

    /// The TCS at `linaddr`.
    ///
    /// # Errors
    ///
    /// #PF when there is none.
    pub(super) fn get_mut(&mut self, linaddr: u64) -> LeafResult<&mut Slot> {
        match self.position(linaddr) {
            Ok(at) => Ok(&mut self.slots[at]),
            Err(_) => Err(LeafError::pf(linaddr)),
        }
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Slot> {
        self.slots.iter()
    }

    /// Whether a thread that entered before the last ETRACK is still inside (SECS.TRACKING is not 0).
    pub(super) fn tracking_is_incomplete(&self) -> bool {
        let epoch = self.clock.epoch();
        self.slots.iter().any(|slot| slot.cell.inside_since().is_some_and(|since| since != epoch))
    }

    /// Whether no thread can hold a translation older than a change made in `epoch`.
    pub(super) fn is_tracked(&self, epoch: u32) -> bool {
        let now = self.clock.epoch();
        epoch != now && (epoch != now.wrapping_sub(1) || !self.tracking_is_incomplete())
    }

    fn position(&self, linaddr: u64) -> Result<usize, usize> {
        self.slots.binary_search_by_key(&linaddr, |slot| slot.linaddr)
    }
}
