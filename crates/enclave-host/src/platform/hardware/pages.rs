//! Requests over ranges of pages: they may be interrupted, ask to be repeated, and do only a part.
//!
//! What the driver does (Linux, `arch/x86/kernel/cpu/sgx/ioctl.c`) and what follows:
//! - it writes back how far it got, with success and with errors alike, so the rest is asked for;
//! - it demands that result and count are zero on the way in, so they are cleared each time;
//! - EBUSY is a second request on the same enclave at the same time (or, adding pages, a page
//!   that is there already, so patience must end); EAGAIN is a page on its way to or from swap;
//!   EINTR is a signal.

use std::time::Duration;

use super::driver::SgxFile;
use super::request::words;
use crate::platform::{Errno, Pages, PagesDone};

/// How often a request that makes no progress is repeated before its error is believed.
const PATIENCE: u32 = 2000;
/// Repeats without a pause.
const EAGER: u32 = 50;
const PAUSE: Duration = Duration::from_millis(1);

/// A request over a range, as an array of words in the driver's order.
pub(super) struct RangeRequest<'a> {
    /// Its number.
    pub(super) request: u64,
    /// The argument for a range that starts `done` bytes into the whole, with `len` bytes to go.
    pub(super) argument: &'a dyn Fn(u64, u64) -> [u64; 6],
    /// Where the driver writes the leaf's result.
    pub(super) result: Option<usize>,
    /// Where the driver writes the bytes it has done.
    pub(super) count: usize,
}

impl RangeRequest<'_> {
    /// Repeats the request until the whole range is done or an error stays.
    ///
    /// # Safety
    /// As [`SgxFile::ioctl`], for every argument that `self.argument` makes.
    pub(super) unsafe fn run(&self, file: &dyn SgxFile, len: u64) -> PagesDone {
        let mut done = 0;
        let mut fruitless = 0;
        while done < len {
            let mut argument = (self.argument)(done, len - done);
            let words = usize::try_from(words(self.request)).unwrap_or(0);
            let slice = argument.get_mut(..words).unwrap_or_default();
            // SAFETY: the caller's promise.
            let answer = unsafe { file.ioctl(self.request, slice) };
            // The count is the kernel's; more than was asked for would mean pages unaccounted for.
            let count = argument[self.count].min(len - done) / 4096 * 4096;
            done += count;
            fruitless = if count == 0 { fruitless + 1 } else { 0 };
            let leaf_failed = self.result.is_some_and(|at| argument[at] != 0);
            match answer {
                Ok(()) if count > 0 => {}
                Err(Errno::EINTR | Errno::EAGAIN | Errno::EBUSY)
                    if !leaf_failed && fruitless < PATIENCE =>
                {
                    pause(fruitless);
                }
                Ok(()) => return PagesDone { bytes: done, stopped: Some(Errno::EIO) },
                Err(errno) => return PagesDone { bytes: done, stopped: Some(errno) },
            }
        }
        PagesDone { bytes: done, stopped: None }
    }
}

fn pause(fruitless: u32) {
    if fruitless > EAGER {
        std::thread::sleep(PAUSE);
    } else {
        std::thread::yield_now();
    }
}

/// Whether a range is page-aligned and not empty; what the driver would answer if it is not.
pub(super) fn check(pages: Pages) -> Result<(), PagesDone> {
    let aligned = (pages.address | pages.len).is_multiple_of(4096);
    if aligned && pages.len > 0 && pages.address.checked_add(pages.len).is_some() {
        return Ok(());
    }
    Err(PagesDone { bytes: 0, stopped: Some(Errno::EINVAL) })
}
