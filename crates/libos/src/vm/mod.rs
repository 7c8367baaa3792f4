//! Address spaces: areas, the pages committed in them, and the calls that change both.
//!
//! An address space is two maps over application memory. [`area::Area`]s say what the program asked
//! for; the commit map says which pages the enclave owns and with which EPCM permissions. Pages are
//! committed by page faults in runs of at least [`COMMIT_RUN`] pages, so a reservation of many GiB
//! costs nothing.
//!
//! All address spaces divide one [`memory::Memory`] among them. A new mapping goes where nobody else has one, so
//! most processes run side by side; those that need the same addresses take turns on a [`seat::Seat`].
//!
//! INVARIANT: a page is accepted at most once between two removals, so a host that takes a page away
//! and offers a zero page in its place gets a fault that nobody resolves, never a silent reset.

pub(crate) mod area;
pub(crate) mod commit;
pub(crate) mod fault;
pub(crate) mod map;
pub(crate) mod memory;
pub(crate) mod ranges;
mod rewriting;
pub(crate) mod seat;
pub(crate) mod space;
pub(crate) mod switch;
pub(crate) mod written;

/// Bytes of a page.
pub(crate) const PAGE: u64 = enclave_abi::layout::PAGE;
/// Pages committed together by a fault, when the area is that large.
pub(crate) const COMMIT_RUN: u64 = 64;

/// Rounds down to a page.
pub(crate) const fn page_down(at: u64) -> u64 {
    at & !(PAGE - 1)
}

/// Rounds up to a page, or `None` past the end of the address space.
pub(crate) const fn page_up(at: u64) -> Option<u64> {
    match at.checked_add(PAGE - 1) {
        Some(sum) => Some(sum & !(PAGE - 1)),
        None => None,
    }
}
