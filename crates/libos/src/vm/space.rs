//! An address space: its areas, committed pages and program break.

use alloc::{format, string::String, sync::Arc, vec::Vec};
use core::ops::Range;

use super::{
    PAGE,
    area::{Area, Label, Prot},
    commit::Commit,
    memory::{Memory, Reservation, Zone},
    page_up,
    ranges::RangeMap,
    seat::Seat,
    written::Written,
};
use crate::{
    errno::{Errno, Result},
    rewrite::Rewriter,
    rt,
};

/// Most bytes of addresses that are kept free for a program's heap to grow into.
const HEAP_ROOM: u64 = 1 << 30;
/// Fewest.
const HEAP_ROOM_MIN: u64 = 16 << 20;

/// The memory of a process.
#[derive(Debug)]
pub(crate) struct AddressSpace {
    pub(super) id: u64,
    pub(super) areas: RangeMap<Area>,
    pub(super) commit: Commit,
    pub(super) seat: Arc<Seat>,
    /// Addresses that no other process gets, for the heap.
    pub(super) heap_room: Range<u64>,
    /// System calls that enter without a trap.
    pub(super) rewriter: Rewriter,
    /// Pages of shared mappings that differ from their files.
    pub(super) written: Written,
    pub(super) brk_start: u64,
    pub(super) brk_end: u64,
}

impl AddressSpace {
    /// An empty one, number `id` on its seat.
    pub(super) fn empty(memory: Arc<Memory>, seat: Arc<Seat>, id: u64) -> Self {
        Self {
            id,
            areas: RangeMap::new(),
            commit: Commit::new(memory),
            seat,
            heap_room: 0..0,
            rewriter: Rewriter::default(),
            written: Written::default(),
            brk_start: 0,
            brk_end: 0,
        }
    }

    /// One that has application memory for itself.
    #[cfg(test)]
    pub(crate) fn new(bounds: Range<u64>, edmm: bool) -> Self {
        Self::empty(Memory::new(bounds, edmm), Seat::new(), 0)
    }

    pub(crate) fn bounds(&self) -> Range<u64> {
        self.commit.memory.bounds()
    }

    /// The application memory that it has a part of.
    pub(crate) const fn memory(&self) -> &Arc<Memory> {
        &self.commit.memory
    }

    /// Whether every page of `range` is mapped.
    pub(crate) fn is_mapped(&self, range: Range<u64>) -> bool {
        self.areas.gaps(range).is_empty()
    }

    /// Bytes mapped and bytes committed.
    pub(crate) fn usage(&self) -> (u64, u64) {
        (self.areas.iter().map(|(r, _)| r.end - r.start).sum(), self.commit.bytes())
    }

    /// Whether the memory at `at` is shared with other processes (`MAP_SHARED`).
    pub(crate) fn is_shared(&self, at: u64) -> bool {
        self.areas.get(at).is_some_and(|(_, area)| area.shared)
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
        let bounds = self.bounds();
        if addr < bounds.start || end > bounds.end {
            return Err(Errno::ENOMEM);
        }
        Ok(addr..end)
    }

    /// Whether this address space may map `range` although something is there: its own, or what belongs to
    /// processes it takes turns with.
    pub(crate) fn may_replace(&self, range: Range<u64>) -> bool {
        let foreign = |gap: Range<u64>| {
            let users = self.commit.memory.users(gap).into_iter();
            users.flat_map(|(run, _)| self.outside_heap_room(run)).next().is_some()
        };
        self.areas.gaps(range).into_iter().all(|gap| !foreign(gap) || self.seat.is_shared())
    }

    fn outside_heap_room(&self, run: Range<u64>) -> impl Iterator<Item = Range<u64>> {
        let room = &self.heap_room;
        let below = run.start..run.end.min(room.start);
        let above = run.start.max(room.end)..run.end;
        [below, above].into_iter().filter(|part| part.start < part.end)
    }

    /// Maps `area` at `range`, replacing what was there.
    pub(crate) fn map(&mut self, range: Range<u64>, area: Area) -> Result<()> {
        self.unmap(range.clone())?;
        self.insert(range, area)
    }

    /// Adds an area where this address space has none.
    fn insert(&mut self, range: Range<u64>, area: Area) -> Result<()> {
        self.commit.memory.take(range.clone());
        self.areas.insert(range.clone(), area);
        self.evict(range)
    }

    /// Unmaps `range`.
    pub(crate) fn unmap(&mut self, range: Range<u64>) -> Result<()> {
        self.rewriter.forget(range.clone());
        // What the file does not take is lost, with a line in the log, as on Linux.
        let _ = self.write_back(range.clone());
        let removed = self.areas.remove(range.clone());
        // Nobody else gets the addresses before their pages are gone.
        let dropped = self.drop_pages(range);
        for (run, _) in removed {
            self.commit.memory.release(run);
        }
        dropped
    }

    /// Unmaps everything: the last process that had it is gone.
    pub(super) fn clear(&mut self) {
        // Pages that the host does not take back stay committed, to nobody's harm.
        let _ = self.unmap(self.bounds());
        let room = core::mem::replace(&mut self.heap_room, 0..0);
        self.commit.memory.release(room);
    }

    /// Changes the rights of `range`, all of which must be mapped.
    pub(crate) fn protect(&mut self, range: Range<u64>, prot: Prot) -> Result<()> {
        if !self.is_mapped(range.clone()) {
            return Err(Errno::ENOMEM);
        }
        self.write_back(range.clone())?;
        for (run, mut area) in self.areas.within(range.clone()) {
            if prot.can_write() && !area.prot.can_write() && !area.shared {
                self.unshare(run.clone())?;
            }
            area.prot = prot;
            let resting = area.resting();
            self.areas.insert(run.clone(), area);
            self.commit.protect(run, resting)?;
        }
        Ok(())
    }

    /// Sets where the heap starts; called once by the loader.
    pub(crate) fn set_brk(&mut self, start: u64) {
        self.brk_start = start;
        self.brk_end = start;
        let mut size = HEAP_ROOM;
        while size >= HEAP_ROOM_MIN {
            if let Some(room) = self.commit.memory.reserve_at(start..start.saturating_add(size)) {
                self.heap_room = room.keep();
                return;
            }
            size /= 2;
        }
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
            let beyond = old.max(self.heap_room.end)..new;
            let reserved = match beyond.is_empty() {
                true => None,
                false => Some(self.commit.memory.reserve_at(beyond)?),
            };
            if !self.areas.within(old..new).is_empty() {
                return None;
            }
            let area = Area::labelled(Prot::READ_WRITE, Label::Heap);
            self.insert(old..new, area).ok()?;
            drop(reserved);
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
        self.write_back(range.clone())?;
        self.drop_pages(range.clone())?;
        self.evict(range.clone())?;
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
        self.write_back(old.clone())?;
        let old_size = old.end - old.start;
        let mut reserved: Option<Reservation> = None;
        let target = match how {
            Remap::Fixed(at) if self.may_replace(at..at + new_size) => at,
            Remap::Fixed(_) => return Err(Errno::ENOMEM),
            Remap::InPlace | Remap::MayMove if new_size <= old_size => {
                self.unmap(old.start + new_size..old.end)?;
                return Ok(old.start);
            }
            Remap::InPlace | Remap::MayMove => {
                let end = old.start.checked_add(new_size).ok_or(Errno::ENOMEM)?;
                if let Some(room) = self.commit.memory.reserve_at(old.end..end) {
                    self.insert(room.range(), area)?;
                    self.settle(old.end..end);
                    return Ok(old.start);
                }
                if how == Remap::InPlace {
                    return Err(Errno::ENOMEM);
                }
                let room = self.commit.memory.reserve(new_size, PAGE, Zone::Any)?;
                reserved.insert(room).start()
            }
        };
        if let Some(backing) = &mut area.backing {
            backing.delta = backing.delta.wrapping_add(old.start).wrapping_sub(target);
        }
        self.map(target..target + new_size, area.clone())?;
        self.move_pages(old.clone(), target, new_size.min(old_size), area.resting())?;
        self.unmap(old)?;
        drop(reserved);
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
                self.commit.memory.make_readable(at..gap.start)?;
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
                (None, Label::Vdso) => "[vdso]".into(),
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
