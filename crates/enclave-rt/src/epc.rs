//! Enclave pages at run time: commit, change permissions, give back (SGX2).
//!
//! All ranges are page-aligned and lie in application memory or the runtime heap. Every leaf that fails where
//! it must not ends the enclave: a host that answers a page operation wrongly is attacking.

use crate::{backend, host};

/// Page permissions. A page that may be written or executed may be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Perms {
    /// Readable.
    pub read: bool,
    /// Writable.
    pub write: bool,
    /// Executable.
    pub execute: bool,
}

impl Perms {
    /// No access: EMODPR takes all three (SDM volume 3D: only W without R is refused), EMODPE gives them back.
    pub const NONE: Self = Self { read: false, write: false, execute: false };
    /// Read.
    pub const R: Self = Self { read: true, write: false, execute: false };
    /// Read and write.
    pub const RW: Self = Self { read: true, write: true, execute: false };
    /// Read and execute.
    pub const RX: Self = Self { read: true, write: false, execute: true };
    /// Read, write and execute.
    pub const RWX: Self = Self { read: true, write: true, execute: true };

    /// SECINFO's R, W and X bits.
    #[must_use]
    pub const fn bits(self) -> u64 {
        (if self.read || self.write || self.execute { 1 } else { 0 })
            | if self.write { 2 } else { 0 }
            | if self.execute { 4 } else { 0 }
    }
}

/// A page operation that the host refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("host refused a page operation at {address:#x}: {cause}")]
pub struct Refused {
    /// First page that was not done.
    pub address: u64,
    /// What the host said.
    #[source]
    pub cause: host::Error,
}

/// Commits absent pages: zeroed, read-write (EACCEPT of pages the driver augments on the way), then
/// [`extend`]s them if `perms` has more, or [`restrict`]s them if it has less.
///
/// # Errors
/// [`Refused`] when no page is left (ENOMEM), or restricting fails; nothing is committed then.
pub fn accept(address: u64, len: u64, perms: Perms) -> Result<(), Refused> {
    backend::accept_new(address, len)?;
    restrict_from(address, len, Perms::RW, perms)
}

/// Adds permissions to committed pages (EMODPE). Only ever adds.
pub fn extend(address: u64, len: u64, perms: Perms) {
    backend::extend(address, len, perms);
}

/// Reduces permissions of committed pages to `perms` (EMODPR by the host, then EACCEPT), without
/// adding any.
///
/// # Errors
/// [`Refused`] with the host's reason.
pub fn restrict(address: u64, len: u64, perms: Perms) -> Result<(), Refused> {
    backend::restrict(address, len, perms)
}

/// Gives pages from `old` exactly the permissions `new`.
///
/// # Errors
/// [`Refused`] with the host's reason.
pub fn restrict_from(address: u64, len: u64, old: Perms, new: Perms) -> Result<(), Refused> {
    let adds = new.bits() & !old.bits() != 0;
    let drops = old.bits() & !new.bits() != 0;
    if adds {
        let both = Perms {
            read: old.read || new.read,
            write: old.write || new.write,
            execute: old.execute || new.execute,
        };
        backend::extend(address, len, both);
    }
    if drops { backend::restrict(address, len, new) } else { Ok(()) }
}

/// Gives committed pages back: TRIM by the host, EACCEPT, removal. They are absent afterwards, and read as
/// zeros when accepted anew.
///
/// # Errors
/// [`Refused`] with the host's reason.
pub fn remove(address: u64, len: u64) -> Result<(), Refused> {
    backend::remove(address, len)
}
