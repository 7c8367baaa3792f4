//! An emulated enclave: its life, and a thread's way in and out.

use std::{
    ptr,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};

use sgx_types::{PageType, SecInfo, SecInfoFlags, Secs, Sigstruct, SsaGpr, Xfrm};

use super::{
    Error, arch,
    memory::Elrange,
    record::{self, AttachedThread, INSIDE, LEAVING, OUTSIDE, Record},
    relay::Relay,
    signal, sites, step,
};
use crate::model::{
    Access, AexCause, Counts, Enclave, EpcMemory, Exception, Fidelity, LeafError, PageRun,
    Processor, SsaFrame,
    driver::{Driver, Progress},
    encls::LaunchControl,
    enclu::Entered,
    platform::Platform,
};

/// ENCLU leaf EENTER.
const EENTER: u32 = 2;
/// ENCLU leaf ERESUME.
const ERESUME: u32 = 3;

/// How strictly the emulator imitates hardware where it could be kinder.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum Strict {
    /// As fast as it goes.
    #[default]
    Off,
    /// ELRANGE is inaccessible while no thread is inside, so that every host access faults.
    Closed,
    /// As `Closed`, and every instruction is looked at before it runs.
    Step,
    /// As `Step`, with an asynchronous exit at every instruction of entry, exit and exceptions.
    StepAndInterrupt,
}

/// Choices that change how an enclave is run, not what it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Options {
    /// Strictness.
    pub strict: Strict,
    /// Time-stamp-counter cycles that an entry and its exit take together.
    pub transition_cycles: u64,
    /// First address and end of the code that is interrupted in [`Strict::StepAndInterrupt`].
    pub image: (u64, u64),
    /// EPC pages the machine has for the enclave; `None`: more than any host has.
    pub epc_pages: Option<u64>,
    /// Has the emulator serve exceptions without its caller. Not in strict mode, whose callers are asked
    /// every time.
    pub relay: Option<Relay>,
}

/// How an entry ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Left {
    /// EEXIT, with RDI, RSI and RDX.
    Exit([u64; 3]),
    /// An exception inside, or on the entry itself.
    Exception {
        /// EENTER or ERESUME when the leaf itself faulted, ERESUME after an asynchronous exit.
        function: u32,
        /// Vector.
        vector: u8,
        /// Error code.
        error_code: u32,
        /// Address, for page faults.
        address: u64,
    },
    /// Signals came to the thread while it was outside, bit n-1 for signal n: it did not enter.
    Signalled(u64),
    /// The calling thread is not attached, or the function is not EENTER or ERESUME.
    Refused,
}

/// What the signal handler and the leaves need of an enclave.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) model: Mutex<Enclave<Elrange>>,
    pub(super) platform: Arc<Platform>,
    pub(super) driver: Driver,
    pub(super) options: Options,
    pub(super) elrange_size: u64,
    pub(super) xfrm: Xfrm,
    /// Addresses of the patched sites.
    pub(super) sites: Vec<u64>,
    /// Where the XSAVE area has each state component: offset and size.
    pub(super) components: [(u32, u32); 64],
    xcr0: Xfrm,
    /// Tells this enclave from others of this process.
    number: u64,
}

/// Number of the next enclave.
static NUMBER: AtomicU64 = AtomicU64::new(1);

/// Whether this process holds an emulated enclave.
static OCCUPIED: AtomicBool = AtomicBool::new(false);

/// An enclave on the emulator. There is at most one in a process, since ELRANGE starts at address 0.
#[derive(Debug)]
pub struct EmulatedEnclave {
    shared: Box<Shared>,
}

/// EPC pages of the emulated machine: 64 GiB, more than any host here has.
const EPC_PAGES: u64 = 1 << 24;

impl Drop for Shared {
    fn drop(&mut self) {
        OCCUPIED.store(false, Ordering::Release);
    }
}

impl EmulatedEnclave {
    /// Makes an enclave (ECREATE) and reserves ELRANGE.
    ///
    /// # Errors
    /// [`Error`]: the SECS does not suit the processor, or ELRANGE cannot be reserved.
    pub fn create(
        platform: Arc<Platform>,
        processor: &Processor,
        secs: &Secs,
        options: Options,
    ) -> Result<Self, Error> {
        if OCCUPIED.swap(true, Ordering::Acquire) {
            return Err(Error::Occupied);
        }
        Self::create_alone(platform, processor, secs, options)
            .inspect_err(|_| OCCUPIED.store(false, Ordering::Release))
    }

    fn create_alone(
        platform: Arc<Platform>,
        processor: &Processor,
        secs: &Secs,
        options: Options,
    ) -> Result<Self, Error> {
        let memory = Elrange::reserve(secs.size)?;
        let model = Enclave::ecreate(secs, processor, Fidelity::Strict, memory)
            .map_err(|source| Error::Leaf { leaf: "ECREATE", source })?;
        signal::install()?;
        if options.strict >= Strict::Step {
            step::warm_up();
        }
        let xfrm = secs.attributes.xfrm;
        Ok(Self {
            shared: Box::new(Shared {
                model: Mutex::new(model),
                platform,
                driver: Driver { epc_pages: options.epc_pages.unwrap_or(EPC_PAGES) },
                options,
                elrange_size: secs.size,
                xfrm,
                sites: Vec::new(),
                components: processor.xsave.features,
                xcr0: processor.xfrm,
                number: NUMBER.fetch_add(1, Ordering::Relaxed),
            }),
        })
    }

    /// Adds a page (EADD), and measures it whole if `measured` (EEXTEND).
    ///
    /// # Errors
    /// [`Error::Driver`].
    pub fn add_page(
        &mut self,
        address: u64,
        secinfo: &SecInfo,
        bytes: &[u8; 4096],
        measured: bool,
    ) -> Result<(), Error> {
        let driver = self.shared.driver;
        Ok(driver.add(&mut self.shared.model(), address, secinfo, bytes, measured)?)
    }

    /// Adds consecutive pages (EADD), each a source or zeros, and measures them whole if `measured` (EEXTEND).
    ///
    /// # Errors
    /// [`Error::Driver`].
    pub fn add_run<'s>(
        &mut self,
        start: u64,
        secinfo: &SecInfo,
        sources: impl ExactSizeIterator<Item = Option<&'s [u8; 4096]>>,
        measured: bool,
    ) -> Result<(), Error> {
        let driver = self.shared.driver;
        Ok(driver.add_run(&mut self.shared.model(), start, secinfo, sources, measured)?)
    }

    /// Finishes the enclave (EINIT) and replaces the ENCLU sites of its image by jumps.
    ///
    /// # Errors
    /// [`Error::Leaf`] with EINIT's reason, or a site that is none.
    pub fn init(
        &mut self,
        sigstruct: &[u8; Sigstruct::SIZE],
        control: &LaunchControl,
        sites: &[u64],
    ) -> Result<(), Error> {
        let mut model = self.shared.model();
        model.einit(sigstruct, control).map_err(|source| Error::Leaf { leaf: "EINIT", source })?;
        let memory = model.memory_mut();
        for (index, &address) in (0..).zip(sites) {
            patch(memory, index, address)?;
        }
        memory.seal().map_err(host)?;
        if self.shared.options.strict > Strict::Off {
            memory.close().map_err(|source| Error::Host { operation: "close ELRANGE", source })?;
        }
        drop(model);
        self.shared.sites = sites.to_vec();
        Ok(())
    }

    /// Maps every page now, not when enclave code first touches it: for a host that looks into enclave memory, as
    /// only tests do.
    ///
    /// # Errors
    /// [`Error::Leaf`] when the host cannot map it.
    pub fn map_everything(&self) -> Result<(), Error> {
        self.shared.model().memory().ensure_mapped(0, u64::MAX).map(drop).map_err(host)
    }

    /// Prepares the calling thread for [`Self::enter`]: signal stack, system-call dispatch, CPUID faults. Keep the
    /// result until the thread is done.
    ///
    /// # Errors
    /// [`Error`] with what the host refused.
    pub fn attach_thread(&self) -> Result<AttachedThread, Error> {
        let thread = AttachedThread::new()?;
        signal::divert_system_calls(self.shared.elrange_size)?;
        signal::divert_cpuid();
        // SAFETY: the record is the calling thread's own; the enclave outlives its threads' entries
        // because `enter` borrows it.
        unsafe { (*thread.record()).inside = ptr::null() };
        Ok(thread)
    }

    /// Enters a TCS with RDI, RSI and RDX (EENTER), or resumes it (ERESUME), and returns when the enclave exits
    /// or raises an exception. Interrupts resume silently, after the handler of
    /// [`super::on_interrupt`] has been called.
    ///
    /// # Safety
    /// Enclave code runs with access to all memory of the process: the caller trusts the image to
    /// touch nothing outside ELRANGE but what it was handed.
    pub unsafe fn enter(&self, tcs: u64, function: u32, registers: [u64; 3]) -> Left {
        self.enter_heeding(tcs, function, registers, 0)
    }

    /// As [`Self::enter`], but an EENTER does not go in when one of these signals (bit n-1 for signal n) has
    /// come to the thread while it was outside: it returns [`Left::Signalled`], once for each. No signal is
    /// lost between this look and the entry: one that comes later interrupts the enclave.
    ///
    /// # Safety
    /// As for [`Self::enter`].
    pub unsafe fn enter_unless(
        &self,
        tcs: u64,
        function: u32,
        registers: [u64; 3],
        signals: u64,
    ) -> Left {
        self.enter_heeding(tcs, function, registers, signals)
    }

    fn enter_heeding(&self, tcs: u64, function: u32, registers: [u64; 3], signals: u64) -> Left {
        let Some(record) = record::current() else { return Left::Refused };
        // SAFETY: the record belongs to this thread; the handler and the assembly access it only
        // while this function waits for them.
        let record = unsafe { &mut *record };
        let outer = std::mem::replace(&mut record.inside, ptr::from_ref(&*self.shared).cast());
        let relaying = std::mem::replace(&mut record.relay_resume, record::NOT_RELAYING);
        record.heeded = if function == EENTER { signals } else { 0 };
        let left = self.run(record, tcs, function, registers);
        record.relay_resume = relaying;
        record.inside = outer;
        left
    }

    /// Takes permissions from pages (EMODPR, ETRACK). Returns bytes done and why it stopped.
    pub fn restrict(&self, address: u64, len: u64, permissions: SecInfoFlags) -> Progress {
        let mut model = self.shared.model();
        let done = self.shared.driver.restrict(&mut model, run(address, len), permissions);
        let flushed = model.memory().ensure_mapped(address, address.saturating_add(len));
        drop(model);
        debug_assert!(flushed.is_ok(), "restricting maps at once");
        done
    }

    /// Changes the type of pages (EMODT, ETRACK).
    pub fn modify_type(&self, address: u64, len: u64, page_type: PageType) -> Progress {
        let driver = self.shared.driver;
        driver.modify_types(&mut self.shared.model(), run(address, len), page_type)
    }

    /// Removes pages that were trimmed and accepted (EREMOVE).
    pub fn remove(&self, address: u64, len: u64) -> Progress {
        self.shared.driver.remove(&mut self.shared.model(), run(address, len))
    }

    /// The SECS.
    pub fn secs(&self) -> Secs {
        *self.shared.model().secs()
    }

    /// Transitions so far.
    pub fn stats(&self) -> Counts {
        self.shared.model().counts()
    }

    fn run(&self, record: &mut Record, tcs: u64, function: u32, registers: [u64; 3]) -> Left {
        let shared = &*self.shared;
        let mut function = function;
        record.params = [registers[0], registers[1], registers[2], 0, 0];
        loop {
            shared.burn_half();
            let outcome = match function {
                EENTER => shared.eenter(record, tcs),
                ERESUME => shared.eresume(record, tcs),
                _ => return Left::Refused,
            };
            shared.burn_half();
            match outcome {
                Err(error) => return entry_fault(function, error),
                Ok(Outcome::Signalled) => {
                    record.cell().withdraw();
                    shared.close_if_empty();
                    return Left::Signalled(take_noted(record));
                }
                Ok(outcome @ (Outcome::Exit | Outcome::BookedExit)) => {
                    if outcome == Outcome::Exit {
                        // A thread was inside.
                        let _ = record.cell().eexit();
                    }
                    shared.close_if_empty();
                    record.relay_resume = record::NOT_RELAYING;
                    signal::deliver_deferred(record);
                    return Left::Exit([record.params[0], record.params[1], record.params[2]]);
                }
                Ok(outcome @ (Outcome::Aex | Outcome::NotResumed)) => {
                    if outcome == Outcome::NotResumed {
                        // After ERESUME the frame is as it was, and the asynchronous exit leaves it alone. After
                        // another leaf it is an older one.
                        if record.after_leaf {
                            super::leaf::save_interrupted(shared, record);
                        }
                        record.state.store(OUTSIDE, Ordering::Relaxed);
                        signal::book(record, record::Exit::default());
                    }
                    shared.close_if_empty();
                    if record.exit.exception {
                        record.relay_resume = record::NOT_RELAYING;
                        return Left::Exception {
                            function: ERESUME,
                            vector: record.exit.vector,
                            error_code: record.exit.error_code,
                            address: record.exit.address,
                        };
                    }
                    signal::interrupted(record);
                    function = ERESUME;
                }
            }
        }
    }
}

/// What the assembly reports.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Outcome {
    Exit,
    Aex,
    /// A signal came during ERESUME; the frame in the SSA is as it was.
    NotResumed,
    Signalled,
    /// EEXIT, and the TCS says so already.
    BookedExit,
}

impl Outcome {
    fn of(code: u32) -> Self {
        match code {
            0 => Self::Exit,
            1 => Self::Aex,
            2 => Self::NotResumed,
            3 => Self::Signalled,
            _ => Self::BookedExit,
        }
    }
}

/// Takes the signals that kept the thread from entering.
fn take_noted(record: &Record) -> u64 {
    record.noted.fetch_and(!record.heeded, Ordering::Relaxed) & record.heeded
}

fn host(source: crate::model::MemoryError) -> Error {
    Error::Leaf { leaf: "EINIT", source: LeafError::Host(source) }
}

fn run(address: u64, len: u64) -> PageRun {
    PageRun { start: address, pages: len.div_ceil(4096) }
}

fn patch(memory: &mut Elrange, index: u64, address: u64) -> Result<(), Error> {
    let mut found = [0; 8];
    memory.read(address, &mut found).map_err(host)?;
    if found != sites::SITE_BYTES {
        return Err(Error::NotASite { address, found });
    }
    let jump = sites::jump(index)?;
    sites::write_platform(sites::JUMP_SLOTS + index * 8, arch::site_stub(index));
    memory.write(address, &jump).map_err(host)
}

fn entry_fault(function: u32, error: LeafError) -> Left {
    let (vector, address) = match error {
        LeafError::Fault(Exception::PageFault { linaddr }) => (14, linaddr & !0xfff),
        LeafError::Fault(Exception::GeneralProtection)
        | LeafError::Code(_)
        | LeafError::Host(_) => (13, 0),
    };
    Left::Exception { function, vector, error_code: 0, address }
}

impl Shared {
    pub(super) fn model(&self) -> MutexGuard<'_, Enclave<Elrange>> {
        self.model.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What the emulator does for its caller on exceptions.
    pub(super) fn relay(&self) -> Option<Relay> {
        self.options.relay.filter(|_| self.options.strict == Strict::Off)
    }

    fn burn_half(&self) {
        let half = self.options.transition_cycles / 2;
        if half > 0 {
            arch::burn(half);
        }
    }

    /// Spends what a way out and a way in cost.
    pub(super) fn burn_transition(&self) {
        self.burn_half();
        self.burn_half();
    }

    /// Closes ELRANGE in strict mode when nobody is inside.
    fn close_if_empty(&self) {
        if self.options.strict == Strict::Off {
            return;
        }
        let model = self.model();
        if model.threads_inside() == 0 {
            let closed = model.memory().close();
            assert!(closed.is_ok(), "ELRANGE can always be made inaccessible");
        }
    }

    /// Opens ELRANGE in strict mode.
    fn open(&self, model: &Enclave<Elrange>) -> Result<(), LeafError> {
        if self.options.strict == Strict::Off || model.threads_inside() > 0 {
            return Ok(());
        }
        let mut pending: Option<(PageRun, Access)> = None;
        for (address, entry) in model.entries() {
            let access = entry.accessible();
            match &mut pending {
                Some((run, same)) if *same == access && run.end() == address => run.pages += 1,
                other => {
                    if let Some((run, access)) = other.replace((PageRun::one(address), access)) {
                        model.memory().reopen(run, access)?;
                    }
                }
            }
        }
        if let Some((run, access)) = pending {
            model.memory().reopen(run, access)?;
        }
        Ok(())
    }

    /// Has the record know the TCS.
    fn know(&self, record: &mut Record, tcs: u64, model: &Enclave<Elrange>) {
        record.set_cell([self.number, tcs], model.tcs_cell(tcs));
    }

    /// Whether the record's TCS may be entered without the model: not in strict mode, which opens ELRANGE under
    /// its lock.
    fn is_known(&self, record: &Record, tcs: u64) -> bool {
        record.cell_key == [self.number, tcs] && self.options.strict == Strict::Off
    }

    fn eenter(&self, record: &mut Record, tcs: u64) -> Result<Outcome, LeafError> {
        let entry = self.let_in(record, tcs)?;
        record.tcs = tcs;
        record.state.store(OUTSIDE, Ordering::Relaxed);
        self.prepare_entry(record, &entry);
        // SAFETY: the record describes a thread that the model has just let in.
        Ok(Outcome::of(unsafe { arch::casemate_emu_eenter(ptr::from_mut(record).cast()) }))
    }

    /// EENTER's checks and its change of the TCS. Takes the model's lock where it must.
    pub(super) fn let_in(&self, record: &mut Record, tcs: u64) -> Result<Entered, LeafError> {
        let known = if self.is_known(record, tcs) { record.cell().eenter() } else { None };
        if let Some(entry) = known {
            return Ok(entry);
        }
        let mut model = self.model();
        self.open(&model)?;
        let entry = model.eenter(tcs, arch::eenter_window(), self.xcr0)?;
        self.know(record, tcs, &model);
        model.memory().ensure_mapped(entry.ssa.start, entry.ssa.gpr + 1)?;
        Ok(entry)
    }

    /// Fills the record for EENTER's window.
    pub(super) fn prepare_entry(&self, record: &mut Record, entry: &Entered) {
        point_gs(entry.gsbase, record);
        record.aep = arch::eenter_window();
        record.cssa = u64::from(entry.cssa);
        record.entry = entry.rip;
        record.entry_rflags = 0x202 | step::trap_flag(self.options.strict);
        record.fs_base = entry.fsbase;
        record.gs_base = entry.gsbase;
        record.xfrm = self.xfrm.bits();
        record.use_frame(entry.ssa);
    }

    fn eresume(&self, record: &mut Record, tcs: u64) -> Result<Outcome, LeafError> {
        record.state.store(LEAVING, Ordering::Relaxed);
        let frame = self.let_back_in(record, tcs).inspect_err(|_| {
            record.state.store(OUTSIDE, Ordering::Relaxed);
        })?;
        record.tcs = tcs;
        let xsave = ptr::with_exposed_provenance(frame.start as usize);
        // SAFETY: the record holds the registers of the frame, whose XSAVE area was just checked.
        let outcome = unsafe {
            arch::casemate_emu_eresume(ptr::from_mut(record).cast(), xsave, self.xfrm.bits())
        };
        Ok(Outcome::of(outcome))
    }

    /// ERESUME's checks, its change of the TCS and the frame's registers into the record. Takes the model's lock
    /// where it must.
    pub(super) fn let_back_in(&self, record: &mut Record, tcs: u64) -> Result<SsaFrame, LeafError> {
        let known = if self.is_known(record, tcs) { self.resume(record) } else { None };
        if let Some(frame) = known {
            return Ok(frame);
        }
        let mut model = self.model();
        self.open(&model)?;
        let resumption = model.eresume(tcs, arch::eenter_window(), self.xcr0)?;
        self.know(record, tcs, &model);
        model.memory().ensure_mapped(resumption.ssa.start, resumption.ssa.gpr + 1)?;
        if !self.load(record, resumption.ssa) {
            // The model let the thread in: nobody else is on the TCS.
            let _ = record.cell().aex(AexCause::Undone);
            return Err(LeafError::GP);
        }
        Ok(resumption.ssa)
    }

    /// ERESUME without the model, on the TCS of the record: its registers are loaded. `None`: nothing was done
    /// but to the record.
    fn resume(&self, record: &mut Record) -> Option<SsaFrame> {
        let frame = record.cell().checked_resumable_frame()?;
        if !self.load(record, frame) {
            return None;
        }
        record.cell().eresume()
    }

    /// Loads a frame's registers into the record, if they can be loaded.
    fn load(&self, record: &mut Record, frame: SsaFrame) -> bool {
        record.use_frame(frame);
        record.after_leaf = false;
        record.load_gprs(self.options.strict);
        record.xfrm = self.xfrm.bits();
        let canonical = [record.iret.rip, record.fs_base, record.gs_base]
            .into_iter()
            .all(|address| address >> 47 == 0 || address >> 47 == 0x1_ffff);
        if !canonical || !self.xsave_area_is_loadable(frame) {
            return false;
        }
        point_gs(record.gs_base, record);
        true
    }

    /// Whether XRSTOR will take the frame's XSAVE header (SDM volume 1, "Operation of XRSTOR").
    fn xsave_area_is_loadable(&self, frame: SsaFrame) -> bool {
        // SAFETY: the model found the frame's pages readable and `ensure_mapped` mapped them.
        let word = |at: u64| unsafe {
            ptr::with_exposed_provenance::<u64>((frame.start + at) as usize).read_volatile()
        };
        // SAFETY: as above.
        let mxcsr = unsafe {
            ptr::with_exposed_provenance::<u32>((frame.start + 24) as usize).read_volatile()
        };
        let header_rest_is_zero = (1..8).all(|i| word(512 + i * 8) == 0);
        word(512) & !self.xfrm.bits() == 0 && header_rest_is_zero && mxcsr & !0xffff == 0
    }

    /// Maps what waits to be mapped. Returns whether `address` was part of it, so that an access that
    /// faulted there can go on.
    pub(super) fn flush_mapped(&self, address: u64) -> bool {
        match self.model().memory().flush(address) {
            Ok(was_waiting) => was_waiting,
            Err(error) => signal::die(&error.to_string()),
        }
    }

    /// Whether enclave code can read the page at `address` without a fault.
    pub(super) fn may_read(&self, address: u64) -> bool {
        let model = self.model();
        let readable = model.entry(address).is_some_and(|entry| entry.accessible().readable());
        readable && model.memory().ensure_mapped(address, address + 1).is_ok()
    }
}

/// Has the stubs of ENCLU find the record by the enclave's GS base.
fn point_gs(gs_base: u64, record: &Record) {
    sites::write_platform(
        sites::GS_TABLE + sites::gs_index(gs_base) * 8,
        ptr::from_ref(record) as u64,
    );
}

impl Record {
    fn use_frame(&mut self, frame: SsaFrame) {
        self.ssa_start = frame.start;
        self.ssa_gpr = frame.gpr;
    }

    /// Loads the registers of the SSA frame for the way back in.
    fn load_gprs(&mut self, strict: Strict) {
        // SAFETY: the frame's pages were found readable and are mapped.
        let word = |at: usize| unsafe {
            ptr::with_exposed_provenance::<u64>(self.ssa_gpr as usize + at).read_volatile()
        };
        let mut regs = [0; 16];
        for (index, register) in regs.iter_mut().enumerate() {
            *register = word(index * 8);
        }
        let (rflags, rip) = (word(SsaGpr::RFLAGS), word(SsaGpr::RIP));
        self.regs = regs;
        self.fs_base = word(SsaGpr::FSBASE);
        self.gs_base = word(SsaGpr::GSBASE);
        self.iret = record::IretFrame {
            rip,
            cs: signal::USER_CS,
            rflags: (rflags & signal::RFLAGS_LOADABLE) | 0x202 | step::trap_flag(strict),
            rsp: regs[4],
            ss: signal::USER_SS,
        };
    }

    /// Whether the thread runs enclave code.
    pub(super) fn is_inside(&self) -> bool {
        self.state.load(Ordering::Relaxed) == INSIDE
    }
}
