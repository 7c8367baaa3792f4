//! The assembly of the transitions, and the processor instructions Rust has no name for.

use core::arch::{asm, global_asm};

use super::record::{INSIDE, LEAVING, OUTSIDE, SLOT_SIZE, offset};

/// Bytes of one site's stub.
pub(super) const STUB_SIZE: u64 = 512;
/// Number of stubs.
pub(super) const STUBS: u64 = 8;
/// Bytes of one leaf's block in a stub; the first block holds the dispatch.
const BLOCK_SIZE: u64 = 64;
/// Leaves in the order of their blocks.
const BLOCK_LEAVES: [u64; 5] = [1, 5, 6, 7, 0];

global_asm!(
    include_str!("transition.S"),
    HOST_FS = const offset::HOST_FS,
    HOST_GS = const offset::HOST_GS,
    STATE = const offset::STATE,
    DEFERRED = const offset::DEFERRED,
    HOST_RSP = const offset::HOST_RSP,
    TCS = const offset::TCS,
    AEP = const offset::AEP,
    CSSA = const offset::CSSA,
    ENTRY = const offset::ENTRY,
    ENTRY_RFLAGS = const offset::ENTRY_RFLAGS,
    FS_BASE = const offset::FS_BASE,
    GS_BASE = const offset::GS_BASE,
    PARAMS = const offset::PARAMS,
    REGS = const offset::REGS,
    IRET = const offset::IRET,
    LEAF = const offset::LEAF,
    SITE = const offset::SITE,
    SIGNAL_FS = const offset::SIGNAL_FS,
    SIGNAL_GS = const offset::SIGNAL_GS,
    RELAY_RESUME = const offset::RELAY_RESUME,
    XFRM = const offset::XFRM,
    NOTED = const offset::NOTED,
    HEEDED = const offset::HEEDED,
    XSAVE = const offset::XSAVE,
    SLOT_SIZE = const SLOT_SIZE,
    STUB_SIZE = const STUB_SIZE,
    GS_TABLE = const super::sites::GS_TABLE,
    OUTSIDE = const OUTSIDE,
    INSIDE = const INSIDE,
    LEAVING = const LEAVING,
);

unsafe extern "C" {
    /// Enters the enclave with the [`Record`](super::record::Record)'s parameters. 0: EEXIT, 1: asynchronous exit, 2: as 1, but a signal
    /// came while a leaf ran and the frame in the SSA is as it was, 3: a heeded signal is noted, not entered,
    /// 4: EEXIT, booked already.
    pub(super) fn casemate_emu_eenter(record: *mut libc::c_void) -> u32;
    /// Resumes the enclave with the record's registers and the XSAVE area; results as above.
    pub(super) fn casemate_emu_eresume(
        record: *mut libc::c_void,
        xsave: *const u8,
        xfrm: u64,
    ) -> u32;
    /// The signal handler.
    pub(super) fn casemate_emu_signal(
        signal: i32,
        info: *mut libc::siginfo_t,
        context: *mut libc::c_void,
    );
    fn casemate_emu_eenter_window();
    fn casemate_emu_eenter_window_end();
    fn casemate_emu_interrupted();
    fn casemate_emu_tail();
    fn casemate_emu_tail_end();
    fn casemate_emu_sites();
    fn casemate_emu_sites_end();
    fn casemate_emu_eexit();
    fn casemate_emu_eexit_end();
    fn casemate_emu_leaf();
    fn casemate_emu_leaf_committed();
}

/// The part of the assembly an instruction pointer lies in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// EENTER before its last instruction: start again.
    Eenter,
    /// ERESUME, or the end of a leaf: the record holds the enclave's registers.
    Tail,
    /// EEXIT before its last instruction: complete it.
    Eexit,
    /// A stub, or a leaf not yet committed: go back to the ENCLU.
    Leaf {
        /// Number of the site, when the record does not hold it yet.
        site: Option<u64>,
        /// The leaf, when RAX no longer holds it and the record does not yet.
        leaf: Option<u64>,
    },
}

/// Address of a label of the assembly.
fn label(f: unsafe extern "C" fn()) -> u64 {
    f as usize as u64
}

/// Where EENTER starts again.
pub(super) fn eenter_window() -> u64 {
    label(casemate_emu_eenter_window)
}

/// Where a handler returns to after an asynchronous exit.
pub(super) fn interrupted() -> u64 {
    label(casemate_emu_interrupted)
}

/// Where a leaf other than EEXIT starts, with RAX the record.
pub(super) fn leaf() -> u64 {
    label(casemate_emu_leaf)
}

/// The stub of a site.
pub(super) fn site_stub(site: u64) -> u64 {
    label(casemate_emu_sites) + site * STUB_SIZE
}

/// Tells where in the windows of the assembly `rip` lies.
pub(super) fn place(rip: u64) -> Option<Place> {
    let within = |from: unsafe extern "C" fn(), to: unsafe extern "C" fn()| {
        (label(from)..label(to)).contains(&rip)
    };
    if within(casemate_emu_eenter_window, casemate_emu_eenter_window_end) {
        Some(Place::Eenter)
    } else if within(casemate_emu_tail, casemate_emu_tail_end) {
        Some(Place::Tail)
    } else if within(casemate_emu_eexit, casemate_emu_eexit_end) {
        Some(Place::Eexit)
    } else if within(casemate_emu_leaf, casemate_emu_leaf_committed) {
        Some(Place::Leaf { site: None, leaf: None })
    } else if within(casemate_emu_sites, casemate_emu_sites_end) {
        let at = rip - label(casemate_emu_sites);
        let block = at % STUB_SIZE / BLOCK_SIZE;
        // Block 0 and, where the dispatch is longer than a block, none of the later ones dispatches.
        let leaf = block.checked_sub(1).and_then(|b| BLOCK_LEAVES.get(usize::try_from(b).ok()?));
        Some(Place::Leaf { site: Some(at / STUB_SIZE), leaf: leaf.copied() })
    } else {
        None
    }
}

/// FS and GS bases of the calling thread.
pub(super) fn segment_bases() -> (u64, u64) {
    let (fs, gs);
    // SAFETY: FSGSBASE is a requirement that `Processor::of_this_machine` checks; two register reads.
    unsafe {
        asm!("rdfsbase {}", "rdgsbase {}", out(reg) fs, out(reg) gs, options(nomem, nostack))
    };
    (fs, gs)
}

/// XCR0.
pub(super) fn xcr0() -> u64 {
    let (low, high): (u32, u32);
    // SAFETY: every processor with FSGSBASE under a kernel that offers it has OSXSAVE.
    unsafe {
        asm!("xgetbv", in("ecx") 0, out("eax") low, out("edx") high, options(nomem, nostack))
    };
    u64::from(high) << 32 | u64::from(low)
}

/// Lets `cycles` pass on the time-stamp counter.
pub(super) fn burn(cycles: u64) {
    // SAFETY: RDTSC is available to user space on Linux.
    let now = || unsafe { core::arch::x86_64::_rdtsc() };
    let start = now();
    while now().wrapping_sub(start) < cycles {
        core::hint::spin_loop();
    }
}
