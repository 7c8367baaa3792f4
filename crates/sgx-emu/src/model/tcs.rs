//! The thread control structures of an enclave.
//!
//! A processor keeps a TCS in its EPC page. No one but leaves can reach that page, so the model
//! keeps the fields here; the page in memory holds the image that EADD or EACCEPT checked, which
//! EEXTEND measures, and is not updated afterwards.

use sgx_types::Tcs;

use super::fault::{LeafError, LeafResult};

/// State of one valid TCS page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TcsState {
    /// Linear address of the page.
    pub linaddr: u64,
    /// The fields. STATE, AEP and CSSA are current here: STATE is 1 while a thread is inside.
    pub fields: Tcs,
    /// The tracking epoch in which the thread inside entered.
    pub(super) entry_epoch: u32,
}

impl TcsState {
    /// Whether a thread is inside on this TCS (STATE = ACTIVE).
    #[must_use]
    pub const fn is_active(&self) -> bool {
        self.fields.state != 0
    }

    pub(super) fn set_active(&mut self, active: bool) {
        self.fields.state = u64::from(active);
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

/// The TCSs of an enclave, sorted by linear address. Looking one up allocates nothing.
#[derive(Clone, Debug, Default)]
pub(super) struct TcsTable {
    slots: Vec<TcsState>,
}

impl TcsTable {
    /// Adds a TCS that no thread is inside of.
    pub(super) fn insert(&mut self, linaddr: u64, fields: Tcs) {
        let slot = TcsState { linaddr, fields, entry_epoch: 0 };
        match self.position(linaddr) {
            Ok(at) => self.slots[at] = slot,
            Err(at) => self.slots.insert(at, slot),
        }
    }

    pub(super) fn remove(&mut self, linaddr: u64) {
        if let Ok(at) = self.position(linaddr) {
            self.slots.remove(at);
        }
    }

    pub(super) fn get(&self, linaddr: u64) -> Option<&TcsState> {
        self.position(linaddr).ok().map(|at| &self.slots[at])
    }

    /// The TCS at `linaddr`.
    ///
    /// # Errors
    ///
    /// #PF when there is none.
    pub(super) fn get_mut(&mut self, linaddr: u64) -> LeafResult<&mut TcsState> {
        match self.position(linaddr) {
            Ok(at) => Ok(&mut self.slots[at]),
            Err(_) => Err(LeafError::pf(linaddr)),
        }
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &TcsState> {
        self.slots.iter()
    }

    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = &mut TcsState> {
        self.slots.iter_mut()
    }

    fn position(&self, linaddr: u64) -> Result<usize, usize> {
        self.slots.binary_search_by_key(&linaddr, |slot| slot.linaddr)
    }
}
