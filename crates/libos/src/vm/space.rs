//! An address space: its areas, committed pages and program break.

use alloc::{format, string::String, vec::Vec};
use core::ops::Range;

use super::{
    PAGE,
    area::{Area, Label, Prot},
    commit::Commit,
    page_down, page_up,
    ranges::RangeMap,
};
use crate::{
    errno::{Errno, Result},
    rewrite::Rewriter,
    rt,
};

/// The memory of a process.
#[derive(Debug)]
pub(crate) struct AddressSpace {
    pub(super) areas: RangeMap<Area>,
    pub(super) commit: Commit,
    /// Where the program may map at all.
    pub(super) bounds: Range<u64>,
    /// System calls that enter without a trap.
    pub(super) rewriter: Rewriter,
    pub(super) brk_start: u64,
    pub(super) brk_end: u64,
}

impl AddressSpace {
    pub(crate) fn new(bounds: Range<u64>, edmm: bool) -> Self {
        Self {
            areas: RangeMap::new(),
            commit: Commit::new(edmm),
            bounds,
            rewriter: Rewriter::default(),
            brk_start: 0,
            brk_end: 0,
        }
    }

    pub(crate) fn bounds(&self) -> Range<u64> {
        self.bounds.clone()
    }

    /// Whether every page of `range` is mapped.
    pub(crate) fn is_mapped(&self, range: Range<u64>) -> bool {
        self.areas.gaps(range).is_empty()
    }

    /// Bytes mapped and bytes committed.
    pub(crate) fn usage(&self) -> (u64, u64) {
        (self.areas.iter().map(|(r, _)| r.end - r.start).sum(), self.commit.bytes())
    }

    /// Whether the page at `at` is committed.
    pub(crate) fn is_resident(&self, at: u64) -> bool {
        self.commit.is_committed(at)
    }

    /// Checks that a range with a given start lies in application memory; rounds its length up.
    pub(crate) fn check(&self, addr: u64, length: u64) -> Result<Range<u64>> {
        if !addr.is_multiple_of(PAGE) {
            return Err(Errno::EINVAL);
        }
        let length = page_up(length).ok_or(Errno::ENOMEM)?;
        let end = addr.checked_add(length).ok_or(Errno::ENOMEM)?;
        if addr < self.bounds.start || end > self.bounds.end {
            return Err(Errno::ENOMEM);
        }
        Ok(addr..end)
    }

    /// A free range of `length` bytes, the highest that fits; `align` is a power of two.
    pub(crate) fn find_free(&self, length: u64, align: u64) -> Result<u64> {
        self.find_free_below(self.bounds.end, length, align)
    }

    /// As [`Self::find_free`], below `limit`.
    pub(super) fn find_free_below(&self, limit: u64, length: u64, align: u64) -> Result<u64> {
        let mut end = limit;
        for (run, _) in self.areas.iter().rev().skip_while(|(run, _)| run.start >= limit) {
            if let Some(at) = fit(run.end, end, length, align) {
                return Ok(at);
            }
            end = run.start;
        }
        fit(self.bounds.start, end, length, align).ok_or(Errno::ENOMEM)
    }

    /// Whether `range` is inside the bounds and free.
    pub(crate) fn is_free(&self, range: Range<u64>) -> bool {
        range.start >= self.bounds.start
            && range.end <= self.bounds.end
            && self.areas.within(range).is_empty()
    }

    /// Maps `area` at `range`, replacing what was there.
    pub(crate) fn map(&mut self, range: Range<u64>, area: Area) -> Result<()> {
        self.unmap(range.clone())?;
        self.areas.insert(range, area);
        Ok(())
    }

    /// Unmaps `range`.
    pub(crate) fn unmap(&mut self, range: Range<u64>) -> Result<()> {
        self.rewriter.forget(range.clone());
        self.areas.remove(range.clone());
        self.commit.remove(range)
    }

    /// Changes the rights of `range`, all of which must be mapped.
    pub(crate) fn protect(&mut self, range: Range<u64>, prot: Prot) -> Result<()> {
        if !self.is_mapped(range.clone()) {
            return Err(Errno::ENOMEM);
        }
        for (run, mut area) in self.areas.within(range.clone()) {
            area.prot = prot;
            self.areas.insert(run, area);
        }
        self.commit.protect(range, prot)
    }

    /// Sets where the heap starts; called once by the loader.
    pub(crate) fn set_brk(&mut self, start: u64) {
        self.brk_start = start;
        self.brk_end = start;
    }

    /// `brk(2)`: the new break, or the old one where it cannot move.
    pub(crate) fn brk(&mut self, addr: u64) -> u64 {
        if addr >= self.brk_start && self.move_brk(addr).is_some() {
            self.brk_end = addr;
        }
        self.brk_end
    }

    fn move_brk(&mut self, addr: u64) -> Option<()> {
        let old = page_up(self.brk_end)?;
        let new = page_up(addr)?;
        if new > old {
            if !self.is_free(old..new) {
                return None;
            }
            let area = Area::labelled(Prot::READ_WRITE, Label::Heap);
            self.areas.insert(old..new, area);
            self.settle(old..new);
        } else if new < old {
            self.unmap(new..old).ok()?;
        }
        Some(())
    }

    /// `madvise(MADV_DONTNEED)`: the pages read as zero, or as the file, from now on.
    pub(crate) fn discard(&mut self, range: Range<u64>) -> Result<()> {
        if !self.is_mapped(range.clone()) {
            return Err(Errno::ENOMEM);
        }
        self.commit.remove(range.clone())?;
        self.settle(range);
        Ok(())
    }

    /// Without EDMM no fault will come: fills what has just been mapped.
    pub(crate) fn settle(&mut self, range: Range<u64>) {
        if !self.commit.is_dynamic() {
            for (run, _) in self.areas.within(range) {
                let _ = self.populate(run);
            }
        }
    }

    /// `mremap(2)`: grows, shrinks or moves a mapping; returns its address.
    pub(crate) fn remap(&mut self, old: Range<u64>, new_size: u64, how: Remap) -> Result<u64> {
        let (run, area) = self.areas.get(old.start).ok_or(Errno::EFAULT)?;
        if run.end < old.end {
            return Err(Errno::EFAULT);
        }
        let mut area = area.clone();
        let old_size = old.end - old.start;
        let target = match how {
            Remap::Fixed(at) => at,
            Remap::InPlace | Remap::MayMove if new_size <= old_size => {
                self.unmap(old.start + new_size..old.end)?;
                return Ok(old.start);
            }
            Remap::InPlace | Remap::MayMove => {
                let end = old.start.checked_add(new_size).ok_or(Errno::ENOMEM)?;
                if self.is_free(old.end..end) {
                    self.areas.insert(old.end..end, area);
                    self.settle(old.end..end);
                    return Ok(old.start);
                }
                if how == Remap::InPlace {
                    return Err(Errno::ENOMEM);
                }
                self.find_free(new_size, PAGE)?
            }
        };
        if let Some(backing) = &mut area.backing {
            backing.delta = backing.delta.wrapping_add(old.start).wrapping_sub(target);
        }
        self.map(target..target + new_size, area.clone())?;
        self.move_pages(old.clone(), target, new_size.min(old_size), area.prot)?;
        self.unmap(old)?;
        Ok(target)
    }

    fn move_pages(&mut self, old: Range<u64>, target: u64, size: u64, prot: Prot) -> Result<()> {
        let source = old.start..old.start + size;
        let mut at = source.start;
        for gap in self
            .commit
            .gaps(source.clone())
            .into_iter()
            .chain(core::iter::once(source.end..source.end))
        {
            if at < gap.start {
                let to = at - old.start + target..gap.start - old.start + target;
                self.commit.add(to.clone())?;
                self.commit.protect(at..gap.start, Prot::READ_WRITE)?;
                rt::copy_within_user(at, to.start, gap.start - at)?;
                self.commit.protect(to, prot)?;
            }
            at = gap.end;
        }
        Ok(())
    }

    /// Files mapped executable: where, from which offset, and their paths.
    pub(crate) fn executable_files(&self) -> impl Iterator<Item = (Range<u64>, u64, Vec<u8>)> {
        let executable = self.areas.iter().filter(|(_, area)| area.prot.contains(Prot::EXEC));
        executable.filter_map(|(range, area)| {
            let backing = area.backing.as_ref()?;
            Some((range.clone(), backing.offset(range.start), backing.file.path()))
        })
    }

    /// The lines of `/proc/self/maps`.
    pub(crate) fn describe(&self) -> String {
        let mut text = String::new();
        for (range, area) in self.areas.iter() {
            let bit = |right, letter| if area.prot.contains(right) { letter } else { '-' };
            let shared = if area.shared { 's' } else { 'p' };
            let line = format!(
                "{:08x}-{:08x} {}{}{}{shared} {:08x} 00:00 0",
                range.start,
                range.end,
                bit(Prot::READ, 'r'),
                bit(Prot::WRITE, 'w'),
                bit(Prot::EXEC, 'x'),
                area.backing.as_ref().map_or(0, |b| b.offset(range.start)),
            );
            let name = match (&area.backing, area.label) {
                (Some(backing), _) => String::from_utf8_lossy(&backing.file.path()).into_owned(),
                (None, Label::Heap) => "[heap]".into(),
                (None, Label::Stack) => "[stack]".into(),
                (None, Label::None) => String::new(),
            };
            if name.is_empty() {
                text.push_str(&format!("{line}\n"));
            } else {
                text.push_str(&format!("{line:<73}{name}\n"));
            }
        }
        text
    }
}

/// Where `mremap(2)` may put a mapping.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Remap {
    /// Only where it is.
    InPlace,
    /// Anywhere.
    MayMove,
    /// At this address, replacing what is there.
    Fixed(u64),
}

fn fit(low: u64, high: u64, length: u64, align: u64) -> Option<u64> {
    let at = high.checked_sub(length)? & !(align - 1);
    (at >= low).then_some(page_down(at))
}
