//! Application memory: byte copies with fault fix-up, never a reference.
//!
//! A copy that meets an inaccessible page stops there and reports the address; the library OS then
//! commits the page or answers EFAULT.

use crate::backend;

/// An access to application memory that could not be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("application memory at {address:#x} is not accessible")]
pub struct Fault {
    /// First address that could not be accessed.
    pub address: u64,
    /// Whether the access was a write.
    pub write: bool,
}

/// Copies application memory at `address` into `out`.
///
/// # Errors
/// [`Fault`] at the first inaccessible byte, or when the range leaves application memory; `out` may
/// then hold a part.
pub fn read(address: u64, out: &mut [u8]) -> Result<(), Fault> {
    backend::user_read(address, out)
}

/// Copies `bytes` to application memory at `address`.
///
/// # Errors
/// [`Fault`] as for [`read`]; a part may have been written.
pub fn write(address: u64, bytes: &[u8]) -> Result<(), Fault> {
    backend::user_write(address, bytes)
}

/// Writes `len` zero bytes to application memory.
///
/// # Errors
/// [`Fault`] as for [`write`].
pub fn zero(address: u64, len: u64) -> Result<(), Fault> {
    backend::user_zero(address, len)
}

/// Copies `len` bytes of application memory at `from` to `to`. The ranges do not overlap.
///
/// # Errors
/// [`Fault`] at the first inaccessible byte, given as a write; a part may have been copied.
pub fn copy(from: u64, to: u64, len: u64) -> Result<(), Fault> {
    backend::user_copy(from, to, len)
}

/// Exchanges the contents of two ranges of application memory that do not overlap.
///
/// # Preconditions
/// All pages of both are committed and writable: an access that faults ends the enclave, for contents half
/// exchanged are no process's. Addresses and length are multiples of 64.
///
/// # Errors
/// [`Fault`] when a range leaves application memory; nothing is exchanged then.
pub fn exchange(one: u64, other: u64, len: u64) -> Result<(), Fault> {
    backend::user_exchange(one, other, len)
}

/// Reads the aligned 32-bit word at `address` in one access.
///
/// # Errors
/// [`Fault`]; a misaligned address is a fault.
pub fn load_u32(address: u64) -> Result<u32, Fault> {
    backend::user_load_u32(address)
}

/// Compares the aligned 32-bit word at `address` with `expected` and, if equal, replaces it by `new`, in
/// one atomic step. Returns what was there.
///
/// # Errors
/// [`Fault`]; a misaligned address is a fault.
pub fn compare_exchange_u32(address: u64, expected: u32, new: u32) -> Result<u32, Fault> {
    backend::user_compare_exchange_u32(address, expected, new)
}
