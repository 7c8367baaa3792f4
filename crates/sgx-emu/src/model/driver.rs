//! What the kernel driver does with the leaves.
//!
//! A processor augments nothing by itself. On Linux the driver does, when a page of the enclave's
//! address range is touched or accepted while absent, and its ioctls run ENCLS leaves over ranges
//! with ETRACK and an interrupt to every thread in between. [`Driver`] has those sequences, so that
//! whoever maps memory and handles faults decides when, and not how.

use sgx_types::{PageType, SecInfo, SecInfoFlags};

use super::enclave::Enclave;
use super::epcm::Entry;
use super::fault::{LeafError, LeafResult};
use super::memory::{Access, EpcMemory, PAGE_SIZE, PageRun, page_of};

/// The driver's view of the EPC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Driver {
    /// Pages an enclave may have before the EPC counts as exhausted. Pages are never written out.
    pub epc_pages: u64,
}

/// Why the driver stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DriverError {
    /// A leaf failed.
    #[error("at page {linaddr:#x} of the enclave")]
    Leaf {
        /// The page.
        linaddr: u64,
        /// How the leaf failed.
        #[source]
        source: LeafError,
    },
    /// ETRACK was refused: a thread is inside on a TCS that was removed under it. The pages are
    /// changed, but cannot be accepted before that thread has left and the driver is asked again.
    #[error("a thread on a TCS that was removed has not left the enclave")]
    Track(#[source] LeafError),
    /// There is no EPC page left.
    #[error("emulated EPC is exhausted: the enclave has all {limit} pages it may have")]
    EpcExhausted {
        /// The limit in pages.
        limit: u64,
    },
    /// A page to be removed was not trimmed, or the enclave has not accepted that (EPERM).
    #[error("at page {linaddr:#x}: only pages that were trimmed and accepted can be removed")]
    NotTrimmed {
        /// The page.
        linaddr: u64,
    },
}

/// How far the driver came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub struct Progress {
    /// Pages done, from the start of the run.
    pub pages: u64,
    /// Why the next page was not done.
    pub result: Result<(), DriverError>,
}

impl Progress {
    fn new(run: PageRun, (pages, result): (u64, LeafResult)) -> Self {
        let linaddr = run.start.saturating_add(pages.saturating_mul(PAGE_SIZE));
        Self { pages, result: result.map_err(|source| DriverError::Leaf { linaddr, source }) }
    }
}

/// Why enclave code faulted on a page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FaultCause {
    /// The address is outside ELRANGE.
    Outside,
    /// The page is absent: the driver may augment it.
    Absent,
    /// The EPCM denies the access: a #PF with the SGX bit, delivered to the enclave.
    Denied,
    /// The EPCM allows the access: the fault has another cause, or the page changed meanwhile. Try
    /// again.
    Allowed,
}

impl Driver {
    /// Says why an access by enclave code to `linaddr` faulted.
    #[must_use]
    pub fn fault_cause<M>(enclave: &Enclave<M>, linaddr: u64, access: Access) -> FaultCause {
        match enclave.entry(linaddr) {
            _ if !enclave.in_elrange(linaddr) => FaultCause::Outside,
            None => FaultCause::Absent,
            Some(entry) if entry.accessible().contains(access) => FaultCause::Allowed,
            Some(_) => FaultCause::Denied,
        }
    }

    /// Adds a page before EINIT, and measures its contents if `measured`
    /// (SGX_IOC_ENCLAVE_ADD_PAGES).
    ///
    /// # Errors
    ///
    /// [`DriverError`]. A page whose measurement failed stays added, as in Linux.
    pub fn add<M: EpcMemory>(
        &self,
        enclave: &mut Enclave<M>,
        linaddr: u64,
        secinfo: &SecInfo,
        source: &[u8; 4096],
        measured: bool,
    ) -> Result<(), DriverError> {
        self.add_run(enclave, linaddr, secinfo, core::iter::once(Some(source)), measured)
    }

    /// Adds consecutive pages from `start`, each a source or zeros, like [`Self::add`].
    ///
    /// # Errors
    ///
    /// [`DriverError`] with the page it stopped at; those before it stay added.
    pub fn add_run<'s, M: EpcMemory>(
        &self,
        enclave: &mut Enclave<M>,
        start: u64,
        secinfo: &SecInfo,
        sources: impl ExactSizeIterator<Item = Option<&'s [u8; 4096]>>,
        measured: bool,
    ) -> Result<(), DriverError> {
        let mut linaddr = start;
        let mut result = Ok(());
        let mut sources = sources.peekable();
        if let Some(Some(_)) = sources.peek() {
            let pages = sources.len() as u64;
            enclave.memory_mut().prepare(PageRun { start, pages });
        }
        for source in sources {
            result = self.add_waiting(enclave, linaddr, secinfo, source, measured);
            if result.is_err() {
                break;
            }
            linaddr = linaddr.saturating_add(PAGE_SIZE);
        }
        let settled = enclave.settle();
        result?;
        settled.map_err(|source| DriverError::Leaf { linaddr: start, source })
    }

    fn add_waiting<M: EpcMemory>(
        &self,
        enclave: &mut Enclave<M>,
        linaddr: u64,
        secinfo: &SecInfo,
        source: Option<&[u8; 4096]>,
        measured: bool,
    ) -> Result<(), DriverError> {
        self.check_room(enclave, 1)?;
        let leaf = |source| DriverError::Leaf { linaddr, source };
        enclave.eadd_waiting(linaddr, secinfo, source).map_err(leaf)?;
        if measured {
            enclave.eextend_page(linaddr).map_err(leaf)?;
        }
        Ok(())
    }

    /// Augments the absent pages of the 64-page block around `linaddr` that lie in `area` and
    /// follow each other without a valid page in between, the one of `linaddr` among them. Linux
    /// augments the one page; which it is shows only to code that accepts no page before it uses
    /// it.
    ///
    /// # Errors
    ///
    /// [`DriverError`], when not even the page of `linaddr` could be had. Returns the run
    /// augmented.
    pub fn augment_around<M: EpcMemory>(
        &self,
        enclave: &mut Enclave<M>,
        linaddr: u64,
        area: PageRun,
    ) -> Result<PageRun, DriverError> {
        let window = absent_window(enclave, page_of(linaddr), area);
        let progress = self.augment(enclave, window);
        if progress.result.is_ok() {
            return Ok(window);
        }
        if let Err(DriverError::Leaf { source: LeafError::Host(_), .. }) = progress.result {
            progress.result?;
        }
        let one = PageRun::one(page_of(linaddr));
        if enclave.entry(linaddr).is_none() {
            self.augment(enclave, one).result?;
        }
        Ok(one)
    }

    /// Augments the pages of a run, as faults on them would.
    pub fn augment<M: EpcMemory>(&self, enclave: &mut Enclave<M>, run: PageRun) -> Progress {
        match self.check_room(enclave, run.pages) {
            Ok(()) => Progress::new(run, enclave.eaug_run(run)),
            Err(error) => Progress { pages: 0, result: Err(error) },
        }
    }

    /// Restricts the permissions of a run (SGX_IOC_ENCLAVE_RESTRICT_PERMISSIONS).
    pub fn restrict<M: EpcMemory>(
        &self,
        enclave: &mut Enclave<M>,
        run: PageRun,
        permissions: SecInfoFlags,
    ) -> Progress {
        let secinfo = SecInfo { flags: permissions.permissions() };
        let done = enclave.emodpr_run(run, &secinfo);
        tracked(enclave, Progress::new(run, done))
    }

    /// Changes the type of a run to PT_TCS or PT_TRIM (SGX_IOC_ENCLAVE_MODIFY_TYPES).
    pub fn modify_types<M: EpcMemory>(
        &self,
        enclave: &mut Enclave<M>,
        run: PageRun,
        page_type: PageType,
    ) -> Progress {
        let secinfo = SecInfo::new(page_type, SecInfoFlags::empty());
        let done = enclave.emodt_run(run, &secinfo);
        tracked(enclave, Progress::new(run, done))
    }

    /// Removes a run of pages that were trimmed and accepted (SGX_IOC_ENCLAVE_REMOVE_PAGES).
    pub fn remove<M: EpcMemory>(&self, enclave: &mut Enclave<M>, run: PageRun) -> Progress {
        let removable = |entry: &Entry| entry.page_type == PageType::Trim && !entry.modified;
        let bad = run.addresses().find(|at| !enclave.entry(*at).is_some_and(removable));
        let pages = bad.map_or(run.pages, |at| (at - run.start) / PAGE_SIZE);
        let mut progress = Progress { pages: 0, result: Ok(()) };
        if pages > 0 {
            let run = PageRun { pages, ..run };
            progress = Progress::new(run, enclave.eremove_run(run));
        }
        if let (Ok(()), Some(linaddr)) = (progress.result, bad) {
            progress.result = Err(DriverError::NotTrimmed { linaddr });
        }
        progress
    }

    fn check_room<M>(&self, enclave: &Enclave<M>, pages: u64) -> Result<(), DriverError> {
        if enclave.valid_pages().saturating_add(pages) <= self.epc_pages {
            return Ok(());
        }
        Err(DriverError::EpcExhausted { limit: self.epc_pages })
    }
}

/// ETRACK and the interrupt that sends every thread out and in again.
fn tracked<M>(enclave: &mut Enclave<M>, progress: Progress) -> Progress {
    if progress.pages == 0 {
        return progress;
    }
    enclave.interrupt_all_threads();
    let tracked = enclave.etrack().map_err(DriverError::Track);
    enclave.interrupt_all_threads();
    Progress { result: progress.result.and(tracked), ..progress }
}

/// The longest run of absent pages around `page` in its 64-page block and in `area`.
fn absent_window<M>(enclave: &Enclave<M>, page: u64, area: PageRun) -> PageRun {
    const BLOCK: u64 = 64 * PAGE_SIZE;
    let first = (page - page % BLOCK).max(area.start).min(page);
    let last = (page - page % BLOCK).saturating_add(BLOCK).min(area.end()).max(page + PAGE_SIZE);
    let absent = |at: &u64| enclave.in_elrange(*at) && enclave.entry(*at).is_none();
    let run = |from: u64, to: u64| PageRun { start: from, pages: (to - from) / PAGE_SIZE };
    let before = run(first, page).addresses().collect::<Vec<_>>();
    let start = before.into_iter().rev().take_while(absent).last().unwrap_or(page);
    let after = run(page + PAGE_SIZE, last).addresses().take_while(absent).count() as u64;
    run(start, page + PAGE_SIZE + after * PAGE_SIZE)
}
