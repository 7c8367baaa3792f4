//! Sockets of the host.

use alloc::vec::Vec;

use enclave_abi::ocall;
use enclave_rt::host::Request;

use super::{HostFd, IO_MAX, fd_arg, new_fd};
use crate::{
    errno::{Errno, Result},
    linux::{socket::SOCKADDR_MAX, u32_at},
    log,
    rt::host_errno,
};

/// Creates a nonblocking socket.
pub(crate) fn socket(domain: u64, kind: u64, protocol: u64) -> Result<HostFd> {
    let flags = crate::linux::socket::SOCK_NONBLOCK | crate::linux::socket::SOCK_CLOEXEC;
    let reply = Request::syscall(ocall::SOCKET)
        .value(domain)
        .value(kind | flags)
        .value(protocol)
        .send()
        .map_err(host_errno)?;
    new_fd(reply.value)
}

/// `connect(2)`.
pub(crate) fn connect(fd: i32, address: &[u8]) -> Result<()> {
    named(ocall::CONNECT, fd, address)
}

/// `bind(2)`.
pub(crate) fn bind(fd: i32, address: &[u8]) -> Result<()> {
    named(ocall::BIND, fd, address)
}

fn named(call: ocall::HostCall, fd: i32, address: &[u8]) -> Result<()> {
    let request = Request::syscall(call).value(fd_arg(fd)).input(address);
    request.value(address.len() as u64).send().map_err(host_errno).map(drop)
}

/// `listen(2)`.
pub(crate) fn listen(fd: i32, backlog: u64) -> Result<()> {
    Request::syscall(ocall::LISTEN)
        .value(fd_arg(fd))
        .value(backlog)
        .send()
        .map_err(host_errno)
        .map(drop)
}

/// `shutdown(2)`.
pub(crate) fn shutdown(fd: i32, how: u64) -> Result<()> {
    Request::syscall(ocall::SHUTDOWN)
        .value(fd_arg(fd))
        .value(how)
        .send()
        .map_err(host_errno)
        .map(drop)
}

/// `accept4(2)`: the new socket, nonblocking, and the peer's address.
pub(crate) fn accept(fd: i32) -> Result<(HostFd, Vec<u8>)> {
    let flags = crate::linux::socket::SOCK_NONBLOCK | crate::linux::socket::SOCK_CLOEXEC;
    let reply = Request::syscall(ocall::ACCEPT4)
        .value(fd_arg(fd))
        .output(SOCKADDR_MAX)
        .input(&address_room())
        .value(flags)
        .send()
        .map_err(host_errno)?;
    let fd = new_fd(reply.value)?;
    let address = address(&reply, 1, 2, "accept4")?;
    Ok((fd, address))
}

/// `getsockname(2)`.
pub(crate) fn local_address(fd: i32) -> Result<Vec<u8>> {
    ask_address(ocall::GETSOCKNAME, fd)
}

/// `getpeername(2)`.
pub(crate) fn peer_address(fd: i32) -> Result<Vec<u8>> {
    ask_address(ocall::GETPEERNAME, fd)
}

fn ask_address(call: ocall::HostCall, fd: i32) -> Result<Vec<u8>> {
    let reply = Request::syscall(call)
        .value(fd_arg(fd))
        .output(SOCKADDR_MAX)
        .input(&address_room())
        .send()
        .map_err(host_errno)?;
    address(&reply, 1, 2, call.name)
}

fn address_room() -> [u8; 4] {
    u32::try_from(SOCKADDR_MAX).unwrap_or(0).to_le_bytes()
}

/// Copies a socket address out of a reply; a length beyond the room given is a lie.
fn address(
    reply: &enclave_rt::host::Reply,
    at: usize,
    length_at: usize,
    call: &str,
) -> Result<Vec<u8>> {
    let Some(length) = length_within(reply, length_at, SOCKADDR_MAX) else {
        log::implausible(call, "an address longer than its room");
        return Err(Errno::EIO);
    };
    // Any bytes will do: the address is the host's word, and only the program looks at it.
    Ok(reply.output_bytes(at, length).any_will_do())
}

/// A length that the host wrote back, if it is at most `room`.
fn length_within(reply: &enclave_rt::host::Reply, at: usize, room: usize) -> Option<usize> {
    reply.output(at).check(|bytes| {
        let length = usize::try_from(u32::from_le_bytes(bytes)).ok()?;
        (length <= room).then_some(length)
    })
}

/// `sendto(2)`; an empty address means none.
pub(crate) fn send(fd: i32, data: &[u8], flags: u64, to: &[u8]) -> Result<usize> {
    let request = Request::syscall(ocall::SENDTO)
        .value(fd_arg(fd))
        .input(data)
        .value(data.len() as u64)
        .value(flags);
    let request = if to.is_empty() { request.value(0) } else { request.input(to) };
    let reply = request.value(to.len() as u64).send().map_err(host_errno)?;
    Ok(usize::try_from(reply.value).unwrap_or(0))
}

/// `recvfrom(2)`: bytes received and the sender's address.
pub(crate) fn receive(fd: i32, buffer: &mut [u8], flags: u64) -> Result<(usize, Vec<u8>)> {
    let n = buffer.len().min(IO_MAX);
    let reply = Request::syscall(ocall::RECVFROM)
        .value(fd_arg(fd))
        .output(n)
        .value(n as u64)
        .value(flags)
        .output(SOCKADDR_MAX)
        .input(&address_room())
        .send()
        .map_err(host_errno)?;
    let got = usize::try_from(reply.value).unwrap_or(0);
    reply.copy_out(1, &mut buffer[..got]);
    let from = address(&reply, 4, 5, "recvfrom")?;
    Ok((got, from))
}

/// `setsockopt(2)`.
pub(crate) fn set_option(fd: i32, level: u64, name: u64, value: &[u8]) -> Result<()> {
    let request = Request::syscall(ocall::SETSOCKOPT).value(fd_arg(fd)).value(level).value(name);
    request.input(value).value(value.len() as u64).send().map_err(host_errno).map(drop)
}

/// `getsockopt(2)`, at most `room` bytes.
pub(crate) fn option(fd: i32, level: u64, name: u64, room: usize) -> Result<Vec<u8>> {
    let room_word = u32::try_from(room).map_err(|_| Errno::EINVAL)?.to_le_bytes();
    let reply = Request::syscall(ocall::GETSOCKOPT)
        .value(fd_arg(fd))
        .value(level)
        .value(name)
        .output(room)
        .input(&room_word)
        .send()
        .map_err(host_errno)?;
    let Some(length) = length_within(&reply, 4, room) else {
        log::implausible("getsockopt", "a value longer than its room");
        return Err(Errno::EIO);
    };
    // Any bytes will do, as for addresses.
    Ok(reply.output_bytes(3, length).any_will_do())
}

/// The pending error of a socket (`SO_ERROR`), if any.
pub(crate) fn pending_error(fd: i32) -> Result<()> {
    use crate::linux::socket::{SO_ERROR, SOL_SOCKET};
    let value = option(fd, SOL_SOCKET, SO_ERROR, 4)?;
    match u32_at(&value, 0).unwrap_or(0) {
        0 => Ok(()),
        number => {
            Err(u16::try_from(number).ok().and_then(Errno::from_number).unwrap_or(Errno::EIO))
        }
    }
}

/// `ioctl(fd, FIONREAD)`: bytes that can be read.
pub(crate) fn readable_bytes(fd: i32) -> Result<u32> {
    const FIONREAD: u64 = 0x541b;
    let request = Request::syscall(ocall::IOCTL).value(fd_arg(fd)).value(FIONREAD);
    let reply = request.output(4).send().map_err(host_errno)?;
    let told = reply.output(2).check(|bytes| i32::try_from(u32::from_le_bytes(bytes)).ok());
    told.map(i32::cast_unsigned).ok_or_else(|| {
        log::implausible("ioctl", "more bytes than a queue has");
        Errno::EIO
    })
}
