//! The runtime heap: talc over the part added at build time, grown by committing further pages.

use core::alloc::Layout as Request;

use enclave_abi::layout::Layout;
use talc::{ErrOnOom, OomHandler, Span, Talc, Talck};

use super::backend;

/// Bytes the heap grows by at least.
const GROWTH: u64 = 1 << 20;

#[global_allocator]
static HEAP: Talck<spin::Mutex<()>, Grow> = Talc::new(Grow { arena: (0, 0), limit: 0 }).lock();

/// Extends the arena when it is full, up to the place the layout reserves.
struct Grow {
    arena: (u64, u64),
    limit: u64,
}

impl OomHandler for Grow {
    fn handle_oom(talc: &mut Talc<Self>, request: Request) -> Result<(), ()> {
        let (base, end) = talc.oom_handler.arena;
        let wanted = (request.size() as u64).saturating_mul(2).max(GROWTH).next_multiple_of(GROWTH);
        let new_end = end.saturating_add(wanted);
        if base == 0 || new_end > talc.oom_handler.limit {
            return ErrOnOom::handle_oom(&mut Talc::new(ErrOnOom), request);
        }
        if backend::accept_new(end, wanted).is_err() {
            super::abort(enclave_abi::entry::ABORT_NO_EPC, wanted);
        }
        let old = Span::new(base as *mut u8, end as *mut u8);
        let new = Span::new(base as *mut u8, new_end as *mut u8);
        // SAFETY: 1. `old` is the arena that was claimed or extended last. 2. The new pages were just
        // committed for the heap alone, and lie in the place the layout reserves for it.
        let extended = unsafe { talc.extend(old, new) };
        talc.oom_handler.arena =
            (extended.get_base_acme().map_or(base, |(b, _)| b as u64), new_end);
        talc.oom_handler.arena.0 = base;
        Ok(())
    }
}

/// Hands the allocator its first arena. Called once, before the first allocation.
pub(super) fn init(layout: &Layout) {
    let (base, limit) = layout.heap();
    let end = base + layout.heap_initial;
    let limit = if layout.edmm { limit } else { end };
    let mut talc = HEAP.lock();
    // SAFETY: the loader added these pages for the heap alone; nothing reads their unmeasured contents.
    let claimed = unsafe { talc.claim(Span::new(base as *mut u8, end as *mut u8)) };
    if claimed.is_err() {
        super::abort(enclave_abi::entry::ABORT_PANIC, 1);
    }
    talc.oom_handler = Grow { arena: (base, end), limit };
}
