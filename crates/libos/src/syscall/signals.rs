//! Signals as programs call them.

use alloc::sync::Arc;
use core::sync::atomic::Ordering::SeqCst;

use super::{Call, End, int, uint};
use crate::{
    errno::{Errno, Result},
    linux::signal::{
        NSIG, SI_TKILL, SI_USER, SIG_BLOCK, SIG_SETMASK, SIG_UNBLOCK, SIGCONT, SIGKILL, SIGSTOP,
    },
    process::{Process, thread::Thread},
    signal::{
        action::{Action, SIGACTION_SIZE},
        frame,
        info::{Info, SIGINFO_SIZE},
        mask::Mask,
        send,
        stack::{AltStack, STACK_T_SIZE},
    },
    system, time,
    wait::{self, Stop},
};

/// Size of the kernel's `sigset_t`.
const SIGSET_SIZE: u64 = 8;

fn signal(arg: u64) -> Result<u32> {
    let signo = uint(arg);
    if (1..=NSIG).contains(&signo) { Ok(signo) } else { Err(Errno::EINVAL) }
}

/// `rt_sigaction(2)`.
pub(crate) fn sys_rt_sigaction(call: &mut Call<'_>) -> Result<u64> {
    let [signum, act, oldact, sigsetsize, ..] = call.args;
    if sigsetsize != SIGSET_SIZE {
        return Err(Errno::EINVAL);
    }
    let signo = signal(signum)?;
    let new = if act == 0 {
        None
    } else {
        if signo == SIGKILL || signo == SIGSTOP {
            return Err(Errno::EINVAL);
        }
        Action::from_bytes(&call.user().bytes(act, SIGACTION_SIZE)?)
    };
    let old = {
        let mut actions = call.process().actions.lock();
        let old = actions.get(signo);
        if let Some(new) = new {
            actions.set(signo, new);
        }
        old
    };
    let ignored = call.process().actions.lock().ignores(signo);
    if new.is_some() && ignored {
        call.process().pending.lock().discard(signo);
        for thread in call.process().threads() {
            thread.signals.lock().pending.discard(signo);
        }
    }
    if oldact != 0 {
        call.user().write(oldact, &old.to_bytes())?;
    }
    Ok(0)
}

/// `rt_sigprocmask(2)`.
pub(crate) fn sys_rt_sigprocmask(call: &mut Call<'_>) -> Result<u64> {
    let [how, set, oldset, sigsetsize, ..] = call.args;
    if sigsetsize != SIGSET_SIZE {
        return Err(Errno::EINVAL);
    }
    let old = call.thread.signals.lock().mask;
    if set != 0 {
        let set = Mask::from_bits(call.user().u64(set)?);
        let new = match u64::from(uint(how)) {
            SIG_BLOCK => old.union(set),
            SIG_UNBLOCK => old.without(set),
            SIG_SETMASK => set,
            _ => return Err(Errno::EINVAL),
        };
        call.thread.signals.lock().mask = Mask::blockable(new.bits());
    }
    if oldset != 0 {
        call.user().write_u64(oldset, old.bits())?;
    }
    Ok(0)
}

/// `rt_sigpending(2)`.
pub(crate) fn sys_rt_sigpending(call: &mut Call<'_>) -> Result<u64> {
    let [set, sigsetsize, ..] = call.args;
    if sigsetsize > SIGSET_SIZE {
        return Err(Errno::EINVAL);
    }
    let (own, mask) = {
        let signals = call.thread.signals.lock();
        (signals.pending.set(), signals.mask)
    };
    let all = own.union(call.process().pending.lock().set()).intersection(mask);
    let n = usize::try_from(sigsetsize).unwrap_or(0);
    call.user().write(set, &all.bits().to_le_bytes()[..n]).map(|()| 0)
}

/// `rt_sigreturn(2)`.
pub(crate) fn sys_rt_sigreturn(call: &mut Call<'_>) -> Result<u64> {
    match frame::pop(call.user(), call.context) {
        Ok(restored) => {
            let mut signals = call.thread.signals.lock();
            signals.mask = restored.mask;
            if let Some(stack) = restored.stack {
                signals.stack = stack;
            }
            call.context.rip = call.space().lock().resumable_rip(call.context.rip);
        }
        // A frame that cannot be read is a segmentation fault, as on Linux.
        Err(_) => send::force(call.thread, Info::from_kernel(crate::linux::signal::SIGSEGV)),
    }
    call.end = End::RegistersSet;
    Ok(0)
}

/// Replaces the mask until a handler has been entered or the call returns.
pub(crate) fn mask_for_call(thread: &Thread, mask: Mask) {
    let mut signals = thread.signals.lock();
    signals.saved_mask = Some(signals.mask);
    signals.mask = mask;
}

/// Reads the `sigset_t` of a call that replaces the mask; null for none.
pub(crate) fn mask_argument(call: &Call<'_>, set: u64, sigsetsize: u64) -> Result<Option<Mask>> {
    if set == 0 {
        return Ok(None);
    }
    if sigsetsize != SIGSET_SIZE {
        return Err(Errno::EINVAL);
    }
    Ok(Some(Mask::blockable(call.user().u64(set)?)))
}

fn sleep_until_signal(thread: &Arc<Thread>) -> Result<u64> {
    match wait::wait_for(&**thread, &[], None, || None::<u64>) {
        Ok(value) => Ok(value),
        Err(Stop::TimedOut | Stop::Interrupted) => Err(Errno::RESTART_NO_HANDLER),
    }
}

/// `rt_sigsuspend(2)`.
pub(crate) fn sys_rt_sigsuspend(call: &mut Call<'_>) -> Result<u64> {
    let [mask, sigsetsize, ..] = call.args;
    let mask = mask_argument(call, mask, sigsetsize)?.ok_or(Errno::EFAULT)?;
    mask_for_call(call.thread, mask);
    sleep_until_signal(call.thread)
}

/// `pause(2)`.
pub(crate) fn sys_pause(call: &mut Call<'_>) -> Result<u64> {
    sleep_until_signal(call.thread)
}

/// `rt_sigtimedwait(2)`.
pub(crate) fn sys_rt_sigtimedwait(call: &mut Call<'_>) -> Result<u64> {
    let [set, info, timeout, sigsetsize, ..] = call.args;
    let wanted = mask_argument(call, set, sigsetsize)?.ok_or(Errno::EFAULT)?;
    let limit = call.user().timespec_or_none(timeout)?;
    let deadline = limit.map(|t| time::after(t.to_ns()));
    // The signals waited for wake the thread as if they were not blocked; it takes them itself.
    let old = {
        let mut signals = call.thread.signals.lock();
        let old = signals.mask;
        signals.mask = old.without(wanted);
        old
    };
    let waited = wait::wait_for(&**call.thread, &[], deadline, || {
        let own = call.thread.signals.lock().pending.take(wanted);
        own.or_else(|| call.process().pending.lock().take(wanted))
    });
    call.thread.signals.lock().mask = old;
    let taken = waited.map_err(|stop| match stop {
        Stop::TimedOut => Errno::EAGAIN,
        Stop::Interrupted => Errno::EINTR,
    })?;
    if info != 0 {
        call.user().write(info, &taken.to_bytes())?;
    }
    Ok(u64::from(taken.signo))
}

/// `sigaltstack(2)`.
pub(crate) fn sys_sigaltstack(call: &mut Call<'_>) -> Result<u64> {
    let [ss, old_ss, ..] = call.args;
    let old = call.thread.signals.lock().stack;
    let rsp = call.context.rsp;
    if ss != 0 {
        let new = AltStack::from_bytes(&call.user().bytes(ss, STACK_T_SIZE)?)?;
        if old.holds(rsp) {
            return Err(Errno::EPERM);
        }
        call.thread.signals.lock().stack = new;
    }
    if old_ss != 0 {
        call.user().write(old_ss, &old.to_bytes(rsp))?;
    }
    Ok(0)
}

fn from_caller(call: &Call<'_>, signo: u32, code: i32) -> Info {
    let uid = call.process().credentials.lock().uid.real;
    Info::from_sender(signo, code, call.process().pid, uid)
}

/// Signal 0 only asks whether the target exists.
fn signal_or_probe(arg: u64) -> Result<Option<u32>> {
    if uint(arg) == 0 { Ok(None) } else { signal(arg).map(Some) }
}

/// `kill(2)`.
pub(crate) fn sys_kill(call: &mut Call<'_>) -> Result<u64> {
    let [pid, sig, ..] = call.args;
    let signo = signal_or_probe(sig)?;
    let targets = match int(pid) {
        0 => system::group(call.process().pgid.load(SeqCst)),
        -1 => {
            let all = system::processes().into_iter();
            all.filter(|p| p.pid != call.process().pid && p.family.ended().is_none()).collect()
        }
        i32::MIN => return Err(Errno::ESRCH),
        group if group < 0 => system::group(group.unsigned_abs()),
        // The runtime's slot ignores everything, as init does.
        1 => return Ok(0),
        _ => alloc::vec![system::process(uint(pid)).ok_or(Errno::ESRCH)?],
    };
    if targets.is_empty() {
        return Err(Errno::ESRCH);
    }
    // It fails only when nobody could be sent it.
    let mut outcome = Err(Errno::EPERM);
    for process in targets {
        let sent = may_signal(call.process(), &process, signo).and_then(|()| match signo {
            Some(signo) => send::to_process(&process, from_caller(call, signo, SI_USER)),
            None => Ok(()),
        });
        outcome = outcome.or(sent);
    }
    outcome.map(|()| 0)
}

/// Root may signal everybody, others their own user's processes; SIGCONT is for the whole session.
fn may_signal(sender: &Process, target: &Process, signo: Option<u32>) -> Result<()> {
    let own = sender.credentials.lock().uid;
    let theirs = target.credentials.lock().uid;
    let same_user =
        [own.real, own.effective].iter().any(|id| [theirs.real, theirs.saved].contains(id));
    let same_session = sender.sid.load(SeqCst) == target.sid.load(SeqCst);
    if own.effective == 0 || same_user || (signo == Some(SIGCONT) && same_session) {
        Ok(())
    } else {
        Err(Errno::EPERM)
    }
}

fn thread_of(tgid: Option<u64>, tid: u64) -> Result<Arc<Thread>> {
    if int(tid) <= 0 || tgid.is_some_and(|t| int(t) <= 0) {
        return Err(Errno::EINVAL);
    }
    let process = match tgid {
        Some(tgid) => system::process(uint(tgid)),
        None => system::processes().into_iter().find(|p| p.threads.lock().contains_key(&uint(tid))),
    };
    let process = process.ok_or(Errno::ESRCH)?;
    let thread = process.threads.lock().get(&uint(tid)).cloned();
    thread.ok_or(Errno::ESRCH)
}

/// `tkill(2)`.
pub(crate) fn sys_tkill(call: &mut Call<'_>) -> Result<u64> {
    let [tid, sig, ..] = call.args;
    send_to(call, &thread_of(None, tid)?, sig)
}

/// `tgkill(2)`.
pub(crate) fn sys_tgkill(call: &mut Call<'_>) -> Result<u64> {
    let [tgid, tid, sig, ..] = call.args;
    send_to(call, &thread_of(Some(tgid), tid)?, sig)
}

fn send_to(call: &Call<'_>, thread: &Arc<Thread>, sig: u64) -> Result<u64> {
    if let Some(signo) = signal_or_probe(sig)? {
        send::to_thread(thread, from_caller(call, signo, SI_TKILL))?;
    }
    Ok(0)
}

fn given_info(call: &Call<'_>, sig: u64, info: u64) -> Result<Option<Info>> {
    let bytes = call.user().bytes(info, SIGINFO_SIZE)?;
    let Some(signo) = signal_or_probe(sig)? else { return Ok(None) };
    let info = Info::from_bytes(&bytes, signo).ok_or(Errno::EFAULT)?;
    if info.code >= 0 || info.code == SI_TKILL { Err(Errno::EPERM) } else { Ok(Some(info)) }
}

/// `rt_sigqueueinfo(2)`.
pub(crate) fn sys_rt_sigqueueinfo(call: &mut Call<'_>) -> Result<u64> {
    let [tgid, sig, info, ..] = call.args;
    let process = system::process(uint(tgid)).ok_or(Errno::ESRCH)?;
    if let Some(info) = given_info(call, sig, info)? {
        send::to_process(&process, info)?;
    }
    Ok(0)
}

/// `pidfd_send_signal(2)`.
pub(crate) fn sys_pidfd_send_signal(call: &mut Call<'_>) -> Result<u64> {
    let [pidfd, sig, info, flags, ..] = call.args;
    if uint(flags) != 0 {
        return Err(Errno::EINVAL);
    }
    let process = super::children::process_of(call, pidfd)?;
    if process.family.has_ended() && system::process(process.pid).is_none() {
        return Err(Errno::ESRCH);
    }
    let info = match info {
        0 => signal_or_probe(sig)?.map(|signo| from_caller(call, signo, SI_USER)),
        info => given_info(call, sig, info)?,
    };
    may_signal(call.process(), &process, info.map(|info| info.signo))?;
    info.map_or(Ok(()), |info| send::to_process(&process, info)).map(|()| 0)
}

/// `rt_tgsigqueueinfo(2)`.
pub(crate) fn sys_rt_tgsigqueueinfo(call: &mut Call<'_>) -> Result<u64> {
    let [tgid, tid, sig, info, ..] = call.args;
    let thread = thread_of(Some(tgid), tid)?;
    if let Some(info) = given_info(call, sig, info)? {
        send::to_thread(&thread, info)?;
    }
    Ok(0)
}
