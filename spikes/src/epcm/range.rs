//! A reservation whose pages are committed in runs by a SIGSEGV handler.

use std::cell::Cell;
use std::io;
use std::mem::MaybeUninit;
use std::sync::atomic::{AtomicPtr, Ordering};
use std::sync::{MutexGuard, PoisonError};

use crate::{ELRANGE, ELRANGE_OWNER, PAGE, check, map_at};

/// ELRANGE without access, and what each page may become. Only one exists at a time.
#[derive(Debug)]
pub(super) struct Range {
    table: Box<Table>,
    previous: libc::sigaction,
    _owner: MutexGuard<'static, ()>,
}

/// What the handler needs. Used by the thread that made it and, on that thread, by the handler.
#[derive(Debug)]
struct Table {
    /// Per page: the permissions the program asked for, and [`COMMITTED`].
    pages: Vec<Cell<u8>>,
    run: usize,
    faults: Cell<usize>,
    committed: Cell<usize>,
    len: usize,
}

const COMMITTED: u8 = 0x80;
const PROT: u8 = 7;

static TABLE: AtomicPtr<Table> = AtomicPtr::new(std::ptr::null_mut());

impl Range {
    /// Reserves `len` bytes from ELRANGE on; a fault commits up to `run` pages.
    pub(super) fn reserve(len: usize, run: usize) -> io::Result<Self> {
        let owner = ELRANGE_OWNER.lock().unwrap_or_else(PoisonError::into_inner);
        map_at(ELRANGE, len, libc::PROT_NONE)?;
        let table = Box::new(Table {
            pages: vec![Cell::new(0); len / PAGE],
            run,
            faults: Cell::new(0),
            committed: Cell::new(0),
            len,
        });
        TABLE.store(std::ptr::from_ref(&*table).cast_mut(), Ordering::SeqCst);
        Ok(Self { table, previous: handle_segv()?, _owner: owner })
    }

    /// Sets the permissions of a range: committed pages change now, others at their first touch.
    pub(super) fn allow(&self, addr: usize, len: usize, prot: i32) -> io::Result<()> {
        let pages = self.table.slice(addr, len);
        let mut first = 0;
        // One mprotect per stretch of committed pages, so that neighbours coalesce.
        for stretch in pages.chunk_by(|a, b| a.get() & COMMITTED == b.get() & COMMITTED) {
            if stretch[0].get() & COMMITTED != 0 {
                accessible(addr + first * PAGE, stretch.len() * PAGE, prot)?;
            }
            for page in stretch {
                page.set(page.get() & COMMITTED | prot as u8);
            }
            first += stretch.len();
        }
        Ok(())
    }

    /// Gives pages back: they are inaccessible and zero again; `prot` applies at the next touch.
    pub(super) fn remove(&self, addr: usize, len: usize, prot: Option<i32>) -> io::Result<()> {
        accessible(addr, len, libc::PROT_NONE)?;
        // SAFETY: inside ELRANGE, where nothing of this program lives.
        let result = unsafe { libc::madvise(addr as *mut _, len, libc::MADV_DONTNEED) };
        check("madvise(MADV_DONTNEED)", result)?;
        for page in self.table.slice(addr, len) {
            if page.get() & COMMITTED != 0 {
                self.table.committed.set(self.table.committed.get() - 1);
            }
            page.set(prot.map_or(page.get() & PROT, |prot| prot as u8));
        }
        Ok(())
    }

    /// Touches a page as the program would; skips pages without access.
    pub(super) fn touch(&self, addr: usize) {
        let prot = i32::from(self.table.slice(addr, PAGE)[0].get() & PROT);
        if prot & libc::PROT_WRITE != 0 {
            // SAFETY: inside ELRANGE; writable now or made so by the handler.
            unsafe { (addr as *mut u8).write_volatile(1) };
        } else if prot & libc::PROT_READ != 0 {
            // SAFETY: inside ELRANGE; readable now or made so by the handler.
            unsafe { (addr as *const u8).read_volatile() };
        }
    }

    /// Makes pages accessible at once, as a program without an EPCM has them.
    pub(super) fn allow_at_once(&self, addr: usize, len: usize, prot: i32) -> io::Result<()> {
        for page in self.table.slice(addr, len) {
            page.set(prot as u8 | COMMITTED);
        }
        accessible(addr, len, prot)
    }

    pub(super) fn faults(&self) -> usize {
        self.table.faults.get()
    }

    pub(super) fn committed(&self) -> usize {
        self.table.committed.get()
    }
}

impl Drop for Range {
    fn drop(&mut self) {
        TABLE.store(std::ptr::null_mut(), Ordering::SeqCst);
        // SAFETY: restores the action that was there before.
        unsafe { libc::sigaction(libc::SIGSEGV, &raw const self.previous, std::ptr::null_mut()) };
        // SAFETY: the reservation is this object's.
        unsafe { libc::munmap(ELRANGE as *mut _, self.table.len) };
    }
}

impl Table {
    fn slice(&self, addr: usize, len: usize) -> &[Cell<u8>] {
        let first = (addr - ELRANGE) / PAGE;
        &self.pages[first..first + len.div_ceil(PAGE)]
    }

    /// Commits the pages around `addr`: those of its aligned run that are absent and of equal
    /// permissions. False if there is nothing to commit.
    fn commit(&self, addr: usize) -> bool {
        let page = (addr - ELRANGE) / PAGE;
        let wanted = self.pages[page].get();
        if wanted == 0 || wanted & COMMITTED != 0 {
            return false;
        }
        let run = page - page % self.run..(page - page % self.run + self.run).min(self.pages.len());
        let same = |index: &usize| self.pages[*index].get() == wanted;
        let start = (run.start..page).rev().take_while(same).last().unwrap_or(page);
        let end = (page..run.end).take_while(same).last().map_or(page, |last| last + 1);
        for page in &self.pages[start..end] {
            page.set(wanted | COMMITTED);
        }
        self.faults.set(self.faults.get() + 1);
        self.committed.set(self.committed.get() + end - start);
        let (addr, len) = (ELRANGE + start * PAGE, (end - start) * PAGE);
        accessible(addr, len, i32::from(wanted)).is_ok()
    }
}

/// Sets the permissions of pages inside ELRANGE.
pub(super) fn accessible(addr: usize, len: usize, prot: i32) -> io::Result<()> {
    // SAFETY: inside ELRANGE, where nothing of this program lives.
    check("mprotect", unsafe { libc::mprotect(addr as *mut _, len, prot) }).map(drop)
}

/// Mappings of this process inside a range.
pub(super) fn mappings_in(addr: usize, len: usize) -> io::Result<usize> {
    let maps = std::fs::read_to_string("/proc/self/maps")?;
    let start = |line: &str| usize::from_str_radix(line.split('-').next()?, 16).ok();
    Ok(maps.lines().filter_map(start).filter(|at| (addr..addr + len).contains(at)).count())
}

fn handle_segv() -> io::Result<libc::sigaction> {
    // SAFETY: structures of integers: all zero is a value.
    let mut action: libc::sigaction = unsafe { MaybeUninit::zeroed().assume_init() };
    let mut previous = action;
    action.sa_sigaction = commit_on_fault as *const () as usize;
    action.sa_flags = libc::SA_SIGINFO | libc::SA_ONSTACK;
    // SAFETY: the handler calls only mprotect and touches only its table.
    let result = unsafe { libc::sigaction(libc::SIGSEGV, &raw const action, &raw mut previous) };
    check("sigaction", result)?;
    Ok(previous)
}

extern "C" fn commit_on_fault(_: i32, info: *mut libc::siginfo_t, _: *mut libc::c_void) {
    // SAFETY: the kernel passes a live structure.
    let info = unsafe { &*info };
    // SAFETY: SIGSEGV fills the address.
    let addr = unsafe { info.si_addr() } as usize;
    // SAFETY: null, or the table of the live `Range`, whose thread is the only one that touches
    // ELRANGE and is interrupted here outside of any change to the table.
    let table = unsafe { TABLE.load(Ordering::SeqCst).as_ref() };
    let inside = |table: &&Table| (ELRANGE..ELRANGE + table.len).contains(&addr);
    if !table.filter(inside).is_some_and(|table| table.commit(addr)) {
        // SAFETY: ends the program: the fault is not one of ELRANGE.
        unsafe { libc::abort() };
    }
}
