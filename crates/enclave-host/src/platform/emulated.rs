//! The emulated platform: crate `sgx-emu` behind the seam.

use std::cell::RefCell;
use std::io;
use std::sync::Arc;

use enclave_abi::entry::{ENTER_EXCEPTION, EXIT_RESUME};
use sgx_emu::exec::{self, AttachedThread, EmulatedEnclave, Options, Relay, Strict};
use sgx_emu::model::Processor;
use sgx_emu::model::driver::{DriverError, Progress};
use sgx_emu::model::encls::LaunchControl;
use sgx_emu::model::platform::Platform as Identity;
use sgx_types::{Attributes, PageType, Report, SecInfoFlags, Secs, Sigstruct, TargetInfo};

use super::{
    Building, Capabilities, Enclave, Entry, Errno, Exception, Left, Pages, PagesDone, Platform,
};
use crate::Error;
use crate::image::Image;
use crate::stream::{Content, PageRun, PageStream};

/// Makes quotes about reports of an emulated platform.
pub trait Quoter: Send + Sync {
    /// TARGETINFO of the quoting enclave.
    fn target(&self) -> TargetInfo;

    /// A quote about a REPORT.
    ///
    /// # Errors
    /// Why there is none.
    fn quote(&self, report: &Report) -> Result<Vec<u8>, String>;
}

/// How the emulator runs enclaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Settings {
    /// How strictly hardware is imitated.
    pub strict: Strict,
    /// Time-stamp-counter cycles an entry and its exit take together.
    pub transition_cycles: u64,
    /// Bytes of EPC the machine has; `None`: as many as asked for.
    pub epc_bytes: Option<u64>,
}

/// An emulated machine.
pub struct Emulated {
    identity: Arc<Identity>,
    processor: Processor,
    settings: Settings,
    image: (u64, u64),
    sites: Vec<u64>,
    quoter: Option<Box<dyn Quoter>>,
}

impl std::fmt::Debug for Emulated {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Emulated").field("settings", &self.settings).finish_non_exhaustive()
    }
}

impl Emulated {
    /// An emulated machine with this identity.
    ///
    /// # Errors
    /// [`Error::Platform`] when this machine cannot carry the emulator.
    pub fn new(
        identity: Identity,
        settings: Settings,
        quoter: Option<Box<dyn Quoter>>,
    ) -> Result<Self, Error> {
        let processor = exec::processor_of_this_machine()
            .map_err(|error| failed("set up the emulator", error))?;
        let identity = Arc::new(identity);
        Ok(Self { identity, processor, settings, image: (0, 0), sites: Vec::new(), quoter })
    }

    /// Names the ENCLU sites of the image that will be loaded, which the emulator replaces by jumps. Without,
    /// each of them costs a signal.
    #[must_use]
    pub fn with_image(mut self, image: &Image, stream: &PageStream<'_>) -> Self {
        let base = stream.layout().image();
        self.sites = image.enclu_sites().iter().map(|offset| base + offset).collect();
        // Entry, exit and exceptions: from the entry point to the last ENCLU.
        let end = self.sites.iter().max().map_or(base, |site| site + 8);
        self.image = (base + image.entry(), end);
        self
    }
}

fn failed(step: &'static str, error: exec::Error) -> Error {
    let advice = error.to_string();
    let source = match error {
        exec::Error::Host { source, .. } => source,
        other => io::Error::other(other),
    };
    Error::Platform { step, advice, source }
}

impl Platform for Emulated {
    fn name(&self) -> &'static str {
        "emulated"
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities {
            attributes: Attributes { flags: self.processor.attributes, xfrm: self.processor.xfrm },
            miscselect: self.processor.miscselect,
            edmm: true,
        }
    }

    fn create(&self, secs: &Secs) -> Result<Box<dyn Building>, Error> {
        let options = Options {
            strict: self.settings.strict,
            transition_cycles: self.settings.transition_cycles,
            image: self.image,
            epc_pages: self.settings.epc_bytes.map(|bytes| bytes / 4096),
            relay: Some(Relay { enter: ENTER_EXCEPTION, resume: EXIT_RESUME }),
        };
        let enclave =
            EmulatedEnclave::create(Arc::clone(&self.identity), &self.processor, secs, options)
                .map_err(|error| failed("create the enclave", error))?;
        Ok(Box::new(EmulatedBuilding { enclave, sites: self.sites.clone() }))
    }

    fn quote_target(&self) -> Result<TargetInfo, Error> {
        Ok(self.quoter()?.target())
    }

    fn quote(&self, report: &Report) -> Result<Vec<u8>, Error> {
        self.quoter()?.quote(report).map_err(|reason| Error::Quoting { reason })
    }
}

impl Emulated {
    fn quoter(&self) -> Result<&dyn Quoter, Error> {
        let none =
            || Error::Quoting { reason: "this emulated machine has no quoting service".into() };
        self.quoter.as_deref().ok_or_else(none)
    }
}

#[derive(Debug)]
struct EmulatedBuilding {
    enclave: EmulatedEnclave,
    sites: Vec<u64>,
}

impl Building for EmulatedBuilding {
    fn add_pages(&mut self, run: &PageRun<'_>) -> Result<(), Error> {
        let added = match run.content {
            Content::Pages(pages) => {
                let sources = pages.iter().map(|page| Some(&page.0));
                self.enclave.add_run(run.address, &run.secinfo, sources, run.measured)
            }
            Content::Zeros(count) => {
                let sources = std::iter::repeat_n(None, usize::try_from(count).unwrap_or(0));
                self.enclave.add_run(run.address, &run.secinfo, sources, run.measured)
            }
        };
        added.map_err(|error| failed("add pages to the enclave", error))
    }

    fn init(mut self: Box<Self>, sigstruct: &Sigstruct) -> Result<Arc<dyn Enclave>, Error> {
        self.enclave
            .init(&sigstruct.to_bytes(), &LaunchControl::default(), &self.sites)
            .map_err(|error| failed("initialise the enclave", error))?;
        Ok(Arc::new(EmulatedRunning { enclave: self.enclave }))
    }
}

#[derive(Debug)]
struct EmulatedRunning {
    enclave: EmulatedEnclave,
}

thread_local! {
    static ATTACHED: RefCell<Option<AttachedThread>> = const { RefCell::new(None) };
}

impl Enclave for EmulatedRunning {
    fn attach_thread(&self) -> Result<(), Error> {
        let thread = self
            .enclave
            .attach_thread()
            .map_err(|error| failed("prepare a thread for the enclave", error))?;
        ATTACHED.with(|slot| *slot.borrow_mut() = Some(thread));
        Ok(())
    }

    unsafe fn enter(&self, entry: &Entry) -> Left {
        // SAFETY: the caller's promise.
        match unsafe { self.enclave.enter(entry.tcs, entry.function, entry.registers) } {
            exec::Left::Exit(registers) => Left::Exit(registers),
            exec::Left::Exception { function, vector, error_code, address } => {
                Left::Exception(Exception {
                    function,
                    vector: u16::from(vector),
                    error_code: u16::try_from(error_code & 0xffff).unwrap_or(0),
                    address: address & !0xfff,
                })
            }
            // Only for entries that heed signals, which `enter` does not.
            exec::Left::Signalled(_) => Left::Refused(Errno::EINTR),
            exec::Left::Refused => Left::Refused(Errno::EINVAL),
        }
    }

    fn on_interrupt(&self, signal: i32, handler: fn(in_enclave: bool)) -> Result<(), Error> {
        exec::on_interrupt(signal, handler).map_err(|error| failed("handle a signal", error))
    }

    fn restrict(&self, pages: Pages, permissions: SecInfoFlags) -> PagesDone {
        done(self.enclave.restrict(pages.address, pages.len, permissions))
    }

    fn modify_type(&self, pages: Pages, page_type: PageType) -> PagesDone {
        done(self.enclave.modify_type(pages.address, pages.len, page_type))
    }

    fn remove(&self, pages: Pages) -> PagesDone {
        done(self.enclave.remove(pages.address, pages.len))
    }

    fn transitions(&self) -> super::Transitions {
        let stats = self.enclave.stats();
        super::Transitions {
            entries: stats.entries,
            exits: stats.exits,
            exceptions: stats.exceptions,
            interrupts: stats.interrupts,
        }
    }
}

fn done(progress: Progress) -> PagesDone {
    let stopped = match progress.result {
        Ok(()) => None,
        Err(DriverError::EpcExhausted { .. }) => Some(Errno::ENOMEM),
        Err(DriverError::NotTrimmed { .. }) => Some(Errno::EPERM),
        Err(_) => Some(Errno::EFAULT),
    };
    PagesDone { bytes: progress.pages * 4096, stopped }
}
