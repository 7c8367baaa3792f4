//! The stacks of a thread that enters enclaves on hardware.
//!
//! ```text
//! guard | stack for entries at CSSA 0 | guard | for one more entry, from a signal handler | guard | signal stack
//! ```
//!
//! An asynchronous exit puts RSP back to where the enclave was entered from, so a signal handler must not run there:
//! it runs on the signal stack, and the entry it may make has a stack of its own. The signal stack is large enough
//! for a frame with every register and the handler; the one that Rust's runtime sets up is not.

use std::cell::{Cell, RefCell};

use crate::platform::Errno;

/// Bytes of each stack.
const STACK: usize = 64 << 10;
const GUARD: usize = 4096;
const ENTRIES: usize = 2;
const SIZE: usize = (ENTRIES + 1) * (STACK + GUARD);

/// The stacks of the calling thread. Its signal stack is theirs while they live.
#[derive(Debug)]
struct Stacks {
    base: usize,
    /// Entries under way.
    depth: Cell<usize>,
}

thread_local! {
    static OWNER: RefCell<Option<Box<Stacks>>> = const { RefCell::new(None) };
    /// The same for signal handlers, without anything that could be half-initialised.
    static CURRENT: Cell<*const Stacks> = const { Cell::new(std::ptr::null()) };
}

/// Sets up the stacks of the calling thread, once.
pub(super) fn attach() -> Result<(), Errno> {
    if !CURRENT.get().is_null() {
        return Ok(());
    }
    let stacks = Box::new(Stacks::new()?);
    CURRENT.set(&raw const *stacks);
    OWNER.set(Some(stacks));
    Ok(())
}

/// Runs `enter` with the top of the stack for the next entry; `None` when the thread was not attached or two entries
/// are under way: a TCS has two frames.
pub(super) fn with_stack<R>(enter: impl FnOnce(u64) -> R) -> Option<R> {
    let current = CURRENT.get();
    if current.is_null() {
        return None;
    }
    // SAFETY: the pointer is to the box in OWNER, which lives until the thread ends and clears the pointer then.
    let stacks = unsafe { &*current };
    let depth = stacks.depth.get();
    let top = stacks.top(depth)?;
    stacks.depth.set(depth + 1);
    let result = enter(top as u64);
    stacks.depth.set(depth);
    Some(result)
}

impl Stacks {
    fn new() -> Result<Self, Errno> {
        let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_STACK;
        let access = libc::PROT_READ | libc::PROT_WRITE;
        // SAFETY: a new mapping anywhere.
        let base = unsafe { libc::mmap(std::ptr::null_mut(), SIZE, access, flags, -1, 0) };
        if base == libc::MAP_FAILED {
            return Err(Errno::last());
        }
        let stacks = Self { base: base.expose_provenance(), depth: Cell::new(0) };
        for stack in 0..=ENTRIES {
            let guard = std::ptr::with_exposed_provenance_mut(stacks.guard(stack));
            // SAFETY: the page lies in the mapping, and nothing uses it.
            if unsafe { libc::mprotect(guard, GUARD, libc::PROT_NONE) } != 0 {
                return Err(Errno::last());
            }
        }
        let signal_stack = libc::stack_t {
            ss_sp: std::ptr::with_exposed_provenance_mut(stacks.guard(ENTRIES) + GUARD),
            ss_flags: 0,
            ss_size: STACK,
        };
        // SAFETY: the stack lies in the mapping and is used for nothing else.
        match unsafe { libc::sigaltstack(&raw const signal_stack, std::ptr::null_mut()) } {
            0 => Ok(stacks),
            _ => Err(Errno::last()),
        }
    }

    fn guard(&self, stack: usize) -> usize {
        self.base + stack * (STACK + GUARD)
    }

    fn top(&self, depth: usize) -> Option<usize> {
        (depth < ENTRIES).then(|| self.guard(depth + 1))
    }
}

impl Drop for Stacks {
    fn drop(&mut self) {
        CURRENT.set(std::ptr::null());
        let none =
            libc::stack_t { ss_sp: std::ptr::null_mut(), ss_flags: libc::SS_DISABLE, ss_size: 0 };
        // SAFETY: this thread's handlers use it no more.
        unsafe { libc::sigaltstack(&raw const none, std::ptr::null_mut()) };
        // SAFETY: the mapping was made by `new`; no entry is under way when the thread ends.
        unsafe { libc::munmap(std::ptr::with_exposed_provenance_mut(self.base), SIZE) };
    }
}
