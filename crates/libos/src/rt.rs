//! The runtime's API as the library OS uses it: errors become [`Errno`], ranges and rights its own types.

use core::ops::Range;

use enclave_rt::{
    epc::{self, Perms},
    host, user,
};

use crate::{
    errno::{Errno, Result},
    vm::area::Prot,
};

pub(crate) use enclave_rt::user::Fault;

const fn perms(prot: Prot) -> Perms {
    Perms {
        read: prot.contains(Prot::READ),
        write: prot.contains(Prot::WRITE),
        execute: prot.contains(Prot::EXEC),
    }
}

/// What the operator is told when a page cannot be had.
const NO_EPC: &str = "the protected memory (EPC) of this machine is exhausted: the program gets ENOMEM or SIGBUS; \
     end other enclaves, give the machine more EPC, or let the program use less";

/// Commits absent pages, zeroed, readable and writable.
pub(crate) fn epc_accept(range: Range<u64>) -> Result<()> {
    epc::accept(range.start, range.end - range.start, Perms::RW).map_err(|_| {
        crate::log::once(crate::log::Level::Error, NO_EPC.into());
        Errno::ENOMEM
    })
}

/// Adds rights to committed pages.
pub(crate) fn epc_extend(range: Range<u64>, prot: Prot) {
    epc::extend(range.start, range.end - range.start, perms(prot));
}

/// Takes rights from committed pages.
pub(crate) fn epc_restrict(range: Range<u64>, prot: Prot) -> Result<()> {
    epc::restrict(range.start, range.end - range.start, perms(prot)).map_err(|_| Errno::ENOMEM)
}

/// Gives pages back.
pub(crate) fn epc_remove(range: Range<u64>) -> Result<()> {
    epc::remove(range.start, range.end - range.start).map_err(|_| Errno::ENOMEM)
}

/// Writes zeros over committed, writable pages.
pub(crate) fn zero(range: Range<u64>) -> Result<()> {
    user::zero(range.start, range.end - range.start).map_err(|_| Errno::EFAULT)
}

/// Reads committed pages.
pub(crate) fn read_user(at: u64, out: &mut [u8]) -> Result<()> {
    user::read(at, out).map_err(|_| Errno::EFAULT)
}

/// Writes to committed, writable pages.
pub(crate) fn write_user(at: u64, bytes: &[u8]) -> core::result::Result<(), Fault> {
    user::write(at, bytes)
}

/// Whether committed pages hold these bytes.
pub(crate) fn holds_user(at: u64, bytes: &[u8]) -> bool {
    let mut found = alloc::vec![0; bytes.len()];
    user::read(at, &mut found).is_ok() && found == bytes
}

/// Copies between committed pages of the application; the target is writable.
pub(crate) fn copy_within_user(from: u64, to: u64, len: u64) -> Result<()> {
    user::copy(from, to, len).map_err(|_| Errno::EFAULT)
}

/// Exchanges committed, writable pages with those at `other`.
pub(crate) fn exchange(range: Range<u64>, other: u64) -> Result<()> {
    user::exchange(range.start, other, range.end - range.start).map_err(|_| Errno::EFAULT)
}

/// The errno of a failed host request. A lying host is EIO, and named in the log.
pub(crate) fn host_errno(error: host::Error) -> Errno {
    match error {
        // EINTR: the host interrupted the call for a signal. Whether the program sees that is decided when the
        // signal is delivered.
        host::Error::Errno(number) => match Errno::from_number(number) {
            Some(Errno::EINTR) => Errno::RESTART,
            errno => errno.unwrap_or(Errno::EIO),
        },
        host::Error::Lie(call) => {
            crate::log::lie(call);
            Errno::EIO
        }
        host::Error::TooLarge { .. } => Errno::EMSGSIZE,
        host::Error::Fault(_) => Errno::EFAULT,
    }
}

/// Fills with random bytes.
pub(crate) fn random(out: &mut [u8]) {
    enclave_rt::entropy::fill(out);
}

/// The extended state this enclave may use, as its own report says.
pub(crate) fn xfrm() -> u64 {
    static XFRM: enclave_rt::sync::Once<u64> = enclave_rt::sync::Once::new();
    *XFRM.call_once(|| {
        let report = enclave_rt::report::ereport(&sgx_types::TargetInfo::ZERO, &[0; 64]);
        report.body.attributes.xfrm.bits()
    })
}
