//! Serves an enclave: its threads, and what they ask of the host.
//!
//! A [`Session`] is one running enclave. Each enclave thread has a host thread of its own that enters,
//! serves the ocall or exception it comes back with, and enters again (`thread`). The other modules
//! answer one group of ocalls each; `docs/specs/enclave-abi.md` is the contract.

mod buffer;
mod cpuid;
mod crash;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzz;
mod interrupt;
mod pages;
mod park;
mod quote;
mod serve;
mod signals;
mod syscall;
mod thread;
mod trace;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicI32, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError};

use enclave_abi::boot::Boot;
use enclave_abi::layout::Layout;

use crate::Error;
use crate::platform::{Enclave, Platform};
use interrupt::Told;
use park::ParkWord;
use signals::Forwarder;
pub use trace::{Touch, Trace};

/// How an enclave ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ended {
    /// The program exited with this status, 0 to 255.
    Exited(u8),
    /// A signal ended the program.
    Killed(u8),
    /// The enclave could not go on: what happened and what to do.
    Aborted(String),
}

/// A line of the enclave's log goes here: level 1 (error) to 5 (trace), and the text.
pub type LogSink = Box<dyn Fn(u64, &str) + Send + Sync>;

/// Ocalls served, by name.
pub type Counts = BTreeMap<&'static str, u64>;

/// System calls that the program made, as the enclave says at its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Calls {
    /// From rewritten sites: without an exit.
    pub rewritten: u64,
    /// Trapped.
    pub trapped: u64,
}

/// One running enclave.
pub struct Session {
    enclave: Arc<dyn Enclave>,
    platform: Arc<dyn Platform>,
    layout: Layout,
    park: Vec<ParkWord>,
    log: LogSink,
    /// Thread blocks that have a host thread.
    running: Mutex<BTreeSet<u64>>,
    /// What each thread block's thread is to be told.
    threads: Vec<Told>,
    /// Stands for a thread that does not exist.
    nobody: Told,
    /// When some thread is to be interrupted, in nanoseconds of the monotonic clock.
    alarm: AtomicU64,
    /// CPUID's usual leaves.
    cpuid: OnceLock<cpuid::Table>,
    /// The thread in [`Self::run`].
    main_tid: AtomicI32,
    /// Told when one has none any more.
    freed: Condvar,
    ended: Mutex<Option<Ended>>,
    ocalls: AtomicU64,
    counts: Mutex<Counts>,
    calls: Mutex<Calls>,
    /// Whether to count ocalls by name.
    pub count: bool,
    /// Is told of the paths that are touched.
    pub trace: Option<Trace>,
}

impl std::fmt::Debug for Session {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Session").field("layout", &self.layout).finish_non_exhaustive()
    }
}

impl Session {
    /// A session over an enclave that has not been entered yet.
    #[must_use]
    pub fn new(
        enclave: Arc<dyn Enclave>,
        platform: Arc<dyn Platform>,
        layout: Layout,
        log: LogSink,
    ) -> Self {
        let park = (0..layout.threads).map(|_| ParkWord::default()).collect();
        Self {
            enclave,
            platform,
            layout,
            park,
            log,
            running: Mutex::default(),
            threads: (0..layout.threads).map(|_| Told::default()).collect(),
            nobody: Told::default(),
            alarm: AtomicU64::new(u64::MAX),
            cpuid: OnceLock::new(),
            main_tid: AtomicI32::new(0),
            freed: Condvar::new(),
            ended: Mutex::new(None),
            ocalls: AtomicU64::new(0),
            counts: Mutex::default(),
            calls: Mutex::default(),
            count: false,
            trace: None,
        }
    }

    /// Starts the program, with the signals this process ignores and the processors it may use, and waits until the enclave has ended, telling it of the process's signals meanwhile.
    /// Host threads may still be inside then; the caller ends the process. To be called on the process's main
    /// thread, before others are started: the forwarded signals are blocked in it and in all threads to come.
    ///
    /// # Errors
    /// [`Error`] when the arguments do not fit or the first thread cannot be started.
    pub fn run(self: &Arc<Self>, boot: &Boot) -> Result<Ended, Error> {
        let boot = Boot {
            ignored: signals::ignored(),
            processors: std::thread::available_parallelism()
                .map_or(0, |n| u32::try_from(n.get()).unwrap_or(u32::MAX)),
            ..boot.clone()
        };
        let boot = boot.to_bytes().map_err(|source| Error::Boot { reason: source.reason })?;
        let forwarder = Forwarder::install(self)?;
        thread::start(self, 0, Some(boot))?;
        self.cpuid.get_or_init(cpuid::usual);
        Ok(forwarder.forward_until_end())
    }

    /// Ocalls served so far, and by name if [`Self::count`] was set.
    #[must_use]
    pub fn ocalls(&self) -> (u64, Counts) {
        (self.ocalls.load(Ordering::Relaxed), lock(&self.counts).clone())
    }

    /// System calls of the program, once it has ended.
    #[must_use]
    pub fn calls(&self) -> Calls {
        *lock(&self.calls)
    }

    fn note_calls(&self, calls: Calls) {
        *lock(&self.calls) = calls;
    }

    /// The enclave.
    #[must_use]
    pub fn enclave(&self) -> &dyn Enclave {
        &*self.enclave
    }

    fn tally(&self, name: &'static str) {
        self.ocalls.fetch_add(1, Ordering::Relaxed);
        if self.count {
            *lock(&self.counts).entry(name).or_default() += 1;
        }
    }

    /// Notes how the enclave ended; the first word counts.
    fn finish(&self, how: Ended) {
        lock(&self.ended).get_or_insert(how);
        self.wake();
    }

    fn ended(&self) -> Option<Ended> {
        lock(&self.ended).clone()
    }

    /// Has the main thread look at what has changed.
    fn wake(&self) {
        signals::wake(self.main_tid.load(Ordering::SeqCst));
    }

    fn told(&self, index: u64) -> Option<&Told> {
        self.threads.get(usize::try_from(index).ok()?)
    }

    /// Tells a thread that runs of events; which one does not matter.
    fn tell(&self, events: u64) {
        if let Some(thread) = self.threads.iter().find(|thread| thread.is_running()) {
            thread.add(events);
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
