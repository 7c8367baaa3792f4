//! Sockets as programs call them.

use alloc::{sync::Arc, vec, vec::Vec};
use core::sync::atomic::Ordering::Relaxed;

use super::{Call, transfer, uint};
use crate::{
    errno::{Errno, Result},
    fs::file::{File, OpenFile},
    host,
    io::poll,
    linux::{
        fcntl::{O_NONBLOCK, O_RDWR},
        poll::{POLLIN, POLLOUT},
        socket::{
            AF_INET, AF_INET6, AF_UNIX, MSG_DONTWAIT, MSG_NOSIGNAL, MSG_OOB, MSG_PEEK, MSG_TRUNC,
            MSG_WAITALL, SOCK_CLOEXEC, SOCK_DGRAM, SOCK_NONBLOCK, SOCK_RAW, SOCK_SEQPACKET,
            SOCK_STREAM, SOCK_TYPE_MASK, SOCKADDR_MAX,
        },
    },
    net::{Common, Incoming, Outgoing, Sender, Socket, host::HostSocket, unix::UnixSocket},
    time,
    user::CHUNK,
};

/// A descriptor that must be a socket.
pub(crate) fn socket(call: &Call<'_>, fd: u64) -> Result<Arc<OpenFile>> {
    let open = call.file(fd)?;
    if open.file().socket().is_some() { Ok(open) } else { Err(Errno::ENOTSOCK) }
}

pub(super) fn of(open: &OpenFile) -> Result<&dyn Socket> {
    open.file().socket().ok_or(Errno::ENOTSOCK)
}

fn install(call: &Call<'_>, made: Arc<dyn File>, flags: u64) -> Result<u64> {
    let status = if flags & SOCK_NONBLOCK != 0 { O_NONBLOCK } else { 0 };
    call.install(OpenFile::new(made, None, O_RDWR | status), flags & SOCK_CLOEXEC != 0)
}

/// `socket(2)`: TCP, UDP and UNIX.
pub(crate) fn sys_socket(call: &mut Call<'_>) -> Result<u64> {
    let [domain, kind, protocol, ..] = call.args;
    let family = u16::try_from(uint(domain)).map_err(|_| Errno::EAFNOSUPPORT)?;
    let (flags, kind) = (kind & (SOCK_NONBLOCK | SOCK_CLOEXEC), kind & SOCK_TYPE_MASK);
    let protocol = u64::from(uint(protocol));
    match family {
        AF_UNIX => {
            unix_kind(kind, protocol)?;
            install(call, UnixSocket::new(kind), flags)
        }
        AF_INET | AF_INET6 if matches!(kind, SOCK_STREAM | SOCK_DGRAM) => {
            let fd = host::socket::socket(u64::from(family), kind, protocol)?;
            install(call, HostSocket::new(fd, Common::new(family, kind, protocol)), flags)
        }
        // Raw sockets are for those who administer the machine.
        AF_INET | AF_INET6 if kind == SOCK_RAW => Err(Errno::EPERM),
        AF_INET | AF_INET6 => Err(Errno::EPROTONOSUPPORT),
        _ => Err(Errno::EAFNOSUPPORT),
    }
}

fn unix_kind(kind: u64, protocol: u64) -> Result<()> {
    match kind {
        _ if protocol > 1 => Err(Errno::EPROTONOSUPPORT),
        SOCK_STREAM | SOCK_DGRAM | SOCK_SEQPACKET => Ok(()),
        _ => Err(Errno::ESOCKTNOSUPPORT),
    }
}

/// `socketpair(2)`.
pub(crate) fn sys_socketpair(call: &mut Call<'_>) -> Result<u64> {
    let [domain, kind, protocol, sv, ..] = call.args;
    if uint(domain) != u32::from(AF_UNIX) {
        return Err(Errno::EOPNOTSUPP);
    }
    let (flags, kind) = (kind & (SOCK_NONBLOCK | SOCK_CLOEXEC), kind & SOCK_TYPE_MASK);
    unix_kind(kind, u64::from(uint(protocol)))?;
    let (one, other) = UnixSocket::pair(kind, Sender::of(call.thread));
    let one = install(call, one, flags)?;
    let made = install(call, other, flags).and_then(|other| {
        let pair = [uint(one).to_le_bytes(), uint(other).to_le_bytes()].concat();
        call.user().write(sv, &pair).inspect_err(|_| {
            let _ = call.process().files.lock().remove(other);
        })
    });
    made.map(|()| 0).inspect_err(|_| {
        let _ = call.process().files.lock().remove(one);
    })
}

pub(super) fn address(call: &Call<'_>, addr: u64, addrlen: u64) -> Result<Vec<u8>> {
    let len = usize::try_from(uint(addrlen)).unwrap_or(usize::MAX);
    if len > SOCKADDR_MAX {
        return Err(Errno::EINVAL);
    }
    call.user().bytes(addr, len)
}

/// Writes an address and its true length; what does not fit is cut.
fn return_address(call: &Call<'_>, address: &[u8], addr: u64, addrlen: u64) -> Result<()> {
    if addr == 0 {
        return Ok(());
    }
    let room = call.user().u32(addrlen)?;
    if room.cast_signed() < 0 {
        return Err(Errno::EINVAL);
    }
    let n = address.len().min(usize::try_from(room).unwrap_or(0));
    call.user().write(addr, &address[..n])?;
    call.user().write_u32(addrlen, u32::try_from(address.len()).unwrap_or(0))
}

/// `bind(2)`.
pub(crate) fn sys_bind(call: &mut Call<'_>) -> Result<u64> {
    let [sockfd, addr, addrlen, ..] = call.args;
    let open = socket(call, sockfd)?;
    let address = address(call, addr, addrlen)?;
    of(&open)?.bind(call.thread, &address).map(|()| 0)
}

/// `listen(2)`.
pub(crate) fn sys_listen(call: &mut Call<'_>) -> Result<u64> {
    let [sockfd, backlog, ..] = call.args;
    let open = socket(call, sockfd)?;
    of(&open)?.listen(u64::from(uint(backlog)) & 0xffff).map(|()| 0)
}

/// `connect(2)`.
pub(crate) fn sys_connect(call: &mut Call<'_>) -> Result<u64> {
    let [sockfd, addr, addrlen, ..] = call.args;
    let open = socket(call, sockfd)?;
    let address = address(call, addr, addrlen)?;
    let socket = of(&open)?;
    loop {
        let is_under_way = match socket.connect(call.thread, &address) {
            Err(Errno::EINPROGRESS) if !open.is_nonblocking() => true,
            Err(Errno::EAGAIN) if !open.is_nonblocking() => false,
            done => return done.map(|()| 0),
        };
        poll::wait_one(call.thread, open.file(), POLLOUT, None).map_err(|_| Errno::EINTR)?;
        if is_under_way {
            return socket.pending_error().map(|()| 0);
        }
    }
}

/// `accept(2)`.
pub(crate) fn sys_accept(call: &mut Call<'_>) -> Result<u64> {
    accept(call, 0)
}

/// `accept4(2)`.
pub(crate) fn sys_accept4(call: &mut Call<'_>) -> Result<u64> {
    let flags = u64::from(uint(call.args[3]));
    if flags & !(SOCK_NONBLOCK | SOCK_CLOEXEC) != 0 {
        return Err(Errno::EINVAL);
    }
    accept(call, flags)
}

fn accept(call: &Call<'_>, flags: u64) -> Result<u64> {
    let [sockfd, addr, addrlen, ..] = call.args;
    let open = socket(call, sockfd)?;
    let listening = of(&open)?;
    let (made, peer) = blocking(call, &open, POLLIN, 0, || listening.accept())?;
    return_address(call, &peer, addr, addrlen)?;
    install(call, made, flags)
}

/// Runs a nonblocking operation until it does not say EAGAIN, if the caller wants to block.
fn blocking<T>(
    call: &Call<'_>,
    open: &OpenFile,
    events: u32,
    flags: u64,
    mut operation: impl FnMut() -> Result<T>,
) -> Result<T> {
    let socket = of(open)?;
    let common = socket.common();
    let limit = if events == POLLIN { &common.receive_timeout } else { &common.send_timeout };
    let limit = limit.load(Relaxed);
    let deadline = (limit != 0).then(|| time::after(limit));
    loop {
        match operation() {
            Err(Errno::EAGAIN) if !open.is_nonblocking() && flags & MSG_DONTWAIT == 0 => {
                poll::wait_one(call.thread, open.file(), events, deadline)?;
            }
            done => return done,
        }
    }
}

/// `getsockname(2)`.
pub(crate) fn sys_getsockname(call: &mut Call<'_>) -> Result<u64> {
    let [sockfd, addr, addrlen, ..] = call.args;
    let open = socket(call, sockfd)?;
    let address = of(&open)?.local_address()?;
    return_address(call, &address, addr, addrlen).map(|()| 0)
}

/// `getpeername(2)`.
pub(crate) fn sys_getpeername(call: &mut Call<'_>) -> Result<u64> {
    let [sockfd, addr, addrlen, ..] = call.args;
    let open = socket(call, sockfd)?;
    let address = of(&open)?.peer_address()?;
    return_address(call, &address, addr, addrlen).map(|()| 0)
}

/// `shutdown(2)`.
pub(crate) fn sys_shutdown(call: &mut Call<'_>) -> Result<u64> {
    let [sockfd, how, ..] = call.args;
    if uint(how) > 2 {
        return Err(Errno::EINVAL);
    }
    let open = socket(call, sockfd)?;
    of(&open)?.shutdown(u64::from(uint(how))).map(|()| 0)
}

/// Flags of send calls that go to the host; blocking is decided here.
const SEND_FLAGS: u64 = MSG_OOB | MSG_NOSIGNAL | 0x8000 | 0x4 | 0x80;

/// Sends a message, waiting as its caller wants.
pub(super) fn send(call: &Call<'_>, open: &OpenFile, message: &Outgoing<'_>) -> Result<u64> {
    let socket = of(open)?;
    let flags = message.flags;
    let is_stream = socket.common().kind == SOCK_STREAM;
    let data = message.data;
    let mut done = 0;
    loop {
        let end = if is_stream { data.len().min(done + CHUNK) } else { data.len() };
        // Descriptors go with the first byte.
        let rights = if done == 0 { message.rights } else { &[] };
        let part =
            Outgoing { data: &data[done..end], flags: flags & SEND_FLAGS, to: message.to, rights };
        match blocking(call, open, POLLOUT, flags, || socket.send(&part)) {
            Ok(n) => done += n,
            Err(_) if done > 0 => return Ok(done as u64),
            Err(Errno::EPIPE) => {
                if flags & MSG_NOSIGNAL == 0 {
                    transfer::broken_pipe(call)?;
                }
                return Err(Errno::EPIPE);
            }
            Err(error) => return Err(error),
        }
        if done >= data.len() || !is_stream {
            return Ok(done as u64);
        }
    }
}

/// `sendto(2)`.
pub(crate) fn sys_sendto(call: &mut Call<'_>) -> Result<u64> {
    let [sockfd, buf, len, flags, dest_addr, addrlen] = call.args;
    let open = socket(call, sockfd)?;
    let to = if dest_addr == 0 { Vec::new() } else { address(call, dest_addr, addrlen)? };
    let len = usize::try_from(len.min(1 << 20)).map_err(|_| Errno::EMSGSIZE)?;
    let data = call.user().bytes(buf, len)?;
    let flags = u64::from(uint(flags));
    send(call, &open, &Outgoing { data: &data, flags, to: &to, rights: &[] })
}

/// Flags of receive calls that go to the host.
const RECEIVE_FLAGS: u64 = MSG_OOB | MSG_PEEK;

/// Receives at most `room` bytes: the data and what came with them.
pub(super) fn receive(
    call: &Call<'_>,
    open: &OpenFile,
    room: usize,
    flags: u64,
) -> Result<(Vec<u8>, Incoming)> {
    let socket = of(open)?;
    let is_stream = socket.common().kind == SOCK_STREAM;
    let mut buffer = vec![0; if is_stream { room.min(CHUNK) } else { room }];
    let host_flags = flags & RECEIVE_FLAGS;
    let mut incoming =
        blocking(call, open, POLLIN, flags, || socket.receive(&mut buffer, host_flags))?;
    buffer.truncate(incoming.length);
    let all = flags & MSG_WAITALL != 0 && is_stream && flags & MSG_PEEK == 0;
    while all && incoming.length > 0 && buffer.len() < room {
        let mut more = vec![0; (room - buffer.len()).min(CHUNK)];
        match blocking(call, open, POLLIN, flags, || socket.receive(&mut more, 0)) {
            Ok(next) if next.length > 0 => {
                buffer.extend_from_slice(&more[..next.length]);
                incoming.rights.extend(next.rights);
            }
            Ok(_) | Err(_) => break,
        }
    }
    if is_stream {
        incoming.total = buffer.len();
    }
    Ok((buffer, incoming))
}

/// What a receive call returns: with `MSG_TRUNC` the message's true length.
pub(super) fn received(data: &[u8], incoming: &Incoming, flags: u64) -> u64 {
    if flags & MSG_TRUNC != 0 { incoming.total as u64 } else { data.len() as u64 }
}

/// `recvfrom(2)`.
pub(crate) fn sys_recvfrom(call: &mut Call<'_>) -> Result<u64> {
    let [sockfd, buf, len, flags, src_addr, addrlen] = call.args;
    let open = socket(call, sockfd)?;
    let room = usize::try_from(len.min(1 << 20)).map_err(|_| Errno::EINVAL)?;
    let flags = u64::from(uint(flags));
    let (data, incoming) = receive(call, &open, room, flags)?;
    call.user().write(buf, &data)?;
    return_address(call, &incoming.from, src_addr, addrlen)?;
    Ok(received(&data, &incoming, flags))
}
