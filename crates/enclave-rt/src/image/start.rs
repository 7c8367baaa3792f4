//! What the assembly calls: the start of a thread, traps and events.

use core::sync::atomic::{AtomicU64, Ordering};

use enclave_abi::{
    boot::{self, Boot},
    entry::{ABORT_BAD_ENTRY, ABORT_BAD_HOST_POINTER, ENTER_START, HOST_THREAD_SIZE, HostThread},
    layout::{Layout, PAGE, THREADS_MAX},
    ocall::{BUFFER_MAX, BUFFER_MIN},
};

use super::{abort, backend};
use crate::{
    arch::{self, tcb},
    context::Context,
    from_host::HostRange,
    kernel::{Events, Exception, Kernel, vector},
};

unsafe extern "Rust" {
    /// The library OS, defined by the image crate through [`crate::kernel_of_the_image`].
    safe static CASEMATE_KERNEL: &'static dyn Kernel;
}

/// Threads that the library OS has asked the host to start and that have not entered yet.
static EXPECTED: [AtomicU64; THREADS_MAX.div_ceil(64) as usize] =
    [const { AtomicU64::new(0) }; THREADS_MAX.div_ceil(64) as usize];

fn expected(index: u64) -> Option<(&'static AtomicU64, u64)> {
    let word = EXPECTED.get(usize::try_from(index / 64).ok()?)?;
    Some((word, 1 << (index % 64)))
}

/// Notes that thread `index` may enter once.
pub(super) fn expect(index: u64) {
    if let Some((word, bit)) = expected(index) {
        word.fetch_or(bit, Ordering::Release);
    }
}

fn take_expected(index: u64) -> bool {
    expected(index).is_some_and(|(word, bit)| word.fetch_and(!bit, Ordering::Acquire) & bit != 0)
}

/// The measured layout page.
pub(super) fn layout() -> Layout {
    let page = tcb::load(tcb::LAYOUT) as *const u8;
    // SAFETY: the thread template, which is measured, points at the layout page, which is measured
    // and never written.
    let bytes = unsafe { core::slice::from_raw_parts(page, Layout::ENCODED_SIZE) };
    match Layout::from_bytes(bytes) {
        Ok(layout) => layout,
        Err(_) => abort(ABORT_BAD_ENTRY, 1),
    }
}

#[unsafe(no_mangle)]
extern "sysv64" fn casemate_rt_start(reason: u64, host_thread: u64) -> ! {
    let layout = layout();
    super::publish(&layout);
    tcb::store(tcb::FAST_ENTRY, arch::casemate_rt_fast as *const () as u64);
    let host = accept_host_thread(host_thread);
    let context = if reason == ENTER_START {
        super::panic::DEBUG.store(layout.debug, Ordering::Relaxed);
        super::heap::init(&layout);
        CASEMATE_KERNEL.start(read_boot(&host), &layout, manifest(&layout))
    } else {
        let index = backend::thread_index();
        if !take_expected(index) {
            abort(ABORT_BAD_ENTRY, 2);
        }
        CASEMATE_KERNEL.start_thread(index)
    };
    return_with(context)
}

fn return_with(mut context: Context) -> ! {
    make_harmless(&mut context);
    let slot = tcb::load(tcb::CTX) as *mut Context;
    // SAFETY: the slot at the top of the kernel stack is reserved for the context: the stack starts below it.
    unsafe { slot.write(context) };
    // SAFETY: the context is written and loads without a fault.
    unsafe { arch::casemate_rt_return() }
}

/// Replaces every field of the context that could fault in the return path: a wild RIP or FS base
/// faults in the application instead, at address 0.
fn make_harmless(context: &mut Context) {
    context.sanitize();
    let canonical = |address: u64| address < 1 << 47;
    if !canonical(context.rip) {
        context.rip = 0;
    }
    if !canonical(context.fs_base) {
        context.fs_base = 0;
    }
}

fn accept_host_thread(address: u64) -> HostThread {
    let Some(range) = HostRange::new(address, HOST_THREAD_SIZE as u64) else {
        abort(ABORT_BAD_HOST_POINTER, 0)
    };
    let told = range.read().check(|bytes| Some(HostThread::from_bytes(&bytes)));
    let host = match told.ok_or(0).and_then(plausible) {
        Ok(host) => host,
        Err(which) => abort(ABORT_BAD_HOST_POINTER, which),
    };
    tcb::store(tcb::BUFFER_ADDR, host.buffer_addr);
    tcb::store(tcb::BUFFER_LEN, host.buffer_len);
    tcb::store(tcb::PARK_ADDR, host.park_addr);
    host
}

/// The structure if its ranges are the host's, else which of them is not.
fn plausible(host: HostThread) -> Result<HostThread, u64> {
    let buffer_fits = (BUFFER_MIN..=BUFFER_MAX).contains(&host.buffer_len)
        && host.buffer_len.is_multiple_of(PAGE)
        && host.buffer_addr.is_multiple_of(PAGE)
        && HostRange::new(host.buffer_addr, host.buffer_len).is_some();
    let park_fits = host.park_addr.is_multiple_of(4) && HostRange::new(host.park_addr, 4).is_some();
    match (buffer_fits, park_fits) {
        (false, _) => Err(1),
        (_, false) => Err(2),
        _ => Ok(host),
    }
}

fn read_boot(host: &HostThread) -> Boot {
    let range = HostRange::new(host.boot_addr, host.boot_len);
    let Some(range) = range.filter(|_| host.boot_len <= boot::MAX_LEN as u64) else {
        abort(ABORT_BAD_HOST_POINTER, 3)
    };
    match range.read_all().check(|bytes| Boot::from_bytes(&bytes).ok()) {
        Some(boot) => boot,
        None => abort(ABORT_BAD_HOST_POINTER, 4),
    }
}

fn manifest(layout: &Layout) -> &'static [u8] {
    let len = usize::try_from(layout.manifest_len).unwrap_or(0);
    // SAFETY: the loader added and measured these pages before anything ran; they are never written.
    unsafe { core::slice::from_raw_parts(layout.manifest() as *const u8, len) }
}

/// Stage 2: the application trapped.
#[unsafe(no_mangle)]
unsafe extern "sysv64" fn casemate_rt_trap(context: *mut Context) {
    // SAFETY: stage 2 passes the thread's own context slot, written by stage 1 and used by nobody else.
    let context = unsafe { &mut *context };
    let info = sgx_types::ExitInfo::from_bits(tcb::load(tcb::TRAP_INFO) as u32);
    if !info.valid() {
        // An interrupt: what it was for is noted, and the return path looks at the note.
    } else if info.vector() == vector::UD && at_syscall(context.rip) {
        context.rip = context.rip.wrapping_add(2);
        context.rcx = context.rip;
        context.r11 = context.rflags;
        tcb::store(tcb::TRAPPED_CALLS, tcb::load(tcb::TRAPPED_CALLS).wrapping_add(1));
        CASEMATE_KERNEL.syscall(context);
    } else {
        CASEMATE_KERNEL.exception(
            context,
            Exception {
                vector: info.vector(),
                address: tcb::load(tcb::TRAP_ADDR),
                error_code: tcb::load(tcb::TRAP_ERR) as u32,
            },
        );
    }
    make_harmless(context);
}

/// A rewritten system call.
#[unsafe(no_mangle)]
unsafe extern "sysv64" fn casemate_rt_fast_call(context: *mut Context) {
    // SAFETY: the entry passes the thread's own context slot, which it has just filled.
    let context = unsafe { &mut *context };
    CASEMATE_KERNEL.syscall(context);
    make_harmless(context);
}

/// Whether a SYSCALL instruction lies at `rip`.
fn at_syscall(rip: u64) -> bool {
    let mut bytes = [0; 2];
    backend::user_read(rip, &mut bytes).is_ok() && bytes == [0x0f, 0x05]
}

/// The return path found events noted.
#[unsafe(no_mangle)]
unsafe extern "sysv64" fn casemate_rt_event(context: *mut Context, events: u64) {
    // SAFETY: the return path passes the thread's own context slot.
    let context = unsafe { &mut *context };
    CASEMATE_KERNEL.event(context, Events(events));
    make_harmless(context);
}
