//! A running enclave on hardware.

use std::sync::atomic::{AtomicUsize, Ordering};

use sgx_types::{PageType, SecInfoFlags};

use super::driver::SgxFile;
use super::pages::{self, RangeRequest};
use super::request::{MODIFY_TYPES, REMOVE_PAGES, RESTRICT_PERMISSIONS};
use super::stacks;
use super::vdso::EnterEnclave;
use crate::Error;
use crate::platform::{
    EEXIT, ERESUME, Enclave, Entry, Errno, Exception, Left, Pages, PagesDone, SgxEnclaveRun,
};

/// The open device and the addresses it is mapped at; gives them back in the end.
#[derive(Debug)]
pub(super) struct Elrange {
    file: Box<dyn SgxFile>,
    pages: Pages,
}

impl Elrange {
    pub(super) fn reserve(file: Box<dyn SgxFile>, pages: Pages) -> Result<Self, Errno> {
        file.reserve(pages.address, pages.len)?;
        Ok(Self { file, pages })
    }

    pub(super) fn file(&self) -> &dyn SgxFile {
        &*self.file
    }

    pub(super) fn pages(&self) -> Pages {
        self.pages
    }
}

impl Drop for Elrange {
    fn drop(&mut self) {
        self.file.unmap(self.pages.address, self.pages.len);
    }
}

/// See the module documentation.
#[derive(Debug)]
pub(super) struct HardwareEnclave {
    elrange: Elrange,
    enter: EnterEnclave,
}

impl HardwareEnclave {
    pub(super) fn new(elrange: Elrange, enter: EnterEnclave) -> Self {
        Self { elrange, enter }
    }

    /// Runs a request whose argument holds no addresses.
    fn change(&self, pages: Pages, request: u64, value: u64) -> PagesDone {
        if let Err(refused) = pages::check(pages) {
            return refused;
        }
        let argument = |done: u64, len: u64| [pages.address + done, len, value, 0, 0, 0];
        let (result, count) = if request == REMOVE_PAGES { (None, 2) } else { (Some(3), 4) };
        let range = RangeRequest { request, argument: &argument, result, count };
        // SAFETY: these requests take offsets and numbers, no addresses.
        unsafe { range.run(self.elrange.file(), pages.len) }
    }
}

impl Enclave for HardwareEnclave {
    fn attach_thread(&self) -> Result<(), Error> {
        stacks::attach().map_err(|errno| Error::Platform {
            step: "prepare a thread for the enclave",
            advice: "its stacks cannot be mapped".into(),
            source: std::io::Error::from_raw_os_error(errno.number()),
        })
    }

    unsafe fn enter(&self, entry: &Entry) -> Left {
        let mut exit = [0; 3];
        let mut run = SgxEnclaveRun::new(entry.tcs);
        run.user_handler = on_exit as *const () as u64;
        run.user_data = (&raw mut exit).addr() as u64;
        let result = stacks::with_stack(|top| {
            // SAFETY: 1. `run` and `exit` live until the call returns; 2. the stack is this entry's alone; 3. the
            // caller answers for what the enclave does.
            unsafe { self.enter.call(entry.registers, entry.function, &mut run, top) }
        });
        match result {
            Some(0) => {}
            Some(errno) => return Left::Refused(Errno::new(errno.saturating_neg())),
            None => return Left::Refused(Errno::EBUSY),
        }
        if run.function == EEXIT {
            return Left::Exit(exit);
        }
        Left::Exception(Exception {
            function: run.function,
            vector: run.exception_vector,
            error_code: run.exception_error_code,
            address: run.exception_addr,
        })
    }

    fn on_interrupt(&self, signal: i32, handler: fn(in_enclave: bool)) -> Result<(), Error> {
        HANDLER.store(handler as usize, Ordering::SeqCst);
        VDSO_START.store(self.enter.range().start, Ordering::SeqCst);
        VDSO_END.store(self.enter.range().end, Ordering::SeqCst);
        // SAFETY: all zero is a valid `sigaction`.
        let mut action: libc::sigaction = unsafe { std::mem::zeroed() };
        action.sa_sigaction = on_signal as *const () as usize;
        // No SA_RESTART: an ocall that waits returns EINTR. SA_ONSTACK: the interrupted stack is the one that the
        // enclave was entered from, and the handler may enter it once more. The signal itself stays blocked
        // meanwhile, so the signal stack has one user.
        action.sa_flags = libc::SA_SIGINFO | libc::SA_ONSTACK;
        // SAFETY: `action` is initialised and `on_signal` is async-signal-safe.
        let result = unsafe { libc::sigaction(signal, &raw const action, std::ptr::null_mut()) };
        if result == 0 {
            return Ok(());
        }
        let source = std::io::Error::last_os_error();
        let advice = format!("signal {signal} cannot be handled");
        Err(Error::Platform { step: "install the interrupt handler", advice, source })
    }

    fn restrict(&self, pages: Pages, permissions: SecInfoFlags) -> PagesDone {
        self.change(pages, RESTRICT_PERMISSIONS, permissions.permissions().bits())
    }

    fn modify_type(&self, pages: Pages, page_type: PageType) -> PagesDone {
        self.change(pages, MODIFY_TYPES, page_type as u64)
    }

    fn remove(&self, pages: Pages) -> PagesDone {
        self.change(pages, REMOVE_PAGES, 0)
    }
}

/// The `sgx_enclave_user_handler_t`: keeps the registers of an EEXIT, which a C caller would lose.
extern "C" fn on_exit(
    rdi: u64,
    rsi: u64,
    rdx: u64,
    _ursp: u64,
    _r8: u64,
    _r9: u64,
    run: &mut SgxEnclaveRun,
) -> i32 {
    if run.function == EEXIT {
        let exit = std::ptr::with_exposed_provenance_mut::<[u64; 3]>(
            usize::try_from(run.user_data).unwrap_or(0),
        );
        // SAFETY: `user_data` is the address of `exit` in `enter`, which is on the stack below.
        unsafe { exit.write([rdi, rsi, rdx]) };
    }
    0
}

static HANDLER: AtomicUsize = AtomicUsize::new(0);
static VDSO_START: AtomicUsize = AtomicUsize::new(0);
static VDSO_END: AtomicUsize = AtomicUsize::new(0);

extern "C" fn on_signal(_signal: i32, _info: *mut libc::siginfo_t, context: *mut libc::c_void) {
    let context = context.cast::<libc::ucontext_t>();
    // SAFETY: the kernel passes the interrupted context to a SA_SIGINFO handler.
    let registers = unsafe { (*context).uc_mcontext.gregs };
    let handler = HANDLER.load(Ordering::SeqCst);
    if handler != 0 {
        // SAFETY: only `on_interrupt` stores here, and only such a function.
        let handler = unsafe { std::mem::transmute::<usize, fn(bool)>(handler) };
        let rip = registers[libc::REG_RIP as usize];
        let rax = registers[libc::REG_RAX as usize];
        handler(at_aep(rip, rax));
    }
}

/// Whether a context is that of an asynchronous exit: RIP at the vDSO's ENCLU, and RAX the leaf
/// ERESUME, as AEX leaves it. Before the first EENTER at the same address RAX is EENTER.
fn at_aep(rip: i64, rax: i64) -> bool {
    const ENCLU: [u8; 3] = [0x0f, 0x01, 0xd7];
    let range = VDSO_START.load(Ordering::SeqCst)..VDSO_END.load(Ordering::SeqCst);
    let Ok(rip) = usize::try_from(rip) else { return false };
    if !range.contains(&rip) || !range.contains(&rip.wrapping_add(2)) {
        return false;
    }
    // SAFETY: the three bytes lie in the vDSO function, which stays mapped.
    let code = unsafe { std::ptr::with_exposed_provenance::<[u8; 3]>(rip).read_unaligned() };
    code == ENCLU && rax == i64::from(ERESUME)
}
