//! ENCLS[EADD]: adds a page before EINIT.

use sgx_types::{PageType, SecInfo, SecInfoFlags, Tcs, TcsFlags};

use crate::model::enclave::Enclave;
use crate::model::epcm::Entry;
use crate::model::fault::{LeafError, LeafResult, require, require_page};
use crate::model::memory::{Access, EpcMemory, PAGE_SIZE};

impl<M: EpcMemory> Enclave<M> {
    /// Adds the page `source` at `linaddr` and measures its offset and SECINFO (not its contents).
    ///
    /// # Errors
    ///
    /// - #GP: `linaddr` not aligned or outside ELRANGE, a page type other than PT_REG and PT_TCS, a
    ///   writable page that cannot be read, a TCS with reserved bytes or flags set, an enclave
    ///   already initialised.
    /// - #PF: the page is already valid.
    pub fn eadd(&mut self, linaddr: u64, secinfo: &SecInfo, source: &[u8; 4096]) -> LeafResult {
        self.eadd_waiting(linaddr, secinfo, Some(source))?;
        self.settle()
    }

    /// EADD of a page, or of a page of zeros, whose access is mapped by the next [`settle`](Self::settle).
    ///
    /// Zeros are not written: an absent page holds none but zeros (see [`EpcMemory::discard`]).
    pub(in crate::model) fn eadd_waiting(
        &mut self,
        linaddr: u64,
        secinfo: &SecInfo,
        source: Option<&[u8; 4096]>,
    ) -> LeafResult {
        require(linaddr.is_multiple_of(PAGE_SIZE))?;
        let page_type = page_type(secinfo)?;
        require_page(self.epcm.get(linaddr).is_none(), linaddr)?;
        let permissions = permissions(secinfo);
        let tcs = match page_type {
            PageType::Tcs => Some(clean_tcs(source.unwrap_or(&[0; 4096]))?),
            _ => {
                require(permissions.readable() || !permissions.writable())?;
                None
            }
        };
        require(self.in_elrange(linaddr))?;
        require(!self.is_initialized())?;

        match (tcs, source) {
            (Some(tcs), _) => self.memory.write(linaddr, &tcs.to_bytes())?,
            (None, Some(source)) => self.memory.write(linaddr, source)?,
            (None, None) => {}
        }
        let (secinfo, permissions) = match tcs {
            Some(_) => (without_permissions(secinfo), Access::NONE),
            None => (*secinfo, permissions),
        };
        self.measurement.eadd(linaddr - self.secs.baseaddr, &secinfo);
        self.epcm.insert(linaddr, Entry::new(page_type, permissions));
        if let Some(tcs) = tcs {
            self.insert_tcs(linaddr, tcs);
        }
        self.follow(linaddr)
    }
}

fn page_type(secinfo: &SecInfo) -> LeafResult<PageType> {
    match secinfo.flags.page_type() {
        Some(page_type @ (PageType::Reg | PageType::Tcs)) => Ok(page_type),
        // SPEC: shadow-stack pages need CET, which this processor lacks.
        _ => Err(LeafError::GP),
    }
}

/// The permissions that a SECINFO asks for.
pub(in crate::model) fn permissions(secinfo: &SecInfo) -> Access {
    Access::from_bits(secinfo.flags.permissions().bits().to_le_bytes()[0])
}

/// SPEC: for a TCS the permissions are forced to zero before they are measured.
fn without_permissions(secinfo: &SecInfo) -> SecInfo {
    SecInfo { flags: secinfo.flags.difference(SecInfoFlags::RWX) }
}

/// The TCS of a source page, with the fields that EADD clears cleared.
///
/// A processor leaves reserved FLAGS to EENTER, which faults on them; here EADD does.
fn clean_tcs(source: &[u8; 4096]) -> LeafResult<Tcs> {
    let tcs = Tcs::from_bytes(source).map_err(|_| LeafError::GP)?;
    require(tcs.prevssp == 0)?;
    let flags = tcs.flags.difference(TcsFlags::DBGOPTIN);
    Ok(Tcs { flags, cssa: 0, aep: 0, state: 0, ..tcs })
}
