//! The system: names, limits, usage, randomness, children.

use alloc::{sync::Arc, vec, vec::Vec};

use super::{Call, RELEASE, children, int, uint};
use crate::{
    errno::{Errno, Result},
    linux::{
        Encoder,
        time::{CLOCK_THREAD_CPUTIME_ID, NS},
        u64_at,
    },
    process::{
        Process,
        limits::{Limit, RLIM_NLIMITS, RLIMIT_NOFILE},
    },
    rt, system, time,
    user::CHUNK,
};

/// Length of each field of `struct utsname`.
const UTS_LEN: usize = 65;
const GRND_RANDOM: u32 = 2;
const GRND_INSECURE: u32 = 4;
/// Most descriptors a process may ask for.
const NR_OPEN: u64 = 1 << 20;

/// `uname(2)`.
pub(crate) fn sys_uname(call: &mut Call<'_>) -> Result<u64> {
    let mut out = Vec::new();
    let hostname = system::hostname();
    let version = b"#1 SMP casemate";
    let fields: [&[u8]; 6] =
        [b"Linux", &hostname, RELEASE.as_bytes(), version, b"x86_64", b"(none)"];
    for field in fields {
        let mut bytes = field[..field.len().min(UTS_LEN - 1)].to_vec();
        bytes.resize(UTS_LEN, 0);
        out.extend(bytes);
    }
    call.user().write(call.args[0], &out).map(|()| 0)
}

/// `sethostname(2)`.
pub(crate) fn sys_sethostname(call: &mut Call<'_>) -> Result<u64> {
    let [name, len, ..] = call.args;
    let len = usize::try_from(len).ok().filter(|&n| n < UTS_LEN).ok_or(Errno::EINVAL)?;
    system::set_hostname(call.user().bytes(name, len)?);
    Ok(0)
}

/// `sysinfo(2)`.
pub(crate) fn sys_sysinfo(call: &mut Call<'_>) -> Result<u64> {
    let (total, used) = {
        let space = call.space().lock();
        let bounds = space.bounds();
        (bounds.end - bounds.start, space.usage().1)
    };
    let bytes = Encoder::new()
        .u64(time::monotonic_ns() / NS)
        .u64(0)
        .u64(0)
        .u64(0)
        .u64(total)
        .u64(total.saturating_sub(used))
        .u64(0)
        .u64(0)
        .u64(0)
        .u64(0)
        .u16(u16::try_from(system::processes().len()).unwrap_or(1))
        .pad_to(88)
        .u64(0)
        .u64(0)
        .u32(1)
        .pad_to(112)
        .finish();
    call.user().write(call.args[0], &bytes).map(|()| 0)
}

/// `getrandom(2)`: always from the processor.
pub(crate) fn sys_getrandom(call: &mut Call<'_>) -> Result<u64> {
    let [buf, buflen, flags, ..] = call.args;
    let flags = uint(flags);
    if flags & !(1 | GRND_RANDOM | GRND_INSECURE) != 0
        || flags & (GRND_RANDOM | GRND_INSECURE) == GRND_RANDOM | GRND_INSECURE
    {
        return Err(Errno::EINVAL);
    }
    let len = usize::try_from(buflen.min(0x1ff_ffff)).map_err(|_| Errno::EINVAL)?;
    let mut chunk = vec![0; len.min(CHUNK)];
    let mut done = 0;
    while done < len {
        let n = (len - done).min(CHUNK);
        rt::random(&mut chunk[..n]);
        call.user().write(buf.wrapping_add(done as u64), &chunk[..n])?;
        done += n;
    }
    Ok(done as u64)
}

fn resource(arg: u64) -> Result<usize> {
    usize::try_from(uint(arg)).ok().filter(|&r| r < RLIM_NLIMITS).ok_or(Errno::EINVAL)
}

fn set_limit(call: &Call<'_>, process: &Process, resource: usize, addr: u64) -> Result<()> {
    let bytes = call.user().bytes(addr, 16)?;
    let soft = u64_at(&bytes, 0).unwrap_or(0);
    let hard = u64_at(&bytes, 8).unwrap_or(0);
    let is_root = call.process().credentials.lock().is_root();
    let mut limits = process.limits.lock();
    if soft > hard {
        return Err(Errno::EINVAL);
    }
    if (hard > limits.0[resource].hard && !is_root) || (resource == RLIMIT_NOFILE && hard > NR_OPEN)
    {
        return Err(Errno::EPERM);
    }
    limits.0[resource] = Limit { soft, hard };
    Ok(())
}

fn get_limit(call: &Call<'_>, process: &Process, resource: usize, addr: u64) -> Result<()> {
    let limit = process.limits.lock().0[resource];
    call.user().write(addr, &Encoder::new().u64(limit.soft).u64(limit.hard).finish())
}

/// `getrlimit(2)`.
pub(crate) fn sys_getrlimit(call: &mut Call<'_>) -> Result<u64> {
    get_limit(call, call.process(), resource(call.args[0])?, call.args[1]).map(|()| 0)
}

/// `setrlimit(2)`.
pub(crate) fn sys_setrlimit(call: &mut Call<'_>) -> Result<u64> {
    set_limit(call, call.process(), resource(call.args[0])?, call.args[1]).map(|()| 0)
}

/// `prlimit(2)`.
pub(crate) fn sys_prlimit64(call: &mut Call<'_>) -> Result<u64> {
    let [pid, which, new_limit, old_limit, ..] = call.args;
    let process = match uint(pid) {
        0 => Arc::clone(call.process()),
        pid => system::process(pid).ok_or(Errno::ESRCH)?,
    };
    let which = resource(which)?;
    if old_limit != 0 {
        get_limit(call, &process, which, old_limit)?;
    }
    if new_limit != 0 {
        set_limit(call, &process, which, new_limit)?;
    }
    Ok(0)
}

/// `getrusage(2)`: processor time as the host tells it, all of it user time.
pub(crate) fn sys_getrusage(call: &mut Call<'_>) -> Result<u64> {
    let [who, usage, ..] = call.args;
    let resident = || call.space().lock().usage().1;
    let bytes = match int(who) {
        0 => children::usage(children::used_ns(call)?, resident()),
        1 => children::usage(time::read(CLOCK_THREAD_CPUTIME_ID)?, resident()),
        -1 => {
            let times = *call.process().family.times.lock();
            children::usage(times.children_ns, times.children_max_resident)
        }
        _ => return Err(Errno::EINVAL),
    };
    call.user().write(usage, &bytes).map(|()| 0)
}

/// `getpriority(2)`: nice value 0, as the system call encodes it.
pub(crate) fn sys_getpriority(_call: &mut Call<'_>) -> Result<u64> {
    Ok(20)
}

/// `setpriority(2)`, `ioprio_set(2)`: accepted, the host schedules.
pub(crate) fn sys_accepted(_call: &mut Call<'_>) -> Result<u64> {
    Ok(0)
}

/// `personality(2)`: Linux.
pub(crate) fn sys_personality(call: &mut Call<'_>) -> Result<u64> {
    match uint(call.args[0]) {
        0 | u32::MAX => Ok(0),
        _ => Err(Errno::EINVAL),
    }
}
