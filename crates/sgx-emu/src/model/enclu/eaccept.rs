//! ENCLU[EACCEPT]: accepts a change that the system made to a page.

use sgx_types::{PageType, SecInfo, SecInfoFlags, SgxError, Tcs, TcsFlags};

use crate::model::enclave::Enclave;
use crate::model::epcm::Entry;
use crate::model::fault::{LeafError, LeafResult, require, require_or};
use crate::model::memory::{Access, EpcMemory};

impl<M: EpcMemory> Enclave<M> {
    /// Accepts the page at RCX as the SECINFO at RBX describes it.
    ///
    /// # Errors
    ///
    /// - #GP: a misaligned address or one outside ELRANGE, a SECINFO with reserved bits or with a
    ///   combination of type, PENDING, MODIFIED and PR that is never accepted, a TCS page whose
    ///   contents are no TCS that may be entered.
    /// - #PF: the SECINFO cannot be read; the page is not valid, blocked, or a type that is never
    ///   accepted. (On an absent page the driver augments and the leaf is tried again.)
    /// - SGX_PAGE_ATTRIBUTES_MISMATCH: the EPCM differs from the SECINFO.
    /// - SGX_NOT_TRACKED: a thread may still use the page as it was before the change.
    pub fn eaccept(&mut self, rbx: u64, rcx: u64) -> LeafResult {
        let secinfo = self.read_secinfo(rbx)?;
        self.accept(&secinfo, rcx)
    }

    /// EACCEPT with the SECINFO already read.
    fn accept(&mut self, secinfo: &SecInfo, linaddr: u64) -> LeafResult {
        self.check_page_address(linaddr)?;
        let page_type = acceptable(secinfo)?;
        self.check_present(linaddr)?;
        let entry = *self.entry_mut(linaddr)?;
        require_or(matches_entry(secinfo, &entry), SgxError::PageAttributesMismatch)?;
        let changed = entry.modified || entry.restricted;
        require_or(!changed || self.tcs.is_tracked(entry.epoch), SgxError::NotTracked)?;
        if page_type == PageType::Tcs {
            let tcs = self.read_tcs(linaddr)?;
            self.insert_tcs(linaddr, tcs);
        }
        if page_type == PageType::Trim {
            self.tcs.remove(linaddr);
        }
        let entry = self.entry_mut(linaddr)?;
        entry.pending = false;
        entry.modified = false;
        entry.restricted = false;
        self.follow(linaddr)?;
        self.settle()
    }

    /// Reads a page that EMODT made a TCS, with the checks EACCEPT makes of it.
    fn read_tcs(&self, linaddr: u64) -> LeafResult<Tcs> {
        let image = self.read_operand::<{ Tcs::SIZE }>(linaddr)?;
        let tcs = Tcs::from_bytes(&image).map_err(|_| LeafError::GP)?;
        require(!tcs.flags.contains(TcsFlags::DBGOPTIN))?;
        require(tcs.cssa < tcs.nssa)?;
        require(tcs.aep == 0 && tcs.state == 0 && tcs.prevssp == 0)?;
        Ok(tcs)
    }
}

/// The page type, if the combination of type, PENDING, MODIFIED and PR can be accepted.
fn acceptable(secinfo: &SecInfo) -> LeafResult<PageType> {
    let flags = secinfo.flags;
    let has = |flag| flags.contains(flag);
    let (pending, modified, restricted) =
        (has(SecInfoFlags::PENDING), has(SecInfoFlags::MODIFIED), has(SecInfoFlags::PR));
    match flags.page_type() {
        Some(PageType::Reg) if (restricted || pending) && !modified => Ok(PageType::Reg),
        Some(page_type @ (PageType::Tcs | PageType::Trim))
            if modified && !pending && !restricted =>
        {
            Ok(page_type)
        }
        _ => Err(LeafError::GP),
    }
}

/// Whether the EPCM says what the SECINFO says. SPEC: PR is not compared.
fn matches_entry(secinfo: &SecInfo, entry: &Entry) -> bool {
    let flags = secinfo.flags;
    flags.page_type() == Some(entry.page_type)
        && flags.contains(SecInfoFlags::PENDING) == entry.pending
        && flags.contains(SecInfoFlags::MODIFIED) == entry.modified
        && Access::from_bits(flags.permissions().bits().to_le_bytes()[0]) == entry.permissions
}
