//! `getsockopt` and `setsockopt`.

use core::sync::atomic::Ordering::Relaxed;

use super::{Call, socket, uint};
use crate::{
    errno::{Errno, Result},
    linux::{
        socket::{SO_DOMAIN, SO_PROTOCOL, SO_RCVTIMEO, SO_SNDTIMEO, SO_TYPE, SOL_SOCKET},
        time::NS,
        u64_at,
    },
};

/// Longest option value.
const VALUE_MAX: usize = 1024;

/// `setsockopt(2)`.
pub(crate) fn sys_setsockopt(call: &mut Call<'_>) -> Result<u64> {
    let [sockfd, level, optname, optval, optlen, _] = call.args;
    let open = socket::socket(call, sockfd)?;
    let socket = open.file().socket().ok_or(Errno::ENOTSOCK)?;
    let common = socket.common();
    let (level, optname) = (u64::from(uint(level)), u64::from(uint(optname)));
    let len = usize::try_from(uint(optlen)).ok().filter(|&n| n <= VALUE_MAX);
    let value = call.user().bytes(optval, len.ok_or(Errno::EINVAL)?)?;
    match (level, optname) {
        // Host sockets never block: these two are kept here.
        (SOL_SOCKET, SO_RCVTIMEO) => common.receive_timeout.store(timeout(&value)?, Relaxed),
        (SOL_SOCKET, SO_SNDTIMEO) => common.send_timeout.store(timeout(&value)?, Relaxed),
        _ => socket.set_option(level, optname, &value)?,
    }
    Ok(0)
}

/// Nanoseconds of a `struct timeval`.
fn timeout(value: &[u8]) -> Result<u64> {
    let sec = u64_at(value, 0).ok_or(Errno::EINVAL)?;
    let usec = u64_at(value, 8).filter(|&u| u < 1_000_000).ok_or(Errno::EDOM)?;
    Ok(sec.saturating_mul(NS).saturating_add(usec * 1000))
}

/// `getsockopt(2)`.
pub(crate) fn sys_getsockopt(call: &mut Call<'_>) -> Result<u64> {
    let [sockfd, level, optname, optval, optlen, _] = call.args;
    let open = socket::socket(call, sockfd)?;
    let socket = open.file().socket().ok_or(Errno::ENOTSOCK)?;
    let common = socket.common();
    let room = usize::try_from(call.user().u32(optlen)?).unwrap_or(usize::MAX).min(VALUE_MAX);
    let word = |value: u64| uint(value).to_le_bytes().to_vec();
    let timeval = |ns: u64| [(ns / NS).to_le_bytes(), (ns % NS / 1000).to_le_bytes()].concat();
    let value = match (u64::from(uint(level)), u64::from(uint(optname))) {
        (SOL_SOCKET, SO_TYPE) => word(common.kind),
        (SOL_SOCKET, SO_DOMAIN) => word(u64::from(common.domain)),
        (SOL_SOCKET, SO_PROTOCOL) => word(common.protocol),
        (SOL_SOCKET, SO_RCVTIMEO) => timeval(common.receive_timeout.load(Relaxed)),
        (SOL_SOCKET, SO_SNDTIMEO) => timeval(common.send_timeout.load(Relaxed)),
        (level, name) => socket.option(level, name, room)?,
    };
    let n = value.len().min(room);
    call.user().write(optval, &value[..n])?;
    call.user().write_u32(optlen, u32::try_from(n).unwrap_or(0))?;
    Ok(0)
}
