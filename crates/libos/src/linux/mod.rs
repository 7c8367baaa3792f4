//! Numbers and layouts of the Linux x86-64 user interface.
//!
//! One module per header. Names are the headers' own; where a structure crosses to the program it is
//! encoded here, byte by byte, so that nothing depends on this compiler's layout.

pub(crate) mod fcntl;
pub(crate) mod mman;
pub(crate) mod poll;
pub(crate) mod sched;
pub(crate) mod signal;
pub(crate) mod socket;
pub(crate) mod stat;
pub(crate) mod time;

use alloc::vec::Vec;

/// Builds a structure field by field, little-endian.
#[derive(Debug, Default)]
pub(crate) struct Encoder(Vec<u8>);

impl Encoder {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    pub(crate) fn u8(mut self, value: u8) -> Self {
        self.0.push(value);
        self
    }

    pub(crate) fn u16(mut self, value: u16) -> Self {
        self.0.extend_from_slice(&value.to_le_bytes());
        self
    }

    pub(crate) fn u32(mut self, value: u32) -> Self {
        self.0.extend_from_slice(&value.to_le_bytes());
        self
    }

    pub(crate) fn u64(mut self, value: u64) -> Self {
        self.0.extend_from_slice(&value.to_le_bytes());
        self
    }

    pub(crate) fn i64(self, value: i64) -> Self {
        self.u64(value.cast_unsigned())
    }

    pub(crate) fn bytes(mut self, bytes: &[u8]) -> Self {
        self.0.extend_from_slice(bytes);
        self
    }

    /// Fills with zeros up to `size`.
    pub(crate) fn pad_to(mut self, size: usize) -> Self {
        self.0.resize(size.max(self.0.len()), 0);
        self
    }

    pub(crate) fn finish(self) -> Vec<u8> {
        self.0
    }
}

pub(crate) use enclave_abi::bytes::{u32_at, u64_at};

/// Reads the `u16` at byte offset `at`, or `None` past the end.
pub(crate) fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_le_bytes(bytes.get(at..at.checked_add(2)?)?.try_into().ok()?))
}
