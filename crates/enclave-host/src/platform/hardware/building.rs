//! An enclave between ECREATE and EINIT.

use std::os::fd::AsRawFd as _;
use std::sync::Arc;

use sgx_types::{
    Align64, Align4096, AttributeFlags, PageType, SecInfo, SecInfoFlags, Secs, Sigstruct,
};

use super::driver::{DEVICE, PROVISION_DEVICE, SgxDriver};
use super::enclave::{Elrange, HardwareEnclave};
use super::pages::RangeRequest;
use super::request::{ADD_PAGES, CREATE, INIT, PAGE_MEASURE, PROVISION};
use super::vdso::EnterEnclave;
use crate::Error;
use crate::image::Page;
use crate::platform::{Building, Enclave, Errno, Pages};
use crate::stream::{Content, PageRun};

/// Pages of zeros that are handed to the driver at once.
const ZERO_PAGES: usize = 64;
static ZEROS: [Page; ZERO_PAGES] = [Align4096([0; 4096]); ZERO_PAGES];

/// First address that is mapped: what `vm.mmap_min_addr` allows on a usual system.
const FIRST_MAPPED: u64 = 0x1_0000;

/// See the module documentation.
#[derive(Debug)]
pub(super) struct HardwareBuilding {
    elrange: Elrange,
    enter: EnterEnclave,
    edmm: bool,
    /// What was added: pages and the access their mapping may have, by ascending address.
    added: Vec<(Pages, i32)>,
}

impl HardwareBuilding {
    pub(super) fn create(
        driver: &dyn SgxDriver,
        enter: EnterEnclave,
        secs: &Secs,
        edmm: bool,
    ) -> Result<Self, Error> {
        let file = driver.open().map_err(cannot_open)?;
        if secs.baseaddr != 0 {
            return Err(failed("create the enclave", Errno::EINVAL, "ELRANGE must start at 0"));
        }
        let pages = Pages { address: FIRST_MAPPED, len: secs.size.saturating_sub(FIRST_MAPPED) };
        let elrange = Elrange::reserve(file, pages).map_err(cannot_reserve)?;
        let page = Box::new(Align4096(secs.to_bytes()));
        // SAFETY: `page` is a SECS page that lives until the call returns.
        unsafe { elrange.file().ioctl(CREATE, &mut [address_of(&*page)]) }
            .map_err(cannot_create)?;
        if secs.attributes.flags.contains(AttributeFlags::PROVISIONKEY) {
            let device = driver.open_provision().map_err(cannot_provision)?;
            let fd = u64::from(device.as_raw_fd().unsigned_abs());
            // SAFETY: the request takes a number, no address. The descriptor is looked at during the call alone.
            unsafe { elrange.file().ioctl(PROVISION, &mut [fd]) }.map_err(cannot_provision)?;
        }
        Ok(Self { elrange, enter, edmm, added: Vec::new() })
    }

    /// Adds pages whose content lies at `source`.
    fn add(
        &self,
        address: u64,
        source: &[Page],
        secinfo: &SecInfo,
        measure: bool,
    ) -> Result<(), Error> {
        let secinfo = Align64(secinfo.to_bytes());
        let flags = if measure { PAGE_MEASURE } else { 0 };
        let first = source.as_ptr().addr() as u64;
        let argument = |done: u64, len: u64| {
            [first + done, address + done, len, address_of(&secinfo), flags, 0]
        };
        let request =
            RangeRequest { request: ADD_PAGES, argument: &argument, result: None, count: 5 };
        // SAFETY: `source` and `secinfo` live until the call returns, and `first + done` with `len`
        // bytes lies in `source`, since `done + len` is its length.
        let done = unsafe { request.run(self.elrange.file(), size_of_val(source) as u64) };
        match done.stopped {
            None => Ok(()),
            Some(errno) => Err(cannot_add(errno)),
        }
    }

    /// Maps what was added with the access it may have, and the gaps for pages to come.
    fn map(&self) -> Result<(), Error> {
        let map = |pages: Pages, protection| {
            self.elrange.file().map(pages.address, pages.len, protection).map_err(cannot_map)
        };
        let mut free = self.elrange.pages().address;
        let end = free + self.elrange.pages().len;
        for &(pages, protection) in &self.merged() {
            if self.edmm && pages.address > free {
                map(Pages { address: free, len: pages.address - free }, RWX)?;
            }
            map(pages, protection)?;
            free = pages.address + pages.len;
        }
        if self.edmm && end > free {
            map(Pages { address: free, len: end - free }, RWX)?;
        }
        Ok(())
    }

    /// The added ranges by ascending address, neighbours of one kind as one.
    fn merged(&self) -> Vec<(Pages, i32)> {
        let mut added = self.added.clone();
        added.sort_by_key(|(pages, _)| pages.address);
        let mut merged: Vec<(Pages, i32)> = Vec::new();
        for (pages, protection) in added {
            match merged.last_mut() {
                Some((last, same))
                    if *same == protection && last.address + last.len == pages.address =>
                {
                    last.len += pages.len;
                }
                _ => merged.push((pages, protection)),
            }
        }
        merged
    }
}

const RWX: i32 = libc::PROT_READ | libc::PROT_WRITE | libc::PROT_EXEC;

impl Building for HardwareBuilding {
    fn add_pages(&mut self, run: &PageRun<'_>) -> Result<(), Error> {
        match run.content {
            Content::Pages(pages) => self.add(run.address, pages, &run.secinfo, run.measured)?,
            Content::Zeros(count) => {
                let mut address = run.address;
                let end = run.address + count * 4096;
                while address < end {
                    let left = usize::try_from((end - address) / 4096).unwrap_or(ZERO_PAGES);
                    let zeros = &ZEROS[..left.min(ZERO_PAGES)];
                    self.add(address, zeros, &run.secinfo, run.measured)?;
                    address += size_of_val(zeros) as u64;
                }
            }
        }
        let pages = Pages { address: run.address, len: run.count() * 4096 };
        if pages.len > 0 {
            self.added.push((pages, protection(&run.secinfo)));
        }
        Ok(())
    }

    fn init(self: Box<Self>, sigstruct: &Sigstruct) -> Result<Arc<dyn Enclave>, Error> {
        let page = Align4096(sigstruct.to_bytes());
        for _ in 0..100 {
            // SAFETY: `page` is a SIGSTRUCT that lives until the call returns.
            match unsafe { self.elrange.file().ioctl(INIT, &mut [address_of(&page)]) } {
                Ok(()) => {
                    self.map()?;
                    return Ok(Arc::new(HardwareEnclave::new(self.elrange, self.enter)));
                }
                Err(Errno::EINTR | Errno::EBUSY) => std::thread::yield_now(),
                Err(errno) => return Err(cannot_init(errno)),
            }
        }
        Err(cannot_init(Errno::EINTR))
    }
}

/// The most access the driver grants to a mapping of such a page: its EPCM permissions, and read
/// and write for a TCS.
fn protection(secinfo: &SecInfo) -> i32 {
    if secinfo.flags.page_type() == Some(PageType::Tcs) {
        return libc::PROT_READ | libc::PROT_WRITE;
    }
    [
        (SecInfoFlags::R, libc::PROT_READ),
        (SecInfoFlags::W, libc::PROT_WRITE),
        (SecInfoFlags::X, libc::PROT_EXEC),
    ]
    .into_iter()
    .filter(|(bit, _)| secinfo.flags.contains(*bit))
    .fold(0, |all, (_, protection)| all | protection)
}

fn address_of<T>(value: &T) -> u64 {
    std::ptr::from_ref(value).addr() as u64
}

fn failed(step: &'static str, errno: Errno, advice: &str) -> Error {
    let source = std::io::Error::from_raw_os_error(errno.number());
    Error::Platform { step, advice: advice.into(), source }
}

fn cannot_open(errno: Errno) -> Error {
    let advice = match errno.number() {
        libc::ENOENT => format!(
            "{DEVICE} does not exist; the kernel needs SGX support (CONFIG_X86_SGX, Linux 5.11) and \
             SGX must be enabled in the BIOS, and in a container the device must be passed in"
        ),
        libc::EACCES | libc::EPERM => {
            format!("{DEVICE} is not accessible; add the user to its group (often `sgx`)")
        }
        _ => format!("{DEVICE} cannot be opened; see `casemate doctor`"),
    };
    failed("open the SGX device", errno, &advice)
}

fn cannot_reserve(errno: Errno) -> Error {
    let advice = match errno.number() {
        libc::EEXIST => {
            "something is mapped in it already; casemate must be a position-independent executable \
             and personality READ_IMPLIES_EXEC or ADDR_COMPAT_LAYOUT must be off"
        }
        libc::EPERM => "vm.mmap_min_addr is above 65536; set it to 65536 or less",
        libc::ENOMEM => {
            "RLIMIT_AS (ulimit -v) or vm.overcommit_memory forbids a reservation this large"
        }
        _ => "see `casemate doctor`",
    };
    failed("reserve ELRANGE", errno, advice)
}

fn cannot_create(errno: Errno) -> Error {
    let advice = match errno {
        Errno::EIO => "the processor refused the SECS; ELRANGE may be larger than it allows",
        Errno::ENOMEM => {
            "no EPC memory is left; end another enclave, or enlarge the EPC in the BIOS"
        }
        _ => "see `casemate doctor`",
    };
    failed("create the enclave (ECREATE)", errno, advice)
}

fn cannot_provision(errno: Errno) -> Error {
    let advice = match errno.number() {
        libc::ENOENT => {
            format!("{PROVISION_DEVICE} does not exist; the kernel lacks it, or the container")
        }
        libc::EACCES | libc::EPERM => {
            format!(
                "{PROVISION_DEVICE} is not accessible; add the user to its group (often `sgx_prv`)"
            )
        }
        _ => "the kernel does not grant the provisioning key to this enclave".into(),
    };
    failed("grant the enclave the provisioning key", errno, &advice)
}

fn cannot_add(errno: Errno) -> Error {
    let advice = match errno {
        Errno::ENOMEM => {
            "EPC memory is exhausted; lower enclave.heap or enclave.threads, or end another enclave"
        }
        Errno::EACCES => "memory of this process may not be executed; is it under a noexec policy?",
        Errno::EBUSY => "a page is there already, or another thread is using the enclave",
        Errno::EIO => "the processor refused a page; the machine may have slept since ECREATE",
        _ => "see `casemate doctor`",
    };
    failed("add pages to the enclave (EADD)", errno, advice)
}

fn cannot_init(errno: Errno) -> Error {
    let advice = match errno {
        Errno::EPERM => {
            "the processor refused the signature, its attributes or the measurement; check it with \
             `casemate inspect`"
        }
        Errno::EACCES => "the enclave asks for the provisioning key, which is not granted",
        Errno::EINVAL => "the signature demands attributes that this processor does not have",
        Errno::EIO => "the EPC was lost; did the machine sleep?",
        _ => "see `casemate doctor`",
    };
    failed("initialise the enclave (EINIT)", errno, advice)
}

fn cannot_map(errno: Errno) -> Error {
    let advice = match errno {
        Errno::EACCES => {
            "the kernel refused the access a page was added with; is /dev mounted noexec, or is \
             personality READ_IMPLIES_EXEC set?"
        }
        Errno::ENOMEM => "too many mappings; raise vm.max_map_count",
        _ => "see `casemate doctor`",
    };
    failed("map the enclave", errno, advice)
}
