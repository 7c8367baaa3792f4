//! A model of the kernel's SGX driver that enforces its documented rules.
//!
//! Rules are those of `Documentation/arch/x86/sgx.rst` and of the comments over each request in
//! `arch/x86/kernel/cpu/sgx/ioctl.c` and `encl.c`. It keeps what matters to software: which pages
//! there are, their type, EPCM and mapping permissions, what they wait for, and the measurement.
//! Faults (partial counts, EINTR, EAGAIN, EBUSY) are injected by a counter, so they repeat.
//! Not modelled: swapping, several processors.
#![allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "values in tests are small"
)]

use std::collections::BTreeMap;
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::sync::{Arc, Mutex, MutexGuard};

use sgx_types::{
    AttributeFlags, Measurement, Mrenclave, PageType, SecInfo, SecInfoFlags, Secs, Sigstruct,
};

use super::driver::{SgxDriver, SgxFile};
use super::request::{
    ADD_PAGES, CREATE, INIT, MODIFY_TYPES, PAGE_MEASURE, PROVISION, REMOVE_PAGES,
    RESTRICT_PERMISSIONS,
};
use crate::platform::Errno;

const PAGE: u64 = 4096;
/// SGX_PAGE_NOT_MODIFIABLE.
const NOT_MODIFIABLE: u64 = 20;

/// The modelled machine: keeps hold of its one enclave for the tests to look at.
#[derive(Debug, Clone, Default)]
pub(super) struct ModelDriver {
    pub(super) state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
pub(super) struct State {
    pub(super) sgx1_only: bool,
    /// Whether the provisioning device can be opened.
    pub(super) may_provision: bool,
    /// Its open descriptor.
    provision_fd: Option<u64>,
    /// SGX_IOC_ENCLAVE_PROVISION was made with it.
    pub(super) provisioned: bool,
    pub(super) faults: Faults,
    secs: Option<Secs>,
    measurement: Option<Measurement>,
    pub(super) mrenclave: Option<Mrenclave>,
    pub(super) pages: BTreeMap<u64, ModelPage>,
    reserved: Option<(u64, u64)>,
    /// Mappings by address: end and protection.
    pub(super) maps: BTreeMap<u64, (u64, i32)>,
    pub(super) requests: u64,
}

/// What goes wrong on purpose. Every n-th request (0: never) is answered so.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct Faults {
    /// With EINTR, nothing done.
    pub(super) eintr: u64,
    /// With EBUSY, nothing done.
    pub(super) ebusy: u64,
    /// After this many pages of a request: success with a partial count when adding, EAGAIN when
    /// changing. 0: never.
    pub(super) pages_at_once: u64,
    /// No EPC page is left after this many. 0: no limit.
    pub(super) epc_pages: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ModelPage {
    pub(super) page_type: PageType,
    /// EPCM permissions.
    pub(super) permissions: SecInfoFlags,
    /// What a mapping may have at most (`vm_max_prot_bits`).
    pub(super) vm_max_prot: i32,
    /// What EACCEPT must see before the page is of use.
    pub(super) waits: Waits,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Waits {
    No,
    /// After EAUG.
    Pending,
    /// After EMODT.
    Modified,
    /// After EMODPR.
    Restricted,
}

impl SgxDriver for ModelDriver {
    fn open(&self) -> Result<Box<dyn SgxFile>, Errno> {
        Ok(Box::new(ModelFile { state: Arc::clone(&self.state) }))
    }

    fn open_provision(&self) -> Result<OwnedFd, Errno> {
        if !self.lock().may_provision {
            return Err(Errno::EACCES);
        }
        // Any descriptor will do: the model knows it by its number.
        let file = std::fs::File::open("/dev/null").map_err(|error| Errno::of(&error))?;
        self.lock().provision_fd = Some(u64::from(file.as_raw_fd().unsigned_abs()));
        Ok(file.into())
    }
}

impl ModelDriver {
    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    /// A fault inside the enclave on an address: absent pages are augmented (EAUG), as the driver's
    /// fault handler does, if a mapping with this access is there.
    pub(super) fn fault(&self, address: u64, access: i32) -> Result<(), Errno> {
        let mut state = self.lock();
        let page = address / PAGE * PAGE;
        let map = state.maps.range(..=page).next_back().map(|(_, map)| *map);
        if !map.is_some_and(|(end, prot)| page < end && prot & access == access) {
            return Err(Errno::EFAULT);
        }
        if state.mrenclave.is_none() || state.sgx1_only {
            return Err(Errno::EFAULT);
        }
        state.pages.entry(page).or_insert(ModelPage {
            page_type: PageType::Reg,
            permissions: SecInfoFlags::R | SecInfoFlags::W,
            vm_max_prot: libc::PROT_READ | libc::PROT_WRITE | libc::PROT_EXEC,
            waits: Waits::Pending,
        });
        Ok(())
    }

    /// EACCEPT from inside.
    pub(super) fn accept(&self, address: u64) -> bool {
        let mut state = self.lock();
        let page = state.pages.get_mut(&address);
        page.is_some_and(|page| std::mem::replace(&mut page.waits, Waits::No) != Waits::No)
    }
}

#[derive(Debug)]
struct ModelFile {
    state: Arc<Mutex<State>>,
}

impl SgxFile for ModelFile {
    unsafe fn ioctl(&self, request: u64, argument: &mut [u64]) -> Result<(), Errno> {
        let mut state = self.state.lock().unwrap();
        assert_eq!(argument.len() as u64, super::request::words(request), "size of the argument");
        state.requests += 1;
        let due = |every: u64| every != 0 && state.requests.is_multiple_of(every);
        if due(state.faults.eintr) {
            return Err(Errno::EINTR);
        }
        if due(state.faults.ebusy) {
            return Err(Errno::EBUSY);
        }
        match request {
            // SAFETY: the caller's promise about addresses, for each.
            CREATE => state.create(unsafe { bytes_at(argument[0]) }),
            ADD_PAGES => {
                let [src, offset, length, secinfo, flags, count] = argument else { unreachable!() };
                // SAFETY: as above.
                let secinfo = unsafe { bytes_at(*secinfo) };
                // SAFETY: as above.
                let page = |at: u64| unsafe { bytes_at::<4096>(*src + at) };
                state.check_source(*src)?;
                state.add_pages(*offset, *length, &secinfo, *flags, &page, count)
            }
            PROVISION if state.provision_fd == Some(argument[0]) => {
                state.provisioned = true;
                Ok(())
            }
            PROVISION => Err(Errno::EINVAL),
            // SAFETY: as above.
            INIT => state.init(unsafe { bytes_at(argument[0]) }),
            RESTRICT_PERMISSIONS | MODIFY_TYPES => {
                let [offset, length, value, result, count] = argument else { unreachable!() };
                state.check_change(*offset, *length)?;
                if (*result, *count) != (0, 0) {
                    return Err(Errno::EINVAL);
                }
                state.change(request, *offset, *length, *value, result, count)
            }
            REMOVE_PAGES => {
                let [offset, length, count] = argument else { unreachable!() };
                state.check_change(*offset, *length)?;
                if *count != 0 {
                    return Err(Errno::EINVAL);
                }
                state.remove(*offset, *length, count)
            }
            _ => Err(Errno::new(libc::ENOTTY)),
        }
    }

    fn reserve(&self, address: u64, len: u64) -> Result<(), Errno> {
        if address < 0x1_0000 {
            return Err(Errno::EPERM);
        }
        self.state.lock().unwrap().reserved = Some((address, address + len));
        Ok(())
    }

    fn map(&self, address: u64, len: u64, protection: i32) -> Result<(), Errno> {
        let mut state = self.state.lock().unwrap();
        let end = address + len;
        let size = state.secs.as_ref().map_or(0, |secs| secs.size);
        let (first, last) = state.reserved.expect("mapped over what was not reserved");
        assert!(first <= address && end <= last, "MAP_FIXED outside the reservation");
        if end > size || len == 0 || !(address | len).is_multiple_of(PAGE) {
            return Err(Errno::EACCES);
        }
        let over = |page: &ModelPage| protection & !page.vm_max_prot != 0;
        if state.pages.range(address..end).any(|(_, page)| over(page)) {
            return Err(Errno::EACCES);
        }
        state.maps.insert(address, (end, protection));
        Ok(())
    }

    fn unmap(&self, address: u64, len: u64) {
        let mut state = self.state.lock().unwrap();
        assert_eq!(state.reserved, Some((address, address + len)));
        state.reserved = None;
        state.maps.clear();
    }
}

/// Copies what the kernel would copy.
///
/// # Safety
/// `address` must be that of `N` readable bytes.
unsafe fn bytes_at<const N: usize>(address: u64) -> [u8; N] {
    let pointer = std::ptr::with_exposed_provenance::<[u8; N]>(address as usize);
    // SAFETY: the caller's promise.
    unsafe { pointer.read_unaligned() }
}

impl State {
    fn create(&mut self, secs: [u8; 4096]) -> Result<(), Errno> {
        if self.secs.is_some() {
            return Err(Errno::EINVAL);
        }
        let secs = Secs::from_bytes(&secs).map_err(|_| Errno::EIO)?;
        if !secs.size.is_power_of_two() {
            return Err(Errno::EINVAL);
        }
        if !secs.baseaddr.is_multiple_of(secs.size) || secs.attributes.xfrm.bits() & 3 != 3 {
            return Err(Errno::EIO);
        }
        self.measurement = Some(Measurement::ecreate(secs.ssaframesize, secs.size));
        self.secs = Some(secs);
        Ok(())
    }

    fn check_source(&self, src: u64) -> Result<(), Errno> {
        if src.is_multiple_of(PAGE) { Ok(()) } else { Err(Errno::EINVAL) }
    }

    fn check_range(&self, offset: u64, length: u64) -> Result<(), Errno> {
        let size = self.secs.as_ref().ok_or(Errno::EINVAL)?.size;
        let end = offset.checked_add(length).ok_or(Errno::EINVAL)?;
        let aligned = (offset | length).is_multiple_of(PAGE);
        if aligned && length > 0 && end <= size { Ok(()) } else { Err(Errno::EINVAL) }
    }

    fn check_change(&self, offset: u64, length: u64) -> Result<(), Errno> {
        if self.sgx1_only {
            return Err(Errno::ENODEV);
        }
        if self.mrenclave.is_none() {
            return Err(Errno::EINVAL);
        }
        self.check_range(offset, length)
    }

    /// Whether `done` bytes are as much as one request gets done.
    fn pauses(&self, done: u64) -> bool {
        self.faults.pages_at_once != 0 && done == self.faults.pages_at_once * PAGE
    }

    fn add_pages(
        &mut self,
        offset: u64,
        length: u64,
        secinfo: &[u8; 64],
        flags: u64,
        page: &dyn Fn(u64) -> [u8; 4096],
        count: &mut u64,
    ) -> Result<(), Errno> {
        if self.mrenclave.is_some() {
            return Err(Errno::EINVAL);
        }
        self.check_range(offset, length)?;
        let secinfo = SecInfo::from_bytes(secinfo).map_err(|_| Errno::EINVAL)?;
        let new = ModelPage::added(&secinfo)?;
        *count = 0;
        while *count < length {
            // A pending signal ends the request with what it has done and no error.
            if self.pauses(*count) {
                return Ok(());
            }
            let address = offset + *count;
            if self.faults.epc_pages != 0 && self.pages.len() as u64 >= self.faults.epc_pages {
                return Err(Errno::ENOMEM);
            }
            if self.pages.insert(address, new).is_some() {
                return Err(Errno::EBUSY);
            }
            let measurement = self.measurement.as_mut().ok_or(Errno::EINVAL)?;
            if flags & PAGE_MEASURE != 0 {
                measurement.page(address, &secinfo, &page(*count));
            } else {
                assert!(page(*count).iter().all(|&b| b == 0), "unmeasured pages are zero");
                measurement.eadd(address, &secinfo);
            }
            *count += PAGE;
        }
        Ok(())
    }

    fn init(&mut self, sigstruct: [u8; 1808]) -> Result<(), Errno> {
        let (Some(secs), None) = (&self.secs, self.mrenclave) else { return Err(Errno::EINVAL) };
        if secs.attributes.flags.contains(AttributeFlags::PROVISIONKEY) && !self.provisioned {
            return Err(Errno::EACCES);
        }
        let sigstruct = Sigstruct::from_bytes(&sigstruct).map_err(|_| Errno::EINVAL)?;
        let measurement = self.measurement.clone().ok_or(Errno::EINVAL)?;
        let mrenclave = measurement.finish();
        let mask = sigstruct.attributemask;
        let fits = secs.attributes.masked(mask) == sigstruct.attributes.masked(mask)
            && secs.miscselect & sigstruct.miscmask == sigstruct.miscselect & sigstruct.miscmask;
        if !fits || sigstruct.enclavehash != mrenclave {
            return Err(Errno::EPERM);
        }
        self.mrenclave = Some(mrenclave);
        Ok(())
    }

    fn change(
        &mut self,
        request: u64,
        offset: u64,
        length: u64,
        value: u64,
        result: &mut u64,
        count: &mut u64,
    ) -> Result<(), Errno> {
        let restrict = request == RESTRICT_PERMISSIONS;
        if restrict && (value & !7 != 0 || value & 3 == 2) {
            return Err(Errno::EINVAL);
        }
        let new_type = u8::try_from(value).ok().and_then(PageType::from_number);
        while *count < length {
            if self.pauses(*count) {
                return Err(Errno::EAGAIN);
            }
            let page = self.pages.get_mut(&(offset + *count)).ok_or(Errno::EFAULT)?;
            let changed = if restrict {
                page.restrict(SecInfoFlags::from_bits(value))
            } else {
                page.modify(new_type.ok_or(Errno::EINVAL)?)
            };
            if changed? == NOT_MODIFIABLE {
                *result = NOT_MODIFIABLE;
                return Err(Errno::EFAULT);
            }
            *count += PAGE;
        }
        Ok(())
    }

    fn remove(&mut self, offset: u64, length: u64, count: &mut u64) -> Result<(), Errno> {
        while *count < length {
            if self.pauses(*count) {
                return Err(Errno::EAGAIN);
            }
            let page = *self.pages.get(&(offset + *count)).ok_or(Errno::EFAULT)?;
            if page.page_type != PageType::Trim || page.waits != Waits::No {
                return Err(Errno::EPERM);
            }
            self.pages.remove(&(offset + *count));
            *count += PAGE;
        }
        Ok(())
    }
}

impl ModelPage {
    fn added(secinfo: &SecInfo) -> Result<Self, Errno> {
        let permissions = secinfo.flags.permissions();
        let page_type = secinfo.flags.page_type().ok_or(Errno::EINVAL)?;
        let wanted = SecInfo::new(page_type, permissions);
        let write_only =
            permissions.contains(SecInfoFlags::W) && !permissions.contains(SecInfoFlags::R);
        let vm_max_prot = match page_type {
            PageType::Tcs if permissions.is_empty() => libc::PROT_READ | libc::PROT_WRITE,
            // PROT_READ, PROT_WRITE and PROT_EXEC are the bits of R, W and X.
            PageType::Reg if !write_only => i32::try_from(permissions.bits()).unwrap(),
            _ => return Err(Errno::EINVAL),
        };
        if *secinfo != wanted {
            return Err(Errno::EINVAL);
        }
        Ok(Self { page_type, permissions, vm_max_prot, waits: Waits::No })
    }

    /// EMODPR then ETRACK.
    fn restrict(&mut self, permissions: SecInfoFlags) -> Result<u64, Errno> {
        if self.page_type != PageType::Reg {
            return Err(Errno::EINVAL);
        }
        if matches!(self.waits, Waits::Pending | Waits::Modified) {
            return Ok(NOT_MODIFIABLE);
        }
        self.permissions = self.permissions & permissions;
        self.waits = Waits::Restricted;
        Ok(0)
    }

    /// EMODT then ETRACK.
    fn modify(&mut self, page_type: PageType) -> Result<u64, Errno> {
        let allowed = matches!(
            (self.page_type, page_type),
            (PageType::Reg, PageType::Tcs | PageType::Trim) | (PageType::Tcs, PageType::Trim)
        );
        if !allowed {
            return Err(Errno::EINVAL);
        }
        if page_type == PageType::Tcs && self.vm_max_prot & 3 != 3 {
            return Err(Errno::EPERM);
        }
        if matches!(self.waits, Waits::Pending | Waits::Modified) {
            return Ok(NOT_MODIFIABLE);
        }
        self.page_type = page_type;
        self.waits = Waits::Modified;
        Ok(0)
    }
}
