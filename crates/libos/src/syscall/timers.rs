//! Clocks and sleeping.

use super::{Call, children, uint};
use crate::{
    errno::{Errno, Result},
    linux::{
        Encoder,
        time::{NS, TIMER_ABSTIME, Timespec},
    },
    time,
    wait::{self, Stop},
};

/// `clock_gettime(2)`.
pub(crate) fn sys_clock_gettime(call: &mut Call<'_>) -> Result<u64> {
    let [clockid, tp, ..] = call.args;
    let now = Timespec::from_ns(time::read(u64::from(uint(clockid)))?);
    call.user().write(tp, &now.to_bytes()).map(|()| 0)
}

/// `clock_getres(2)`: a nanosecond.
pub(crate) fn sys_clock_getres(call: &mut Call<'_>) -> Result<u64> {
    let [clockid, res, ..] = call.args;
    time::read(u64::from(uint(clockid)))?;
    if res != 0 {
        call.user().write(res, &Timespec { sec: 0, nsec: 1 }.to_bytes())?;
    }
    Ok(0)
}

/// `gettimeofday(2)`.
pub(crate) fn sys_gettimeofday(call: &mut Call<'_>) -> Result<u64> {
    let [tv, tz, ..] = call.args;
    if tv != 0 {
        let now = time::real_ns();
        call.user().write_u64(tv, now / NS)?;
        call.user().write_u64(tv.wrapping_add(8), now % NS / 1000)?;
    }
    if tz != 0 {
        call.user().write_u64(tz, 0)?;
    }
    Ok(0)
}

/// `time(2)`.
pub(crate) fn sys_time(call: &mut Call<'_>) -> Result<u64> {
    let now = time::real_ns() / NS;
    if call.args[0] != 0 {
        call.user().write_u64(call.args[0], now)?;
    }
    Ok(now)
}

/// `times(2)`: the processor time the host tells of, all of it user time.
pub(crate) fn sys_times(call: &mut Call<'_>) -> Result<u64> {
    let ticks = |ns: u64| ns / (NS / 100);
    if call.args[0] != 0 {
        let used = ticks(children::used_ns(call)?);
        let children = ticks(call.process().family.times.lock().children_ns);
        let tms = Encoder::new().u64(used).u64(0).u64(children).u64(0).finish();
        call.user().write(call.args[0], &tms)?;
    }
    Ok(ticks(time::monotonic_ns()))
}

fn sleep_until(call: &Call<'_>, deadline_ns: u64) -> Result<()> {
    match wait::wait_for(&**call.thread, &[], Some(deadline_ns), || None::<()>) {
        Ok(()) | Err(Stop::TimedOut) => Ok(()),
        Err(Stop::Interrupted) => Err(Errno::RESTART_NO_HANDLER),
    }
}

fn sleep_for(call: &Call<'_>, request: Timespec, remaining: u64) -> Result<u64> {
    let deadline = time::after(request.to_ns());
    let slept = sleep_until(call, deadline);
    if slept.is_err() && remaining != 0 {
        let left = Timespec::from_ns(deadline.saturating_sub(time::monotonic_ns()));
        call.user().write(remaining, &left.to_bytes())?;
    }
    slept.map(|()| 0)
}

/// `nanosleep(2)`.
pub(crate) fn sys_nanosleep(call: &mut Call<'_>) -> Result<u64> {
    let [duration, rem, ..] = call.args;
    let request = call.user().timespec(duration)?;
    sleep_for(call, request, rem)
}

/// `clock_nanosleep(2)`.
pub(crate) fn sys_clock_nanosleep(call: &mut Call<'_>) -> Result<u64> {
    let [clockid, flags, t, remain, ..] = call.args;
    let clock = u64::from(uint(clockid));
    let request = call.user().timespec(t)?;
    if clock == crate::linux::time::CLOCK_THREAD_CPUTIME_ID {
        return Err(Errno::EINVAL);
    }
    time::read(clock)?;
    if flags & TIMER_ABSTIME == 0 {
        return sleep_for(call, request, remain);
    }
    let deadline = time::deadline(clock, request.to_ns())?;
    sleep_until(call, deadline).map(|()| 0)
}
