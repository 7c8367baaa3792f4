//! Making processes, running programs in them, and waiting for them.

use alloc::{sync::Arc, vec::Vec};
use core::sync::atomic::Ordering::SeqCst;

use super::{Call, End, int, uint};
use crate::{
    errno::{Errno, Result},
    fs::file::OpenFile,
    linux::{
        Encoder,
        fcntl::{O_NONBLOCK, O_RDWR, PATH_MAX},
        sched::{
            CLONE_CHILD_CLEARTID, CLONE_CHILD_SETTID, CLONE_CLEAR_SIGHAND, CLONE_DETACHED,
            CLONE_FILES, CLONE_FS, CLONE_PARENT_SETTID, CLONE_PIDFD, CLONE_SETTLS, CLONE_SIGHAND,
            CLONE_SYSVSEM, CLONE_THREAD, CLONE_VFORK, CLONE_VM, CSIGNAL, P_ALL, P_PGID, P_PID,
            P_PIDFD, W_ANY_KIND, WCONTINUED, WEXITED, WNOHANG, WNOWAIT, WSTOPPED,
        },
        signal::{CLD_CONTINUED, CLD_STOPPED, NSIG, SIGCHLD, SIGCONT},
        time::{CLOCK_PROCESS_CPUTIME_ID, CLOCK_THREAD_CPUTIME_ID, NS},
    },
    loader::exec::{self, Command},
    process::{
        Process,
        exec::replace_program,
        pidfd::PidFd,
        spawn::{self, Request},
    },
    signal::info::{Info, SIGINFO_SIZE},
    system, time,
    wait::{self, Stop},
};

/// Most bytes of one argument or environment string, as on Linux.
const STRING_MAX: usize = 32 * 4096;
/// Most arguments or environment strings: as many pointers as fit what all of them may take.
const STRINGS_MAX: usize = (2 << 20) / 8;

/// `clone(2)`.
pub(crate) fn sys_clone(call: &mut Call<'_>) -> Result<u64> {
    let [flags, stack, parent_tid, child_tid, tls, _] = call.args;
    let exit_signal = exit_signal(flags & CSIGNAL)?;
    // The parent's thread ID and the pidfd have one place.
    let flags = flags & 0xffff_ffff & !CSIGNAL;
    if flags & CLONE_PIDFD != 0 && flags & (CLONE_PARENT_SETTID | CLONE_THREAD) != 0 {
        return Err(Errno::EINVAL);
    }
    let request =
        Request { flags, exit_signal, stack, parent_tid, child_tid, tls, pidfd: parent_tid };
    spawn::clone(call.thread, call.context, request).map(u64::from)
}

/// Smallest `struct clone_args`.
const CLONE_ARGS_SIZE: u64 = 64;
/// What `clone3(2)` can do here: not namespaces, cgroups or a choice of ID.
const CLONE3_FLAGS: u64 = CLONE_VM
    | CLONE_FS
    | CLONE_FILES
    | CLONE_SIGHAND
    | CLONE_PIDFD
    | CLONE_VFORK
    | CLONE_THREAD
    | CLONE_SYSVSEM
    | CLONE_SETTLS
    | CLONE_PARENT_SETTID
    | CLONE_CHILD_CLEARTID
    | CLONE_DETACHED
    | CLONE_CHILD_SETTID
    | CLONE_CLEAR_SIGHAND;

/// `clone3(2)`.
pub(crate) fn sys_clone3(call: &mut Call<'_>) -> Result<u64> {
    let [cl_args, size, ..] = call.args;
    if size < CLONE_ARGS_SIZE {
        return Err(Errno::EINVAL);
    }
    if size > 4096 {
        return Err(Errno::E2BIG);
    }
    let mut words = [0; 11];
    for (i, word) in words.iter_mut().enumerate().take(usize::try_from(size / 8).unwrap_or(0)) {
        *word = call.user().u64(cl_args.wrapping_add(i as u64 * 8))?;
    }
    let [flags, pidfd, child_tid, parent_tid, exit_signal, stack, stack_size, tls, set_tid, ..] =
        words;
    if flags & !CLONE3_FLAGS != 0 || set_tid != 0 || (stack == 0) != (stack_size == 0) {
        return Err(Errno::EINVAL);
    }
    let exit_signal = self::exit_signal(exit_signal)?;
    if flags & CLONE_THREAD != 0 && exit_signal != 0 {
        return Err(Errno::EINVAL);
    }
    let stack = stack.wrapping_add(stack_size);
    let request = Request { flags, exit_signal, stack, parent_tid, child_tid, tls, pidfd };
    spawn::clone(call.thread, call.context, request).map(u64::from)
}

/// `pidfd_open(2)`.
pub(crate) fn sys_pidfd_open(call: &mut Call<'_>) -> Result<u64> {
    let [pid, flags, ..] = call.args;
    if uint(flags) & !O_NONBLOCK != 0 || int(pid) <= 0 {
        return Err(Errno::EINVAL);
    }
    let process = system::process(uint(pid)).ok_or(Errno::ESRCH)?;
    let status = O_RDWR | uint(flags) & O_NONBLOCK;
    call.install(OpenFile::new(PidFd::new(process), None, status), true)
}

/// The process of a pidfd argument.
pub(crate) fn process_of(call: &Call<'_>, pidfd: u64) -> Result<Arc<Process>> {
    call.file(pidfd)?.file().process().cloned().ok_or(Errno::EBADF)
}

fn exit_signal(signo: u64) -> Result<u32> {
    u32::try_from(signo).ok().filter(|&s| s <= NSIG).ok_or(Errno::EINVAL)
}

/// `fork(2)`.
pub(crate) fn sys_fork(call: &mut Call<'_>) -> Result<u64> {
    let request = Request { exit_signal: SIGCHLD, ..Request::default() };
    spawn::clone(call.thread, call.context, request).map(u64::from)
}

/// `vfork(2)`.
pub(crate) fn sys_vfork(call: &mut Call<'_>) -> Result<u64> {
    let flags = CLONE_VM | CLONE_VFORK;
    let request = Request { flags, exit_signal: SIGCHLD, ..Request::default() };
    spawn::clone(call.thread, call.context, request).map(u64::from)
}

/// `execve(2)`.
pub(crate) fn sys_execve(call: &mut Call<'_>) -> Result<u64> {
    let [pathname, argv, envp, ..] = call.args;
    let path = call.user().string(pathname, PATH_MAX, Errno::ENAMETOOLONG)?;
    let (args, env) = (strings(call, argv)?, strings(call, envp)?);
    execute(call, Command { path, args, env })
}

fn execute(call: &mut Call<'_>, command: Command) -> Result<u64> {
    let fs = call.process().fs.lock().clone();
    let prepared = exec::prepare(&fs.root, &fs.cwd, command)?;
    *call.context = replace_program(call.thread, prepared)?;
    call.end = End::Program;
    Ok(0)
}

/// Strings by an array of pointers that a null ends. No array is an empty one, as on Linux.
fn strings(call: &Call<'_>, array: u64) -> Result<Vec<Vec<u8>>> {
    let mut all = Vec::new();
    if array == 0 {
        return Ok(all);
    }
    loop {
        let at = array.wrapping_add(all.len() as u64 * 8);
        let pointer = call.user().u64(at)?;
        if pointer == 0 {
            return Ok(all);
        }
        if all.len() == STRINGS_MAX {
            return Err(Errno::E2BIG);
        }
        all.push(call.user().string(pointer, STRING_MAX, Errno::E2BIG)?);
    }
}

/// Which children a call is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Which {
    All,
    Pid(u32),
    Group(u32),
}

impl Which {
    fn includes(self, child: &Process) -> bool {
        match self {
            Self::All => true,
            Self::Pid(pid) => child.pid == pid,
            Self::Group(pgid) => child.pgid.load(SeqCst) == pgid,
        }
    }
}

/// What a child has done.
struct Change {
    child: Arc<Process>,
    /// The status word of `wait4(2)`.
    word: u32,
    /// `si_code` and `si_status`.
    code: (i32, u32),
}

/// A change of one of the children, taken note of unless `WNOWAIT`. ECHILD when there is no such child.
fn look(call: &Call<'_>, which: Which, options: u32) -> Result<Option<Change>> {
    let family = &call.process().family;
    let take = options & WNOWAIT == 0;
    let mut any = false;
    for child in family.children().into_iter().filter(|child| which.includes(child)) {
        any = true;
        if options & WEXITED != 0
            && let Some(how) = child.family.ended()
        {
            let (word, code) = (how.to_word(), how.to_code());
            if !take || family.reap(&child) {
                return Ok(Some(Change { child, word, code }));
            }
        }
        if options & WSTOPPED != 0
            && let Some(signo) = child.stopping.stop_to_tell(take)
        {
            let (word, code) = (signo << 8 | 0x7f, (CLD_STOPPED, signo));
            return Ok(Some(Change { child, word, code }));
        }
        if options & WCONTINUED != 0 && child.stopping.continue_to_tell(take) {
            let (word, code) = (0xffff, (CLD_CONTINUED, SIGCONT));
            return Ok(Some(Change { child, word, code }));
        }
    }
    if any { Ok(None) } else { Err(Errno::ECHILD) }
}

/// Waits for a change; `None` with `WNOHANG` when there is none now.
fn wait_for_change(call: &Call<'_>, which: Which, options: u32) -> Result<Option<Change>> {
    if options & WNOHANG != 0 {
        return look(call, which, options);
    }
    let queue = &call.process().family.child_changed;
    let waited =
        wait::wait_for(&**call.thread, &[queue], None, || look(call, which, options).transpose());
    match waited {
        Ok(change) => change.map(Some),
        Err(Stop::Interrupted | Stop::TimedOut) => Err(Errno::RESTART),
    }
}

/// `wait4(2)`.
pub(crate) fn sys_wait4(call: &mut Call<'_>) -> Result<u64> {
    let [pid, wstatus, options, rusage, ..] = call.args;
    let options = uint(options);
    if options & !(WNOHANG | WSTOPPED | WCONTINUED | W_ANY_KIND) != 0 {
        return Err(Errno::EINVAL);
    }
    let which = match int(pid) {
        -1 => Which::All,
        0 => Which::Group(call.process().pgid.load(SeqCst)),
        i32::MIN => return Err(Errno::ESRCH),
        pid if pid < 0 => Which::Group(pid.unsigned_abs()),
        pid => Which::Pid(pid.unsigned_abs()),
    };
    let Some(change) = wait_for_change(call, which, options | WEXITED)? else { return Ok(0) };
    if wstatus != 0 {
        call.user().write_u32(wstatus, change.word)?;
    }
    if rusage != 0 {
        let times = *change.child.family.times.lock();
        call.user().write(rusage, &usage(times.own_ns, times.children_max_resident))?;
    }
    Ok(u64::from(change.child.pid))
}

/// `waitid(2)`.
pub(crate) fn sys_waitid(call: &mut Call<'_>) -> Result<u64> {
    let [idtype, id, infop, options, rusage, _] = call.args;
    let options = uint(options);
    let known = WNOHANG | WSTOPPED | WEXITED | WCONTINUED | WNOWAIT | W_ANY_KIND;
    if options & !known != 0 || options & (WEXITED | WSTOPPED | WCONTINUED) == 0 {
        return Err(Errno::EINVAL);
    }
    let mut nonblocking = false;
    let which = match uint(idtype) {
        P_ALL => Which::All,
        P_PID if int(id) <= 0 => return Err(Errno::EINVAL),
        P_PID => Which::Pid(uint(id)),
        P_PGID if int(id) < 0 => return Err(Errno::EINVAL),
        P_PGID if id == 0 => Which::Group(call.process().pgid.load(SeqCst)),
        P_PGID => Which::Group(uint(id)),
        P_PIDFD => {
            let open = call.file(id)?;
            let process = open.file().process().ok_or(Errno::EBADF)?;
            nonblocking = open.is_nonblocking();
            Which::Pid(process.pid)
        }
        _ => return Err(Errno::EINVAL),
    };
    let change = match nonblocking {
        true => Some(look(call, which, options)?.ok_or(Errno::EAGAIN)?),
        false => wait_for_change(call, which, options)?,
    };
    if rusage != 0
        && let Some(change) = &change
    {
        let times = *change.child.family.times.lock();
        call.user().write(rusage, &usage(times.own_ns, times.children_max_resident))?;
    }
    if infop != 0 {
        let bytes = match change {
            None => alloc::vec![0; SIGINFO_SIZE],
            Some(Change { child, code: (code, status), .. }) => {
                let uid = child.credentials.lock().uid.real;
                Info::from_child(SIGCHLD, code, (child.pid, uid, status)).to_bytes()
            }
        };
        call.user().write(infop, &bytes)?;
    }
    Ok(0)
}

/// `struct rusage`: all time is user time; resident size in bytes.
pub(crate) fn usage(used_ns: u64, resident: u64) -> Vec<u8> {
    let head = Encoder::new().u64(used_ns / NS).u64(used_ns % NS / 1000).u64(0).u64(0);
    head.u64(resident / 1024).pad_to(144).finish()
}

/// Processor time of the calling process in nanoseconds, as the host tells it.
pub(crate) fn used_ns(call: &Call<'_>) -> Result<u64> {
    // The host knows threads and the whole; a process among others is what its ended threads and this one used.
    if system::processes().len() == 1 {
        return time::read(CLOCK_PROCESS_CPUTIME_ID);
    }
    Ok(call.process().family.times.lock().own_ns + time::read(CLOCK_THREAD_CPUTIME_ID)?)
}
