//! The bottom of the image: what the safe API stands on inside an enclave, the start of threads,
//! the allocator and the panic handler.

pub(crate) mod backend;
mod heap;
mod panic;
mod start;

use core::sync::atomic::{AtomicU64, Ordering};

use enclave_abi::layout::Layout;

/// Size of ELRANGE and end of application memory, set once before any application code runs.
static ELRANGE_SIZE: AtomicU64 = AtomicU64::new(0);

/// End of ELRANGE: host addresses start here.
fn elrange_size() -> u64 {
    ELRANGE_SIZE.load(Ordering::Relaxed)
}

/// End of application memory.
fn app_end() -> u64 {
    elrange_size().saturating_sub(enclave_abi::layout::RUNTIME_SIZE)
}

fn publish(layout: &Layout) {
    ELRANGE_SIZE.store(layout.elrange_size, Ordering::Relaxed);
}

/// Whether `len` bytes at `address` lie wholly outside ELRANGE and in user space.
pub(crate) fn outside_enclave(address: u64, len: u64) -> bool {
    address >= elrange_size() && address.checked_add(len).is_some_and(|end| end <= 1 << 47)
}

/// Ends the enclave.
fn abort(code: u64, detail: u64) -> ! {
    // SAFETY: leaves the enclave for good; no Rust state is used afterwards.
    unsafe { crate::arch::casemate_rt_abort(code, detail) }
}
