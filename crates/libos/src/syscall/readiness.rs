//! `poll`, `select` and `epoll` as programs call them.

use alloc::{vec, vec::Vec};

use super::{
    Call, int,
    signals::{mask_argument, mask_for_call},
    uint,
};
use crate::{
    errno::{Errno, Result},
    io::{
        epoll::Event,
        poll::{self, Interest},
    },
    linux::{
        poll::{
            EPOLL_CTL_ADD, EPOLL_CTL_DEL, EPOLL_CTL_MOD, POLLERR, POLLHUP, POLLIN, POLLNVAL,
            POLLOUT, POLLPRI, POLLRDBAND, POLLRDNORM, POLLWRBAND, POLLWRNORM,
        },
        time::NS,
        u16_at, u32_at, u64_at,
    },
    signal::mask::Mask,
    time,
};

/// Size of the packed `struct epoll_event`.
const EPOLL_EVENT_SIZE: usize = 12;
/// Most events one `epoll_wait` returns here.
const EVENTS_MAX: usize = 1024;
/// Descriptors in an `fd_set`.
const FD_SETSIZE: usize = 1024;

/// A deadline from milliseconds: negative waits for ever, zero does not wait.
fn after_ms(ms: i32) -> Option<u64> {
    match u64::try_from(ms) {
        Err(_) => None,
        Ok(0) => Some(0),
        Ok(ms) => Some(time::after(ms * 1_000_000)),
    }
}

fn after_timespec(call: &Call<'_>, addr: u64) -> Result<Option<u64>> {
    let limit = call.user().timespec_or_none(addr)?.map(|t| t.to_ns());
    Ok(limit.map(|ns| if ns == 0 { 0 } else { time::after(ns) }))
}

fn wait(call: &Call<'_>, interests: &mut [Interest], deadline: Option<u64>) -> Result<()> {
    if deadline == Some(0) {
        poll::look(call.thread, interests);
        return Ok(());
    }
    poll::wait(call.thread, interests, None, deadline).map_err(|_| Errno::RESTART_NO_HANDLER)
}

/// `poll(2)`.
pub(crate) fn sys_poll(call: &mut Call<'_>) -> Result<u64> {
    let [fds, nfds, timeout, ..] = call.args;
    let deadline = after_ms(int(timeout));
    poll_fds(call, fds, nfds, deadline)
}

/// `ppoll(2)`.
pub(crate) fn sys_ppoll(call: &mut Call<'_>) -> Result<u64> {
    let [fds, nfds, tmo, sigmask, sigsetsize, _] = call.args;
    let deadline = after_timespec(call, tmo)?;
    if let Some(mask) = mask_argument(call, sigmask, sigsetsize)? {
        mask_for_call(call.thread, mask);
    }
    poll_fds(call, fds, nfds, deadline)
}

fn poll_fds(call: &Call<'_>, fds: u64, nfds: u64, deadline: Option<u64>) -> Result<u64> {
    if nfds > call.process().limits.lock().descriptors() {
        return Err(Errno::EINVAL);
    }
    let count = usize::try_from(nfds).map_err(|_| Errno::EINVAL)?;
    let mut bytes = call.user().bytes(fds, count * 8)?;
    let mut interests = Vec::new();
    let mut places = Vec::new();
    let mut ready = 0;
    for (i, entry) in bytes.chunks_exact_mut(8).enumerate() {
        entry[6..8].fill(0);
        let fd = u32_at(entry, 0).unwrap_or(0);
        if fd.cast_signed() < 0 {
            continue;
        }
        match call.file(u64::from(fd)) {
            Ok(open) => {
                let events = u32::from(u16_at(entry, 4).unwrap_or(0));
                interests.push(Interest::new(alloc::sync::Arc::clone(open.file()), events));
                places.push(i);
            }
            Err(_) => {
                entry[6] = u8::try_from(POLLNVAL).unwrap_or(0);
                ready += 1;
            }
        }
    }
    let deadline = if ready > 0 { Some(0) } else { deadline };
    wait(call, &mut interests, deadline)?;
    for (interest, place) in interests.iter().zip(places) {
        if interest.revents != 0 {
            ready += 1;
            let revents = u16::try_from(interest.revents & 0xffff).unwrap_or(0);
            bytes[place * 8 + 6..place * 8 + 8].copy_from_slice(&revents.to_le_bytes());
        }
    }
    call.user().write(fds, &bytes)?;
    Ok(ready)
}

/// What each set of `select(2)` asks for.
const SELECT_EVENTS: [u32; 3] = [
    POLLIN | POLLRDNORM | POLLRDBAND | POLLHUP | POLLERR,
    POLLOUT | POLLWRNORM | POLLWRBAND | POLLERR,
    POLLPRI,
];

fn select_fds(
    call: &Call<'_>,
    nfds: u64,
    addresses: [u64; 3],
    deadline: Option<u64>,
) -> Result<u64> {
    let count = usize::try_from(int(nfds)).map_err(|_| Errno::EINVAL)?.min(FD_SETSIZE);
    let words = count.div_ceil(64) * 8;
    let mut sets = Vec::new();
    for addr in addresses {
        sets.push(if addr == 0 { vec![0; words] } else { call.user().bytes(addr, words)? });
    }
    let is_set = |set: &[u8], fd: usize| set[fd / 8] & 1 << (fd % 8) != 0;
    let mut interests = Vec::new();
    let mut fds = Vec::new();
    for fd in 0..count {
        let wanted = sets.iter().zip(SELECT_EVENTS).filter(|(set, _)| is_set(set, fd));
        let events = wanted.fold(0, |all, (_, events)| all | events);
        if events != 0 {
            let open = call.file(fd as u64)?;
            interests.push(Interest::new(alloc::sync::Arc::clone(open.file()), events));
            fds.push(fd);
        }
    }
    wait(call, &mut interests, deadline)?;
    let mut out = [vec![0u8; words], vec![0u8; words], vec![0u8; words]];
    let mut ready = 0;
    for (interest, &fd) in interests.iter().zip(&fds) {
        for ((set, out), events) in sets.iter().zip(&mut out).zip(SELECT_EVENTS) {
            if is_set(set, fd) && interest.revents & events != 0 {
                out[fd / 8] |= 1 << (fd % 8);
                ready += 1;
            }
        }
    }
    for (addr, out) in addresses.into_iter().zip(&out) {
        if addr != 0 {
            call.user().write(addr, out)?;
        }
    }
    Ok(ready)
}

/// `select(2)`.
pub(crate) fn sys_select(call: &mut Call<'_>) -> Result<u64> {
    let [nfds, readfds, writefds, exceptfds, timeout, _] = call.args;
    let deadline = if timeout == 0 {
        None
    } else {
        let (sec, usec) = (call.user().u64(timeout)?, call.user().u64(timeout.wrapping_add(8))?);
        if sec >= 1 << 40 || usec >= 1_000_000 {
            return Err(Errno::EINVAL);
        }
        let ns = sec * NS + usec * 1000;
        Some(if ns == 0 { 0 } else { time::after(ns) })
    };
    let ready = select_fds(call, nfds, [readfds, writefds, exceptfds], deadline)?;
    if let (Some(deadline), true) = (deadline, timeout != 0) {
        let left = deadline.saturating_sub(time::monotonic_ns());
        call.user().write_u64(timeout, left / NS)?;
        call.user().write_u64(timeout.wrapping_add(8), left % NS / 1000)?;
    }
    Ok(ready)
}

/// `pselect6(2)`: the sixth argument points to the mask and its size.
pub(crate) fn sys_pselect6(call: &mut Call<'_>) -> Result<u64> {
    let [nfds, readfds, writefds, exceptfds, timeout, sigmask] = call.args;
    let deadline = after_timespec(call, timeout)?;
    if sigmask != 0 {
        let (set, size) = (call.user().u64(sigmask)?, call.user().u64(sigmask.wrapping_add(8))?);
        if let Some(mask) = mask_argument(call, set, size)? {
            mask_for_call(call.thread, mask);
        }
    }
    select_fds(call, nfds, [readfds, writefds, exceptfds], deadline)
}

/// `epoll_ctl(2)`.
pub(crate) fn sys_epoll_ctl(call: &mut Call<'_>) -> Result<u64> {
    let [epfd, op, fd, event, ..] = call.args;
    let (instance, target) = (call.file(epfd)?, call.file(fd)?);
    let epoll = instance.file().epoll().ok_or(Errno::EINVAL)?;
    let op = u64::from(uint(op));
    let event = if op == EPOLL_CTL_DEL {
        Event { events: 0, data: 0 }
    } else {
        let bytes = call.user().bytes(event, EPOLL_EVENT_SIZE)?;
        Event { events: u32_at(&bytes, 0).unwrap_or(0), data: u64_at(&bytes, 4).unwrap_or(0) }
    };
    match op {
        EPOLL_CTL_ADD => epoll.add(int(fd), &target, event)?,
        EPOLL_CTL_MOD => epoll.modify(int(fd), &target, event)?,
        EPOLL_CTL_DEL => epoll.delete(int(fd), &target)?,
        _ => return Err(Errno::EINVAL),
    }
    Ok(0)
}

fn epoll_events(call: &Call<'_>, deadline: Option<u64>, mask: Option<Mask>) -> Result<u64> {
    let [epfd, events, maxevents, ..] = call.args;
    let most = usize::try_from(int(maxevents)).ok().filter(|&n| n > 0).ok_or(Errno::EINVAL)?;
    let instance = call.file(epfd)?;
    let epoll = instance.file().epoll().ok_or(Errno::EINVAL)?;
    if let Some(mask) = mask {
        mask_for_call(call.thread, mask);
    }
    let found = epoll
        .wait(call.thread, most.min(EVENTS_MAX), deadline)
        .map_err(|_| Errno::RESTART_NO_HANDLER)?;
    let mut bytes = Vec::with_capacity(found.len() * EPOLL_EVENT_SIZE);
    for event in &found {
        bytes.extend_from_slice(&event.events.to_le_bytes());
        bytes.extend_from_slice(&event.data.to_le_bytes());
    }
    call.user().write(events, &bytes)?;
    Ok(found.len() as u64)
}

/// `epoll_wait(2)`.
pub(crate) fn sys_epoll_wait(call: &mut Call<'_>) -> Result<u64> {
    let deadline = after_ms(int(call.args[3]));
    epoll_events(call, deadline, None)
}

/// `epoll_pwait(2)`.
pub(crate) fn sys_epoll_pwait(call: &mut Call<'_>) -> Result<u64> {
    let [.., timeout, sigmask, sigsetsize] = call.args;
    let mask = mask_argument(call, sigmask, sigsetsize)?;
    epoll_events(call, after_ms(int(timeout)), mask)
}

/// `epoll_pwait2(2)`.
pub(crate) fn sys_epoll_pwait2(call: &mut Call<'_>) -> Result<u64> {
    let [.., timeout, sigmask, sigsetsize] = call.args;
    let deadline = after_timespec(call, timeout)?;
    let mask = mask_argument(call, sigmask, sigsetsize)?;
    epoll_events(call, deadline, mask)
}
