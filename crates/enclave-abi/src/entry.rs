//! Register values at EENTER and EEXIT.
//!
//! The host enters with `__vdso_sgx_enter_enclave` (or the emulator's function of the same shape),
//! which passes RDI, RSI, RDX, R8 and R9 through. The enclave decides by CSSA and by its own thread
//! state what an entry means; RDI is a hint it checks, never the reason it acts.

/// RDI at EENTER, CSSA 0: the process's first thread. RSI: address of a [`HostThread`].
pub const ENTER_START: u64 = 1;
/// RDI at EENTER, CSSA 0: a further thread. RSI: address of a [`HostThread`].
pub const ENTER_THREAD: u64 = 2;
/// RDI at EENTER, CSSA 0: an ocall has been answered in its frame. RSI: events, see [`event_of`].
pub const ENTER_OCALL_RETURN: u64 = 3;
/// RDI at EENTER, CSSA 1: the enclave raised an exception; EXITINFO says which.
pub const ENTER_EXCEPTION: u64 = 4;
/// RDI at EENTER, CSSA 1: asynchronous events. RSI: which, see [`event_of`].
pub const ENTER_EVENT: u64 = 5;

/// The event that says only: look whether there is something to do.
pub const EVENT_LOOK: u64 = 1;

/// The event of host signal `signal`, 1 to 63: bit `signal` of a set of events. The host's word, as every
/// register at EENTER: the enclave decides which signals the host may send.
#[must_use]
pub const fn event_of(signal: u32) -> u64 {
    if signal >= 1 && signal < 64 { 1 << signal } else { EVENT_LOOK }
}

/// The signals of the host that a program in the enclave may get, as a set of events: those a user sends. Not those
/// that the processor raises, which the host could forge, nor SIGKILL and SIGSTOP, nor what the host process needs for
/// itself (SIGPIPE, SIGCHLD, SIGTTIN, SIGTTOU, and 32, 33 and 63 of the real-time signals).
pub const FORWARDED_SIGNALS: u64 = {
    // HUP, INT, QUIT, USR1, USR2, ALRM, TERM, STKFLT, CONT, TSTP, URG, VTALRM, PROF, WINCH, IO, PWR.
    const NAMED: [u32; 16] = [1, 2, 3, 10, 12, 14, 15, 16, 18, 20, 23, 26, 27, 28, 29, 30];
    let mut set = 0;
    let mut i = 0;
    while i < NAMED.len() {
        set |= event_of(NAMED[i]);
        i += 1;
    }
    let mut real_time = 34;
    while real_time < 63 {
        set |= event_of(real_time);
        real_time += 1;
    }
    set
};

/// RDI at EEXIT: an ocall. RSI: address of its frame (untrusted memory).
pub const EXIT_OCALL: u64 = 1;
/// RDI at EEXIT from CSSA 1: handled; the host executes ERESUME.
pub const EXIT_RESUME: u64 = 2;
/// RDI at EEXIT: this thread is finished; its TCS may be entered anew with [`ENTER_THREAD`].
pub const EXIT_THREAD: u64 = 3;
/// RDI at EEXIT: the enclave cannot go on. RSI: one of the `ABORT_*` codes; RDX: detail.
pub const EXIT_ABORT: u64 = 4;

/// The entry did not fit the thread's state (for example CSSA 1 with nothing to handle).
pub const ABORT_BAD_ENTRY: u64 = 1;
/// An exception inside the runtime or the library OS. RDX: vector.
pub const ABORT_RUNTIME_FAULT: u64 = 2;
/// The runtime panicked; a message may have been logged before.
pub const ABORT_PANIC: u64 = 3;
/// An address from the host was not wholly outside ELRANGE.
pub const ABORT_BAD_HOST_POINTER: u64 = 4;
/// RDRAND or RDSEED did not deliver.
pub const ABORT_NO_ENTROPY: u64 = 5;
/// EACCEPT, EMODPE or another leaf failed where it must not. RDX: RAX of the leaf.
pub const ABORT_LEAF: u64 = 6;

/// No page of protected memory is left for the runtime's own heap. RDX: bytes it asked for.
pub const ABORT_NO_EPC: u64 = 7;

/// Size of a [`HostThread`] in bytes.
pub const HOST_THREAD_SIZE: usize = 48;

/// What the host hands a thread at its first entry: eight-byte little-endian fields in untrusted memory.
///
/// ```text
///  0 buffer_addr   page-aligned shared buffer of this thread (ocall frame at its start)
///  8 buffer_len    bytes, a multiple of 4096, at least 64 KiB
/// 16 boot_addr     argument blob (see `boot`), first thread only, else 0
/// 24 boot_len      bytes
/// 32 park_addr     4-byte word the host futex-waits on while the thread is parked
/// 40 reserved      0
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HostThread {
    /// Address of the shared buffer.
    pub buffer_addr: u64,
    /// Length of the shared buffer in bytes.
    pub buffer_len: u64,
    /// Address of the boot blob, 0 for all threads but the first.
    pub boot_addr: u64,
    /// Length of the boot blob in bytes.
    pub boot_len: u64,
    /// Address of the thread's park word.
    pub park_addr: u64,
}

impl HostThread {
    /// Encodes the structure.
    #[must_use]
    pub fn to_bytes(&self) -> [u8; HOST_THREAD_SIZE] {
        let mut out = [0; HOST_THREAD_SIZE];
        let fields =
            [self.buffer_addr, self.buffer_len, self.boot_addr, self.boot_len, self.park_addr];
        for (chunk, field) in out.chunks_exact_mut(8).zip(fields) {
            chunk.copy_from_slice(&field.to_le_bytes());
        }
        out
    }

    /// Decodes the structure; every byte pattern decodes, nothing is believed yet.
    #[must_use]
    pub fn from_bytes(bytes: &[u8; HOST_THREAD_SIZE]) -> Self {
        let field = |i: usize| crate::bytes::u64_at(bytes, i * 8).unwrap_or(0);
        Self {
            buffer_addr: field(0),
            buffer_len: field(1),
            boot_addr: field(2),
            boot_len: field(3),
            park_addr: field(4),
        }
    }
}
