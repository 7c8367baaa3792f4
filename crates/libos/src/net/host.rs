//! TCP and UDP.
//!
//! A host socket is always nonblocking; a program that wants to block waits in [`crate::io::poll`], where
//! signals and other threads can end the wait.

use alloc::{format, string::String, sync::Arc, vec, vec::Vec};
use core::sync::atomic::{AtomicU64, Ordering};

use super::{Common, Incoming, Outgoing, Socket};
use crate::{
    errno::{Errno, Result},
    fs::{file::File, tmpfs},
    host::{self, HostFd},
    linux::{
        socket::SOCK_STREAM,
        stat::{S_IFSOCK, Stat},
    },
    process::thread::Thread,
    user::{CHUNK, UserMem},
    wait::WaitQueue,
};

const FIONREAD: u64 = 0x541b;

/// A socket of the host.
pub(crate) struct HostSocket {
    fd: HostFd,
    common: Common,
    ino: u64,
    reads: AtomicU64,
    writes: AtomicU64,
    /// Woken when a read or write re-arms edge-triggered interest.
    queue: WaitQueue,
}

impl HostSocket {
    pub(crate) fn new(fd: HostFd, common: Common) -> Arc<Self> {
        Arc::new(Self {
            fd,
            common,
            ino: tmpfs::next_ino(),
            reads: AtomicU64::new(0),
            writes: AtomicU64::new(0),
            queue: WaitQueue::new(),
        })
    }

    const fn raw(&self) -> i32 {
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
}

impl Socket for HostSocket {
    fn common(&self) -> &Common {
        &self.common
    }

    fn bind(&self, _thread: &Thread, address: &[u8]) -> Result<()> {
        host::socket::bind(self.raw(), address)
    }

    fn listen(&self, backlog: u64) -> Result<()> {
        host::socket::listen(self.raw(), backlog)
    }

    fn connect(&self, _thread: &Thread, address: &[u8]) -> Result<()> {
        self.did_write(host::socket::connect(self.raw(), address))
    }

    fn pending_error(&self) -> Result<()> {
        host::socket::pending_error(self.raw())
    }

    fn accept(&self) -> Result<(Arc<dyn File>, Vec<u8>)> {
        let (fd, address) = self.did_read(host::socket::accept(self.raw()))?;
        let Common { domain, kind, protocol, .. } = self.common;
        Ok((Self::new(fd, Common::new(domain, kind, protocol)), address))
    }

    fn local_address(&self) -> Result<Vec<u8>> {
        host::socket::local_address(self.raw())
    }

    fn peer_address(&self) -> Result<Vec<u8>> {
        host::socket::peer_address(self.raw())
    }

    fn shutdown(&self, how: u64) -> Result<()> {
        host::socket::shutdown(self.raw(), how)
    }

    /// Never raises SIGPIPE on the host.
    fn send(&self, message: &Outgoing<'_>) -> Result<usize> {
        if !message.rights.is_empty() {
            return Err(Errno::EINVAL);
        }
        let flags = message.flags | crate::linux::socket::MSG_NOSIGNAL;
        self.did_write(host::socket::send(self.raw(), message.data, flags, message.to))
    }

    fn receive(&self, buffer: &mut [u8], flags: u64) -> Result<Incoming> {
        if self.common.kind == SOCK_STREAM {
            let (length, from) = self.did_read(host::socket::receive(self.raw(), buffer, flags))?;
            return Ok(Incoming { length, total: length, from, ..Incoming::default() });
        }
        // Received whole and cut here: a host that reports more bytes than there was room for is lying.
        let mut whole = vec![0; CHUNK];
        let (total, from) = self.did_read(host::socket::receive(self.raw(), &mut whole, flags))?;
        let length = total.min(buffer.len());
        buffer[..length].copy_from_slice(&whole[..length]);
        Ok(Incoming { length, total, from, ..Incoming::default() })
    }

    fn set_option(&self, level: u64, name: u64, value: &[u8]) -> Result<()> {
        host::socket::set_option(self.raw(), level, name, value)
    }

    fn option(&self, level: u64, name: u64, room: usize) -> Result<Vec<u8>> {
        host::socket::option(self.raw(), level, name, room)
    }
}

impl File for HostSocket {
    fn stat(&self) -> Result<Stat> {
        let mode = S_IFSOCK | 0o777;
        Ok(Stat { dev: 8, ino: self.ino, nlink: 1, mode, blksize: 4096, ..Stat::default() })
    }

    fn read(&self, buffer: &mut [u8]) -> Result<usize> {
        self.receive(buffer, 0).map(|incoming| incoming.length)
    }

    fn write(&self, buffer: &[u8]) -> Result<usize> {
        self.send(&Outgoing::plain(buffer))
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

    fn socket(&self) -> Option<&dyn Socket> {
        Some(self)
    }

    fn label(&self) -> String {
        format!("socket:[{}]", self.ino)
    }
}
