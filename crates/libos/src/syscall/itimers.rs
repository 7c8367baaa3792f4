//! Timers that send signals.

use alloc::sync::Arc;

use super::{Call, int, uint};
use crate::{
    errno::{Errno, Result},
    linux::{
        Encoder,
        signal::{NSIG, SI_KERNEL, SI_TIMER, SIGALRM},
        time::{CLOCK_PROCESS_CPUTIME_ID, CLOCK_THREAD_CPUTIME_ID, NS, TIMER_ABSTIME, Timespec},
        u32_at, u64_at,
    },
    signal::info::{Fields, Info},
    time,
    timer::{self, Target, Timer},
};

const ITIMER_REAL: u32 = 0;
const ITIMER_PROF: u32 = 2;
const SIGEV_SIGNAL: u32 = 0;
const SIGEV_NONE: u32 = 1;
const SIGEV_THREAD_ID: u32 = 4;
const SIGEVENT_SIZE: usize = 64;
/// Timers a process may have; Linux counts them as pending signals.
const TIMERS_MAX: usize = 1024;

const US: u64 = 1000;

/// Sets `ITIMER_REAL`; returns interval and time left of what ran before, in nanoseconds.
fn set_real(call: &Call<'_>, value_ns: u64, interval_ns: u64) -> (u64, u64) {
    let now = time::monotonic_ns();
    let info = Info { signo: SIGALRM, code: SI_KERNEL, fields: Fields::None };
    let new = Timer {
        due_ns: (value_ns != 0).then(|| now.saturating_add(value_ns)),
        interval_ns,
        info,
        target: Target::Process,
        clockid: crate::linux::time::CLOCK_MONOTONIC,
        overrun: 0,
    };
    let old = call.process().timers.lock().real.replace(new);
    timer::arm();
    old.map_or((0, 0), |old| match old.left_ns(now) {
        0 => (0, 0),
        left => (old.interval_ns, left),
    })
}

/// `alarm(2)`.
pub(crate) fn sys_alarm(call: &mut Call<'_>) -> Result<u64> {
    let (_, left) = set_real(call, u64::from(uint(call.args[0])) * NS, 0);
    // Half a second and more counts as one, and what runs never shows as none.
    Ok(if left == 0 { 0 } else { ((left + NS / 2) / NS).max(1) })
}

fn itimerval((interval, left): (u64, u64)) -> alloc::vec::Vec<u8> {
    let words = [interval / NS, interval % NS / US, left / NS, left % NS / US];
    words.into_iter().fold(Encoder::new(), Encoder::u64).finish()
}

/// `getitimer(2)`; only `ITIMER_REAL` can run.
pub(crate) fn sys_getitimer(call: &mut Call<'_>) -> Result<u64> {
    let [which, value, ..] = call.args;
    if uint(which) > ITIMER_PROF {
        return Err(Errno::EINVAL);
    }
    let now = time::monotonic_ns();
    let real = call.process().timers.lock().real.clone().filter(|_| uint(which) == ITIMER_REAL);
    let shown = real.filter(|timer| timer.due_ns.is_some());
    let shown = shown.map_or((0, 0), |timer| (timer.interval_ns, timer.left_ns(now)));
    call.user().write(value, &itimerval(shown)).map(|()| 0)
}

/// `setitimer(2)`: `ITIMER_REAL`; those on processor time can only be turned off.
pub(crate) fn sys_setitimer(call: &mut Call<'_>) -> Result<u64> {
    let [which, new, old, ..] = call.args;
    if uint(which) > ITIMER_PROF {
        return Err(Errno::EINVAL);
    }
    let asked = if new == 0 { alloc::vec![0; 32] } else { call.user().bytes(new, 32)? };
    let ns = |at: usize| {
        let (sec, usec) = (u64_at(&asked, at)?, u64_at(&asked, at + 8)?);
        let time = (usec < NS / US).then(|| Timespec::from_words(sec, usec * US))??;
        Some(time.to_ns())
    };
    let interval = ns(0).ok_or(Errno::EINVAL)?;
    let value = ns(16).ok_or(Errno::EINVAL)?;
    let before = match uint(which) {
        ITIMER_REAL => set_real(call, value, interval),
        _ if value == 0 => (0, 0),
        _ => return Err(Errno::ENOSYS),
    };
    if old != 0 {
        call.user().write(old, &itimerval(before))?;
    }
    Ok(0)
}

/// The `sigevent` of a new timer: what it sends, and to whom.
fn event(call: &Call<'_>, sevp: u64, id: u32) -> Result<(Info, Target)> {
    let info = |signo, value| Info { signo, code: SI_TIMER, fields: Fields::Timer { id, value } };
    if sevp == 0 {
        return Ok((info(SIGALRM, u64::from(id)), Target::Process));
    }
    let bytes = call.user().bytes(sevp, SIGEVENT_SIZE)?;
    let word = |at| u32_at(&bytes, at).ok_or(Errno::EFAULT);
    let (value, signo, notify) = (u64_at(&bytes, 0).ok_or(Errno::EFAULT)?, word(8)?, word(12)?);
    let target = match notify {
        SIGEV_NONE => return Ok((info(SIGALRM, value), Target::Nobody)),
        SIGEV_SIGNAL => Target::Process,
        SIGEV_THREAD_ID => {
            let thread = call.process().threads.lock().get(&word(16)?).cloned();
            Target::Thread(Arc::downgrade(&thread.ok_or(Errno::EINVAL)?))
        }
        _ => return Err(Errno::EINVAL),
    };
    if !(1..=NSIG).contains(&signo) {
        return Err(Errno::EINVAL);
    }
    Ok((info(signo, value), target))
}

/// `timer_create(2)`, on every clock but those of processor time.
pub(crate) fn sys_timer_create(call: &mut Call<'_>) -> Result<u64> {
    let [clockid, sevp, timerid, ..] = call.args;
    let clockid = u64::from(uint(clockid));
    if matches!(clockid, CLOCK_PROCESS_CPUTIME_ID | CLOCK_THREAD_CPUTIME_ID) {
        return Err(Errno::EOPNOTSUPP);
    }
    time::read(clockid)?;
    let id = {
        let timers = call.process().timers.lock();
        if timers.by_id.len() >= TIMERS_MAX {
            return Err(Errno::EAGAIN);
        }
        (0..).find(|id| !timers.by_id.contains_key(id)).ok_or(Errno::EAGAIN)?
    };
    let (info, target) = event(call, sevp, id)?;
    call.user().write_u32(timerid, id)?;
    let timer = Timer { due_ns: None, interval_ns: 0, info, target, clockid, overrun: 0 };
    call.process().timers.lock().by_id.insert(id, timer);
    Ok(0)
}

fn itimerspec(interval: u64, left: u64) -> [u8; 32] {
    let mut bytes = [0; 32];
    bytes[..16].copy_from_slice(&Timespec::from_ns(interval).to_bytes());
    bytes[16..].copy_from_slice(&Timespec::from_ns(left).to_bytes());
    bytes
}

/// `timer_settime(2)`.
pub(crate) fn sys_timer_settime(call: &mut Call<'_>) -> Result<u64> {
    let [timerid, flags, new, old, ..] = call.args;
    let id = uint(timerid);
    let clockid = {
        let timers = call.process().timers.lock();
        timers.by_id.get(&id).ok_or(Errno::EINVAL)?.clockid
    };
    let interval = call.user().timespec(new)?.to_ns();
    let value = call.user().timespec(new.wrapping_add(16))?.to_ns();
    let now = time::monotonic_ns();
    let due_ns = if value == 0 {
        None
    } else if u64::from(uint(flags)) & TIMER_ABSTIME != 0 {
        Some(time::deadline(clockid, value)?)
    } else {
        Some(now.saturating_add(value))
    };
    let before = {
        let mut timers = call.process().timers.lock();
        let timer = timers.by_id.get_mut(&id).ok_or(Errno::EINVAL)?;
        let before = itimerspec(timer.interval_ns, timer.left_ns(now));
        (timer.due_ns, timer.interval_ns, timer.overrun) = (due_ns, interval, 0);
        before
    };
    timer::arm();
    if old != 0 {
        call.user().write(old, &before)?;
    }
    Ok(0)
}

/// `timer_gettime(2)`.
pub(crate) fn sys_timer_gettime(call: &mut Call<'_>) -> Result<u64> {
    let [timerid, value, ..] = call.args;
    let now = time::monotonic_ns();
    let shown = {
        let timers = call.process().timers.lock();
        let timer = timers.by_id.get(&uint(timerid)).ok_or(Errno::EINVAL)?;
        itimerspec(timer.interval_ns, timer.left_ns(now))
    };
    call.user().write(value, &shown).map(|()| 0)
}

/// `timer_getoverrun(2)`.
pub(crate) fn sys_timer_getoverrun(call: &mut Call<'_>) -> Result<u64> {
    let timers = call.process().timers.lock();
    timers.by_id.get(&uint(call.args[0])).map(|timer| timer.overrun).ok_or(Errno::EINVAL)
}

/// `timer_delete(2)`.
pub(crate) fn sys_timer_delete(call: &mut Call<'_>) -> Result<u64> {
    if int(call.args[0]) < 0 {
        return Err(Errno::EINVAL);
    }
    let gone = call.process().timers.lock().by_id.remove(&uint(call.args[0]));
    gone.map(|_| 0).ok_or(Errno::EINVAL)
}
