//! `mmap(2)`'s choices: where a mapping goes and what is committed at once.

use alloc::{format, sync::Arc};

use super::{
    PAGE,
    area::{Area, Backing, Label, Prot},
    memory::{Reservation, Zone},
    page_down, page_up,
    space::AddressSpace,
};
use crate::{
    errno::{Errno, Result},
    fs::file::OpenFile,
    log::{self, Level},
};

/// Mappings up to this many bytes are committed when they are made: a fault costs more.
const EAGER: u64 = 64 << 10;

/// What `mmap(2)` is asked for.
#[derive(Debug)]
pub(crate) struct Request {
    pub(crate) addr: u64,
    pub(crate) length: u64,
    pub(crate) prot: Prot,
    pub(crate) placement: Placement,
    pub(crate) shared: bool,
    pub(crate) label: Label,
    /// The file and the offset in it.
    pub(crate) file: Option<(Arc<OpenFile>, u64)>,
    /// `MAP_NORESERVE` or a stack: leave it to faults.
    pub(crate) lazy: bool,
    /// `MAP_POPULATE`.
    pub(crate) populate: bool,
}

/// How firmly the address is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Placement {
    /// A wish.
    Hint,
    /// `MAP_32BIT`.
    Low,
    /// `MAP_FIXED`.
    Replace,
    /// `MAP_FIXED_NOREPLACE`.
    Exact,
}

impl AddressSpace {
    /// Maps what is asked for and returns its address.
    pub(crate) fn mmap(&mut self, request: Request) -> Result<u64> {
        if request.length == 0 {
            return Err(Errno::EINVAL);
        }
        let length = page_up(request.length).ok_or(Errno::ENOMEM)?;
        let (at, reserved) = self.place(&request, length)?;
        let range = at..at + length;
        let backing =
            request.file.map(|(file, offset)| Backing { file, delta: offset.wrapping_sub(at) });
        let eager = request.populate
            || (!request.lazy && length <= EAGER && request.prot.can_write() && backing.is_none());
        let area =
            Area { prot: request.prot, shared: request.shared, label: request.label, backing };
        self.map(range.clone(), area)?;
        drop(reserved);
        if eager && request.prot != Prot::NONE {
            // A page that cannot be filled now faults later, where it has a signal.
            let _ = self.populate(range);
        } else {
            self.settle(range);
        }
        Ok(at)
    }

    /// Where the mapping goes; its addresses are taken until the second value is dropped.
    fn place(&self, request: &Request, length: u64) -> Result<(u64, Option<Reservation>)> {
        let memory = self.memory();
        let reservation = match request.placement {
            Placement::Hint => {
                let hint = page_down(request.addr);
                let wish = hint.checked_add(length).filter(|_| hint != 0);
                let granted = wish.and_then(|end| memory.reserve_at(hint..end));
                granted.map_or_else(|| memory.reserve(length, PAGE, Zone::Any), Ok)?
            }
            Placement::Low => memory.reserve(length, PAGE, Zone::Low)?,
            Placement::Replace => {
                let range = self.check(request.addr, length)?;
                if !self.may_replace(range.clone()) {
                    log::line(
                        Level::Warn,
                        &format!(
                            "mapping at {:#x} to {:#x} refused: another process has these addresses",
                            range.start, range.end
                        ),
                    );
                    return Err(Errno::ENOMEM);
                }
                return Ok((range.start, None));
            }
            Placement::Exact => {
                let range = self.check(request.addr, length)?;
                memory.reserve_at(range).ok_or(Errno::EEXIST)?
            }
        };
        Ok((reservation.start(), Some(reservation)))
    }
}
