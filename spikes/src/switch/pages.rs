//! The pages at PRIVATE, exchanged between two processes in one of several ways.

use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

use super::PRIVATE;
use crate::{PAGE, check, map_at};

/// How the private pages of the outgoing process make room for those of the next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Strategy {
    /// Save by copying to the outgoing process's area, restore by copying from the next one's.
    Copy,
    /// Exchange in place with the one area that holds whichever process is out.
    Exchange,
    /// Emulator only: `mremap` runs of 64 pages out and in.
    Mremap,
    /// Emulator only: map the next process's memfd over the range.
    Memfd,
    /// [`Strategy::Exchange`] without the last page, so that the check can be seen to fail.
    Forgetful,
}

impl Strategy {
    /// The strategies that keep the contents.
    pub const ALL: [Self; 4] = [Self::Copy, Self::Exchange, Self::Mremap, Self::Memfd];

    /// The name printed in reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::Copy => "copy",
            Self::Exchange => "exchange",
            Self::Mremap => "mremap x64",
            Self::Memfd => "memfd MAP_FIXED",
            Self::Forgetful => "forgetful",
        }
    }
}

/// The private range and what is needed to exchange it.
#[derive(Debug)]
pub(super) struct Pages {
    strategy: Strategy,
    len: usize,
    /// A save area per process.
    areas: [usize; 2],
    /// A file per process, for [`Strategy::Memfd`].
    files: [OwnedFd; 2],
}

/// Pages moved by one `mremap`.
const RUN: usize = 64 * PAGE;

impl Pages {
    /// Maps `len` private bytes at PRIVATE (a multiple of 64 pages) for process 0 to start in.
    pub(super) fn new(strategy: Strategy, len: usize) -> io::Result<Self> {
        let prot = libc::PROT_READ | libc::PROT_WRITE;
        map_at(PRIVATE, len, prot)?;
        let area = |index: usize| map_at((1 << 32) + (index << 30), len, prot);
        let areas = [area(0)? as usize, area(1)? as usize];
        let pages = Self { strategy, len, areas, files: [memfd(len)?, memfd(len)?] };
        if strategy == Strategy::Memfd {
            pages.map_file(0)?;
        }
        for area in pages.areas {
            // SAFETY: the area was mapped above and nothing else points into it. Touching it now
            // keeps first-touch faults out of the figures.
            unsafe { std::ptr::write_bytes(area as *mut u8, 1, len) };
        }
        Ok(pages)
    }

    /// Replaces the pages of `outgoing` by those of the other process.
    pub(super) fn switch_from(&self, outgoing: usize) -> io::Result<()> {
        let (resident, next) = (PRIVATE as *mut u8, 1 - outgoing);
        let [out_area, next_area] = [self.areas[outgoing] as *mut u8, self.areas[next] as *mut u8];
        match self.strategy {
            Strategy::Copy => {
                // SAFETY: resident and areas are disjoint mappings of `len` bytes, and both
                // processes are off their stacks while the range changes.
                unsafe { copy(resident, out_area, self.len) };
                // SAFETY: as above.
                unsafe { copy(next_area, resident, self.len) };
            }
            Strategy::Exchange => self.exchange(self.len),
            Strategy::Forgetful => self.exchange(self.len - PAGE),
            Strategy::Mremap => {
                for offset in (0..self.len).step_by(RUN) {
                    remap(PRIVATE + offset, self.areas[outgoing] + offset)?;
                    remap(self.areas[next] + offset, PRIVATE + offset)?;
                }
            }
            Strategy::Memfd => self.map_file(next)?,
        }
        Ok(())
    }

    /// Exchanges the first `len` bytes with area 0, which holds whichever process is out.
    fn exchange(&self, len: usize) {
        let (resident, area) = (PRIVATE as *mut u64, self.areas[0] as *mut u64);
        // SAFETY: disjoint mappings of at least `len` bytes, and no thread runs on them now.
        unsafe { std::ptr::swap_nonoverlapping(resident, area, len / 8) };
    }

    fn map_file(&self, process: usize) -> io::Result<()> {
        // SAFETY: replaces only PRIVATE, which this object owns.
        let base = unsafe {
            libc::mmap(
                PRIVATE as *mut libc::c_void,
                self.len,
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_SHARED | libc::MAP_FIXED,
                self.files[process].as_raw_fd(),
                0,
            )
        };
        check("map the private pages' file", base as i64).map(drop)
    }
}

impl Drop for Pages {
    fn drop(&mut self) {
        for base in [PRIVATE, self.areas[0], self.areas[1]] {
            // SAFETY: the ranges belong to this object and no thread uses them any more.
            unsafe { libc::munmap(base as *mut libc::c_void, self.len) };
        }
    }
}

/// Copies with `rep movsb`, which is what the enclave image's own `memcpy` may use (no AVX).
///
/// # Safety
/// Both ranges are valid for `len` bytes and do not overlap.
unsafe fn copy(from: *const u8, to: *mut u8, len: usize) {
    // SAFETY: the caller's promise.
    unsafe {
        std::arch::asm!("rep movsb", inout("rsi") from => _, inout("rdi") to => _,
            inout("rcx") len => _, options(nostack, preserves_flags));
    }
}

fn remap(from: usize, to: usize) -> io::Result<()> {
    let flags = libc::MREMAP_MAYMOVE | libc::MREMAP_FIXED;
    // SAFETY: both runs belong to the caller; what was at `to` has been moved away before.
    let base = unsafe { libc::mremap(from as *mut libc::c_void, RUN, RUN, flags, to) };
    check("mremap a run of pages", base as i64).map(drop)
}

fn memfd(len: usize) -> io::Result<OwnedFd> {
    // SAFETY: the name is a C string; the descriptor is ours alone.
    let fd = unsafe { libc::memfd_create(c"private".as_ptr(), libc::MFD_CLOEXEC) };
    check("memfd_create", fd)?;
    // SAFETY: `fd` was just returned and nobody else owns it.
    let file = unsafe { OwnedFd::from_raw_fd(fd) };
    // SAFETY: plain call on an owned descriptor.
    check("ftruncate", unsafe { libc::ftruncate(fd, len as i64) })?;
    Ok(file)
}
