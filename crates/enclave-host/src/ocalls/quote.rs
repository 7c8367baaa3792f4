//! Quoting ocalls.

use sgx_types::Report;

use super::Session;
use super::buffer::SharedBuffer;
use crate::platform::Errno;

/// The quoting enclave's TARGETINFO to `args[0]`.
pub(super) fn target(session: &Session, buffer: &SharedBuffer, args: &[u64; 6]) -> i64 {
    match session.platform.quote_target() {
        Ok(target) => match buffer.write(args[0], &target.to_bytes()) {
            Some(()) => 0,
            None => Errno::EFAULT.result(),
        },
        Err(error) => refused(session, &error),
    }
}

/// A quote about the REPORT at `args[0]` to `args[1]`, at most `args[2]` bytes.
pub(super) fn quote(session: &Session, buffer: &SharedBuffer, args: &[u64; 6]) -> i64 {
    let report = buffer
        .read(args[0], Report::SIZE as u64)
        .and_then(|bytes| Report::from_bytes(bytes.as_slice().try_into().ok()?).ok());
    let Some(report) = report else { return Errno::EINVAL.result() };
    match session.platform.quote(&report) {
        Ok(quote) if quote.len() as u64 > args[2] => Errno::ENOBUFS.result(),
        Ok(quote) => match buffer.write(args[1], &quote) {
            Some(()) => i64::try_from(quote.len()).unwrap_or(0),
            None => Errno::EFAULT.result(),
        },
        Err(error) => refused(session, &error),
    }
}

fn refused(session: &Session, error: &crate::Error) -> i64 {
    (session.log)(1, &error.to_string());
    Errno::EIO.result()
}
