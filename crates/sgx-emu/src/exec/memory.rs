//! Enclave memory: one private mapping over ELRANGE, from its lowest page to its end.
//!
//! Until EINIT nobody is inside, and the blocks that pages are added to are simply readable and writable: adding
//! and measuring are copies, without a system call for each page. EINIT closes them.
//!
//! Widening the access to a page waits: neighbouring pages are collected into runs that are mapped when
//! the enclave first touches them, so that accepting a thousand pages costs one fault and one call, and the stacks of
//! threads that never start cost nothing. Narrowing is done at once, for every thread.

use std::{
    collections::BTreeSet,
    fs::File,
    io,
    ops::Range,
    os::unix::fs::FileExt,
    ptr,
    sync::{Mutex, MutexGuard, PoisonError},
};

use enclave_abi::layout::LOWEST_ADDRESS;

use super::{Error, sites};
use crate::model::{Access, EpcMemory, MemoryError, PAGE_SIZE, PageRun};

/// The mapping over ELRANGE. Unmapped when dropped.
#[derive(Debug)]
pub(super) struct Elrange {
    size: u64,
    /// The blocks that are open while the enclave is built, by number; `None` after EINIT. Operands are then
    /// read in place, where the model has checked that enclave code may read them.
    open: Option<BTreeSet<u64>>,
    /// `/proc/self/mem`: reads and writes pages whatever their protection.
    mem: File,
    waiting: Mutex<Waiting>,
}

/// Accesses that wait, none overlapping another.
#[derive(Debug)]
struct Waiting {
    /// What EINIT left unmapped, and the range it lies in: the memory of threads, which seldom changes.
    built: Vec<(PageRun, Access)>,
    built_range: Range<u64>,
    /// What was widened since, in order.
    widened: Vec<(PageRun, Access)>,
}

/// Runs of at most this many pages are brought in as a whole when they are first touched: they are what the library
/// OS accepts at a time, and most of it is used soon.
const POPULATED_PAGES: u64 = 64;

/// Size of the blocks that are opened while the enclave is built.
const BLOCK: u64 = 64 << 20;

/// Runs that may wait after EINIT; with more the oldest is mapped.
const WAITING_MAX: usize = 1024;

impl Elrange {
    /// Reserves ELRANGE and maps the platform area.
    ///
    /// # Errors
    /// [`Error::Host`]: another mapping is in the way, or `vm.mmap_min_addr` is above 64 KiB.
    pub(super) fn reserve(size: u64) -> Result<Self, Error> {
        let len = usize::try_from(size - LOWEST_ADDRESS).expect("ELRANGE is below 2^47");
        // SAFETY: MAP_FIXED_NOREPLACE refuses to touch an existing mapping.
        let base = unsafe {
            libc::mmap(
                ptr::without_provenance_mut(LOWEST_ADDRESS as usize),
                len,
                libc::PROT_NONE,
                libc::MAP_PRIVATE
                    | libc::MAP_ANONYMOUS
                    | libc::MAP_NORESERVE
                    | libc::MAP_FIXED_NOREPLACE,
                -1,
                0,
            )
        };
        if base as u64 != LOWEST_ADDRESS {
            return Err(Error::host("reserve ELRANGE from address 0x10000"));
        }
        let mem = File::options()
            .read(true)
            .write(true)
            .open("/proc/self/mem")
            .map_err(|source| Error::Host { operation: "open /proc/self/mem", source })?;
        let waiting = Mutex::new(Waiting::new());
        let elrange = Self { size, open: Some(BTreeSet::new()), mem, waiting };
        protect(
            sites::JUMP_SLOTS,
            sites::END - sites::JUMP_SLOTS,
            libc::PROT_READ | libc::PROT_WRITE,
        )
        .map_err(|source| Error::Host { operation: "map the platform area", source })?;
        Ok(elrange)
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Maps the run that waits at `address`, which enclave code has touched. Returns whether there was one.
    pub(super) fn flush(&self, address: u64) -> Result<bool, MemoryError> {
        let mut waiting = self.waiting();
        let Some((run, access)) = waiting.at(address) else { return Ok(false) };
        waiting.map(address, address + 1)?;
        if access.writable() && run.pages <= POPULATED_PAGES {
            populate(run);
        }
        Ok(true)
    }

    /// Maps what waits and touches the bytes from `start` to before `end`. Returns whether there was something.
    pub(super) fn ensure_mapped(&self, start: u64, end: u64) -> Result<bool, MemoryError> {
        self.waiting().map(start, end)
    }

    /// Opens the block of a page while the enclave is built. Returns whether its pages are open.
    fn open_block(&mut self, address: u64) -> Result<bool, MemoryError> {
        let Some(open) = &mut self.open else { return Ok(false) };
        let block = address / BLOCK;
        if !open.contains(&block) {
            let run = self.block_run(block);
            keep_small(run);
            set(run, Access::RW)?;
            if let Some(open) = &mut self.open {
                open.insert(block);
            }
        }
        Ok(true)
    }

    /// The part of a block that enclave pages may lie in.
    fn block_run(&self, block: u64) -> PageRun {
        let start = (block * BLOCK).max(sites::END);
        let end = (block * BLOCK + BLOCK).min(self.size);
        PageRun { start, pages: (end - start) / PAGE_SIZE }
    }

    fn is_open(&self, address: u64) -> bool {
        self.open.as_ref().is_some_and(|open| open.contains(&(address / BLOCK)))
    }

    /// Ends building: from now on every page has the access that its EPCM entry gives. Writable data waits for its
    /// first touch; what the image executes and reads is mapped.
    pub(super) fn seal(&mut self) -> Result<(), MemoryError> {
        for block in self.open.take().into_iter().flatten() {
            set(self.block_run(block), Access::NONE)?;
        }
        let waiting = &mut *self.waiting();
        for (run, access) in waiting.built.extract_if(.., |(_, access)| *access != Access::RW) {
            set(run, access)?;
        }
        let ends = waiting.built.iter().map(|(run, _)| run.end());
        let starts = waiting.built.iter().map(|(run, _)| run.start);
        waiting.built_range = starts.min().unwrap_or(0)..ends.max().unwrap_or(0);
        Ok(())
    }

    /// Ends the reservation's access for everybody, or gives back what `pages` says: strict mode.
    pub(super) fn close(&self) -> io::Result<()> {
        protect(sites::END, self.size - sites::END, libc::PROT_NONE)
    }

    /// Gives a run its access: strict mode, after [`Self::close`].
    pub(super) fn reopen(&self, run: PageRun, access: Access) -> Result<(), MemoryError> {
        set(run, access)
    }
}

impl Drop for Elrange {
    fn drop(&mut self) {
        let len = usize::try_from(self.size - LOWEST_ADDRESS).expect("as when it was mapped");
        // SAFETY: the range is this object's own mapping, and nothing refers into it any more.
        unsafe { libc::munmap(ptr::without_provenance_mut(LOWEST_ADDRESS as usize), len) };
    }
}

/// Brings the pages of a writable run in, in one call where each would fault. Only a hint, for Linux 5.14 and newer.
fn populate(run: PageRun) {
    const MADV_POPULATE_WRITE: libc::c_int = 23;
    let start = ptr::without_provenance_mut(run.start as usize);
    // SAFETY: a part of the ELRANGE mapping; its contents do not change.
    unsafe { libc::madvise(start, (run.end() - run.start) as usize, MADV_POPULATE_WRITE) };
}

/// Keeps the kernel from giving a run huge pages: a few pages of each 2 MiB are used, and the rest would be zeroed
/// at every start. Only a wish: without it the enclave is the same.
fn keep_small(run: PageRun) {
    let start = ptr::without_provenance_mut(run.start as usize);
    // SAFETY: advice on a part of the ELRANGE mapping, which changes no contents.
    unsafe { libc::madvise(start, (run.end() - run.start) as usize, libc::MADV_NOHUGEPAGE) };
}

fn set(run: PageRun, access: Access) -> Result<(), MemoryError> {
    let mut protection = libc::PROT_NONE;
    if access.readable() {
        protection |= libc::PROT_READ;
    }
    if access.writable() {
        protection |= libc::PROT_WRITE;
    }
    if access.executable() {
        protection |= libc::PROT_EXEC;
    }
    protect(run.start, run.end() - run.start, protection).map_err(|error| MemoryError {
        operation: "set access",
        run,
        reason: reason(&error),
    })
}

fn protect(start: u64, len: u64, protection: libc::c_int) -> io::Result<()> {
    let len = usize::try_from(len).map_err(io::Error::other)?;
    // SAFETY: the callers pass page-aligned parts of the ELRANGE mapping, to which no Rust
    // reference exists.
    match unsafe { libc::mprotect(ptr::without_provenance_mut(start as usize), len, protection) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

fn reason(error: &io::Error) -> &'static str {
    match error.raw_os_error() {
        Some(libc::ENOMEM) => {
            "the process has vm.max_map_count mappings (65530 by default): raise it with sysctl"
        }
        Some(libc::EACCES) => "a security module forbids this protection",
        _ => "the host refused",
    }
}

fn touched(operation: &'static str, linaddr: u64) -> MemoryError {
    MemoryError {
        operation,
        run: PageRun::one(linaddr & !0xfff),
        reason: "/proc/self/mem refused the access",
    }
}

impl EpcMemory for Elrange {
    fn read(&self, linaddr: u64, buf: &mut [u8]) -> Result<(), MemoryError> {
        if self.open.is_none() {
            self.ensure_mapped(linaddr, linaddr.saturating_add(buf.len() as u64))?;
        } else if !self.is_open(linaddr) {
            return self.mem.read_exact_at(buf, linaddr).map_err(|_| touched("read", linaddr));
        }
        let from = ptr::with_exposed_provenance::<u8>(linaddr as usize);
        // SAFETY: 1. before EINIT the page lies in an open block; 2. after it the model reads only operands on
        // pages that it has just found readable by enclave code, and the mapping gives that access; enclave
        // threads may write them meanwhile, as on a processor, so the copy is the C function and no
        // reference is made.
        unsafe { ptr::copy_nonoverlapping(from, buf.as_mut_ptr(), buf.len()) };
        Ok(())
    }

    fn write(&mut self, linaddr: u64, bytes: &[u8]) -> Result<(), MemoryError> {
        if !self.open_block(linaddr)? {
            return self.mem.write_all_at(bytes, linaddr).map_err(|_| touched("write", linaddr));
        }
        let to = ptr::with_exposed_provenance_mut::<u8>(linaddr as usize);
        // SAFETY: the model writes within one page, which lies in an open block; nobody is inside before EINIT.
        unsafe { ptr::copy_nonoverlapping(bytes.as_ptr(), to, bytes.len()) };
        Ok(())
    }

    fn prepare(&mut self, run: PageRun) {
        let opened = self.open_block(run.start).and(self.open_block(run.end() - 1));
        if run.pages > 1 && matches!(opened, Ok(true)) {
            populate(run);
        }
    }

    fn discard(&mut self, run: PageRun) -> Result<(), MemoryError> {
        let len = usize::try_from(run.end() - run.start).expect("runs lie in ELRANGE");
        // SAFETY: the run is part of the private anonymous ELRANGE mapping; its pages read as zeros
        // afterwards, which is what the trait promises.
        let done = unsafe {
            libc::madvise(ptr::without_provenance_mut(run.start as usize), len, libc::MADV_DONTNEED)
        };
        if done == 0 {
            return Ok(());
        }
        let error = io::Error::last_os_error();
        Err(MemoryError { operation: "discard", run, reason: reason(&error) })
    }

    fn set_access(&mut self, run: PageRun, access: Access) -> Result<(), MemoryError> {
        let mut waiting = self.waiting();
        waiting.map_straddling(run)?;
        set(run, access)?;
        waiting.forget_covered(run);
        Ok(())
    }

    fn widen_access(&mut self, run: PageRun, access: Access) -> Result<(), MemoryError> {
        let mut waiting = self.waiting();
        if self.open.is_some() {
            push(&mut waiting.built, run, access);
            return Ok(());
        }
        waiting.map_straddling(run)?;
        waiting.forget_covered(run);
        push(&mut waiting.widened, run, access);
        if waiting.widened.len() > WAITING_MAX {
            let (oldest, access) = waiting.widened.remove(0);
            set(oldest, access)?;
        }
        Ok(())
    }
}

/// Adds a change to a list, or to its last run.
fn push(list: &mut Vec<(PageRun, Access)>, run: PageRun, access: Access) {
    match list.last_mut() {
        Some((last, same)) if *same == access && last.end() == run.start => last.pages += run.pages,
        _ => list.push((run, access)),
    }
}

impl Waiting {
    fn new() -> Self {
        let widened = Vec::with_capacity(WAITING_MAX + 1);
        Self { built: Vec::new(), built_range: 0..0, widened }
    }

    /// The lists in which something may overlap the bytes from `start` to before `end`.
    fn lists(&mut self, start: u64, end: u64) -> impl Iterator<Item = &mut Vec<(PageRun, Access)>> {
        let near = start < self.built_range.end && self.built_range.start < end;
        near.then_some(&mut self.built).into_iter().chain([&mut self.widened])
    }

    /// The run that waits at an address.
    fn at(&mut self, address: u64) -> Option<(PageRun, Access)> {
        let holds = |(run, _): &&(PageRun, Access)| (run.start..run.end()).contains(&address);
        let mut lists = self.lists(address, address + 1);
        lists.find_map(|list| list.iter().find(holds).copied())
    }

    /// Maps the runs that touch the bytes from `start` to before `end`; a run that cannot be mapped goes on waiting.
    /// Allocates nothing: signal handlers call it.
    fn map(&mut self, start: u64, end: u64) -> Result<bool, MemoryError> {
        self.map_those(start, end, |run| run.start < end && start < run.end())
    }

    /// Maps the runs of which `run` covers a part, so that the order of changes to a page is kept.
    fn map_straddling(&mut self, run: PageRun) -> Result<bool, MemoryError> {
        self.map_those(run.start, run.end(), |earlier| {
            let apart = earlier.end() <= run.start || run.end() <= earlier.start;
            !apart && !covers(run, earlier)
        })
    }

    fn map_those(
        &mut self,
        start: u64,
        end: u64,
        wanted: impl Fn(PageRun) -> bool,
    ) -> Result<bool, MemoryError> {
        let mut found = false;
        for list in self.lists(start, end) {
            while let Some(index) = list.iter().position(|(run, _)| wanted(*run)) {
                let Some(&(run, access)) = list.get(index) else { break };
                set(run, access)?;
                list.remove(index);
                found = true;
            }
        }
        Ok(found)
    }

    /// Drops what waits for pages of `run` alone: a later change has overtaken it.
    fn forget_covered(&mut self, run: PageRun) {
        for list in self.lists(run.start, run.end()) {
            list.retain(|(earlier, _)| !covers(run, *earlier));
        }
    }
}

/// Whether every page of `inner` is one of `outer`.
fn covers(outer: PageRun, inner: PageRun) -> bool {
    outer.start <= inner.start && inner.end() <= outer.end()
}
