//! A thread's shared buffer: host memory that the enclave reads and writes.

use std::cell::UnsafeCell;
use std::ptr;

use enclave_abi::ocall::{EXTRA, RESULT};

/// Bytes of a thread's buffer.
pub(super) const LEN: usize = 1 << 20;

#[repr(C, align(4096))]
struct Memory(UnsafeCell<[u8; LEN]>);

/// The buffer of one thread. Only its own host thread touches it while the enclave is outside.
pub(super) struct SharedBuffer {
    memory: Box<Memory>,
}

impl SharedBuffer {
    pub(super) fn new() -> Self {
        let layout = std::alloc::Layout::new::<Memory>();
        // SAFETY: the layout is not empty.
        let memory = unsafe { std::alloc::alloc_zeroed(layout) };
        if memory.is_null() {
            std::alloc::handle_alloc_error(layout);
        }
        // SAFETY: allocated with this type's layout; all-zero bytes are valid.
        Self { memory: unsafe { Box::from_raw(memory.cast()) } }
    }

    pub(super) fn address(&self) -> u64 {
        self.memory.0.get() as u64
    }

    fn at(&self, offset: usize) -> *mut u8 {
        assert!(offset + 8 <= LEN, "frames lie at the start of the buffer");
        // SAFETY: the offset lies in the buffer.
        unsafe { self.memory.0.get().cast::<u8>().add(offset) }
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
        let base = self.memory.0.get().cast::<u8>();
        // SAFETY: the offset lies in the buffer.
        fits.then(|| unsafe { base.add(usize::try_from(offset).unwrap_or(0)) })
    }
}
