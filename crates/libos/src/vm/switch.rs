//! Changing which of several address spaces has its contents at the addresses they share.
//!
//! Processes that use the same addresses (a program and what it forked, programs that are linked for one
//! place) sit on one [`Seat`](super::seat::Seat); one of them is in, the contents of the others are kept in the
//! store as far as the one that is in needs their addresses. A page that several of them have in common,
//! because it was not writable when they forked, stays where it is until one of them wants to write it.
//! Pages change places by an exchange, not by copies out and in (docs/adr/0005).
//!
//! INVARIANT: while an address space is in, no page of another one lies at an address it has an area for,
//! unless both hold that page in common: a fault then tells every page it has not committed itself.
//!
//! LOCK ORDER: the address space that is in before those that are out. Only threads of the one that is in take
//! a second one, so that there is no circle.

use alloc::{sync::Arc, vec::Vec};
use core::ops::Range;

use super::{
    area::Area,
    commit::{Commit, Place, kept_at},
    ranges::RangeMap,
    seat::Space,
    space::AddressSpace,
    written::Written,
};
use crate::{errno::Result, rt, sync::LockGuard};

impl AddressSpace {
    /// The other address spaces of its seat.
    fn neighbours(&self) -> Vec<Arc<Space>> {
        self.seat.others(self.id)
    }

    /// A copy for a forked process: what is writable is copied, the rest is in common.
    ///
    /// # Errors
    /// ENOMEM when there is no place for the copies.
    pub(crate) fn fork(&self, id: u64) -> Result<Self> {
        let memory = &self.commit.memory;
        let mut copy = Self {
            id,
            areas: self.areas.clone(),
            commit: Commit::new(Arc::clone(memory)),
            seat: Arc::clone(&self.seat),
            heap_room: self.heap_room.clone(),
            rewriter: self.rewriter.clone(),
            written: Written::default(),
            ..*self
        };
        for (range, _) in self.areas.iter() {
            memory.take(range);
        }
        memory.take(self.heap_room.clone());
        for run in self.commit.runs_in() {
            for (part, area) in self.areas.within(run) {
                if area.shared || !area.prot.can_write() {
                    copy.commit.pages.insert(part, Place::In);
                } else if let Err(errno) = copy.commit.keep_copy(part) {
                    copy.clear();
                    return Err(errno);
                }
            }
        }
        Ok(copy)
    }

    /// Puts every page of this address space at its address; others' pages give way.
    pub(crate) fn come_in(&mut self) -> Result<()> {
        let neighbours = self.neighbours();
        let mut others: Vec<LockGuard<'_, Self>> = neighbours.iter().map(|n| n.lock()).collect();
        let Conflicts { exchanges, strangers } = self.conflicts(&mut others, None)?;
        for (i, run, delta) in exchanges {
            self.commit.memory.make_writable(run.clone())?;
            rt::exchange(run.clone(), run.start.wrapping_add(delta))?;
            others[i].commit.pages.insert(run.clone(), Place::Out(delta));
            self.commit.pages.insert(run, Place::In);
        }
        self.send_away(&mut others, strangers)?;
        // What is still out has found its address empty.
        for (run, delta) in self.commit.runs_out(self.commit.memory.bounds()) {
            self.commit.memory.accept(run.clone())?;
            rt::copy_within_user(run.start.wrapping_add(delta), run.start, run.end - run.start)?;
            self.commit.memory.put_back(kept_at(&run, delta));
            self.commit.pages.insert(run, Place::In);
        }
        for (range, area) in self.areas.iter() {
            self.commit.protect(range, area.prot)?;
        }
        Ok(())
    }

    /// Makes others' pages at addresses of `range`, to which this address space has no contents, give way.
    pub(super) fn evict(&mut self, range: Range<u64>) -> Result<()> {
        let neighbours = self.neighbours();
        if neighbours.is_empty() {
            return Ok(());
        }
        let mut others: Vec<LockGuard<'_, Self>> = neighbours.iter().map(|n| n.lock()).collect();
        let Conflicts { strangers, .. } = self.conflicts(&mut others, Some(range))?;
        self.send_away(&mut others, strangers)
    }

    /// Makes pages of `range` that are in common this address space's own, before they are written.
    pub(super) fn unshare(&mut self, range: Range<u64>) -> Result<()> {
        for neighbour in self.neighbours() {
            let mut other = neighbour.lock();
            for (run, place) in self.commit.pages.within(range.clone()) {
                if place == Place::In {
                    other.keep_private(run)?;
                }
            }
        }
        Ok(())
    }

    /// Keeps copies of the private pages of `run` that are at their addresses.
    fn keep_private(&mut self, run: Range<u64>) -> Result<()> {
        for (part, place) in self.commit.pages.within(run) {
            for (part, area) in self.areas.within(part) {
                if place == Place::In && !area.shared {
                    self.commit.keep_copy(part)?;
                }
            }
        }
        Ok(())
    }

    /// Gives up the pages of `range`: to another address space that has them in common or waits for their
    /// place, or to the enclave.
    pub(super) fn drop_pages(&mut self, range: Range<u64>) -> Result<()> {
        let neighbours = self.neighbours();
        if neighbours.is_empty() {
            return self.commit.remove(range);
        }
        let mut others: Vec<LockGuard<'_, Self>> = neighbours.iter().map(|n| n.lock()).collect();
        for (run, place) in self.commit.pages.remove(range) {
            if let Place::Out(delta) = place {
                self.commit.memory.put_back(kept_at(&run, delta));
                continue;
            }
            let mut orphans = RangeMap::new();
            orphans.insert(run.clone(), ());
            for other in &others {
                for (part, place) in other.commit.pages.within(run.clone()) {
                    if place == Place::In {
                        orphans.remove(part);
                    }
                }
            }
            for other in &mut others {
                for (orphan, ()) in orphans.within(run.clone()) {
                    other.inherit(orphan, &mut orphans)?;
                }
            }
            for (orphan, ()) in orphans.iter() {
                self.commit.memory.remove(orphan)?;
            }
        }
        Ok(())
    }

    /// Takes over the addresses of `range` for pages that are out.
    fn inherit(&mut self, range: Range<u64>, orphans: &mut RangeMap<()>) -> Result<()> {
        for (run, delta) in self.commit.runs_out(range) {
            self.commit.memory.make_writable(run.clone())?;
            rt::copy_within_user(run.start.wrapping_add(delta), run.start, run.end - run.start)?;
            self.commit.memory.put_back(kept_at(&run, delta));
            self.commit.pages.insert(run.clone(), Place::In);
            orphans.remove(run);
        }
        Ok(())
    }

    /// Pages of others where this address space has areas but other contents, or none. Who has such a page in
    /// common with somebody before gets a copy at once.
    fn conflicts(
        &self,
        others: &mut [LockGuard<'_, Self>],
        within: Option<Range<u64>>,
    ) -> Result<Conflicts> {
        let mut found = Conflicts::default();
        let mut claimed = RangeMap::new();
        let within = within.unwrap_or_else(|| self.commit.memory.bounds());
        for (i, other) in others.iter_mut().enumerate() {
            for run in other.commit.runs_in() {
                let run = run.start.max(within.start)..run.end.min(within.end);
                for (part, _) in self.areas.within(run) {
                    let out = self.commit.runs_out(part.clone()).into_iter();
                    let absent = self.commit.gaps(part).into_iter().map(|gap| (gap, None));
                    for (piece, delta) in out.map(|(run, d)| (run, Some(d))).chain(absent) {
                        for (again, ()) in claimed.within(piece.clone()) {
                            other.commit.keep_copy(again)?;
                        }
                        for first in claimed.gaps(piece) {
                            claimed.insert(first.clone(), ());
                            match delta {
                                Some(delta) => found.exchanges.push((i, first, delta)),
                                None => found.strangers.push((i, first)),
                            }
                        }
                    }
                }
            }
        }
        Ok(found)
    }

    /// Copies others' pages away and leaves their addresses for this address space: zeroed where it has
    /// anonymous memory, absent elsewhere.
    fn send_away(
        &mut self,
        others: &mut [LockGuard<'_, Self>],
        strangers: Vec<(usize, Range<u64>)>,
    ) -> Result<()> {
        for (i, run) in strangers {
            others[i].commit.keep_copy(run.clone())?;
            for (part, area) in self.areas.within(run) {
                if adoptable(&area) {
                    self.commit.memory.make_writable(part.clone())?;
                    rt::zero(part.clone())?;
                    self.commit.pages.insert(part.clone(), Place::In);
                    self.commit.protect(part, area.prot)?;
                } else {
                    self.commit.memory.remove(part)?;
                }
            }
        }
        if !self.commit.is_dynamic() {
            self.settle(self.commit.memory.bounds());
        }
        Ok(())
    }
}

/// What lies where an address space that comes in wants its own.
#[derive(Default)]
struct Conflicts {
    /// Pages to exchange with its own: whose, where, and where its own are kept.
    exchanges: Vec<(usize, Range<u64>, u64)>,
    /// Pages where it has none yet, and whose.
    strangers: Vec<(usize, Range<u64>)>,
}

/// Whether a page that another process leaves can serve an area at once.
fn adoptable(area: &Area) -> bool {
    area.backing.is_none() && area.prot.can_write()
}

impl Commit {
    /// Copies pages at their addresses into the store and notes that they are kept there.
    fn keep_copy(&mut self, run: Range<u64>) -> Result<()> {
        let length = run.end - run.start;
        let kept = self.memory.set_aside(length)?;
        self.memory.make_readable(run.clone())?;
        rt::copy_within_user(run.start, kept.start, length)?;
        self.pages.insert(run.clone(), Place::Out(kept.start.wrapping_sub(run.start)));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        testing,
        vm::{
            PAGE,
            area::Prot,
            memory::{Memory, Zone},
        },
    };

    const AT: u64 = 0x50_0000;

    fn read(at: u64) -> u8 {
        let mut byte = [0];
        enclave_rt::user::read(at, &mut byte).unwrap();
        byte[0]
    }

    fn write(space: &Space, at: u64, byte: u8) {
        crate::user::UserMem::new(space).write(at, &[byte]).unwrap();
    }

    /// A process with a writable, a read-only and a shared page in a row.
    fn parent() -> Arc<Space> {
        let space = Space::new(&Memory::new(0x2_0000..0x10_0000_0000, true), false);
        space.enter();
        {
            let mut memory = space.lock();
            memory.map(AT..AT + 2 * PAGE, Area::anonymous(Prot::READ_WRITE)).unwrap();
            let shared = Area { shared: true, ..Area::anonymous(Prot::READ_WRITE) };
            memory.map(AT + 2 * PAGE..AT + 3 * PAGE, shared).unwrap();
        }
        for page in 0..3 {
            write(&space, AT + page * PAGE, 1);
        }
        space.lock().protect(AT + PAGE..AT + 2 * PAGE, Prot::READ).unwrap();
        space
    }

    fn switch(from: &Space, to: &Space) {
        from.leave();
        to.enter();
    }

    #[test]
    fn forked_processes_have_their_own_pages_and_share_what_is_shared() {
        let _machine = testing::quiet();
        let parent = parent();
        let child = parent.fork().unwrap();
        write(&parent, AT, 2);
        write(&parent, AT + 2 * PAGE, 2);
        switch(&parent, &child);
        assert_eq!([read(AT), read(AT + PAGE), read(AT + 2 * PAGE)], [1, 1, 2]);
        write(&child, AT, 3);
        // What was in common is the child's own once it may write it.
        child.lock().protect(AT + PAGE..AT + 2 * PAGE, Prot::READ_WRITE).unwrap();
        write(&child, AT + PAGE, 3);
        switch(&child, &parent);
        assert_eq!([read(AT), read(AT + PAGE), read(AT + 2 * PAGE)], [2, 1, 2]);
        switch(&parent, &child);
        assert_eq!([read(AT), read(AT + PAGE)], [3, 3]);
    }

    #[test]
    fn new_memory_of_one_process_does_not_show_in_the_other() {
        let _machine = testing::quiet();
        let parent = parent();
        let child = parent.fork().unwrap();
        let heap = 0x60_0000..0x60_0000 + 2 * PAGE;
        parent.lock().map(heap.clone(), Area::anonymous(Prot::READ_WRITE)).unwrap();
        write(&parent, heap.start, 7);
        switch(&parent, &child);
        child.lock().map(heap.clone(), Area::anonymous(Prot::READ_WRITE)).unwrap();
        let mut byte = [9];
        crate::user::UserMem::new(&child).read(heap.start, &mut byte).unwrap();
        assert_eq!(byte, [0]);
        write(&child, heap.start, 8);
        switch(&child, &parent);
        assert_eq!(read(heap.start), 7);
        switch(&parent, &child);
        assert_eq!(read(heap.start), 8);
    }

    #[test]
    fn the_end_of_one_process_leaves_the_other_its_memory_and_frees_the_rest() {
        let machine = testing::quiet();
        let parent = parent();
        let pages = machine.committed();
        for _ in 0..3 {
            let children = [parent.fork().unwrap(), parent.fork().unwrap()];
            let mut last = &parent;
            for child in &children {
                switch(last, child);
                assert_eq!([read(AT), read(AT + PAGE), read(AT + 2 * PAGE)], [1, 1, 1]);
                write(child, AT, 4);
                last = child;
            }
            children[1].give_up();
            switch(&children[1], &children[0]);
            assert_eq!(read(AT), 4);
            children[0].give_up();
            switch(&children[0], &parent);
            assert_eq!([read(AT), read(AT + PAGE), read(AT + 2 * PAGE)], [1, 1, 1]);
        }
        // The store keeps its pages for the next time.
        let memory = Arc::clone(parent.lock().memory());
        assert!(machine.committed() <= pages + 64);
        parent.give_up();
        assert!(memory.reserve_at(AT..AT + 3 * PAGE).is_some());
    }

    #[test]
    fn programs_with_fixed_addresses_take_turns_and_others_do_not() {
        let _machine = testing::quiet();
        let memory = Memory::new(0x2_0000..0x10_0000_0000, true);
        let (one, two) = (Space::new(&memory, true), Space::new(&memory, true));
        let page = || Area::anonymous(Prot::READ_WRITE);
        one.enter();
        one.lock().map(AT..AT + PAGE, page()).unwrap();
        write(&one, AT, 1);
        switch(&one, &two);
        two.lock().map(AT..AT + PAGE, page()).unwrap();
        write(&two, AT, 2);
        switch(&two, &one);
        assert_eq!(read(AT), 1);
        let free = Space::new(&memory, false);
        free.enter();
        assert!(!free.lock().may_replace(AT..AT + PAGE));
        let elsewhere = memory.reserve(PAGE, PAGE, Zone::Any).unwrap();
        assert!(free.lock().may_replace(AT + PAGE..AT + 2 * PAGE) && elsewhere.start() != AT);
        switch(&one, &two);
        assert_eq!(read(AT), 2);
    }

    #[test]
    fn random_forks_writes_and_ends_agree_with_a_model() {
        let _machine = testing::quiet();
        let first = Space::new(&Memory::new(0x2_0000..0x10_0000_0000, true), false);
        first.enter();
        let pages = 24u64;
        first.lock().map(AT..AT + pages * PAGE, Area::anonymous(Prot::READ_WRITE)).unwrap();
        let mut all = vec![(first, vec![0u8; 24])];
        let mut present = 0;
        let mut seed = 99u64;
        let mut next = |n: u64| {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            usize::try_from((seed >> 33) % n).unwrap()
        };
        for step in 0..3000 {
            let page = next(pages);
            let at = AT + page as u64 * PAGE;
            match next(12) {
                0 if all.len() < 5 => {
                    let copy = (all[present].0.fork().unwrap(), all[present].1.clone());
                    all.push(copy);
                }
                1 if all.len() > 1 => {
                    let (gone, _) = all.swap_remove(present);
                    gone.give_up();
                    gone.leave();
                    present = next(all.len() as u64);
                    all[present].0.enter();
                }
                2 | 3 => {
                    let to = next(all.len() as u64);
                    switch(&all[present].0, &all[to].0);
                    present = to;
                }
                4 => {
                    all[present].0.lock().protect(at..at + PAGE, Prot::READ).unwrap();
                }
                5 => {
                    all[present].0.lock().discard(at..at + PAGE).unwrap();
                    all[present].1[page] = 0;
                }
                6 => {
                    let area = Area::anonymous(Prot::READ_WRITE);
                    all[present].0.lock().map(at..at + PAGE, area).unwrap();
                    all[present].1[page] = 0;
                }
                _ => {
                    let byte = u8::try_from(step % 251).unwrap();
                    all[present].0.lock().protect(at..at + PAGE, Prot::READ_WRITE).unwrap();
                    write(&all[present].0, at, byte);
                    all[present].1[page] = byte;
                }
            }
            let (space, model) = &all[present];
            for (i, &want) in model.iter().enumerate() {
                let mut byte = [0xee];
                let at = AT + i as u64 * PAGE;
                crate::user::UserMem::new(space).read(at, &mut byte).unwrap();
                assert_eq!(byte[0], want, "step {step}, page {i}");
            }
        }
    }
}
