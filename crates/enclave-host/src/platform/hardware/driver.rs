//! The calls the kernel's SGX driver takes, as a seam: Linux here, a model of it in tests.

use std::fs::File;
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::path::Path;

use crate::platform::Errno;

/// The device that makes enclaves.
pub const DEVICE: &str = "/dev/sgx_enclave";
/// The device whose descriptor grants the provisioning key.
pub const PROVISION_DEVICE: &str = "/dev/sgx_provision";

/// Opens the devices.
pub trait SgxDriver: Send + Sync + std::fmt::Debug {
    /// Opens [`DEVICE`]: one open file is one enclave.
    ///
    /// # Errors
    /// What `open(2)` says.
    fn open(&self) -> Result<Box<dyn SgxFile>, Errno>;

    /// Opens [`PROVISION_DEVICE`].
    ///
    /// # Errors
    /// What `open(2)` says.
    fn open_provision(&self) -> Result<OwnedFd, Errno>;
}

/// An open [`DEVICE`].
pub trait SgxFile: Send + Sync + std::fmt::Debug {
    /// `ioctl(2)`. `argument` is the request's structure: all of them are arrays of `u64`.
    ///
    /// # Errors
    /// What the driver says; `argument` may have been written nevertheless.
    ///
    /// # Safety
    /// Every word of `argument` that the request defines as an address must be the address of
    /// memory that stays readable, as long as the request defines, until the call returns.
    unsafe fn ioctl(&self, request: u64, argument: &mut [u64]) -> Result<(), Errno>;

    /// Reserves addresses: nothing else will be mapped there, and no access is possible.
    ///
    /// # Errors
    /// What `mmap(2)` says, EEXIST if something is mapped there already.
    fn reserve(&self, address: u64, len: u64) -> Result<(), Errno>;

    /// Maps enclave pages at their addresses, which have been reserved.
    ///
    /// # Errors
    /// What `mmap(2)` says: EACCES if `protection` exceeds what a page was added with.
    fn map(&self, address: u64, len: u64, protection: i32) -> Result<(), Errno>;

    /// Gives addresses back.
    fn unmap(&self, address: u64, len: u64);
}

/// The driver of the running kernel.
#[derive(Debug)]
pub struct LinuxDriver;

impl SgxDriver for LinuxDriver {
    fn open(&self) -> Result<Box<dyn SgxFile>, Errno> {
        let file = File::options().read(true).write(true).open(Path::new(DEVICE));
        Ok(Box::new(LinuxFile(file.map_err(|error| Errno::of(&error))?)))
    }

    fn open_provision(&self) -> Result<OwnedFd, Errno> {
        let file = File::open(Path::new(PROVISION_DEVICE));
        Ok(file.map_err(|error| Errno::of(&error))?.into())
    }
}

#[derive(Debug)]
struct LinuxFile(File);

impl SgxFile for LinuxFile {
    unsafe fn ioctl(&self, request: u64, argument: &mut [u64]) -> Result<(), Errno> {
        // SAFETY: 1. the kernel writes at most the structure, whose size is part of the request's
        // number and is that of `argument` (see `request::number`); 2. the addresses in it are
        // readable, which the caller promises.
        let result = unsafe { libc::ioctl(self.0.as_raw_fd(), request, argument.as_mut_ptr()) };
        if result == 0 { Ok(()) } else { Err(Errno::last()) }
    }

    fn reserve(&self, address: u64, len: u64) -> Result<(), Errno> {
        let flags = libc::MAP_PRIVATE
            | libc::MAP_ANONYMOUS
            | libc::MAP_NORESERVE
            | libc::MAP_FIXED_NOREPLACE;
        // SAFETY: MAP_FIXED_NOREPLACE replaces no mapping.
        unsafe { mmap(address, len, libc::PROT_NONE, flags, -1) }
    }

    fn map(&self, address: u64, len: u64, protection: i32) -> Result<(), Errno> {
        let flags = libc::MAP_SHARED | libc::MAP_FIXED;
        // SAFETY: replaces only what `reserve` reserved, where no Rust object lives.
        unsafe { mmap(address, len, protection, flags, self.0.as_raw_fd()) }
    }

    fn unmap(&self, address: u64, len: u64) {
        let (Ok(address), Ok(len)) = (usize::try_from(address), usize::try_from(len)) else {
            return;
        };
        // SAFETY: removes only what `reserve` reserved, where no Rust object lives.
        unsafe { libc::munmap(std::ptr::without_provenance_mut(address), len) };
    }
}

/// `mmap(2)` at a fixed address.
///
/// # Safety
/// Mappings that `flags` allow to be replaced must hold nothing that is used.
unsafe fn mmap(address: u64, len: u64, protection: i32, flags: i32, fd: i32) -> Result<(), Errno> {
    let wanted = usize::try_from(address).map_err(|_| Errno::EINVAL)?;
    let len = usize::try_from(len).map_err(|_| Errno::EINVAL)?;
    let hint = std::ptr::without_provenance_mut(wanted);
    // SAFETY: the caller's promise.
    let mapped = unsafe { libc::mmap(hint, len, protection, flags, fd, 0) };
    if mapped == libc::MAP_FAILED {
        return Err(Errno::last());
    }
    if mapped.addr() != wanted {
        // A kernel before 4.17 takes MAP_FIXED_NOREPLACE for a hint.
        // SAFETY: the mapping was made above and nothing refers to it.
        unsafe { libc::munmap(mapped, len) };
        return Err(Errno::new(libc::EEXIST));
    }
    Ok(())
}
