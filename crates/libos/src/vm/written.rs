//! Shared mappings of files: what the program writes to memory goes to the file.
//!
//! A page of such a mapping is read-only until the program writes to it; the fault notes it as written. Written pages
//! go to the file when they are unmapped, at `msync(2)` and when the process ends. An enclave page has one address, so two
//! mappings of the same part of a file are two copies, and a mapping does not see what `write(2)` changes after it was read.

use alloc::{collections::BTreeSet, vec};
use core::ops::Range;

use super::{
    PAGE,
    area::{Area, Backing, Prot},
    page_down,
    space::AddressSpace,
};
use crate::{
    errno::{Errno, Result},
    log::{self, Level},
    rt,
};

/// The pages that differ from their files.
#[derive(Debug, Default)]
pub(super) struct Written(BTreeSet<u64>);

impl Area {
    /// Whether what is written to it goes to a file.
    pub(super) fn writes_to_file(&self) -> bool {
        self.shared && self.backing.is_some() && self.prot.can_write()
    }

    /// The rights of its pages before they are written to.
    pub(super) fn resting(&self) -> Prot {
        if self.writes_to_file() { self.prot.without(Prot::WRITE) } else { self.prot }
    }
}

impl AddressSpace {
    /// Lets the program write to the page at `address` of a shared mapping, and notes it.
    pub(super) fn note_written(&mut self, address: u64, prot: Prot) -> Result<()> {
        let page = page_down(address);
        self.commit.protect(page..page + PAGE, prot)?;
        self.written.0.insert(page);
        Ok(())
    }

    /// Writes what was written in `range` to its files.
    pub(crate) fn write_back(&mut self, range: Range<u64>) -> Result<()> {
        let pages: vec::Vec<u64> = self.written.0.range(range).copied().collect();
        let mut outcome = Ok(());
        for page in pages {
            self.written.0.remove(&page);
            let Some((_, area)) = self.areas.get(page) else { continue };
            let (backing, resting) = (area.backing.clone(), area.resting());
            let Some(backing) = backing else { continue };
            // Read-only first: a write that comes meanwhile faults, and is noted again.
            let written = self
                .commit
                .protect(page..page + PAGE, resting)
                .and_then(|()| write_page(page, &backing));
            if let Err(errno) = written {
                log::line(
                    Level::Error,
                    &alloc::format!("a page of a shared mapping is lost: {errno}"),
                );
                outcome = Err(Errno::EIO);
            }
        }
        outcome
    }
}

/// Writes a page to its file; what lies beyond the file's end has no place there.
fn write_page(page: u64, backing: &Backing) -> Result<()> {
    let mut bytes = vec![0; usize::try_from(PAGE).map_err(|_| Errno::EINVAL)?];
    rt::read_user(page, &mut bytes)?;
    let file = backing.file.file();
    let offset = backing.offset(page);
    let left = file.stat()?.size.saturating_sub(offset).min(PAGE);
    let mut done = 0;
    while done < left {
        let rest = usize::try_from(done).unwrap_or(0)..usize::try_from(left).unwrap_or(0);
        match file.write_at(&bytes[rest], offset.wrapping_add(done))? {
            0 => return Err(Errno::EIO),
            n => done += n as u64,
        }
    }
    Ok(())
}
