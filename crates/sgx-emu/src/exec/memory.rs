//! Enclave memory: one private mapping over ELRANGE, from its lowest page to its end.
//!
//! Widening the access to a page waits: neighbouring pages are collected into a run that is mapped when
//! the enclave first touches it, so that accepting a thousand pages costs one fault and one call.
//! Narrowing is done at once, for every thread.

use std::{
    fs::File,
    io,
    os::unix::fs::FileExt,
    ptr,
    sync::{Mutex, MutexGuard, PoisonError},
};

use enclave_abi::layout::LOWEST_ADDRESS;

use super::{Error, sites};
use crate::model::{Access, EpcMemory, MemoryError, PageRun};

/// The mapping over ELRANGE. Unmapped when dropped.
#[derive(Debug)]
pub(super) struct Elrange {
    size: u64,
    /// Whether operands are read in place: after EINIT, when the model has checked that enclave code may
    /// read them.
    direct: bool,
    /// `/proc/self/mem`: reads and writes pages whatever their protection.
    mem: File,
    waiting: Mutex<Option<(PageRun, Access)>>,
}

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
        let elrange = Self { size, direct: false, mem, waiting: Mutex::new(None) };
        protect(
            sites::JUMP_SLOTS,
            sites::END - sites::JUMP_SLOTS,
            libc::PROT_READ | libc::PROT_WRITE,
        )
        .map_err(|source| Error::Host { operation: "map the platform area", source })?;
        Ok(elrange)
    }

    fn waiting(&self) -> MutexGuard<'_, Option<(PageRun, Access)>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Maps what waits. Returns whether `address` was in it.
    pub(super) fn flush(&self, address: u64) -> Result<bool, MemoryError> {
        let mut waiting = self.waiting();
        let Some((run, access)) = *waiting else { return Ok(false) };
        set(run, access)?;
        *waiting = None;
        Ok((run.start..run.end()).contains(&address))
    }

    /// Maps what waits if it touches the bytes from `start` to `last`.
    pub(super) fn ensure_mapped(&self, start: u64, last: u64) -> Result<(), MemoryError> {
        let mut waiting = self.waiting();
        let Some((run, access)) = *waiting else { return Ok(()) };
        if run.start <= last && start < run.end() {
            set(run, access)?;
            *waiting = None;
        }
        Ok(())
    }

    /// Reads operands in place from now on.
    pub(super) fn read_directly(&mut self) {
        self.direct = true;
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
        if !self.direct {
            return self.mem.read_exact_at(buf, linaddr).map_err(|_| touched("read", linaddr));
        }
        self.ensure_mapped(linaddr, linaddr + buf.len() as u64)?;
        let from = ptr::with_exposed_provenance::<u8>(linaddr as usize);
        // SAFETY: after EINIT the model reads only operands on pages that it has just found readable by
        // enclave code, and the mapping gives that access; enclave threads may write them meanwhile,
        // as on a processor, so the copy is the C function and no reference is made.
        unsafe { ptr::copy_nonoverlapping(from, buf.as_mut_ptr(), buf.len()) };
        Ok(())
    }

    fn write(&mut self, linaddr: u64, bytes: &[u8]) -> Result<(), MemoryError> {
        if bytes.iter().all(|&byte| byte == 0) && bytes.len() == 4096 {
            return self.discard(PageRun::one(linaddr));
        }
        self.mem.write_all_at(bytes, linaddr).map_err(|_| touched("write", linaddr))
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
        if access == Access::RW {
            match &mut *waiting {
                Some((earlier, same)) if *same == access && earlier.end() == run.start => {
                    earlier.pages += run.pages;
                    return Ok(());
                }
                Some((earlier, other)) => {
                    set(*earlier, *other)?;
                    *waiting = Some((run, access));
                }
                None => *waiting = Some((run, access)),
            }
            return Ok(());
        }
        if let Some((earlier, other)) = *waiting {
            set(earlier, other)?;
            *waiting = None;
        }
        set(run, access)
    }
}
