//! A thread's shared buffer: host memory that the enclave reads and writes.

use std::cell::UnsafeCell;
use std::ptr;

use enclave_abi::ocall::{EXTRA, RESULT};

/// Bytes of a thread's buffer.
pub(super) const LEN: usize = 1 << 20;

const ALIGN: usize = 4096;

/// The buffer of one thread. Only its own host thread touches it while the enclave is outside.
pub(super) struct SharedBuffer {
    /// Zeroed by the allocator, which hands out fresh pages untouched; an aligned allocation it would write.
    _memory: Box<[UnsafeCell<u8>]>,
    start: *mut u8,
}

impl SharedBuffer {
    pub(super) fn new() -> Self {
        let memory = vec![0_u8; LEN + ALIGN].into_boxed_slice();
        // SAFETY: an UnsafeCell has the layout of what it holds, and so have slices of them.
        let memory = unsafe { Box::from_raw(Box::into_raw(memory) as *mut [UnsafeCell<u8>]) };
        let first = memory.as_ptr().cast::<u8>().cast_mut();
        let skip = first.align_offset(ALIGN);
        assert!(skip < ALIGN, "a byte pointer can always be aligned");
        // SAFETY: the allocation is larger than the buffer by the alignment.
        Self { start: unsafe { first.add(skip) }, _memory: memory }
    }

    pub(super) fn address(&self) -> u64 {
        self.start.expose_provenance() as u64
    }

    fn at(&self, offset: usize) -> *mut u8 {
        assert!(offset + 8 <= LEN, "frames lie at the start of the buffer");
        // SAFETY: the offset lies in the buffer.
        unsafe { self.start.add(offset) }
    }

    /// Reads word number `index` of the frame.
    pub(super) fn word(&self, index: usize) -> u64 {
        // SAFETY: `at` checked the range; the enclave is outside, so nobody writes.
        unsafe { self.at(index * 8).cast::<u64>().read() }
    }

    /// Writes the two result words.
    pub(super) fn answer(&self, result: i64, extra: u64) {
        // SAFETY: as for `word`.
        unsafe { self.at(RESULT).cast::<i64>().write(result) };
        // SAFETY: as for `word`.
        unsafe { self.at(EXTRA).cast::<u64>().write(extra) };
    }

    /// Copies the bytes at an address the enclave named, if they lie in the buffer.
    pub(super) fn read(&self, address: u64, len: u64) -> Option<Vec<u8>> {
        let from = self.range(address, len)?;
        let mut bytes = vec![0; usize::try_from(len).ok()?];
        // SAFETY: the range lies in the buffer.
        unsafe { ptr::copy_nonoverlapping(from, bytes.as_mut_ptr(), bytes.len()) };
        Some(bytes)
    }

    /// Copies bytes to an address the enclave named, if they fit the buffer there.
    pub(super) fn write(&self, address: u64, bytes: &[u8]) -> Option<()> {
        let to = self.range(address, bytes.len() as u64)?;
        // SAFETY: the range lies in the buffer.
        unsafe { ptr::copy_nonoverlapping(bytes.as_ptr(), to, bytes.len()) };
        Some(())
    }

    /// The `u32` at an address the enclave named, where system calls keep lengths.
    pub(super) fn u32(&self, address: u64) -> Option<u32> {
        Some(u32::from_le_bytes(self.read(address, 4)?.try_into().ok()?))
    }

    /// Whether `len` bytes at an address the enclave named lie in the buffer.
    pub(super) fn holds(&self, address: u64, len: u64) -> bool {
        self.range(address, len).is_some()
    }

    /// Bytes from an address to the end of the buffer, at most `most`.
    pub(super) fn room(&self, address: u64, most: u64) -> Option<u64> {
        let offset = address.checked_sub(self.address())?;
        Some(most.min((LEN as u64).checked_sub(offset)?))
    }

    fn range(&self, address: u64, len: u64) -> Option<*mut u8> {
        let offset = address.checked_sub(self.address())?;
        let fits = offset.checked_add(len)? <= LEN as u64;
        // SAFETY: the offset lies in the buffer.
        fits.then(|| unsafe { self.start.add(usize::try_from(offset).unwrap_or(0)) })
    }
}
