//! Application memory, with faults resolved: pages that are mapped but not committed are committed
//! on the way, everything else is EFAULT.

use alloc::{vec, vec::Vec};

use crate::{
    errno::{Errno, Result},
    linux::{socket::UIO_MAXIOV, time::Timespec, u64_at},
    rt,
    sync::Lock,
    vm::{area::Prot, space::AddressSpace},
};

/// Bytes moved between a file and application memory at a time.
pub(crate) const CHUNK: usize = 64 << 10;
/// Faults at one address before a copy gives up: the host keeps taking the page away.
const TRIES: u32 = 4;

/// The application memory of a process.
#[derive(Debug, Clone, Copy)]
pub(crate) struct UserMem<'a> {
    space: &'a Lock<AddressSpace>,
}

impl<'a> UserMem<'a> {
    pub(crate) const fn new(space: &'a Lock<AddressSpace>) -> Self {
        Self { space }
    }

    fn retry<T>(
        &self,
        mut access: impl FnMut() -> core::result::Result<T, rt::Fault>,
    ) -> Result<T> {
        let mut last = (0, 0);
        loop {
            let fault = match access() {
                Ok(value) => return Ok(value),
                Err(fault) => fault,
            };
            last = if last.0 == fault.address { (last.0, last.1 + 1) } else { (fault.address, 1) };
            if last.1 > TRIES {
                return Err(Errno::EFAULT);
            }
            let want = if fault.write { Prot::WRITE } else { Prot::READ };
            self.space.lock().fault(fault.address, want).map_err(|_| Errno::EFAULT)?;
        }
    }

    /// Copies application memory at `addr` into `out`.
    pub(crate) fn read(&self, addr: u64, out: &mut [u8]) -> Result<()> {
        self.retry(|| enclave_rt::user::read(addr, out))
    }

    /// Copies `bytes` to application memory at `addr`.
    pub(crate) fn write(&self, addr: u64, bytes: &[u8]) -> Result<()> {
        self.retry(|| enclave_rt::user::write(addr, bytes))
    }

    /// Fills application memory with zeros.
    pub(crate) fn zero(&self, addr: u64, len: u64) -> Result<()> {
        self.retry(|| enclave_rt::user::zero(addr, len))
    }

    /// Reads `len` bytes.
    pub(crate) fn bytes(&self, addr: u64, len: usize) -> Result<Vec<u8>> {
        let mut out = vec![0; len];
        self.read(addr, &mut out)?;
        Ok(out)
    }

    pub(crate) fn u32(&self, addr: u64) -> Result<u32> {
        let mut out = [0; 4];
        self.read(addr, &mut out)?;
        Ok(u32::from_le_bytes(out))
    }

    pub(crate) fn u64(&self, addr: u64) -> Result<u64> {
        let mut out = [0; 8];
        self.read(addr, &mut out)?;
        Ok(u64::from_le_bytes(out))
    }

    pub(crate) fn write_u32(&self, addr: u64, value: u32) -> Result<()> {
        self.write(addr, &value.to_le_bytes())
    }

    pub(crate) fn write_u64(&self, addr: u64, value: u64) -> Result<()> {
        self.write(addr, &value.to_le_bytes())
    }

    /// Reads an aligned word in one access.
    pub(crate) fn load_u32(&self, addr: u64) -> Result<u32> {
        if !addr.is_multiple_of(4) {
            return Err(Errno::EINVAL);
        }
        self.retry(|| enclave_rt::user::load_u32(addr))
    }

    /// Replaces an aligned word if it is `expected`; returns what was there.
    pub(crate) fn compare_exchange_u32(&self, addr: u64, expected: u32, new: u32) -> Result<u32> {
        if !addr.is_multiple_of(4) {
            return Err(Errno::EINVAL);
        }
        self.retry(|| enclave_rt::user::compare_exchange_u32(addr, expected, new))
    }

    /// Reads a string that ends in NUL, at most `max` bytes with it.
    pub(crate) fn string(&self, addr: u64, max: usize, too_long: Errno) -> Result<Vec<u8>> {
        let mut out = Vec::new();
        let mut at = addr;
        while out.len() < max {
            let to_page_end = 4096 - usize::try_from(at % 4096).unwrap_or(0);
            let chunk = self.bytes(at, to_page_end.min(256).min(max - out.len()))?;
            if let Some(end) = chunk.iter().position(|&b| b == 0) {
                out.extend_from_slice(&chunk[..end]);
                return Ok(out);
            }
            out.extend_from_slice(&chunk);
            at = at.checked_add(chunk.len() as u64).ok_or(Errno::EFAULT)?;
        }
        Err(too_long)
    }

    /// Reads a path.
    pub(crate) fn path(&self, addr: u64) -> Result<Vec<u8>> {
        self.string(addr, crate::linux::fcntl::PATH_MAX, Errno::ENAMETOOLONG)
    }

    /// Reads a `struct timespec`.
    pub(crate) fn timespec(&self, addr: u64) -> Result<Timespec> {
        Timespec::from_words(self.u64(addr)?, self.u64(addr.wrapping_add(8))?).ok_or(Errno::EINVAL)
    }

    /// Reads a `struct timespec` through a pointer that may be null.
    pub(crate) fn timespec_or_none(&self, addr: u64) -> Result<Option<Timespec>> {
        if addr == 0 { Ok(None) } else { self.timespec(addr).map(Some) }
    }

    /// Reads `iovcnt` parts of a vectored call: address and length of each.
    pub(crate) fn iovec(&self, iov: u64, iovcnt: u64) -> Result<Vec<(u64, u64)>> {
        if iovcnt > UIO_MAXIOV {
            return Err(Errno::EINVAL);
        }
        let count = usize::try_from(iovcnt).map_err(|_| Errno::EINVAL)?;
        let bytes = self.bytes(iov, count * 16)?;
        let mut total = 0u64;
        let mut parts = Vec::with_capacity(count);
        for part in bytes.chunks_exact(16) {
            let (base, len) = (u64_at(part, 0).unwrap_or(0), u64_at(part, 8).unwrap_or(0));
            total = total.checked_add(len).filter(|&t| t < 1 << 63).ok_or(Errno::EINVAL)?;
            parts.push((base, len));
        }
        Ok(parts)
    }
}
