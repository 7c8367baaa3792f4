//! A program under ptrace: started stopped, made to run system calls, read and changed.
//!
//! Everything must be called from the thread that spawned the program: ptrace belongs to a thread.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::os::unix::process::CommandExt;
use std::process::Command;

use crate::check;

/// The registers as `PTRACE_GETREGS` gives them.
pub(crate) type Registers = libc::user_regs_struct;

/// What a wait reported about one thread of the program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Event {
    /// The thread stopped with this signal, not yet delivered.
    Signal(i32),
    /// The thread stopped at entry to or exit from a system call.
    SystemCall,
    /// The thread stopped for a ptrace event: clone, exec and so on.
    Ptrace,
    /// The thread ended with this exit code, or 128 plus the signal.
    Exited(i32),
}

/// How a stopped thread goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Resume {
    Continue,
    ToSystemCall,
    Step,
}

/// A traced program.
#[derive(Debug)]
pub(crate) struct Tracee {
    /// Its first thread.
    pub(crate) pid: i32,
    memory: File,
}

impl Tracee {
    /// Starts a program; it is stopped before its first instruction (for a dynamic one, the
    /// loader's). New threads and children are traced too.
    pub(crate) fn spawn(command: &mut Command) -> io::Result<Self> {
        // SAFETY: only an async-signal-safe system call between fork and exec.
        unsafe {
            command.pre_exec(|| ptrace(libc::PTRACE_TRACEME, 0, 0, 0).map(drop));
        }
        let pid = command.spawn()?.id() as i32;
        let memory_path = format!("/proc/{pid}/mem");
        match wait_for(pid)? {
            (_, Event::Signal(libc::SIGTRAP)) => {}
            (_, other) => return Err(io::Error::other(format!("after exec: {other:?}"))),
        }
        let options = libc::PTRACE_O_TRACECLONE
            | libc::PTRACE_O_TRACEFORK
            | libc::PTRACE_O_TRACEVFORK
            | libc::PTRACE_O_TRACESYSGOOD
            | libc::PTRACE_O_EXITKILL;
        ptrace(libc::PTRACE_SETOPTIONS, pid, 0, options as usize)?;
        let memory = File::options().read(true).write(true).open(memory_path)?;
        Ok(Self { pid, memory })
    }

    pub(crate) fn read(&self, addr: u64, bytes: &mut [u8]) -> io::Result<()> {
        self.memory.read_exact_at(bytes, addr)
    }

    /// Writes to the program's memory, private copies of read-only file pages included.
    pub(crate) fn write(&self, addr: u64, bytes: &[u8]) -> io::Result<()> {
        self.memory.write_all_at(bytes, addr)
    }

    /// Makes the stopped first thread run one system call; returns what the kernel returned.
    pub(crate) fn system_call(&self, number: i64, args: [u64; 6]) -> io::Result<i64> {
        let saved = registers(self.pid)?;
        let mut code = [0; 2];
        self.read(saved.rip, &mut code)?;
        self.write(saved.rip, &[0x0f, 0x05])?;
        let [rdi, rsi, rdx, r10, r8, r9] = args;
        // An orig_rax of -1 keeps the kernel from restarting the interrupted call.
        let call = Registers {
            rax: number as u64,
            orig_rax: u64::MAX,
            rdi,
            rsi,
            rdx,
            r10,
            r8,
            r9,
            ..saved
        };
        set_registers(self.pid, &call)?;
        resume(self.pid, Resume::Step, 0)?;
        let (_, event) = wait_for(self.pid)?;
        let result = registers(self.pid)?.rax as i64;
        self.write(saved.rip, &code)?;
        set_registers(self.pid, &Registers { orig_rax: u64::MAX, ..saved })?;
        if event != Event::Signal(libc::SIGTRAP) {
            return Err(io::Error::other(format!("injected system call {number}: {event:?}")));
        }
        if (-4095..0).contains(&result) {
            return Err(io::Error::from_raw_os_error(-result as i32));
        }
        Ok(result)
    }

    /// The program's mappings, in order.
    pub(crate) fn mappings(&self) -> io::Result<Vec<Mapping>> {
        let maps = std::fs::read_to_string(format!("/proc/{}/maps", self.pid))?;
        Ok(maps.lines().filter_map(Mapping::parse).collect())
    }
}

/// A line of `/proc/PID/maps`.
#[derive(Debug)]
pub(crate) struct Mapping {
    pub(crate) start: u64,
    pub(crate) end: u64,
    permissions: String,
    pub(crate) offset: u64,
    pub(crate) file: String,
}

impl Mapping {
    /// Whether it is executable and of a file.
    pub(crate) fn is_code(&self) -> bool {
        self.permissions.contains('x') && self.file.starts_with('/')
    }

    fn parse(line: &str) -> Option<Self> {
        let mut fields = line.split_whitespace();
        let (start, end) = fields.next()?.split_once('-')?;
        let permissions = fields.next()?.to_owned();
        let offset = fields.next()?;
        let file = fields.nth(2).unwrap_or_default().to_owned();
        let hex = |digits| u64::from_str_radix(digits, 16).ok();
        Some(Self { start: hex(start)?, end: hex(end)?, permissions, offset: hex(offset)?, file })
    }
}

impl Drop for Tracee {
    fn drop(&mut self) {
        // SAFETY: kills only the program this object started; ESRCH if it has ended.
        unsafe { libc::kill(self.pid, libc::SIGKILL) };
        while wait_any().is_ok() {}
    }
}

pub(crate) fn registers(thread: i32) -> io::Result<Registers> {
    // SAFETY: a structure of integers: all zero is a value.
    let mut registers: Registers = unsafe { std::mem::zeroed() };
    ptrace(libc::PTRACE_GETREGS, thread, 0, &raw mut registers as usize)?;
    Ok(registers)
}

pub(crate) fn set_registers(thread: i32, registers: &Registers) -> io::Result<()> {
    ptrace(libc::PTRACE_SETREGS, thread, 0, std::ptr::from_ref(registers) as usize).map(drop)
}

/// Lets a stopped thread go on, delivering `signal` unless it is 0.
pub(crate) fn resume(thread: i32, how: Resume, signal: i32) -> io::Result<()> {
    let request = match how {
        Resume::Continue => libc::PTRACE_CONT,
        Resume::ToSystemCall => libc::PTRACE_SYSCALL,
        Resume::Step => libc::PTRACE_SINGLESTEP,
    };
    ptrace(request, thread, 0, signal as usize).map(drop)
}

/// Waits for any thread this thread traces; an error when there is none left.
pub(crate) fn wait_any() -> io::Result<(i32, Event)> {
    wait_for(-1)
}

fn wait_for(pid: i32) -> io::Result<(i32, Event)> {
    let mut status = 0;
    // SAFETY: `status` is a live integer. __WNOTHREAD leaves other tests' programs alone.
    let thread = unsafe { libc::waitpid(pid, &raw mut status, libc::__WALL | libc::__WNOTHREAD) };
    check("waitpid", thread)?;
    let event = if libc::WIFEXITED(status) {
        Event::Exited(libc::WEXITSTATUS(status))
    } else if libc::WIFSIGNALED(status) {
        Event::Exited(128 + libc::WTERMSIG(status))
    } else if status >> 16 != 0 {
        Event::Ptrace
    } else if libc::WSTOPSIG(status) == libc::SIGTRAP | 0x80 {
        Event::SystemCall
    } else {
        Event::Signal(libc::WSTOPSIG(status))
    };
    Ok((thread, event))
}

fn ptrace(request: libc::c_uint, thread: i32, addr: usize, data: usize) -> io::Result<i64> {
    // SAFETY: the callers above pass the addresses their request defines; other requests take
    // plain numbers.
    let result = unsafe { libc::ptrace(request, thread, addr, data) };
    check(&format!("ptrace request {request} on {thread}"), result)
}
