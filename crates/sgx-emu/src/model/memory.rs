//! The memory an enclave's pages live in, as the model sees it.
//!
//! The model keeps no page contents. It reaches them through [`EpcMemory`], which the execution
//! half implements with real mappings and tests implement with a table ([`TableMemory`]). The model
//! tells the memory which access enclave code may have ([`EpcMemory::set_access`]); it never asks.

use core::fmt;
use std::collections::BTreeMap;

/// Bytes in an EPC page.
pub const PAGE_SIZE: u64 = 4096;

/// The access enclave code has to a page: read, write, execute.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Access(u8);

impl Access {
    /// No access: any touch faults.
    pub const NONE: Self = Self(0);
    /// Read.
    pub const R: Self = Self(1);
    /// Write.
    pub const W: Self = Self(2);
    /// Execute.
    pub const X: Self = Self(4);
    /// Read and write, what EAUG gives a page.
    pub const RW: Self = Self(3);
    /// Read, write and execute.
    pub const RWX: Self = Self(7);

    /// Makes an access from its three bits (bit 0 read, bit 1 write, bit 2 execute, as in
    /// SECINFO.FLAGS); higher bits are ignored.
    #[must_use]
    pub const fn from_bits(bits: u8) -> Self {
        Self(bits & 7)
    }

    /// The three bits, laid out as in SECINFO.FLAGS.
    #[must_use]
    pub const fn bits(self) -> u8 {
        self.0
    }

    /// Whether reading is allowed.
    #[must_use]
    pub const fn readable(self) -> bool {
        self.contains(Self::R)
    }

    /// Whether writing is allowed.
    #[must_use]
    pub const fn writable(self) -> bool {
        self.contains(Self::W)
    }

    /// Whether fetching instructions is allowed.
    #[must_use]
    pub const fn executable(self) -> bool {
        self.contains(Self::X)
    }

    /// Whether everything in `other` is allowed here too.
    #[must_use]
    pub const fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// What both allow.
    #[must_use]
    pub const fn intersection(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// What either allows.
    #[must_use]
    pub const fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

impl fmt::Debug for Access {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for Access {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bit = |on, c| if on { c } else { '-' };
        write!(
            f,
            "{}{}{}",
            bit(self.readable(), 'r'),
            bit(self.writable(), 'w'),
            bit(self.executable(), 'x')
        )
    }
}

/// A run of consecutive pages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PageRun {
    /// Linear address of the first page, a multiple of [`PAGE_SIZE`].
    pub start: u64,
    /// Number of pages, at least one.
    pub pages: u64,
}

impl PageRun {
    /// The run of one page.
    #[must_use]
    pub const fn one(linaddr: u64) -> Self {
        Self { start: linaddr, pages: 1 }
    }

    /// Linear address of the first byte after the run, saturating at the top of the address space.
    #[must_use]
    pub const fn end(self) -> u64 {
        self.start.saturating_add(self.pages.saturating_mul(PAGE_SIZE))
    }

    /// The linear addresses of the pages, in order.
    pub fn addresses(self) -> impl Iterator<Item = u64> {
        (0..self.pages).map(move |i| self.start.saturating_add(i.saturating_mul(PAGE_SIZE)))
    }
}

impl fmt::Display for PageRun {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#x}..{:#x}", self.start, self.end())
    }
}

/// A failure of the memory behind the model: the host refused, not the ISA.
///
/// The mapping limit is the expected one (32,752 alternating protections exhaust
/// `vm.max_map_count`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{operation} of enclave memory {run} failed: {reason}")]
pub struct MemoryError {
    /// What was tried: "read", "write", "discard", "set access".
    pub operation: &'static str,
    /// The pages it was tried on.
    pub run: PageRun,
    /// The host's reason; names the limit when one was hit.
    pub reason: &'static str,
}

/// Enclave memory as the leaves need it.
///
/// All addresses are linear addresses in ELRANGE. The model only passes addresses of pages that its
/// EPCM holds valid, except to [`discard`](Self::discard), which is what makes a page absent.
pub trait EpcMemory {
    /// Copies enclave memory at `linaddr` into `buf`, whatever access enclave code has.
    ///
    /// # Errors
    ///
    /// When the host cannot read it.
    fn read(&self, linaddr: u64, buf: &mut [u8]) -> Result<(), MemoryError>;

    /// Copies `bytes` to enclave memory at `linaddr`, whatever access enclave code has.
    ///
    /// # Errors
    ///
    /// When the host cannot write it.
    fn write(&mut self, linaddr: u64, bytes: &[u8]) -> Result<(), MemoryError>;

    /// Says that the absent pages of a run are about to be written, all of them.
    fn prepare(&mut self, _run: PageRun) {}

    /// Drops the contents of the pages.
    ///
    /// A page that was never written or was discarded reads as zeros: EAUG relies on it, so that a
    /// fresh page costs nothing until it is touched.
    ///
    /// # Errors
    ///
    /// When the host cannot drop them.
    fn discard(&mut self, run: PageRun) -> Result<(), MemoryError>;

    /// Sets the access enclave code has to the pages from now on, for every thread: when this
    /// returns no thread may act on the earlier access (`mprotect` gives that).
    ///
    /// # Errors
    ///
    /// When the host cannot set it; the pages then have their earlier access.
    fn set_access(&mut self, run: PageRun, access: Access) -> Result<(), MemoryError>;

    /// Sets an access that takes nothing from the earlier one of any page. It may wait until enclave code first
    /// needs it.
    ///
    /// # Errors
    ///
    /// As [`set_access`](Self::set_access), which it is unless the memory knows better.
    fn widen_access(&mut self, run: PageRun, access: Access) -> Result<(), MemoryError> {
        self.set_access(run, access)
    }
}

/// Enclave memory in a table, for tests of the model and of what is built on it.
#[derive(Debug, Default, Clone)]
pub struct TableMemory {
    pages: BTreeMap<u64, Box<[u8; 4096]>>,
    access: BTreeMap<u64, Access>,
    /// Every call of [`EpcMemory::set_access`], in order.
    pub access_calls: Vec<(PageRun, Access)>,
    /// When set, the next [`EpcMemory::set_access`] calls fail with this reason.
    pub refuse_access_changes: Option<&'static str>,
}

impl TableMemory {
    /// The access enclave code has to the page of `linaddr`.
    #[must_use]
    pub fn access(&self, linaddr: u64) -> Access {
        self.access.get(&page_of(linaddr)).copied().unwrap_or(Access::NONE)
    }

    /// Whether any byte of the page of `linaddr` was written since it was last discarded.
    #[must_use]
    pub fn has_contents(&self, linaddr: u64) -> bool {
        self.pages.contains_key(&page_of(linaddr))
    }

    fn page_mut(&mut self, linaddr: u64) -> &mut [u8; 4096] {
        self.pages.entry(page_of(linaddr)).or_insert_with(|| Box::new([0; 4096]))
    }
}

impl EpcMemory for TableMemory {
    fn read(&self, linaddr: u64, buf: &mut [u8]) -> Result<(), MemoryError> {
        let (mut address, mut rest) = (linaddr, buf);
        while !rest.is_empty() {
            let offset = offset_of(address);
            let (part, next) = rest.split_at_mut(rest.len().min(4096 - offset));
            match self.pages.get(&page_of(address)) {
                Some(page) => part.copy_from_slice(&page[offset..offset + part.len()]),
                None => part.fill(0),
            }
            address += part.len() as u64;
            rest = next;
        }
        Ok(())
    }

    fn write(&mut self, linaddr: u64, bytes: &[u8]) -> Result<(), MemoryError> {
        let (mut address, mut rest) = (linaddr, bytes);
        while !rest.is_empty() {
            let offset = offset_of(address);
            let (part, next) = rest.split_at(rest.len().min(4096 - offset));
            self.page_mut(address)[offset..offset + part.len()].copy_from_slice(part);
            address += part.len() as u64;
            rest = next;
        }
        Ok(())
    }

    fn discard(&mut self, run: PageRun) -> Result<(), MemoryError> {
        for address in run.addresses() {
            self.pages.remove(&address);
        }
        Ok(())
    }

    fn set_access(&mut self, run: PageRun, access: Access) -> Result<(), MemoryError> {
        if let Some(reason) = self.refuse_access_changes {
            return Err(MemoryError { operation: "set access", run, reason });
        }
        self.access_calls.push((run, access));
        for address in run.addresses() {
            self.access.insert(address, access);
        }
        Ok(())
    }
}

/// The page that holds a linear address.
#[must_use]
pub const fn page_of(linaddr: u64) -> u64 {
    linaddr & !(PAGE_SIZE - 1)
}

fn offset_of(linaddr: u64) -> usize {
    usize::try_from(linaddr % PAGE_SIZE).expect("an offset in a page is below 4096")
}
