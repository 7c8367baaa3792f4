//! Threads: ending them, their registers and scheduling.

use alloc::vec;
use core::sync::atomic::Ordering::SeqCst;

use super::{Call, End, int, uint};
use crate::{
    errno::{Errno, Result},
    linux::sched::{
        ARCH_GET_FS, ARCH_GET_GS, ARCH_SET_FS, ARCH_SET_GS, PR_CAPBSET_READ,
        PR_GET_CHILD_SUBREAPER, PR_GET_DUMPABLE, PR_GET_NAME, PR_GET_NO_NEW_PRIVS,
        PR_GET_PDEATHSIG, PR_GET_SECCOMP, PR_SET_CHILD_SUBREAPER, PR_SET_DUMPABLE, PR_SET_NAME,
        PR_SET_NO_NEW_PRIVS, PR_SET_PDEATHSIG, PR_SET_VMA,
    },
    linux::signal::NSIG,
    process::{end, family::Ended},
    system,
};

/// `exit(2)`: ends the thread, and the process with its last one.
pub(crate) fn sys_exit(call: &mut Call<'_>) -> Result<u64> {
    if call.process().threads.lock().len() == 1 {
        call.process().family.decide(Ended::Exited(uint(call.args[0]) & 0xff));
    }
    call.end = End::Thread;
    Ok(0)
}

/// `exit_group(2)`.
pub(crate) fn sys_exit_group(call: &mut Call<'_>) -> Result<u64> {
    end::begin(call.process(), Ended::Exited(uint(call.args[0]) & 0xff));
    call.end = End::Thread;
    Ok(0)
}

/// `set_tid_address(2)`.
pub(crate) fn sys_set_tid_address(call: &mut Call<'_>) -> Result<u64> {
    call.thread.clear_child_tid.store(call.args[0], SeqCst);
    Ok(u64::from(call.thread.tid))
}

/// `set_robust_list(2)`.
pub(crate) fn sys_set_robust_list(call: &mut Call<'_>) -> Result<u64> {
    let [head, len, ..] = call.args;
    if len != 24 {
        return Err(Errno::EINVAL);
    }
    call.thread.robust_list.store(head, SeqCst);
    Ok(0)
}

/// `get_robust_list(2)`, of the calling thread.
pub(crate) fn sys_get_robust_list(call: &mut Call<'_>) -> Result<u64> {
    let [pid, head_ptr, len_ptr, ..] = call.args;
    if int(pid) != 0 && uint(pid) != call.thread.tid {
        return Err(Errno::ESRCH);
    }
    call.user().write_u64(head_ptr, call.thread.robust_list.load(SeqCst))?;
    call.user().write_u64(len_ptr, 24)?;
    Ok(0)
}

/// `gettid(2)`.
pub(crate) fn sys_gettid(call: &mut Call<'_>) -> Result<u64> {
    Ok(u64::from(call.thread.tid))
}

/// `arch_prctl(2)`. GS belongs to the library OS.
pub(crate) fn sys_arch_prctl(call: &mut Call<'_>) -> Result<u64> {
    let [op, addr, ..] = call.args;
    match u64::from(uint(op)) {
        ARCH_SET_FS if addr < 1 << 47 => {
            call.context.fs_base = addr;
            Ok(0)
        }
        ARCH_SET_FS => Err(Errno::EPERM),
        ARCH_GET_FS => call.user().write_u64(addr, call.context.fs_base).map(|()| 0),
        ARCH_SET_GS | ARCH_GET_GS => Err(Errno::EINVAL),
        _ => Err(Errno::EINVAL),
    }
}

/// `sched_yield(2)`: the host schedules; parking for no time lets it.
pub(crate) fn sys_sched_yield(_call: &mut Call<'_>) -> Result<u64> {
    let _ = enclave_rt::thread::park(enclave_rt::thread::park_word(), Some(1));
    Ok(0)
}

/// `sched_getaffinity(2)`: every processor the program is told of.
pub(crate) fn sys_sched_getaffinity(call: &mut Call<'_>) -> Result<u64> {
    let [_pid, cpusetsize, mask, ..] = call.args;
    if cpusetsize < 8 || cpusetsize % 8 != 0 {
        return Err(Errno::EINVAL);
    }
    call.user().write_u64(mask, (1 << system::processors()) - 1)?;
    Ok(8)
}

/// `sched_setaffinity(2)`: accepted, the host decides.
pub(crate) fn sys_sched_setaffinity(call: &mut Call<'_>) -> Result<u64> {
    let [_pid, cpusetsize, mask, ..] = call.args;
    let n = usize::try_from(cpusetsize.min(128)).unwrap_or(0);
    let wanted = call.user().bytes(mask, n)?;
    let all = (1u64 << system::processors()) - 1;
    let known = all.to_le_bytes();
    if wanted.iter().zip(known).any(|(w, k)| w & k != 0) { Ok(0) } else { Err(Errno::EINVAL) }
}

/// `sched_getscheduler(2)`: SCHED_OTHER.
pub(crate) fn sys_sched_getscheduler(_call: &mut Call<'_>) -> Result<u64> {
    Ok(0)
}

/// `sched_getparam(2)`.
pub(crate) fn sys_sched_getparam(call: &mut Call<'_>) -> Result<u64> {
    call.user().write_u32(call.args[1], 0).map(|()| 0)
}

/// `sched_get_priority_max(2)` and `min`: 0 for SCHED_OTHER, 99 and 1 for real-time policies.
pub(crate) fn sys_sched_get_priority_max(call: &mut Call<'_>) -> Result<u64> {
    Ok(if matches!(int(call.args[0]), 1 | 2) { 99 } else { 0 })
}

/// `sched_get_priority_min(2)`.
pub(crate) fn sys_sched_get_priority_min(call: &mut Call<'_>) -> Result<u64> {
    Ok(u64::from(matches!(int(call.args[0]), 1 | 2)))
}

/// `getcpu(2)`: always the first.
pub(crate) fn sys_getcpu(call: &mut Call<'_>) -> Result<u64> {
    let [cpu, node, ..] = call.args;
    for addr in [cpu, node] {
        if addr != 0 {
            call.user().write_u32(addr, 0)?;
        }
    }
    Ok(0)
}

/// `prctl(2)`.
pub(crate) fn sys_prctl(call: &mut Call<'_>) -> Result<u64> {
    let [op, arg2, ..] = call.args;
    match u64::from(uint(op)) {
        PR_SET_NAME => {
            let mut name = vec![0; 16];
            let got = call.user().string(arg2, 16, Errno::EINVAL);
            match got {
                Ok(string) => name = string,
                Err(Errno::EINVAL) => call.user().read(arg2, &mut name[..15])?,
                Err(error) => return Err(error),
            }
            name.truncate(15);
            *call.thread.name.lock() = Some(name);
            Ok(0)
        }
        PR_GET_NAME => {
            let own = call.thread.name.lock().clone();
            let mut name = own.unwrap_or_else(|| call.process().comm().into_bytes());
            name.resize(16, 0);
            call.user().write(arg2, &name).map(|()| 0)
        }
        PR_GET_DUMPABLE => Ok(u64::from(call.process().dumpable.load(SeqCst))),
        PR_SET_DUMPABLE if arg2 > 1 => Err(Errno::EINVAL),
        PR_SET_DUMPABLE => {
            call.process().dumpable.store(arg2 == 1, SeqCst);
            Ok(0)
        }
        PR_SET_NO_NEW_PRIVS => {
            call.process().no_new_privs.store(true, SeqCst);
            Ok(0)
        }
        PR_GET_NO_NEW_PRIVS => Ok(u64::from(call.process().no_new_privs.load(SeqCst))),
        PR_GET_PDEATHSIG => {
            let signo = call.process().family.parent_death_signal.load(SeqCst);
            call.user().write_u32(arg2, signo).map(|()| 0)
        }
        PR_SET_PDEATHSIG if arg2 > u64::from(NSIG) => Err(Errno::EINVAL),
        PR_SET_PDEATHSIG => {
            call.process().family.parent_death_signal.store(uint(arg2), SeqCst);
            Ok(0)
        }
        PR_SET_CHILD_SUBREAPER => {
            call.process().family.subreaper.store(arg2 != 0, SeqCst);
            Ok(0)
        }
        PR_GET_CHILD_SUBREAPER => {
            let on = call.process().family.subreaper.load(SeqCst);
            call.user().write_u32(arg2, u32::from(on)).map(|()| 0)
        }
        PR_GET_SECCOMP => Ok(0),
        PR_CAPBSET_READ => {
            if arg2 <= 40 {
                Ok(1)
            } else {
                Err(Errno::EINVAL)
            }
        }
        // Names of anonymous memory are a kernel option: without it EINVAL.
        PR_SET_VMA => Err(Errno::EINVAL),
        _ => Err(Errno::EINVAL),
    }
}

/// `membarrier(2)`: the query says that nothing is supported.
pub(crate) fn sys_membarrier(call: &mut Call<'_>) -> Result<u64> {
    if int(call.args[0]) == 0 { Ok(0) } else { Err(Errno::EINVAL) }
}
