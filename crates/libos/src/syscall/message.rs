//! `sendmsg(2)`, `recvmsg(2)` and their plurals.

use alloc::vec::Vec;

use super::{Call, control, socket, uint};
use crate::{
    errno::{Errno, Result},
    fs::file::OpenFile,
    linux::{
        socket::{MSG_CMSG_CLOEXEC, MSG_DONTWAIT, MSG_TRUNC, UIO_MAXIOV},
        u32_at, u64_at,
    },
    net::Outgoing,
};

/// Size of `struct msghdr` and of `struct mmsghdr`.
const MSGHDR_SIZE: usize = 56;
const MMSGHDR_SIZE: u64 = 64;
/// Most bytes one call moves.
const DATA_MAX: u64 = 1 << 20;

/// A decoded `struct msghdr`.
struct Message {
    at: u64,
    name: u64,
    name_len: u32,
    parts: Vec<(u64, u64)>,
    /// Address and length of the control messages.
    control: (u64, u64),
}

fn message(call: &Call<'_>, msg: u64) -> Result<Message> {
    let bytes = call.user().bytes(msg, MSGHDR_SIZE)?;
    let word = |at| u64_at(&bytes, at).ok_or(Errno::EFAULT);
    let iovlen = word(24)?;
    if iovlen > UIO_MAXIOV {
        return Err(Errno::EMSGSIZE);
    }
    Ok(Message {
        at: msg,
        name: word(0)?,
        name_len: u32_at(&bytes, 8).ok_or(Errno::EFAULT)?,
        parts: call.user().iovec(word(16)?, iovlen)?,
        control: (word(32)?, word(40)?),
    })
}

fn send_message(call: &Call<'_>, open: &OpenFile, msg: u64, flags: u64) -> Result<u64> {
    let message = message(call, msg)?;
    let to = match message.name {
        0 => Vec::new(),
        name => socket::address(call, name, u64::from(message.name_len))?,
    };
    let mut data = Vec::new();
    for (base, len) in message.parts {
        let room = DATA_MAX.saturating_sub(data.len() as u64);
        let len = usize::try_from(len.min(room)).map_err(|_| Errno::EMSGSIZE)?;
        data.extend(call.user().bytes(base, len)?);
    }
    let rights = control::outgoing(call, message.control)?;
    socket::send(call, open, &Outgoing { data: &data, flags, to: &to, rights: &rights })
}

/// `sendmsg(2)`: descriptors and credentials go with UNIX sockets, other control messages have no effect.
pub(crate) fn sys_sendmsg(call: &mut Call<'_>) -> Result<u64> {
    let [sockfd, msg, flags, ..] = call.args;
    let open = socket::socket(call, sockfd)?;
    send_message(call, &open, msg, u64::from(uint(flags)))
}

fn receive_message(call: &Call<'_>, open: &OpenFile, msg: u64, flags: u64) -> Result<u64> {
    let message = message(call, msg)?;
    let room = message.parts.iter().fold(0u64, |sum, part| sum.saturating_add(part.1));
    let room = usize::try_from(room.min(DATA_MAX)).map_err(|_| Errno::EINVAL)?;
    let (data, mut incoming) = socket::receive(call, open, room, flags)?;
    let mut rest = data.as_slice();
    for (base, len) in message.parts {
        let n = rest.len().min(usize::try_from(len).unwrap_or(usize::MAX));
        let (now, later) = rest.split_at(n);
        call.user().write(base, now)?;
        rest = later;
    }
    if message.name != 0 {
        let from = &incoming.from;
        let n = from.len().min(usize::try_from(message.name_len).unwrap_or(0));
        call.user().write(message.name, &from[..n])?;
        let len = u32::try_from(from.len()).unwrap_or(0);
        call.user().write_u32(message.at.wrapping_add(8), len)?;
    }
    let mut told = flags & MSG_CMSG_CLOEXEC;
    if incoming.total > data.len() {
        told |= MSG_TRUNC;
    }
    let (used, cut) = control::incoming(call, message.control, &mut incoming, flags)?;
    call.user().write_u64(message.at.wrapping_add(40), used)?;
    call.user().write_u32(message.at.wrapping_add(48), uint(told | cut))?;
    Ok(socket::received(&data, &incoming, flags))
}

/// `recvmsg(2)`.
pub(crate) fn sys_recvmsg(call: &mut Call<'_>) -> Result<u64> {
    let [sockfd, msg, flags, ..] = call.args;
    let open = socket::socket(call, sockfd)?;
    receive_message(call, &open, msg, u64::from(uint(flags)))
}

fn many(call: &Call<'_>, one: impl Fn(&OpenFile, u64, u64) -> Result<u64>) -> Result<u64> {
    let [sockfd, msgvec, vlen, flags, ..] = call.args;
    let open = socket::socket(call, sockfd)?;
    let mut flags = u64::from(uint(flags));
    let count = u64::from(uint(vlen)).min(UIO_MAXIOV);
    for i in 0..count {
        let at = msgvec.wrapping_add(i * MMSGHDR_SIZE);
        match one(&open, at, flags) {
            Ok(n) => call.user().write_u32(at.wrapping_add(56), u32::try_from(n).unwrap_or(0))?,
            Err(_) if i > 0 => return Ok(i),
            Err(error) => return Err(error),
        }
        // After the first, only what is there already (MSG_WAITFORONE for receivers, all of it here).
        flags |= MSG_DONTWAIT;
    }
    Ok(count)
}

/// `sendmmsg(2)`.
pub(crate) fn sys_sendmmsg(call: &mut Call<'_>) -> Result<u64> {
    many(call, |open, msg, flags| send_message(call, open, msg, flags))
}

/// `recvmmsg(2)`.
pub(crate) fn sys_recvmmsg(call: &mut Call<'_>) -> Result<u64> {
    many(call, |open, msg, flags| receive_message(call, open, msg, flags))
}
