//! The signal handler: how enclave code is interrupted.
//!
//! Every signal that can reach a thread inside goes through [`casemate_emu_on_signal`], on the thread's
//! alternate stack with all signals blocked. It either makes an asynchronous exit (registers into the SSA,
//! the interrupted context rewritten to return to the host), or rolls an unfinished leaf back, or
//! completes it, or defers the signal. It takes no lock that a thread inside could hold.

use std::{
    io, ptr,
    sync::atomic::{AtomicPtr, AtomicU64, Ordering},
};

use sgx_types::{ExitInfo, ExitType, SsaGpr, vector};

use super::{
    Error,
    arch::{self, Place},
    enclave::Shared,
    record::{self, Exit, Gprs, INSIDE, LEAVING, OUTSIDE, Record},
    relay::{self, Served},
    step,
};
use crate::model::AexCause;

/// CS of 64-bit user code on Linux.
pub(super) const USER_CS: u64 = 0x33;
/// SS of user code on Linux.
pub(super) const USER_SS: u64 = 0x2b;
/// RFLAGS bits that IRETQ in ring 3 may load: status flags, DF, AC and ID.
pub(super) const RFLAGS_LOADABLE: u64 = 0x24_0cd5;

/// Called for a host signal, with whether it interrupted an enclave (RIP at the AEP), in which case it may
/// enter the interrupted TCS again. Otherwise it runs in a signal handler.
pub type InterruptHandler = fn(in_enclave: bool);

static HANDLERS: [AtomicPtr<()>; 65] = [const { AtomicPtr::new(ptr::null_mut()) }; 65];

const ENCLU: [u8; 3] = [0x0f, 0x01, 0xd7];
const CPUID: [u8; 2] = [0x0f, 0xa2];
const EEXIT: u32 = 4;
/// `Record::site` of an ENCLU that is not in the image's list.
pub(super) const UNLISTED_SITE: u32 = u32::MAX;

/// Signals that the processor causes.
const SYNCHRONOUS: [i32; 6] =
    [libc::SIGSEGV, libc::SIGBUS, libc::SIGILL, libc::SIGFPE, libc::SIGTRAP, libc::SIGSYS];

/// Registers of interrupted enclave code.
#[derive(Debug, Clone, Copy)]
pub(super) struct Interrupted {
    pub(super) regs: Gprs,
    pub(super) rip: u64,
    pub(super) rflags: u64,
    pub(super) fs_base: u64,
    pub(super) gs_base: u64,
}

/// Installs the handler for the processor's signals, once.
pub(super) fn install() -> Result<(), Error> {
    static INSTALLED: std::sync::OnceLock<bool> = std::sync::OnceLock::new();
    let ok = *INSTALLED.get_or_init(|| SYNCHRONOUS.iter().all(|&signal| handle(signal).is_ok()));
    if ok { Ok(()) } else { Err(Error::host("install signal handlers")) }
}

fn handle(signal: i32) -> io::Result<()> {
    // SAFETY: all-zero bytes are a valid sigaction.
    let mut action: libc::sigaction = unsafe { std::mem::zeroed() };
    action.sa_sigaction = arch::casemate_emu_signal as *const () as usize;
    action.sa_flags = libc::SA_SIGINFO | libc::SA_ONSTACK;
    if signal == libc::SIGSYS {
        // Left by a jump, which could not unblock anything. Signals on top of it are deferred.
        action.sa_flags |= libc::SA_NODEFER;
    } else {
        // SAFETY: the set is live.
        unsafe { libc::sigfillset(&raw mut action.sa_mask) };
    }
    // SAFETY: the action is complete; the handler finds its data from its stack.
    match unsafe { libc::sigaction(signal, &raw const action, ptr::null_mut()) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

/// Has `handler` called for every delivery of `signal` to a thread that is attached to an enclave.
///
/// # Errors
/// [`Error::Host`] when the signal cannot be handled.
pub fn on_interrupt(signal: i32, handler: InterruptHandler) -> Result<(), Error> {
    let slot = usize::try_from(signal).ok().and_then(|index| HANDLERS.get(index));
    let Some(slot) = slot.filter(|_| !SYNCHRONOUS.contains(&signal)) else {
        let source = io::Error::from_raw_os_error(libc::EINVAL);
        return Err(Error::Host { operation: "handle this signal", source });
    };
    slot.store(handler as *mut (), Ordering::Release);
    handle(signal).map_err(|source| Error::Host { operation: "install a signal handler", source })
}

fn call_handler(signal: i32, in_enclave: bool) {
    let slot = usize::try_from(signal).ok().and_then(|signal| HANDLERS.get(signal));
    let handler = slot.map_or(ptr::null_mut(), |slot| slot.load(Ordering::Acquire));
    if !handler.is_null() {
        // SAFETY: the slot only ever holds what `on_interrupt` stored: an `InterruptHandler`.
        let handler = unsafe { std::mem::transmute::<*mut (), InterruptHandler>(handler) };
        handler(in_enclave);
    }
}

/// Calls the handlers of the signals that interrupted the enclave. The thread is outside, at the AEP.
pub(super) fn interrupted(record: &mut Record) {
    let signals = record.deferred.swap(0, Ordering::Relaxed);
    for signal in (1..=64).filter(|signal| signals >> (signal - 1) & 1 == 1) {
        call_handler(signal, true);
    }
}

/// Delivers the signals that came while the emulator worked for the enclave, which the thread has left.
pub(super) fn deliver_deferred(record: &mut Record) {
    let signals = record.deferred.swap(0, Ordering::Relaxed);
    for signal in (1..=64).filter(|signal| signals >> (signal - 1) & 1 == 1) {
        note(record, signal);
    }
}

/// A signal on a thread outside: noted for its next EENTER, and given to its handler.
fn note(record: &Record, signal: i32) {
    if record.is_relaying() {
        // The thread is about to go back in: its caller does not look.
        return record::defer(record, signal);
    }
    if let Ok(shift @ 0..=63) = u32::try_from(signal - 1) {
        record.noted.fetch_or(1 << shift, Ordering::Relaxed);
    }
    call_handler(signal, false);
}

const PR_SET_SYSCALL_USER_DISPATCH: libc::c_int = 59;

/// Has every system call from ELRANGE trap on the calling thread: user dispatch in exclusive mode, which
/// allows the host's addresses without a selector.
pub(super) fn divert_system_calls(elrange_size: u64) -> Result<(), Error> {
    const PR_SYS_DISPATCH_ON: libc::c_ulong = 1;
    // SAFETY: sets a property of the calling thread; the allowed range is all of the host's code.
    let done = unsafe {
        libc::prctl(
            PR_SET_SYSCALL_USER_DISPATCH,
            PR_SYS_DISPATCH_ON,
            elrange_size,
            (1_u64 << 47) - elrange_size,
            0_u64,
        )
    };
    if done == 0 { Ok(()) } else { Err(Error::host("divert system calls (Linux 5.11 or newer)")) }
}

const ARCH_SET_CPUID: libc::c_int = 0x1012;

fn set_cpuid(enabled: u64) -> bool {
    // SAFETY: turns CPUID faulting of the calling thread on or off.
    unsafe { libc::syscall(libc::SYS_arch_prctl, ARCH_SET_CPUID, enabled) == 0 }
}

/// Has CPUID trap on the calling thread where the processor can. Where it cannot, CPUID in the enclave answers
/// for the host.
pub(super) fn divert_cpuid() {
    set_cpuid(0);
}

/// Undoes [`divert_system_calls`] and [`divert_cpuid`].
pub(super) fn undivert() {
    // SAFETY: turns user dispatch of the calling thread off.
    unsafe { libc::prctl(PR_SET_SYSCALL_USER_DISPATCH, 0_u64, 0_u64, 0_u64, 0_u64) };
    set_cpuid(1);
}

/// Ends the process with a message, from any context.
pub(super) fn die(message: &str) -> ! {
    let text = format!("casemate: emulator: {message}\n");
    // SAFETY: writes a live buffer to standard error.
    unsafe { libc::write(2, text.as_ptr().cast(), text.len()) };
    // SAFETY: ends the process.
    unsafe { libc::abort() }
}

/// A signal on a thread that never attached.
#[unsafe(no_mangle)]
unsafe extern "C" fn casemate_emu_on_foreign_signal(
    signal: i32,
    _info: *mut libc::siginfo_t,
    context: *mut libc::c_void,
) {
    if !SYNCHRONOUS.contains(&signal) {
        return call_handler(signal, false);
    }
    // SAFETY: the kernel passes a valid context on this stack.
    let mut frame = Frame { context: unsafe { &mut *context.cast::<libc::ucontext_t>() } };
    // A thread started by an attached one inherits CPUID faulting.
    if !cpuid_in_host(&mut frame, signal) {
        die(&format!("signal {signal} in host code at {:#x}", frame.rip()));
    }
}

/// The handler's Rust half, with the host's FS and GS. 0: return to what was interrupted; 1: the record says
/// how to enter the enclave.
#[unsafe(no_mangle)]
unsafe extern "C" fn casemate_emu_on_signal(
    signal: i32,
    info: *mut libc::siginfo_t,
    context: *mut libc::c_void,
    // RCX, set by the assembly.
    record: *mut Record,
) -> u32 {
    // SAFETY: the assembly passes this thread's record; the interrupted code does not run meanwhile.
    let record = unsafe { &mut *record };
    // SAFETY: the kernel passes a valid context on this stack.
    let context = unsafe { &mut *context.cast::<libc::ucontext_t>() };
    // SAFETY: the kernel passes valid information.
    let sent = unsafe { (*info).si_code } <= 0;
    let mut frame = Frame { context };
    let synchronous = SYNCHRONOUS.contains(&signal) && !sent;
    if synchronous && signal == libc::SIGSYS {
        match relay::system_call(record, &mut frame) {
            Served::No => {}
            Served::Entering => return 1,
            Served::Left => return 0,
        }
    }
    dispatch(record, &mut frame, signal, synchronous);
    0
}

fn dispatch(record: &mut Record, frame: &mut Frame<'_>, signal: i32, synchronous: bool) {
    let in_host = !record.is_inside() || arch::place(frame.rip()).is_some();
    if synchronous && in_host && cpuid_in_host(frame, signal) {
        return;
    }
    if !synchronous && record.on_signal_stack(frame.reg(libc::REG_RSP)) && !record.is_outside() {
        // On top of the handler of a system call, which looks at what is deferred before it goes in.
        return record::defer(record, signal);
    }
    match record.state.load(Ordering::Relaxed) {
        INSIDE => on_inside(record, frame, signal, synchronous),
        // The trap flag of stepped enclave code reaches into the emulator: stepping ends here.
        _ if synchronous && signal == libc::SIGTRAP && frame.reg(libc::REG_TRAPNO) == 1 => {
            frame.set(libc::REG_EFL, frame.reg(libc::REG_EFL) & !0x100);
        }
        LEAVING if !synchronous => record::defer(record, signal),
        OUTSIDE if !synchronous => note(record, signal),
        state => die(&format!(
            "signal {signal}, trap {}, in host code at {:#x} (state {state}), address {:#x}",
            frame.reg(libc::REG_TRAPNO),
            frame.rip(),
            frame.address()
        )),
    }
}

/// The interrupted context.
pub(super) struct Frame<'a> {
    context: &'a mut libc::ucontext_t,
}

/// `gregs` indices in GPRSGX's order.
const GPR_ORDER: [i32; 16] = [
    libc::REG_RAX,
    libc::REG_RCX,
    libc::REG_RDX,
    libc::REG_RBX,
    libc::REG_RSP,
    libc::REG_RBP,
    libc::REG_RSI,
    libc::REG_RDI,
    libc::REG_R8,
    libc::REG_R9,
    libc::REG_R10,
    libc::REG_R11,
    libc::REG_R12,
    libc::REG_R13,
    libc::REG_R14,
    libc::REG_R15,
];

impl Frame<'_> {
    pub(super) fn reg(&self, index: i32) -> u64 {
        self.context.uc_mcontext.gregs[index as usize].cast_unsigned()
    }

    fn set(&mut self, index: i32, value: u64) {
        self.context.uc_mcontext.gregs[index as usize] = value.cast_signed();
    }

    pub(super) fn rip(&self) -> u64 {
        self.reg(libc::REG_RIP)
    }

    fn address(&self) -> u64 {
        self.reg(libc::REG_CR2)
    }

    pub(super) fn xsave(&self) -> *mut u8 {
        self.context.uc_mcontext.fpregs.cast()
    }

    pub(super) fn gprs(&self) -> Gprs {
        GPR_ORDER.map(|index| self.reg(index))
    }

    /// Makes the handler return to the host as after an asynchronous exit: host stack, cleared registers,
    /// extended state in its initial configuration.
    pub(super) fn return_to_host(&mut self, record: &mut Record) {
        for index in GPR_ORDER {
            self.set(index, 0);
        }
        self.set(libc::REG_RSP, record.host_rsp);
        self.set(libc::REG_RIP, arch::interrupted());
        self.set(libc::REG_EFL, 0x202);
        let xsave = self.xsave();
        // SAFETY: the frame's XSAVE area has at least 576 bytes and is this handler's to change.
        let area = unsafe { &mut *xsave.cast::<[u8; 576]>() };
        area[24..28].copy_from_slice(&0x1f80_u32.to_le_bytes());
        area[512..520].fill(0);
        record.signal_fs = record.host_fs;
        record.signal_gs = record.host_gs;
        record.state.store(OUTSIDE, Ordering::Relaxed);
    }
}

/// A signal while the thread is inside, or in one of the windows around it.
fn on_inside(record: &mut Record, frame: &mut Frame<'_>, signal: i32, synchronous: bool) {
    match arch::place(frame.rip()) {
        Some(Place::Eenter) => {
            frame.set(libc::REG_RIP, arch::eenter_window());
            frame.set(libc::REG_R11, ptr::from_mut(record) as u64);
            go_outside(record);
            if synchronous {
                die(&format!("EENTER faulted: signal {signal}"));
            }
            note(record, signal);
        }
        Some(Place::Eexit) => {
            let target = frame.reg(libc::REG_RBX);
            frame.set(libc::REG_RIP, target);
            frame.set(libc::REG_RCX, record.aep);
            frame.set(libc::REG_RAX, ptr::from_mut(record) as u64);
            go_outside(record);
            if synchronous {
                if signal == libc::SIGTRAP {
                    // A single step: EEXIT ends it.
                    frame.set(libc::REG_EFL, frame.reg(libc::REG_EFL) & !0x100);
                    return;
                }
                die(&format!("EEXIT faulted: signal {signal}"));
            }
            note(record, signal);
        }
        Some(Place::Tail) if synchronous => {
            if signal == libc::SIGTRAP {
                return;
            }
            die(&format!("ERESUME faulted: signal {signal} at {:#x}", frame.rip()));
        }
        Some(Place::Tail) => {
            record::defer(record, signal);
            let registers = Interrupted {
                regs: record.regs,
                rip: record.iret.rip,
                rflags: record.iret.rflags,
                fs_base: record.fs_base,
                gs_base: record.gs_base,
            };
            asynchronous_exit(record, frame, &registers, Exit::default());
        }
        Some(Place::Leaf { site, leaf }) => {
            if synchronous {
                if signal == libc::SIGTRAP {
                    return;
                }
                die(&format!("an ENCLU stub faulted: signal {signal} at {:#x}", frame.rip()));
            }
            roll_back_to_site(record, frame, site, leaf);
            record::defer(record, signal);
            let registers = from_context(record, frame);
            asynchronous_exit(record, frame, &registers, Exit::default());
        }
        None if synchronous => on_exception(record, frame, signal),
        None => {
            record::defer(record, signal);
            let registers = from_context(record, frame);
            asynchronous_exit(record, frame, &registers, Exit::default());
        }
    }
}

fn go_outside(record: &mut Record) {
    record.signal_fs = record.host_fs;
    record.signal_gs = record.host_gs;
    record.state.store(OUTSIDE, Ordering::Relaxed);
}

pub(super) fn from_context(record: &Record, frame: &Frame<'_>) -> Interrupted {
    Interrupted {
        regs: frame.gprs(),
        rip: frame.rip(),
        rflags: frame.reg(libc::REG_EFL),
        fs_base: record.signal_fs,
        gs_base: record.signal_gs,
    }
}

/// Puts RIP back to the ENCLU whose stub was interrupted, and RAX to its leaf.
fn roll_back_to_site(record: &Record, frame: &mut Frame<'_>, site: Option<u64>, leaf: Option<u64>) {
    // SAFETY: `enter` has set the enclave.
    let shared = unsafe { record.enclave() };
    let dispatched = site.is_none();
    let site = site.unwrap_or(u64::from(record.site));
    let address = shared.sites.get(usize::try_from(site).unwrap_or(0)).copied();
    frame.set(libc::REG_RIP, address.unwrap_or(record.unlisted_site));
    if let Some(leaf) = leaf.or(dispatched.then_some(u64::from(record.leaf))) {
        frame.set(libc::REG_RAX, leaf);
    }
}

/// An exception in enclave code.
fn on_exception(record: &mut Record, frame: &mut Frame<'_>, signal: i32) {
    // SAFETY: `enter` has set the enclave.
    let shared = unsafe { record.enclave() };
    let trap = frame.reg(libc::REG_TRAPNO);
    let mut registers = from_context(record, frame);
    let mut exit = Exit { exception: true, ..Exit::default() };
    match (signal, trap) {
        (libc::SIGSYS, _) => {
            registers.rip = registers.rip.wrapping_sub(2);
            exit.vector = vector::UD;
        }
        (libc::SIGSEGV, 14) => {
            let model_memory = shared.flush_mapped(frame.address());
            if model_memory {
                return;
            }
            exit.vector = vector::PF;
            exit.address = frame.address();
            exit.error_code = u32::try_from(frame.reg(libc::REG_ERR) & 0xffff).unwrap_or(0);
        }
        (libc::SIGTRAP, 1) => match step::on_step(record, shared, frame.context) {
            step::Verdict::Go => return,
            step::Verdict::Illegal => exit.vector = vector::UD,
            step::Verdict::Interrupt => {
                let registers = from_context(record, frame);
                record::defer(record, libc::SIGTRAP);
                return asynchronous_exit(record, frame, &registers, Exit::default());
            }
        },
        (libc::SIGSEGV | libc::SIGILL, 6 | 13) if at(shared, registers.rip, ENCLU) => {
            return on_enclu(record, frame);
        }
        (libc::SIGSEGV, 13) if at(shared, registers.rip, CPUID) => exit.vector = vector::UD,
        (libc::SIGTRAP, 3) => {
            // INT3 in an enclave faults on the instruction.
            registers.rip = registers.rip.wrapping_sub(1);
            exit.vector = vector::BP;
        }
        (_, trap) => {
            exit.vector = u8::try_from(trap).unwrap_or(vector::GP);
            exit.error_code = u32::try_from(frame.reg(libc::REG_ERR) & 0xffff).unwrap_or(0);
        }
    }
    asynchronous_exit(record, frame, &registers, exit);
}

/// An ENCLU that was not replaced by a jump: does what the stub would have done.
fn on_enclu(record: &mut Record, frame: &mut Frame<'_>) {
    let leaf = frame.reg(libc::REG_RAX) as u32;
    if leaf == EEXIT {
        frame.set(libc::REG_RIP, frame.reg(libc::REG_RBX));
        frame.set(libc::REG_RCX, record.aep);
        frame.set(libc::REG_RAX, ptr::from_mut(record) as u64);
        return go_outside(record);
    }
    record.leaf = leaf;
    record.site = UNLISTED_SITE;
    record.unlisted_site = frame.rip();
    frame.set(libc::REG_RAX, ptr::from_mut(record) as u64);
    frame.set(libc::REG_RIP, arch::leaf());
}

/// Whether the bytes lie at `rip`, which has just been executed and is therefore readable.
fn at<const N: usize>(shared: &Shared, rip: u64, bytes: [u8; N]) -> bool {
    if rip + N as u64 > shared.elrange_size {
        return false;
    }
    // SAFETY: enclave code just executed there.
    let found = unsafe { ptr::with_exposed_provenance::<[u8; N]>(rip as usize).read_volatile() };
    found == bytes
}

fn asynchronous_exit(
    record: &mut Record,
    frame: &mut Frame<'_>,
    registers: &Interrupted,
    exit: Exit,
) {
    // SAFETY: `enter` has set the enclave.
    let shared = unsafe { record.enclave() };
    let xsave = frame.xsave();
    save(shared, record, registers, xsave, exit);
    book(record, exit);
    frame.return_to_host(record);
}

/// Books an asynchronous exit whose frame is written.
pub(super) fn book(record: &mut Record, exit: Exit) {
    let cause = if exit.exception { AexCause::Exception } else { AexCause::Interrupt };
    if record.cell().aex(cause).is_err() {
        die("an asynchronous exit from a TCS that nobody is inside of");
    }
    record.exit = exit;
}

/// Writes an SSA frame (SDM volume 3D, "Asynchronous Enclave Exit").
pub(super) fn save(
    shared: &Shared,
    record: &Record,
    registers: &Interrupted,
    xsave: *const u8,
    exit: Exit,
) {
    let frame = record.ssa_start as usize;
    let gpr = record.ssa_gpr as usize;
    let put = |at: usize, value: u64| {
        // SAFETY: EENTER checked that the frame's pages are writable by the enclave, and mapped them.
        unsafe { ptr::with_exposed_provenance_mut::<u64>(at).write_volatile(value) };
    };
    for (index, &register) in registers.regs.iter().enumerate() {
        put(gpr + index * 8, register);
    }
    put(gpr + SsaGpr::RFLAGS, registers.rflags & !0x100);
    put(gpr + SsaGpr::RIP, registers.rip);
    put(gpr + SsaGpr::URSP, record.host_rsp);
    // The host's RBP is on its stack, from which the assembly takes it: nobody reads this copy.
    put(gpr + SsaGpr::URBP, 0);
    put(gpr + SsaGpr::EXITINFO, u64::from(exit_info(exit).bits()));
    put(gpr + SsaGpr::FSBASE, registers.fs_base);
    put(gpr + SsaGpr::GSBASE, registers.gs_base);
    put(gpr - 16, exit.address);
    put(gpr - 8, u64::from(exit.error_code));
    save_extended(frame, xsave, shared);
}

/// Copies the state components that are in use; XRSTOR gives the others their initial values.
fn save_extended(frame: usize, xsave: *const u8, shared: &Shared) {
    const LEGACY: usize = 464;
    const HEADER: usize = 512;
    let copy = |at: usize, len: usize| {
        let to = ptr::with_exposed_provenance_mut::<u8>(frame + at);
        // SAFETY: `at` is within both areas, as the next block says.
        let from = unsafe { xsave.add(at) };
        // SAFETY: 1. The signal frame and the record's area hold at least as many bytes as the XSAVE
        // layout of XCR0 asks, of which XFRM is a part. 2. The SSA frame is larger, which ECREATE checked.
        unsafe { ptr::copy_nonoverlapping(from, to, len) };
    };
    // SAFETY: as above.
    let bv = unsafe { xsave.add(HEADER) }.cast::<u64>();
    // SAFETY: as above; the area is aligned to 64 bytes.
    let in_use = unsafe { bv.read() } & shared.xfrm.bits();
    copy(0, LEGACY);
    let header = frame + HEADER;
    // SAFETY: EENTER checked that the frame's pages are writable, and mapped them.
    let put = |at: usize, value: u64| unsafe {
        ptr::with_exposed_provenance_mut::<u64>(at).write_volatile(value);
    };
    for at in (frame + LEGACY..header).step_by(8).chain((header + 8..header + 64).step_by(8)) {
        put(at, 0);
    }
    put(header, in_use);
    let mut extended = in_use & !3;
    while extended != 0 {
        let (start, size) = shared.components[extended.trailing_zeros() as usize];
        copy(start as usize, size as usize);
        extended &= extended - 1;
    }
}

/// EXITINFO: valid for exceptions that SGX reports.
fn exit_info(exit: Exit) -> ExitInfo {
    if !exit.exception {
        return ExitInfo::NONE;
    }
    let kind = if exit.vector == vector::BP { ExitType::Software } else { ExitType::Hardware };
    ExitInfo::new(exit.vector, kind)
}

/// With CPUID faulting on, host code traps too: answers it. Returns whether this was one.
fn cpuid_in_host(frame: &mut Frame<'_>, signal: i32) -> bool {
    if signal != libc::SIGSEGV || frame.reg(libc::REG_TRAPNO) != 13 {
        return false;
    }
    let rip = frame.rip();
    // SAFETY: host code just executed there.
    let bytes = unsafe { ptr::with_exposed_provenance::<[u8; 2]>(rip as usize).read_volatile() };
    if !bytes.starts_with(&CPUID) || !set_cpuid(1) {
        return false;
    }
    let leaf = frame.reg(libc::REG_RAX) as u32;
    let subleaf = frame.reg(libc::REG_RCX) as u32;
    let answer = core::arch::x86_64::__cpuid_count(leaf, subleaf);
    set_cpuid(0);
    for (index, value) in [
        (libc::REG_RAX, answer.eax),
        (libc::REG_RBX, answer.ebx),
        (libc::REG_RCX, answer.ecx),
        (libc::REG_RDX, answer.edx),
    ] {
        frame.set(index, u64::from(value));
    }
    frame.set(libc::REG_RIP, rip + 2);
    true
}

const _: () = assert!(LEAVING != INSIDE && INSIDE != OUTSIDE);

/// Number of single steps so far, for the tests of strict mode.
pub(super) static STEPS: AtomicU64 = AtomicU64::new(0);
