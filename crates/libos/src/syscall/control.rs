//! Control messages of `sendmsg(2)` and `recvmsg(2)`: `cmsg(3)`.

use alloc::{sync::Arc, vec::Vec};

use super::Call;
use crate::{
    errno::{Errno, Result},
    fs::file::OpenFile,
    linux::{
        Encoder,
        socket::{MSG_CMSG_CLOEXEC, MSG_CTRUNC, SCM_CREDENTIALS, SCM_RIGHTS, SOL_SOCKET},
        u32_at, u64_at,
    },
    net::Incoming,
};

/// Size of `struct cmsghdr`.
const HEADER: usize = 16;
/// Most bytes of control messages, as `net.core.optmem_max`.
const CONTROL_MAX: u64 = 128 << 10;
/// Most descriptors in one message, `SCM_MAX_FD`.
const FDS_MAX: usize = 253;

/// The descriptors that go with a message; `at` and `length` are those of its control messages.
pub(super) fn outgoing(call: &Call<'_>, (at, length): (u64, u64)) -> Result<Vec<Arc<OpenFile>>> {
    if at == 0 || length == 0 {
        return Ok(Vec::new());
    }
    if length > CONTROL_MAX {
        return Err(Errno::ENOBUFS);
    }
    let bytes = call.user().bytes(at, usize::try_from(length).map_err(|_| Errno::EINVAL)?)?;
    let mut rights = Vec::new();
    for (level, kind, data) in parse(&bytes)? {
        if u64::from(level) != SOL_SOCKET {
            continue;
        }
        match kind {
            SCM_RIGHTS => {
                for fd in data.as_chunks::<4>().0 {
                    rights.push(call.file(u64::from(u32::from_le_bytes(*fd)))?);
                }
            }
            // What a process says of itself is replaced by what is so.
            SCM_CREDENTIALS if data.len() == 12 => {}
            _ => return Err(Errno::EINVAL),
        }
    }
    if rights.len() > FDS_MAX { Err(Errno::EINVAL) } else { Ok(rights) }
}

/// Level, type and data of each control message.
fn parse(bytes: &[u8]) -> Result<Vec<(u32, u32, &[u8])>> {
    let mut found = Vec::new();
    let mut at = 0;
    while let Some(rest) = bytes.get(at..).filter(|rest| rest.len() >= HEADER) {
        let length = u64_at(rest, 0).and_then(|n| usize::try_from(n).ok()).unwrap_or(0);
        let data = rest.get(HEADER..length).ok_or(Errno::EINVAL)?;
        let (level, kind) = (u32_at(rest, 8).unwrap_or(0), u32_at(rest, 12).unwrap_or(0));
        found.push((level, kind, data));
        at += length.next_multiple_of(8);
    }
    Ok(found)
}

/// Writes what came with a message: bytes written, and `MSG_CTRUNC` where the room was too small.
pub(super) fn incoming(
    call: &Call<'_>,
    (at, room): (u64, u64),
    incoming: &mut Incoming,
    flags: u64,
) -> Result<(u64, u64)> {
    let room = if at == 0 { 0 } else { usize::try_from(room).unwrap_or(usize::MAX) };
    let mut out = Vec::new();
    let mut cut = 0;
    if let Some(sender) = incoming.sender {
        let ids = [sender.pid, sender.uid, sender.gid];
        let data: Vec<u8> = ids.iter().flat_map(|id| id.to_le_bytes()).collect();
        cut |= push(&mut out, room, SCM_CREDENTIALS, &data);
    }
    let rights = core::mem::take(&mut incoming.rights);
    if !rights.is_empty() {
        let fit = room.saturating_sub(out.len()).saturating_sub(HEADER) / 4;
        let mut fds = Vec::new();
        for open in rights.iter().take(fit) {
            let Ok(fd) = call.install(Arc::clone(open), flags & MSG_CMSG_CLOEXEC != 0) else {
                break;
            };
            fds.extend_from_slice(&super::uint(fd).to_le_bytes());
        }
        if fds.len() / 4 < rights.len() {
            cut |= MSG_CTRUNC;
        }
        if !fds.is_empty() {
            push(&mut out, room, SCM_RIGHTS, &fds);
        }
    }
    if !out.is_empty() {
        call.user().write(at, &out)?;
    }
    Ok((out.len() as u64, cut))
}

/// Adds a control message, cut to the room there is.
fn push(out: &mut Vec<u8>, room: usize, kind: u32, data: &[u8]) -> u64 {
    let left = room.saturating_sub(out.len());
    if left < HEADER {
        return MSG_CTRUNC;
    }
    let length = (HEADER + data.len()).min(left);
    let message = Encoder::new()
        .u64(length as u64)
        .u32(super::uint(SOL_SOCKET))
        .u32(kind)
        .bytes(&data[..length - HEADER])
        .pad_to(length.next_multiple_of(8).min(left))
        .finish();
    out.extend(message);
    if length < HEADER + data.len() { MSG_CTRUNC } else { 0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_messages_are_parsed_and_bad_lengths_refused() {
        let one = |length: u64, data: &[u8]| {
            Encoder::new().u64(length).u32(1).u32(1).bytes(data).pad_to(24).finish()
        };
        let two = [one(20, &[5, 0, 0, 0]), one(24, &[1; 8])].concat();
        let found = parse(&two).unwrap();
        assert_eq!(found.len(), 2);
        assert_eq!(found[0], (1, 1, [5, 0, 0, 0].as_slice()));
        for length in [0, 15, 25, u64::MAX] {
            assert_eq!(parse(&one(length, &[0; 8])), Err(Errno::EINVAL));
        }
        assert_eq!(parse(&[0; 15]), Ok(Vec::new()));
    }

    #[test]
    fn what_does_not_fit_is_cut_and_told() {
        let mut out = Vec::new();
        assert_eq!(push(&mut out, 40, SCM_RIGHTS, &[1; 4]), 0);
        assert_eq!(out.len(), 24);
        assert_eq!(push(&mut out, 40, SCM_RIGHTS, &[1; 4]), MSG_CTRUNC);
        assert_eq!(out.len(), 40);
        assert_eq!(push(&mut out, 40, SCM_RIGHTS, &[1; 4]), MSG_CTRUNC);
        assert_eq!(out.len(), 40);
    }
}
