//! System calls: one table of all of them, one file per family.
//!
//! A handler takes a [`Call`] and yields what RAX shall be. Arguments are named as in the man pages. To add a
//! call: write the handler in its family's file, name it in [`table`], run the tests with
//! `CASEMATE_BLESS=1` to renew `docs/reference/syscalls.md`.

pub(crate) mod children;
pub(crate) mod control;
pub(crate) mod descriptor;
pub(crate) mod file_io;
pub(crate) mod futex;
pub(crate) mod ids;
pub(crate) mod ioctl;
pub(crate) mod itimers;
pub(crate) mod links;
pub(crate) mod memory;
pub(crate) mod message;
pub(crate) mod meta;
pub(crate) mod misc;
pub(crate) mod open;
pub(crate) mod readiness;
pub(crate) mod signals;
pub(crate) mod socket;
pub(crate) mod socket_option;
pub mod table;
pub(crate) mod threads;
pub(crate) mod timers;
pub(crate) mod transfer;

use alloc::{format, sync::Arc};

use enclave_rt::context::Context;

use self::table::Support;
use crate::{
    errno::{Errno, Result},
    fs::file::OpenFile,
    log::{self, Level},
    process::{Process, thread::Thread},
    user::UserMem,
    vm::seat::Space,
};

/// What `uname(2)` says of the kernel's release: programs test for features by it.
pub(crate) const RELEASE: &str = "6.1.0";

/// A system call being served.
pub(crate) struct Call<'a> {
    pub(crate) thread: &'a Arc<Thread>,
    pub(crate) context: &'a mut Context,
    /// RDI, RSI, RDX, R10, R8, R9.
    pub(crate) args: [u64; 6],
    /// How the call ends when its handler succeeds.
    pub(crate) end: End,
}

/// How a call ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    /// RAX gets the result.
    Result,
    /// The handler has set the registers itself, RAX included.
    RegistersSet,
    /// Another program runs now: the handler has set its registers, and the thread is another one.
    Program,
    /// The thread ends.
    Thread,
}

impl<'a> Call<'a> {
    pub(crate) fn process(&self) -> &'a Arc<Process> {
        &self.thread.process
    }

    pub(crate) fn user(&self) -> UserMem<'a> {
        self.thread.user()
    }

    /// The memory of the calling process.
    pub(crate) fn space(&self) -> &'a Arc<Space> {
        &self.thread.space
    }

    /// What a descriptor argument refers to.
    pub(crate) fn file(&self, fd: u64) -> Result<Arc<OpenFile>> {
        self.process().files.lock().get(fd)
    }

    /// Gives a file a new descriptor.
    pub(crate) fn install(&self, open: Arc<OpenFile>, close_on_exec: bool) -> Result<u64> {
        let limit = self.process().limits.lock().descriptors();
        self.process().files.lock().insert(open, close_on_exec, 0, limit)
    }
}

/// The low half of an argument, which is all of an `int`.
#[allow(clippy::cast_possible_truncation, reason = "int arguments use the low half of a register")]
pub(crate) const fn int(arg: u64) -> i32 {
    (arg as u32).cast_signed()
}

/// The low half of an argument, which is all of an `unsigned int`.
#[allow(clippy::cast_possible_truncation, reason = "int arguments use the low half of a register")]
pub(crate) const fn uint(arg: u64) -> u32 {
    arg as u32
}

/// Serves system call `number`: how it ended, and its result.
pub(crate) fn dispatch(
    thread: &Arc<Thread>,
    context: &mut Context,
    number: u64,
) -> (End, Result<u64>) {
    let c = &*context;
    let args = [c.rdi, c.rsi, c.rdx, c.r10, c.r8, c.r9];
    let mut call = Call { thread, context, args, end: End::Result };
    let result = find(number).and_then(|handler| handler(&mut call));
    let end = if result.is_ok() { call.end } else { End::Result };
    (end, result)
}

/// The handler of a system call, or its refusal, which is logged once.
fn find(number: u64) -> Result<table::Handler> {
    let Some(row) = table::row(number) else {
        log::once(Level::Warn, format!("system call {number} does not exist; ENOSYS"));
        return Err(Errno::ENOSYS);
    };
    match row.support {
        Support::Implemented(handler) | Support::Partial(handler, _) => Ok(handler),
        Support::Refused(errno, reason) => {
            let (name, errno_name) = (row.name, errno.name());
            let text = format!("system call {name} refused with {errno_name}: {reason}");
            // Every libc asks for these at its start and does without.
            let asked_by_all = matches!(row.name, "rseq" | "clone3" | "set_robust_list");
            log::once(if asked_by_all { Level::Debug } else { Level::Warn }, text);
            Err(errno)
        }
    }
}
