//! One record per host thread that enters enclaves, and the arena they live in.
//!
//! A slot holds the record and, above it, the thread's alternate signal stack. Slots are aligned to
//! their size, so that a signal handler finds the record from its stack pointer, whatever FS and GS
//! hold.

use std::{
    cell::Cell,
    io,
    mem::offset_of,
    ptr,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use super::Error;
use crate::model::TcsCell;

/// Bytes of a slot: record, XSAVE area, alternate stack.
pub(super) const SLOT_SIZE: usize = 128 << 10;
/// Threads that can enter enclaves at once.
const SLOTS: usize = 1024;
/// Bytes of the slot that are not stack.
const STACK_OFFSET: usize = 32 << 10;

/// The thread runs host code.
pub(super) const OUTSIDE: u64 = 0;
/// The thread runs enclave code, or one of the windows around it.
pub(super) const INSIDE: u64 = 1;
/// The thread runs emulator code for the enclave; signals are deferred.
pub(super) const LEAVING: u64 = 2;

/// `Record::relay_resume` when the emulator serves no exception.
pub(super) const NOT_RELAYING: u64 = u64::MAX;

/// Registers in GPRSGX's order: RAX RCX RDX RBX RSP RBP RSI RDI R8..R15.
pub(super) type Gprs = [u64; 16];

/// Frame for IRETQ.
#[derive(Debug, Clone, Copy, Default)]
#[repr(C)]
pub(super) struct IretFrame {
    pub(super) rip: u64,
    pub(super) cs: u64,
    pub(super) rflags: u64,
    pub(super) rsp: u64,
    pub(super) ss: u64,
}

/// Why the enclave was left asynchronously.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[repr(C)]
pub(super) struct Exit {
    /// Whether it was an exception (reported to the caller) or an interrupt (resumed silently).
    pub(super) exception: bool,
    /// Vector.
    pub(super) vector: u8,
    /// Error code of #PF and #GP.
    pub(super) error_code: u32,
    /// Address of #PF and #GP.
    pub(super) address: u64,
}

/// What the assembly, the signal handler and the Rust code of one thread share.
#[derive(Debug)]
#[repr(C, align(64))]
pub(super) struct Record {
    pub(super) host_fs: u64,
    pub(super) host_gs: u64,
    pub(super) state: AtomicU64,
    /// Signals that came while the state was `LEAVING`, or interrupted the enclave: bit n-1 for signal n.
    pub(super) deferred: AtomicU64,
    pub(super) host_rsp: u64,
    pub(super) tcs: u64,
    pub(super) aep: u64,
    pub(super) cssa: u64,
    pub(super) entry: u64,
    pub(super) entry_rflags: u64,
    pub(super) fs_base: u64,
    pub(super) gs_base: u64,
    /// RDI, RSI, RDX, R8, R9 at EENTER and after EEXIT.
    pub(super) params: [u64; 5],
    pub(super) regs: Gprs,
    pub(super) iret: IretFrame,
    pub(super) leaf: u32,
    pub(super) site: u32,
    /// Address of an ENCLU that is not in the image's list.
    pub(super) unlisted_site: u64,
    pub(super) signal_fs: u64,
    pub(super) signal_gs: u64,
    /// The SSA frame that the next asynchronous exit fills.
    pub(super) ssa_start: u64,
    pub(super) ssa_gpr: u64,
    pub(super) exit: Exit,
    /// What the handler needs of the enclave that runs on this thread.
    /// An opaque pointer for the assembly; a `Shared` in truth.
    pub(super) inside: *const (),
    /// RDI of the EEXIT that asks for ERESUME, while the emulator itself serves an exception; else
    /// [`NOT_RELAYING`].
    pub(super) relay_resume: u64,
    /// The registers in the record are those after a leaf, not those of the SSA frame.
    pub(super) after_leaf: bool,
    /// The enclave's XFRM, for ERESUME in the assembly.
    pub(super) xfrm: u64,
    /// Signals that came while the thread was outside, bit n-1 for signal n.
    pub(super) noted: AtomicU64,
    /// Of which EENTER must not go in.
    pub(super) heeded: u64,
    /// The TCS that was entered last: null, or an `Arc` of this record.
    cell: *const TcsCell,
    /// Number of its enclave and its address.
    pub(super) cell_key: [u64; 2],
    /// Where the last injected interrupt hit, so that the instruction runs next time.
    pub(super) last_injected: u64,
    pub(super) xsave: XsaveArea,
}

/// An XSAVE area in standard form, AMX included.
#[derive(Debug, Clone, Copy)]
#[repr(C, align(64))]
pub(super) struct XsaveArea(pub(super) [u8; 12 << 10]);

const _: () = assert!(size_of::<Record>() <= STACK_OFFSET);

unsafe extern "C" {
    static mut casemate_emu_arena: [u64; 2];
}

/// Free slots by index. `None` until the arena is mapped.
static FREE: Mutex<Option<Vec<usize>>> = Mutex::new(None);

thread_local! {
    static CURRENT: Cell<*mut Record> = const { Cell::new(ptr::null_mut()) };
}

/// The calling thread's record while it lives; detaches the thread when dropped.
#[derive(Debug)]
pub struct AttachedThread {
    record: *mut Record,
    slot: usize,
    old_stack: libc::stack_t,
}

/// The calling thread's record, or `None` when it is not attached.
pub(super) fn current() -> Option<*mut Record> {
    let record = CURRENT.get();
    (!record.is_null()).then_some(record)
}

fn arena_base() -> u64 {
    // SAFETY: written once under the lock of `FREE` before any slot is handed out.
    unsafe { casemate_emu_arena[0] }
}

fn map_arena() -> Result<Vec<usize>, Error> {
    let len = (SLOTS + 1) * SLOT_SIZE;
    // SAFETY: a new anonymous mapping at an address of the kernel's choice touches nothing that exists.
    let base = unsafe {
        libc::mmap(
            ptr::null_mut(),
            len,
            libc::PROT_READ | libc::PROT_WRITE,
            libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE,
            -1,
            0,
        )
    };
    if base == libc::MAP_FAILED {
        return Err(Error::host("map the signal stacks"));
    }
    let base = (base as u64).next_multiple_of(SLOT_SIZE as u64);
    // SAFETY: no signal handler of ours is installed yet, so nobody else reads it.
    unsafe { casemate_emu_arena = [base, base + (SLOTS * SLOT_SIZE) as u64] };
    Ok((0..SLOTS).rev().collect())
}

impl AttachedThread {
    /// Gives the calling thread a record and an alternate signal stack.
    pub(super) fn new() -> Result<Self, Error> {
        let slot = {
            let mut free = FREE.lock().unwrap_or_else(PoisonError::into_inner);
            if free.is_none() {
                *free = Some(map_arena()?);
            }
            free.as_mut().and_then(Vec::pop).ok_or(Error::TooManyThreads { limit: SLOTS })?
        };
        let base = arena_base() + (slot * SLOT_SIZE) as u64;
        let record = base as *mut Record;
        // SAFETY: the slot is this thread's alone and all-zero bytes are a valid record.
        unsafe { ptr::write_bytes(record, 0, 1) };
        let mut old_stack = libc::stack_t { ss_sp: ptr::null_mut(), ss_flags: 0, ss_size: 0 };
        let stack = libc::stack_t {
            ss_sp: (base + STACK_OFFSET as u64) as *mut libc::c_void,
            ss_flags: 0,
            ss_size: SLOT_SIZE - STACK_OFFSET,
        };
        // SAFETY: both structures are live; the new stack is mapped and used by nobody else.
        if unsafe { libc::sigaltstack(&raw const stack, &raw mut old_stack) } != 0 {
            return Err(Error::host("set the alternate signal stack"));
        }
        let (fs, gs) = super::arch::segment_bases();
        // SAFETY: the record was just initialised, is this thread's alone and nobody else has it yet.
        let fields = unsafe { &mut *record };
        (fields.host_fs, fields.host_gs) = (fs, gs);
        fields.relay_resume = NOT_RELAYING;
        CURRENT.set(record);
        Ok(Self { record, slot, old_stack })
    }

    /// The record.
    pub(super) fn record(&self) -> *mut Record {
        self.record
    }
}

impl Drop for AttachedThread {
    fn drop(&mut self) {
        CURRENT.set(ptr::null_mut());
        // SAFETY: the slot is still this thread's alone, and no handler runs.
        let fields = unsafe { &mut *self.record };
        fields.set_cell([0, 0], None);
        super::signal::undivert();
        // SAFETY: restores what was set before; the slot's stack is not in use, since this is no handler.
        unsafe { libc::sigaltstack(&raw const self.old_stack, ptr::null_mut()) };
        if let Some(free) = FREE.lock().unwrap_or_else(PoisonError::into_inner).as_mut() {
            free.push(self.slot);
        }
    }
}

impl Error {
    /// The last operating-system error, with what was tried.
    pub(super) fn host(operation: &'static str) -> Self {
        Self::Host { operation, source: io::Error::last_os_error() }
    }
}

impl Record {
    /// The enclave this thread runs in.
    ///
    /// # Safety
    /// Only between the start and the end of `EmulatedEnclave::enter`, which borrows the enclave.
    pub(super) unsafe fn enclave<'a>(&self) -> &'a super::enclave::Shared {
        // SAFETY: `enter` stored a pointer to a `Shared` it borrows.
        unsafe { &*self.inside.cast() }
    }

    /// The TCS that this thread is on.
    pub(super) fn cell(&self) -> &TcsCell {
        assert!(!self.cell.is_null(), "a thread enters on a TCS before anything asks for it");
        // SAFETY: not null, so it came from an `Arc` that this record still owns.
        unsafe { &*self.cell }
    }

    /// Keeps the TCS that the thread enters.
    pub(super) fn set_cell(&mut self, key: [u64; 2], cell: Option<Arc<TcsCell>>) {
        let new = cell.map_or(ptr::null(), Arc::into_raw);
        let old = std::mem::replace(&mut self.cell, new);
        self.cell_key = key;
        if !old.is_null() {
            // SAFETY: it came from `Arc::into_raw` here, and the record gives it up.
            drop(unsafe { Arc::from_raw(old) });
        }
    }

    /// Whether the thread runs host code.
    pub(super) fn is_outside(&self) -> bool {
        self.state.load(Ordering::Relaxed) == OUTSIDE
    }

    /// Whether the emulator serves an exception of the enclave itself.
    pub(super) fn is_relaying(&self) -> bool {
        self.relay_resume != NOT_RELAYING
    }

    /// Whether `rsp` lies on this thread's signal stack.
    pub(super) fn on_signal_stack(&self, rsp: u64) -> bool {
        let slot = ptr::from_ref(self) as u64;
        (slot..slot + SLOT_SIZE as u64).contains(&rsp)
    }

    /// Whether `rip` is where the last injected interrupt hit; remembers it otherwise.
    pub(super) fn just_resumed(&mut self, rip: u64) -> bool {
        let again = self.last_injected == rip;
        self.last_injected = rip;
        again
    }
}

/// Notes a signal for later.
pub(super) fn defer(record: &Record, signal: i32) {
    if let Ok(shift @ 0..=63) = u32::try_from(signal - 1) {
        record.deferred.fetch_or(1 << shift, Ordering::Relaxed);
    }
}

/// Byte offsets for the assembly.
pub(super) mod offset {
    use super::{Record, offset_of};

    pub(crate) const HOST_FS: usize = offset_of!(Record, host_fs);
    pub(crate) const HOST_GS: usize = offset_of!(Record, host_gs);
    pub(crate) const STATE: usize = offset_of!(Record, state);
    pub(crate) const DEFERRED: usize = offset_of!(Record, deferred);
    pub(crate) const HOST_RSP: usize = offset_of!(Record, host_rsp);
    pub(crate) const TCS: usize = offset_of!(Record, tcs);
    pub(crate) const AEP: usize = offset_of!(Record, aep);
    pub(crate) const CSSA: usize = offset_of!(Record, cssa);
    pub(crate) const ENTRY: usize = offset_of!(Record, entry);
    pub(crate) const ENTRY_RFLAGS: usize = offset_of!(Record, entry_rflags);
    pub(crate) const FS_BASE: usize = offset_of!(Record, fs_base);
    pub(crate) const GS_BASE: usize = offset_of!(Record, gs_base);
    pub(crate) const PARAMS: usize = offset_of!(Record, params);
    pub(crate) const REGS: usize = offset_of!(Record, regs);
    pub(crate) const IRET: usize = offset_of!(Record, iret);
    pub(crate) const LEAF: usize = offset_of!(Record, leaf);
    pub(crate) const SITE: usize = offset_of!(Record, site);
    pub(crate) const SIGNAL_FS: usize = offset_of!(Record, signal_fs);
    pub(crate) const SIGNAL_GS: usize = offset_of!(Record, signal_gs);
    pub(crate) const RELAY_RESUME: usize = offset_of!(Record, relay_resume);
    pub(crate) const XFRM: usize = offset_of!(Record, xfrm);
    pub(crate) const NOTED: usize = offset_of!(Record, noted);
    pub(crate) const HEEDED: usize = offset_of!(Record, heeded);
    pub(crate) const XSAVE: usize = offset_of!(Record, xsave);
}
