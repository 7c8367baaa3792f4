//! What the runtime calls: the library OS.

use enclave_abi::{boot::Boot, layout::Layout};

use crate::context::Context;

/// Page-fault error code: the access was a write.
pub const FAULT_WRITE: u32 = 2;
/// Page-fault error code: the access was an instruction fetch.
pub const FAULT_FETCH: u32 = 16;

/// Exception vectors (SDM volume 3A, table 6-1).
pub use sgx_types::vector;

/// An exception raised by application code, from EXITINFO and EXINFO in the SSA frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Exception {
    /// Vector, see [`vector`].
    pub vector: u8,
    /// Faulting address for #PF and #GP, else 0 (EXINFO.MADDR).
    pub address: u64,
    /// Error code for #PF and #GP, else 0 (EXINFO.ERRCD).
    pub error_code: u32,
}

/// What the host says has happened: its word, and each signal once however often it came.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[must_use = "events are told once"]
pub struct Events(pub(crate) u64);

impl Events {
    /// Events for tests of a library OS, as `enclave_abi::entry::event_of` encodes them.
    #[cfg(not(casemate_image))]
    pub const fn from_bits(bits: u64) -> Self {
        Self(bits)
    }

    /// Whether nothing has happened.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// The numbers of the host's signals, 1 to 63, ascending.
    pub fn signals(self) -> impl Iterator<Item = u32> {
        (1..64).filter(move |&signal| self.0 & enclave_abi::entry::event_of(signal) != 0)
    }
}

/// The library OS. One value serves all threads; each call runs on the calling thread's kernel
/// stack with the application's context below it.
pub trait Kernel: Sync {
    /// Builds the first process. `boot` comes from the host and is believed only as far as
    /// `manifest` (measured, as compiled) allows. Returns the first thread's registers.
    fn start(&self, boot: Boot, layout: &Layout, manifest: &'static [u8]) -> Context;

    /// Returns the registers of the thread that [`crate::thread::spawn`] asked for on this TCS.
    fn start_thread(&self, index: u64) -> Context;

    /// Serves a system call: number in RAX; arguments in RDI, RSI, RDX, R10, R8, R9; result in RAX.
    /// RIP is already past the instruction; RCX and R11 hold RIP and RFLAGS as on Linux.
    fn syscall(&self, context: &mut Context);

    /// Handles an exception. Returning resumes at `context`.
    fn exception(&self, context: &mut Context, exception: Exception);

    /// Looks at pending signals, and at those of the host.
    fn event(&self, context: &mut Context, events: Events);
}

/// Names the library OS of an image: `kernel_of_the_image!(&KERNEL)` in the image crate, once.
#[macro_export]
macro_rules! kernel_of_the_image {
    ($kernel:expr) => {
        #[unsafe(no_mangle)]
        static CASEMATE_KERNEL: &'static dyn $crate::kernel::Kernel = $kernel;
    };
}
