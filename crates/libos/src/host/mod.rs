//! Host system calls, judged.
//!
//! The ABI's table says which results are plausible; here the contents are looked at too. Nothing
//! returned from here can make the library OS read or write out of bounds, but contents may still be
//! false: what the host says of its own files and sockets is the host's word.

pub(crate) mod file;
#[cfg(test)]
mod lying;
pub(crate) mod socket;

use alloc::vec::Vec;

use enclave_abi::ocall;
use enclave_rt::host::Request;

use crate::{
    errno::{Errno, Result},
    linux::{time::NS, u16_at, u64_at},
    log,
    rt::host_errno,
};

/// Bytes moved by one host call.
pub(crate) const IO_MAX: usize = 64 << 10;

/// How often a call that must not be interrupted is made.
const EINTR_PATIENCE: u32 = 100;

/// A host descriptor, closed when dropped.
#[derive(Debug)]
pub(crate) struct HostFd(i32);

impl HostFd {
    pub(crate) const fn raw(&self) -> i32 {
        self.0
    }
}

impl Drop for HostFd {
    fn drop(&mut self) {
        close(self.0);
    }
}

pub(crate) fn fd_arg(fd: i32) -> u64 {
    i64::from(fd).cast_unsigned()
}

fn new_fd(value: u64) -> Result<HostFd> {
    i32::try_from(value).map(HostFd).map_err(|_| Errno::EIO)
}

/// `close(2)`; its errors change nothing.
pub(crate) fn close(fd: i32) {
    let _ = Request::syscall(ocall::CLOSE).value(fd_arg(fd)).send();
}

/// `clock_gettime(2)` in nanoseconds.
pub(crate) fn clock(clockid: u64) -> Result<u64> {
    let reply = Request::syscall(ocall::CLOCK_GETTIME)
        .value(clockid)
        .output(16)
        .send()
        .map_err(host_errno)?;
    let told = reply.output::<16>(1).check(|bytes| {
        let (sec, nsec) = (u64_at(&bytes, 0)?, u64_at(&bytes, 8)?);
        (nsec < NS && sec < 1 << 33).then(|| sec * NS + nsec)
    });
    told.ok_or_else(|| {
        log::implausible("clock_gettime", "a time out of range");
        Errno::EIO
    })
}

/// One descriptor of a host `poll(2)`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct PollFd {
    pub(crate) fd: i32,
    pub(crate) events: u16,
    pub(crate) revents: u16,
}

/// `poll(2)` on the descriptors and, if given, an eventfd. On failure nothing is ready.
pub(crate) fn poll(fds: &mut [PollFd], wake_fd: Option<i32>, timeout_ns: Option<u64>) {
    // Without an eventfd nobody could wake the thread: look again soon.
    let timeout_ns = if wake_fd.is_some() { timeout_ns } else { Some(10_000_000) };
    let timeout_ms = timeout_ns.map_or(-1, |ns| {
        i64::try_from(ns.div_ceil(1_000_000)).unwrap_or(i64::MAX).min(i64::from(i32::MAX))
    });
    let mut bytes = Vec::with_capacity((fds.len() + 1) * 8);
    let wake = wake_fd.map(|fd| PollFd { fd, events: 1, revents: 0 });
    for entry in fds.iter().copied().chain(wake) {
        bytes.extend_from_slice(&entry.fd.to_le_bytes());
        bytes.extend_from_slice(&entry.events.to_le_bytes());
        bytes.extend_from_slice(&[0; 2]);
    }
    let sent = Request::syscall(ocall::POLL)
        .input(&bytes)
        .value(bytes.len() as u64 / 8)
        .value(timeout_ms.cast_unsigned())
        .send();
    let Ok(reply) = sent.map_err(host_errno) else { return };
    if reply.value == 0 {
        return;
    }
    // What was not asked for is not reported, whatever the host says; readiness itself is a hint.
    let told = reply.output_bytes(0, bytes.len()).any_will_do();
    for (i, entry) in fds.iter_mut().enumerate() {
        let revents = u16_at(&told, i * 8 + 6).unwrap_or(0);
        entry.revents = revents & (entry.events | 0x38);
    }
}

/// A new host eventfd, nonblocking.
pub(crate) fn eventfd() -> Result<i32> {
    let reply =
        Request::syscall(ocall::EVENTFD2).value(0).value(0o2_004_000).send().map_err(host_errno)?;
    i32::try_from(reply.value).map_err(|_| Errno::EIO)
}

/// Adds one to an eventfd.
pub(crate) fn signal_eventfd(fd: i32) {
    let one = 1u64.to_le_bytes();
    // A wake-up must not be lost to a signal.
    for _ in 0..EINTR_PATIENCE {
        let sent = Request::syscall(ocall::WRITE).value(fd_arg(fd)).input(&one).value(8).send();
        if sent.map(drop).map_err(host_errno) != Err(Errno::RESTART) {
            return;
        }
    }
}

/// Resets an eventfd.
pub(crate) fn drain_eventfd(fd: i32) {
    let _ = Request::syscall(ocall::READ).value(fd_arg(fd)).output(8).value(8).send();
}
