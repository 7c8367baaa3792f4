//! Sockets. TCP and UDP are the host's: what it says of peers, addresses and data is untrusted.
//!
//! A host socket is always nonblocking; a program that wants to block waits in [`crate::io::poll`], where
//! signals and other threads can end the wait.

use alloc::{format, string::String, sync::Arc, vec::Vec};
use core::sync::atomic::{AtomicU64, Ordering};

use crate::{
    errno::{Errno, Result},
    fs::{file::File, tmpfs},
    host::{self, HostFd},
    linux::stat::{S_IFSOCK, Stat},
    user::UserMem,
    wait::WaitQueue,
};

const FIONREAD: u64 = 0x541b;

/// A socket of the host.
pub(crate) struct HostSocket {
    fd: HostFd,
    pub(crate) domain: u16,
    pub(crate) kind: u64,
    pub(crate) protocol: u64,
    ino: u64,
    reads: AtomicU64,
    writes: AtomicU64,
    /// Woken when a read or write re-arms edge-triggered interest.
    queue: WaitQueue,
    /// `SO_RCVTIMEO` and `SO_SNDTIMEO` in nanoseconds, 0 for none.
    pub(crate) receive_timeout: AtomicU64,
    pub(crate) send_timeout: AtomicU64,
}

impl HostSocket {
    pub(crate) fn new(fd: HostFd, domain: u16, kind: u64, protocol: u64) -> Arc<Self> {
        Arc::new(Self {
            fd,
            domain,
            kind,
            protocol,
            ino: tmpfs::next_ino(),
            reads: AtomicU64::new(0),
            writes: AtomicU64::new(0),
            queue: WaitQueue::new(),
            receive_timeout: AtomicU64::new(0),
            send_timeout: AtomicU64::new(0),
        })
    }

    pub(crate) const fn raw(&self) -> i32 {
        self.fd.raw()
    }

    fn did_read<T>(&self, result: Result<T>) -> Result<T> {
        self.reads.fetch_add(1, Ordering::SeqCst);
        self.queue.wake_all();
        result
    }

    fn did_write<T>(&self, result: Result<T>) -> Result<T> {
        self.writes.fetch_add(1, Ordering::SeqCst);
        self.queue.wake_all();
        result
    }

    /// `connect(2)`; EINPROGRESS while it is under way.
    pub(crate) fn connect(&self, address: &[u8]) -> Result<()> {
        self.did_write(host::socket::connect(self.raw(), address))
    }

    /// `accept4(2)`: the new socket and its peer's address.
    pub(crate) fn accept(&self) -> Result<(Arc<Self>, Vec<u8>)> {
        let (fd, address) = self.did_read(host::socket::accept(self.raw()))?;
        Ok((Self::new(fd, self.domain, self.kind, self.protocol), address))
    }

    /// `recvfrom(2)`.
    pub(crate) fn receive(&self, buffer: &mut [u8], flags: u64) -> Result<(usize, Vec<u8>)> {
        self.did_read(host::socket::receive(self.raw(), buffer, flags))
    }

    /// `sendto(2)`. Never raises SIGPIPE on the host.
    pub(crate) fn send(&self, data: &[u8], flags: u64, to: &[u8]) -> Result<usize> {
        let flags = flags | crate::linux::socket::MSG_NOSIGNAL;
        self.did_write(host::socket::send(self.raw(), data, flags, to))
    }
}

impl File for HostSocket {
    fn stat(&self) -> Result<Stat> {
        let mode = S_IFSOCK | 0o777;
        Ok(Stat { dev: 8, ino: self.ino, nlink: 1, mode, blksize: 4096, ..Stat::default() })
    }

    fn read(&self, buffer: &mut [u8]) -> Result<usize> {
        self.receive(buffer, 0).map(|(n, _)| n)
    }

    fn write(&self, buffer: &[u8]) -> Result<usize> {
        self.send(buffer, 0, &[])
    }

    fn ioctl(&self, user: UserMem<'_>, request: u64, argp: u64) -> Result<u64> {
        match request {
            FIONREAD => {
                user.write_u32(argp, host::socket::readable_bytes(self.raw())?)?;
                Ok(0)
            }
            _ => Err(Errno::ENOTTY),
        }
    }

    fn host_fd(&self) -> Option<i32> {
        Some(self.raw())
    }

    fn queue(&self) -> Option<&WaitQueue> {
        Some(&self.queue)
    }

    fn activity(&self) -> (u64, u64) {
        (self.reads.load(Ordering::SeqCst), self.writes.load(Ordering::SeqCst))
    }

    fn socket(&self) -> Option<&HostSocket> {
        Some(self)
    }

    fn label(&self) -> String {
        format!("socket:[{}]", self.ino)
    }
}
