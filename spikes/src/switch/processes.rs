//! Two processes, each a host thread, that pass a turn through a futex word they share.

use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::pages::{Pages, Strategy};
use super::{PRIVATE, SHARED, STACK};
use crate::{ELRANGE_OWNER, PAGE, check, map_at, processor_time};

/// What a run did and how long the switches took.
#[derive(Debug, Default)]
pub(super) struct Outcome {
    /// Of each switch, the processor time spent saving and restoring pages.
    pub(super) page_times: Vec<Duration>,
    /// Of each switch, the time from the end of the page work until the next process ran.
    pub(super) handover_times: Vec<Duration>,
    /// Rounds in which a process did not find its own memory.
    pub(super) mismatches: usize,
    /// Turns counted in the shared page.
    pub(super) shared_rounds: u64,
}

/// The scheduler's state: what a library OS would keep outside the conflicting pages.
struct Scheduler {
    pages: Pages,
    running: usize,
    ready_since: Instant,
    outcome: Outcome,
    failed: Option<io::Error>,
}

/// What one process needs; lives on its host stack.
struct Process<'a> {
    id: usize,
    rounds: usize,
    /// Words of private data above the stack.
    words: usize,
    scheduler: &'a Mutex<Scheduler>,
    turn_changed: &'a Condvar,
    /// The library-OS stack of this thread.
    system_stack: usize,
}

/// The shared page: `turn` is the futex word.
#[repr(C)]
struct Shared {
    turn: AtomicU64,
    rounds: AtomicU64,
}

/// Runs two processes with `len` bytes of private data each for `rounds` turns each.
pub(super) fn run(strategy: Strategy, len: usize, rounds: usize) -> io::Result<Outcome> {
    let _owner = ELRANGE_OWNER.lock().unwrap_or_else(PoisonError::into_inner);
    let len = len.next_multiple_of(64 * PAGE).max(64 * PAGE);
    let shared = map_at(SHARED, PAGE, libc::PROT_READ | libc::PROT_WRITE)?;
    let scheduler = Mutex::new(Scheduler {
        pages: Pages::new(strategy, len)?,
        running: 0,
        ready_since: Instant::now(),
        outcome: Outcome::default(),
        failed: None,
    });
    let turn_changed = Condvar::new();
    std::thread::scope(|scope| {
        for id in 0..2 {
            let (scheduler, turn_changed) = (&scheduler, &turn_changed);
            scope.spawn(move || {
                let words = (len - STACK) / 8;
                let system = vec![0_u8; STACK];
                let system_stack = (system.as_ptr() as usize + STACK) & !15;
                host(&Process { id, rounds, words, scheduler, turn_changed, system_stack });
            });
        }
    });
    let mut scheduler = scheduler.into_inner().unwrap_or_else(PoisonError::into_inner);
    // SAFETY: the page is still mapped and holds two words.
    scheduler.outcome.shared_rounds =
        unsafe { &*shared.cast::<Shared>() }.rounds.load(Ordering::SeqCst);
    // SAFETY: both threads have ended and nothing uses the page after this.
    check("unmap the shared page", unsafe { libc::munmap(shared.cast(), PAGE) })?;
    scheduler.failed.map_or(Ok(scheduler.outcome), Err)
}

/// A process from its first turn to its exit, on the host thread's own stack.
fn host(process: &Process<'_>) {
    wait_for_turn(process);
    let context = std::ptr::from_ref(process) as usize;
    // SAFETY: it is this process's turn, so the pages at PRIVATE are its own, stack included.
    unsafe { call_on_stack(application, context, PRIVATE + STACK) };
    if process.id == 0 {
        switch_away(process, false);
    }
}

/// The program: on the private stack, with private data at the same addresses as the other's.
extern "C" fn application(context: usize) {
    // SAFETY: `host` passes a live `Process`.
    let process = unsafe { &*(context as *const Process<'_>) };
    // SAFETY: the data above the stack belongs to the process whose turn it is.
    let data =
        unsafe { std::slice::from_raw_parts_mut((PRIVATE + STACK) as *mut u64, process.words) };
    // SAFETY: the page stays mapped for the whole run and is only used through atomics.
    let shared = unsafe { &*(SHARED as *const Shared) };
    let other = 1 - process.id as u64;
    let mut expected = None;
    let mut mismatches = 0;
    for round in 0..process.rounds {
        if expected.is_some_and(|expected| hash(data) != expected) {
            mismatches += 1;
        }
        fill(data, (process.id * process.rounds + round) as u64);
        expected = Some(hash(data));
        shared.rounds.fetch_add(1, Ordering::SeqCst);
        shared.turn.store(other, Ordering::SeqCst);
        // FUTEX_WAIT(turn, other): the library OS blocks this process and runs the next one.
        // SAFETY: the system stack belongs to this thread and is not in use.
        unsafe { call_on_stack(block, context, process.system_stack) };
        let turn = shared.turn.load(Ordering::SeqCst);
        if turn != process.id as u64 && round + 1 < process.rounds {
            mismatches += 1;
        }
    }
    let mut scheduler = process.scheduler.lock().unwrap_or_else(PoisonError::into_inner);
    scheduler.outcome.mismatches += mismatches;
}

/// The system call that blocks, on the thread's library-OS stack.
extern "C" fn block(context: usize) {
    // SAFETY: `application` passes a live `Process`.
    let process = unsafe { &*(context as *const Process<'_>) };
    switch_away(process, true);
    wait_for_turn(process);
}

fn switch_away(process: &Process<'_>, counted: bool) {
    let mut scheduler = process.scheduler.lock().unwrap_or_else(PoisonError::into_inner);
    let start = processor_time();
    if let Err(error) = scheduler.pages.switch_from(process.id) {
        scheduler.failed.get_or_insert(error);
    }
    let page_time = processor_time() - start;
    scheduler.ready_since = Instant::now();
    if counted {
        scheduler.outcome.page_times.push(page_time);
    }
    scheduler.running = 1 - process.id;
    process.turn_changed.notify_all();
}

fn wait_for_turn(process: &Process<'_>) {
    let scheduler = process.scheduler.lock().unwrap_or_else(PoisonError::into_inner);
    let mut scheduler = process
        .turn_changed
        .wait_while(scheduler, |scheduler| scheduler.running != process.id)
        .unwrap_or_else(PoisonError::into_inner);
    let waited = scheduler.ready_since.elapsed();
    scheduler.outcome.handover_times.push(waited);
}

fn fill(data: &mut [u64], seed: u64) {
    for (word, index) in data.iter_mut().zip(0_u64..) {
        *word = (seed << 32 ^ index).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    }
}

fn hash(data: &[u64]) -> u64 {
    data.iter().fold(0, |hash: u64, word| (hash ^ word).wrapping_mul(0x100_0000_01b3))
}

/// Calls `function(argument)` with the stack pointer at `stack_top`, then comes back.
///
/// # Safety
/// `stack_top` is 16-byte aligned, with enough writable bytes below it that nothing else uses.
#[unsafe(naked)]
unsafe extern "C" fn call_on_stack(
    function: extern "C" fn(usize),
    argument: usize,
    stack_top: usize,
) {
    std::arch::naked_asm!(
        "push rbx",
        "mov rbx, rsp",
        "mov rsp, rdx",
        "mov rax, rdi",
        "mov rdi, rsi",
        "call rax",
        "mov rsp, rbx",
        "pop rbx",
        "ret",
    )
}
