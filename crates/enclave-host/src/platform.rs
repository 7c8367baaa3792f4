//! The seam between Casemate and whatever executes SGX instructions.
//!
//! [`Platform`] makes enclaves, [`Building`] is one before EINIT, [`Enclave`] one after it. There are
//! two implementations: `Hardware` (the kernel's `/dev/sgx_enclave`) and `Emulated` (crate
//! `sgx-emu`). This is the only place that knows which one it is.
//!
//! INVARIANT: nothing above the seam branches on the platform; [`Platform::name`] is for people.
//!
//! There is no "augment": a page fault or EACCEPT on an absent page of ELRANGE makes the driver add
//! a pending page (EAUG), and the emulator models the driver.

pub mod emulated;
mod errno;
pub mod hardware;
mod run;

use std::sync::Arc;

use sgx_types::{
    Attributes, Miscselect, PageType, Report, SecInfoFlags, Secs, Sigstruct, TargetInfo,
};

pub use errno::Errno;
pub use run::{EENTER, EEXIT, ERESUME, SgxEnclaveRun};

use crate::Error;
use crate::stream::PageRun;

/// A machine that runs enclaves.
pub trait Platform: Send + Sync + std::fmt::Debug {
    /// A word for messages: `hardware` or `emulated`.
    fn name(&self) -> &'static str;

    /// What its enclaves may ask for.
    fn capabilities(&self) -> Capabilities;

    /// Makes an empty enclave (ECREATE) and maps its ELRANGE at `secs.baseaddr`.
    ///
    /// # Errors
    /// [`Error::Platform`] with what failed and what to do about it.
    fn create(&self, secs: &Secs) -> Result<Box<dyn Building>, Error>;

    /// The TARGETINFO that a REPORT must be made for so that [`Self::quote`] can read it.
    ///
    /// # Errors
    /// [`Error::Quoting`] when there is no quoting service or it refuses.
    fn quote_target(&self) -> Result<TargetInfo, Error>;

    /// A quote about a REPORT.
    ///
    /// # Errors
    /// [`Error::Quoting`] when there is no quoting service or it refuses.
    fn quote(&self, report: &Report) -> Result<Vec<u8>, Error>;
}

/// What a machine supports.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Capabilities {
    /// Attribute flags and XFRM bits an enclave may have.
    pub attributes: Attributes,
    /// MISCSELECT bits an enclave may have.
    pub miscselect: Miscselect,
    /// Whether pages can be added, restricted and removed after EINIT (SGX2).
    pub edmm: bool,
}

/// An enclave between ECREATE and EINIT.
pub trait Building: std::fmt::Debug {
    /// Adds a run of pages (EADD), and measures them if the run says so (EEXTEND).
    ///
    /// # Errors
    /// [`Error::Platform`].
    fn add_pages(&mut self, run: &PageRun<'_>) -> Result<(), Error>;

    /// Finishes the enclave (EINIT). Absent pages of ELRANGE are augmented on demand from then on, if
    /// the machine can.
    ///
    /// # Errors
    /// [`Error::Platform`]; the enclave is gone.
    fn init(self: Box<Self>, sigstruct: &Sigstruct) -> Result<Arc<dyn Enclave>, Error>;
}

/// A running enclave.
pub trait Enclave: Send + Sync + std::fmt::Debug {
    /// Prepares the calling thread for [`Self::enter`]; called once per thread.
    ///
    /// # Errors
    /// [`Error::Platform`] when the thread cannot be prepared.
    fn attach_thread(&self) -> Result<(), Error>;

    /// Enters a TCS and returns when the enclave exits or raises an exception, as
    /// `__vdso_sgx_enter_enclave` does. Interrupts resume silently.
    ///
    /// May be called from an interrupt handler (see [`Self::on_interrupt`]) to enter the interrupted
    /// thread's TCS once more; therefore it neither allocates nor locks.
    ///
    /// # Safety
    /// The enclave runs with access to all memory of the process. The caller trusts the image to
    /// touch nothing outside ELRANGE but what it was handed.
    unsafe fn enter(&self, entry: &Entry) -> Left;

    /// Has `handler` called on every delivery of host signal `signal` to a thread, outside the
    /// enclave and with the host's thread pointer. Its argument says whether the signal interrupted
    /// the enclave (RIP at the AEP), in which case it may enter the TCS again.
    ///
    /// # Errors
    /// [`Error::Platform`] when the handler cannot be installed.
    fn on_interrupt(&self, signal: i32, handler: fn(in_enclave: bool)) -> Result<(), Error>;

    /// Takes permissions from pages (EMODPR and ETRACK); the enclave then accepts.
    fn restrict(&self, pages: Pages, permissions: SecInfoFlags) -> PagesDone;

    /// Changes the type of pages to TCS or TRIM (EMODT and ETRACK); the enclave then accepts.
    fn modify_type(&self, pages: Pages, page_type: PageType) -> PagesDone;

    /// Removes pages that were trimmed and accepted (EREMOVE).
    fn remove(&self, pages: Pages) -> PagesDone;

    /// Ways in and out so far, as far as the platform can count them.
    fn transitions(&self) -> Transitions {
        Transitions::default()
    }
}

/// Ways in and out of an enclave since it was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Transitions {
    /// EENTER.
    pub entries: u64,
    /// EEXIT.
    pub exits: u64,
    /// Asynchronous exits for exceptions.
    pub exceptions: u64,
    /// Asynchronous exits for interrupts.
    pub interrupts: u64,
}

/// A range of pages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pages {
    /// Address of the first page.
    pub address: u64,
    /// Length in bytes.
    pub len: u64,
}

/// How far a change of pages got.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub struct PagesDone {
    /// Bytes changed, from the start of the range.
    pub bytes: u64,
    /// Why it stopped before the end.
    pub stopped: Option<Errno>,
}

/// One entry into an enclave.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Entry {
    /// Address of the TCS.
    pub tcs: u64,
    /// [`EENTER`] or [`ERESUME`].
    pub function: u32,
    /// RDI, RSI and RDX at EENTER.
    pub registers: [u64; 3],
}

/// How an entry ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Left {
    /// EEXIT, with RDI, RSI and RDX.
    Exit([u64; 3]),
    /// An exception inside, or on the entry itself.
    Exception(Exception),
    /// The entry was not attempted.
    Refused(Errno),
}

/// An exception as the host sees it: not to be believed by the enclave.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Exception {
    /// Leaf that was being executed: [`EENTER`] when the entry itself faulted, [`ERESUME`] after an
    /// asynchronous exit.
    pub function: u32,
    /// Interrupt vector.
    pub vector: u16,
    /// Error code of the exception.
    pub error_code: u16,
    /// Page-aligned address of a page fault.
    pub address: u64,
}
