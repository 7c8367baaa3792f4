//! The descriptors of a process.

use alloc::{sync::Arc, vec::Vec};

use crate::{
    errno::{Errno, Result},
    fs::file::OpenFile,
};

#[derive(Clone)]
struct Slot {
    open: Arc<OpenFile>,
    close_on_exec: bool,
}

/// Descriptors and what they refer to. A copy refers to the same open file descriptions.
#[derive(Clone, Default)]
pub(crate) struct FdTable {
    slots: Vec<Option<Slot>>,
}

/// A descriptor argument as an index.
fn index(fd: u64) -> Result<usize> {
    #[allow(
        clippy::cast_possible_truncation,
        reason = "descriptors are int: the upper half is ignored"
    )]
    usize::try_from(fd as u32).ok().filter(|&i| i <= i32::MAX as usize).ok_or(Errno::EBADF)
}

impl FdTable {
    /// What descriptor `fd` refers to.
    pub(crate) fn get(&self, fd: u64) -> Result<Arc<OpenFile>> {
        self.slot(fd).map(|slot| Arc::clone(&slot.open))
    }

    fn slot(&self, fd: u64) -> Result<&Slot> {
        self.slots.get(index(fd)?).and_then(Option::as_ref).ok_or(Errno::EBADF)
    }

    /// Gives `open` the lowest free descriptor from `lowest` on, below `limit`.
    pub(crate) fn insert(
        &mut self,
        open: Arc<OpenFile>,
        close_on_exec: bool,
        lowest: u64,
        limit: u64,
    ) -> Result<u64> {
        let lowest = usize::try_from(lowest).map_err(|_| Errno::EINVAL)?;
        let free = (lowest..self.slots.len()).find(|&i| self.slots[i].is_none());
        let at = free.unwrap_or(self.slots.len().max(lowest));
        if at as u64 >= limit {
            return Err(Errno::EMFILE);
        }
        self.put(at, open, close_on_exec);
        Ok(at as u64)
    }

    /// Gives `open` descriptor `fd`; returns what was there, to be dropped after the lock.
    pub(crate) fn replace(
        &mut self,
        fd: u64,
        open: Arc<OpenFile>,
        close_on_exec: bool,
        limit: u64,
    ) -> Result<Option<Arc<OpenFile>>> {
        let at = index(fd)?;
        if at as u64 >= limit {
            return Err(Errno::EBADF);
        }
        let old = self.slots.get_mut(at).and_then(Option::take).map(|slot| slot.open);
        self.put(at, open, close_on_exec);
        Ok(old)
    }

    fn put(&mut self, at: usize, open: Arc<OpenFile>, close_on_exec: bool) {
        if at >= self.slots.len() {
            self.slots.resize(at + 1, None);
        }
        self.slots[at] = Some(Slot { open, close_on_exec });
    }

    /// Takes a descriptor out; what it referred to is to be dropped after the lock.
    pub(crate) fn remove(&mut self, fd: u64) -> Result<Arc<OpenFile>> {
        let at = index(fd)?;
        let slot = self.slots.get_mut(at).and_then(Option::take).ok_or(Errno::EBADF)?;
        Ok(slot.open)
    }

    pub(crate) fn close_on_exec(&self, fd: u64) -> Result<bool> {
        self.slot(fd).map(|slot| slot.close_on_exec)
    }

    pub(crate) fn set_close_on_exec(&mut self, fd: u64, on: bool) -> Result<()> {
        let at = index(fd)?;
        let slot = self.slots.get_mut(at).and_then(Option::as_mut).ok_or(Errno::EBADF)?;
        slot.close_on_exec = on;
        Ok(())
    }

    /// Takes out what `execve(2)` closes, to be dropped after the lock.
    pub(crate) fn take_close_on_exec(&mut self) -> Vec<Arc<OpenFile>> {
        let closed = |slot: &mut Option<Slot>| slot.take_if(|slot| slot.close_on_exec);
        self.slots.iter_mut().filter_map(closed).map(|slot| slot.open).collect()
    }

    /// The descriptors in use.
    pub(crate) fn open_fds(&self) -> Vec<u64> {
        let used = self.slots.iter().enumerate().filter(|(_, slot)| slot.is_some());
        used.map(|(i, _)| i as u64).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{io::eventfd::EventFd, testing};

    fn open() -> Arc<OpenFile> {
        OpenFile::new(EventFd::new(0, false), None, 2)
    }

    #[test]
    fn the_lowest_free_descriptor_is_given() {
        let _machine = testing::quiet();
        let mut table = FdTable::default();
        for want in 0..3 {
            assert_eq!(table.insert(open(), false, 0, 10), Ok(want));
        }
        table.remove(1).unwrap();
        assert_eq!(table.insert(open(), false, 0, 10), Ok(1));
        assert_eq!(table.insert(open(), true, 7, 10), Ok(7));
        assert_eq!(table.close_on_exec(7), Ok(true));
        assert_eq!(table.insert(open(), false, 10, 10), Err(Errno::EMFILE));
        assert_eq!(table.open_fds(), [0, 1, 2, 7]);
        assert_eq!(table.get(u64::MAX).map(drop), Err(Errno::EBADF));
    }
}
