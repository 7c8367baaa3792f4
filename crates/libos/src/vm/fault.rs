//! Page faults: which pages they commit and which signal they become.

use core::ops::Range;

use super::{COMMIT_RUN, PAGE, area::Prot, page_down, space::AddressSpace};
use crate::{errno::Errno, rt, user};

/// Pages of a file read at a time, unless those before them have been: much of a program is never used, and every
/// 64 KiB are read and hashed. As many as Linux maps around a fault.
const FILE_RUN: u64 = 16;

/// Why an access cannot be made good.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Bad {
    /// No area there: SIGSEGV with `SEGV_MAPERR`.
    Unmapped,
    /// The area forbids it: SIGSEGV with `SEGV_ACCERR`.
    Forbidden,
    /// The file has no such page or cannot be read: SIGBUS.
    NoContent,
    /// No memory left: SIGKILL in Linux, here SIGBUS.
    NoMemory,
}

impl AddressSpace {
    /// Makes an access of kind `want` to the page at `address` possible, or says why not.
    ///
    /// With the page committed and the rights sufficient there is nothing to do: another thread was
    /// faster, or the host unmapped the page, which only costs it another fault.
    pub(crate) fn fault(&mut self, address: u64, want: Prot) -> Result<(), Bad> {
        let (run, area) = self.areas.get(address).ok_or(Bad::Unmapped)?;
        if !area.prot.contains(want) || area.prot == Prot::NONE {
            return Err(Bad::Forbidden);
        }
        let (writes_to_file, prot) = (area.writes_to_file(), area.prot);
        if !self.commit.is_committed(address) {
            let near = window(address, &run, FILE_RUN);
            let is_sequel = near.start > run.start && self.commit.is_committed(near.start - PAGE);
            let pages = if area.backing.is_some() && !is_sequel { FILE_RUN } else { COMMIT_RUN };
            self.populate(window(address, &run, pages))?;
        }
        if writes_to_file && want.can_write() {
            self.note_written(address, prot).map_err(|_| Bad::NoMemory)?;
        }
        Ok(())
    }

    /// Commits and fills the pages of `range`, which lies within one area.
    pub(crate) fn populate(&mut self, range: Range<u64>) -> Result<(), Bad> {
        for gap in self.commit.gaps(range) {
            let Some((_, area)) = self.areas.get(gap.start) else { return Err(Bad::Unmapped) };
            let area = area.clone();
            self.commit.add(gap.clone()).map_err(|_| Bad::NoMemory)?;
            if let Some(backing) = &area.backing {
                let filled = fill(&backing.file, backing.offset(gap.start), &gap);
                if filled.is_err() {
                    let _ = self.commit.remove(gap);
                    return Err(Bad::NoContent);
                }
            }
            self.rewrite(&gap, &area);
            self.commit.protect(gap, area.resting()).map_err(|_| Bad::NoMemory)?;
        }
        Ok(())
    }
}

/// The aligned run of `pages` pages around `address`, cut to its area.
fn window(address: u64, area: &Range<u64>, pages: u64) -> Range<u64> {
    let size = pages * PAGE;
    let start = address & !(size - 1);
    start.max(area.start)..start.saturating_add(size).min(area.end).max(page_down(address) + PAGE)
}

fn fill(file: &crate::fs::file::OpenFile, offset: u64, range: &Range<u64>) -> Result<(), Errno> {
    let mut buffer = alloc::vec![0; user::CHUNK];
    let mut at = range.start;
    while at < range.end {
        let want = usize::try_from(range.end - at).unwrap_or(usize::MAX).min(buffer.len());
        let got = file.read_at(&mut buffer[..want], offset.wrapping_add(at - range.start))?;
        if got == 0 {
            if at == range.start {
                return Err(Errno::EIO);
            }
            break;
        }
        rt::write_user(at, &buffer[..got]).map_err(|_| Errno::EFAULT)?;
        at += got as u64;
    }
    Ok(())
}
