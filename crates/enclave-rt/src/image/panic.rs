//! Panics end the enclave. A debug enclave says where; a production enclave says nothing.

use core::{
    panic::PanicInfo,
    sync::atomic::{AtomicBool, Ordering},
};

use enclave_abi::entry::ABORT_PANIC;

/// Whether the layout is a debug layout.
pub(super) static DEBUG: AtomicBool = AtomicBool::new(false);

#[panic_handler]
fn panic(info: &PanicInfo<'_>) -> ! {
    static PANICKED: AtomicBool = AtomicBool::new(false);
    let line = info.location().map_or(0, |at| u64::from(at.line()));
    if DEBUG.load(Ordering::Relaxed) && !PANICKED.swap(true, Ordering::Relaxed) {
        crate::host::log(crate::host::Level::Error, &alloc::format!("enclave panic: {info}"));
    }
    super::abort(ABORT_PANIC, line)
}

/// Named by the precompiled `alloc`, which was built to unwind; never called, since panics abort.
#[unsafe(no_mangle)]
extern "C" fn rust_eh_personality() {
    super::abort(ABORT_PANIC, 2)
}

/// As [`rust_eh_personality`].
#[unsafe(no_mangle)]
extern "C" fn _Unwind_Resume() -> ! {
    super::abort(ABORT_PANIC, 3)
}
