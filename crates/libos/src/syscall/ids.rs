//! Who a process is: IDs of processes, users and groups, capabilities.

use alloc::sync::Arc;
use core::sync::atomic::Ordering::Relaxed;

use super::{Call, int, uint};
use crate::{
    errno::{Errno, Result},
    process::{Process, credentials::Ids},
    system,
};

/// Most supplementary groups, as on Linux.
const NGROUPS_MAX: usize = 65536;
/// `-1`: leave this ID alone.
const KEEP: u32 = u32::MAX;

/// `getpid(2)`.
pub(crate) fn sys_getpid(call: &mut Call<'_>) -> Result<u64> {
    Ok(u64::from(call.process().pid))
}

/// `getppid(2)`.
pub(crate) fn sys_getppid(call: &mut Call<'_>) -> Result<u64> {
    Ok(u64::from(call.process().ppid()))
}

/// `getuid(2)`.
pub(crate) fn sys_getuid(call: &mut Call<'_>) -> Result<u64> {
    Ok(u64::from(call.process().credentials.lock().uid.real))
}

/// `geteuid(2)`.
pub(crate) fn sys_geteuid(call: &mut Call<'_>) -> Result<u64> {
    Ok(u64::from(call.process().credentials.lock().uid.effective))
}

/// `getgid(2)`.
pub(crate) fn sys_getgid(call: &mut Call<'_>) -> Result<u64> {
    Ok(u64::from(call.process().credentials.lock().gid.real))
}

/// `getegid(2)`.
pub(crate) fn sys_getegid(call: &mut Call<'_>) -> Result<u64> {
    Ok(u64::from(call.process().credentials.lock().gid.effective))
}

/// Which of the two sets of IDs a call is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Which {
    User,
    Group,
}

/// Changes one set of IDs under the credentials' lock; `is_root` as before the change.
fn change(
    call: &Call<'_>,
    which: Which,
    apply: impl FnOnce(&mut Ids, bool) -> Result<()>,
) -> Result<u64> {
    let mut credentials = call.process().credentials.lock();
    let is_root = credentials.is_root();
    let ids = match which {
        Which::User => &mut credentials.uid,
        Which::Group => &mut credentials.gid,
    };
    apply(ids, is_root)?;
    ids.fs = ids.effective;
    Ok(0)
}

fn set_one(call: &Call<'_>, which: Which) -> Result<u64> {
    let id = uint(call.args[0]);
    change(call, which, |ids, is_root| {
        if is_root {
            *ids = Ids { real: id, effective: id, saved: id, fs: id };
        } else if id == ids.real || id == ids.saved {
            ids.effective = id;
        } else {
            return Err(Errno::EPERM);
        }
        Ok(())
    })
}

/// `setuid(2)`.
pub(crate) fn sys_setuid(call: &mut Call<'_>) -> Result<u64> {
    set_one(call, Which::User)
}

/// `setgid(2)`.
pub(crate) fn sys_setgid(call: &mut Call<'_>) -> Result<u64> {
    set_one(call, Which::Group)
}

fn set_two(call: &Call<'_>, which: Which) -> Result<u64> {
    let (real, effective) = (uint(call.args[0]), uint(call.args[1]));
    change(call, which, |ids, is_root| {
        let may_real = is_root || real == ids.real || real == ids.effective;
        if (real != KEEP && !may_real) || (effective != KEEP && !is_root && !ids.has(effective)) {
            return Err(Errno::EPERM);
        }
        let old_real = ids.real;
        if real != KEEP {
            ids.real = real;
        }
        if effective != KEEP {
            ids.effective = effective;
        }
        if real != KEEP || (effective != KEEP && effective != old_real) {
            ids.saved = ids.effective;
        }
        Ok(())
    })
}

/// `setreuid(2)`.
pub(crate) fn sys_setreuid(call: &mut Call<'_>) -> Result<u64> {
    set_two(call, Which::User)
}

/// `setregid(2)`.
pub(crate) fn sys_setregid(call: &mut Call<'_>) -> Result<u64> {
    set_two(call, Which::Group)
}

fn set_three(call: &Call<'_>, which: Which) -> Result<u64> {
    let wanted = [uint(call.args[0]), uint(call.args[1]), uint(call.args[2])];
    change(call, which, |ids, is_root| {
        let allowed = |id: u32| id == KEEP || is_root || ids.has(id);
        if !wanted.into_iter().all(allowed) {
            return Err(Errno::EPERM);
        }
        let [real, effective, saved] = wanted;
        let pick = |wanted: u32, old: u32| if wanted == KEEP { old } else { wanted };
        ids.real = pick(real, ids.real);
        ids.effective = pick(effective, ids.effective);
        ids.saved = pick(saved, ids.saved);
        Ok(())
    })
}

/// `setresuid(2)`.
pub(crate) fn sys_setresuid(call: &mut Call<'_>) -> Result<u64> {
    set_three(call, Which::User)
}

/// `setresgid(2)`.
pub(crate) fn sys_setresgid(call: &mut Call<'_>) -> Result<u64> {
    set_three(call, Which::Group)
}

fn get_three(call: &Call<'_>, ids: Ids) -> Result<u64> {
    let values = [ids.real, ids.effective, ids.saved];
    for (addr, id) in call.args.into_iter().zip(values) {
        call.user().write_u32(addr, id)?;
    }
    Ok(0)
}

/// `getresuid(2)`.
pub(crate) fn sys_getresuid(call: &mut Call<'_>) -> Result<u64> {
    let ids = call.process().credentials.lock().uid;
    get_three(call, ids)
}

/// `getresgid(2)`.
pub(crate) fn sys_getresgid(call: &mut Call<'_>) -> Result<u64> {
    let ids = call.process().credentials.lock().gid;
    get_three(call, ids)
}

fn set_fs(call: &Call<'_>, which: Which) -> u64 {
    let id = uint(call.args[0]);
    let mut credentials = call.process().credentials.lock();
    let is_root = credentials.is_root();
    let ids = match which {
        Which::User => &mut credentials.uid,
        Which::Group => &mut credentials.gid,
    };
    let old = ids.fs;
    if is_root || ids.has(id) || id == old {
        ids.fs = id;
    }
    u64::from(old)
}

/// `setfsuid(2)`: returns the old one, always.
pub(crate) fn sys_setfsuid(call: &mut Call<'_>) -> Result<u64> {
    Ok(set_fs(call, Which::User))
}

/// `setfsgid(2)`.
pub(crate) fn sys_setfsgid(call: &mut Call<'_>) -> Result<u64> {
    Ok(set_fs(call, Which::Group))
}

/// `getgroups(2)`.
pub(crate) fn sys_getgroups(call: &mut Call<'_>) -> Result<u64> {
    let [size, list, ..] = call.args;
    let groups = call.process().credentials.lock().groups.clone();
    let room = usize::try_from(int(size)).map_err(|_| Errno::EINVAL)?;
    if room != 0 {
        if room < groups.len() {
            return Err(Errno::EINVAL);
        }
        let bytes: alloc::vec::Vec<u8> = groups.iter().flat_map(|g| g.to_le_bytes()).collect();
        call.user().write(list, &bytes)?;
    }
    Ok(groups.len() as u64)
}

/// `setgroups(2)`.
pub(crate) fn sys_setgroups(call: &mut Call<'_>) -> Result<u64> {
    let [size, list, ..] = call.args;
    let count = usize::try_from(size).ok().filter(|&n| n <= NGROUPS_MAX).ok_or(Errno::EINVAL)?;
    let bytes = call.user().bytes(list, count * 4)?;
    let mut credentials = call.process().credentials.lock();
    if !credentials.is_root() {
        return Err(Errno::EPERM);
    }
    let (words, _) = bytes.as_chunks::<4>();
    credentials.groups = words.iter().map(|word| u32::from_le_bytes(*word)).collect();
    Ok(0)
}

/// The process a `pid` argument names; 0 is the caller.
fn named(call: &Call<'_>, pid: u64) -> Result<Arc<Process>> {
    let pid = uint(pid);
    if pid == 0 || pid == call.process().pid {
        return Ok(Arc::clone(call.process()));
    }
    system::process(pid).ok_or(Errno::ESRCH)
}

/// `getpgid(2)`.
pub(crate) fn sys_getpgid(call: &mut Call<'_>) -> Result<u64> {
    Ok(u64::from(named(call, call.args[0])?.pgid.load(Relaxed)))
}

/// `getpgrp(2)`.
pub(crate) fn sys_getpgrp(call: &mut Call<'_>) -> Result<u64> {
    Ok(u64::from(call.process().pgid.load(Relaxed)))
}

/// `setpgid(2)`.
pub(crate) fn sys_setpgid(call: &mut Call<'_>) -> Result<u64> {
    let [pid, pgid, ..] = call.args;
    if int(pgid) < 0 {
        return Err(Errno::EINVAL);
    }
    let own = call.process();
    let process = named(call, pid)?;
    let session = own.sid.load(Relaxed);
    if process.pid != own.pid {
        if process.ppid() != own.pid {
            return Err(Errno::ESRCH);
        }
        if process.sid.load(Relaxed) != session {
            return Err(Errno::EPERM);
        }
        if process.has_executed.load(Relaxed) {
            return Err(Errno::EACCES);
        }
    }
    // A session leader keeps its group.
    if process.sid.load(Relaxed) == process.pid {
        return Err(Errno::EPERM);
    }
    let group = if uint(pgid) == 0 { process.pid } else { uint(pgid) };
    let in_session = |p: &Arc<Process>| p.sid.load(Relaxed) == session;
    if group != process.pid && !system::group(group).iter().any(in_session) {
        return Err(Errno::EPERM);
    }
    process.pgid.store(group, Relaxed);
    Ok(0)
}

/// `getsid(2)`.
pub(crate) fn sys_getsid(call: &mut Call<'_>) -> Result<u64> {
    Ok(u64::from(named(call, call.args[0])?.sid.load(Relaxed)))
}

/// `setsid(2)`.
pub(crate) fn sys_setsid(call: &mut Call<'_>) -> Result<u64> {
    let process = call.process();
    if !system::group(process.pid).is_empty() {
        return Err(Errno::EPERM);
    }
    process.sid.store(process.pid, Relaxed);
    process.pgid.store(process.pid, Relaxed);
    Ok(u64::from(process.pid))
}

/// `_LINUX_CAPABILITY_VERSION_3`.
const CAPABILITY_VERSION: u32 = 0x2008_0522;

/// `capget(2)`: root has all capabilities, others none.
pub(crate) fn sys_capget(call: &mut Call<'_>) -> Result<u64> {
    let [hdrp, datap, ..] = call.args;
    if call.user().u32(hdrp)? != CAPABILITY_VERSION {
        call.user().write_u32(hdrp, CAPABILITY_VERSION)?;
        return if datap == 0 { Ok(0) } else { Err(Errno::EINVAL) };
    }
    if datap != 0 {
        let all = if call.process().credentials.lock().is_root() { (1u64 << 41) - 1 } else { 0 };
        let (low, high) = (uint(all), uint(all >> 32));
        let words = [low, low, 0, high, high, 0];
        let bytes: alloc::vec::Vec<u8> = words.iter().flat_map(|w: &u32| w.to_le_bytes()).collect();
        call.user().write(datap, &bytes)?;
    }
    Ok(0)
}
