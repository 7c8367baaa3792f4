//! Rewriting the system calls of pages that are being filled.

use core::ops::Range;

use super::{
    area::{Area, Prot},
    page_up,
    space::AddressSpace,
};
use crate::{
    errno::{Errno, Result},
    rewrite::REACH,
    rt,
};

const READ_EXECUTE: Prot = Prot::READ.union(Prot::EXEC);

impl AddressSpace {
    /// Rewrites the system calls in `range`: filled pages of `area`, still writable and not yet executable. What
    /// cannot be rewritten traps.
    pub(super) fn rewrite(&mut self, range: &Range<u64>, area: &Area) {
        let Some(backing) = area.backing.as_ref().filter(|_| !area.shared) else { return };
        // A program that may write its code sees to it itself.
        if !area.prot.contains(Prot::EXEC) || area.prot.can_write() {
            return;
        }
        let holds = |at, bytes: &[u8]| rt::holds_user(at, bytes);
        let offset = backing.offset(range.start);
        let sites = self.rewriter.sites(&backing.file, range, offset, holds);
        if sites.is_empty() {
            return;
        }
        let Ok(place) = self.place_trampolines(range.start, sites.room()) else { return };
        let patch = sites.patch(place.start);
        let written = rt::write_user(place.start, &patch.trampolines).is_ok()
            && self.commit.protect(place.clone(), READ_EXECUTE).is_ok();
        if !written {
            let _ = self.unmap(place);
            return;
        }
        for (at, jump) in &patch.jumps {
            // The pages were just filled, so they can be written.
            let _ = rt::write_user(*at, jump);
        }
        self.rewriter.note(patch);
    }

    /// Commits writable pages for trampolines below `near`: what lies above a program is its heap's.
    fn place_trampolines(&mut self, near: u64, room: usize) -> Result<Range<u64>> {
        let length = page_up(room as u64).ok_or(Errno::ENOMEM)?;
        let reserved = self.memory().reserve_below(near, length)?;
        if near - reserved.start() > REACH {
            return Err(Errno::ENOMEM);
        }
        let place = reserved.range();
        self.map(place.clone(), Area::anonymous(READ_EXECUTE))?;
        self.commit.add(place.clone())?;
        Ok(place)
    }

    /// The address that the application may see for an instruction pointer.
    pub(crate) fn shown_rip(&self, rip: u64) -> u64 {
        self.rewriter.shown(rip)
    }

    /// Where to go on for an instruction pointer that the application has.
    pub(crate) fn resumable_rip(&self, rip: u64) -> u64 {
        self.rewriter.resumable(rip)
    }
}
