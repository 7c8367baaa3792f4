//! A program that a signal of its own making ends: what the operator is told.
//!
//! In a debug enclave: registers, and what the host needs for a backtrace with names. In production: which signal, and
//! nothing else, since addresses and registers are made of the program's data.

use alloc::{format, string::String, vec, vec::Vec};

use enclave_abi::crash::{Crash, Mapping, STACK_MAX};
use enclave_rt::{context::Context, host};

use super::info::{Fields, Info};
use crate::{
    log::{self, Level},
    process::thread::Thread,
    system,
    vm::PAGE,
};

/// The signals of `signal(7)` that end a program with a core dump, but for those that users send.
const CRASHES: [u32; 7] = [4, 5, 6, 7, 8, 11, 31];

/// The name of a signal.
pub(crate) fn name(signo: u32) -> String {
    const NAMES: [&str; 32] = [
        "", "HUP", "INT", "QUIT", "ILL", "TRAP", "ABRT", "BUS", "FPE", "KILL", "USR1", "SEGV",
        "USR2", "PIPE", "ALRM", "TERM", "STKFLT", "CHLD", "CONT", "STOP", "TSTP", "TTIN", "TTOU",
        "URG", "XCPU", "XFSZ", "VTALRM", "PROF", "WINCH", "IO", "PWR", "SYS",
    ];
    match NAMES.get(signo as usize) {
        Some(name) => format!("SIG{name}"),
        None => format!("signal {signo}"),
    }
}

/// Tells that a signal ends the thread's process.
pub(crate) fn report(thread: &Thread, context: &Context, info: &Info) {
    let who = format!("{} (thread {})", thread.process.comm(), thread.tid);
    let signal = name(info.signo);
    // A signal that somebody sent is no news to them.
    let sent = matches!(info.fields, Fields::Sender { .. } | Fields::Timer { .. });
    let level = if sent && !CRASHES.contains(&info.signo) { Level::Info } else { Level::Warn };
    if !system::is_debug() {
        return log::line(level, &format!("{who} ended by {signal}"));
    }
    let at = match info.fields {
        Fields::Fault { addr } => format!(" at address {addr:#x}"),
        _ => String::new(),
    };
    log::line(level, &format!("{who} ended by {signal}{at}, rip {:#x}", context.rip));
    if CRASHES.contains(&info.signo) {
        registers(context);
        host::crash(&state(thread, context).to_bytes());
    }
}

fn registers(c: &Context) {
    let rows: [[(&str, u64); 4]; 4] = [
        [("rax", c.rax), ("rbx", c.rbx), ("rcx", c.rcx), ("rdx", c.rdx)],
        [("rsi", c.rsi), ("rdi", c.rdi), ("rbp", c.rbp), ("rsp", c.rsp)],
        [("r8 ", c.r8), ("r9 ", c.r9), ("r10", c.r10), ("r11", c.r11)],
        [("r12", c.r12), ("r13", c.r13), ("r14", c.r14), ("r15", c.r15)],
    ];
    for row in rows {
        let cells: Vec<String> =
            row.iter().map(|(name, value)| format!("{name} {value:016x}")).collect();
        log::line(Level::Warn, &format!("  {}", cells.join("  ")));
    }
    let (flags, fs) = (c.rflags, c.fs_base);
    log::line(Level::Warn, &format!("  rip {:016x}  rflags {flags:x}  fs {fs:016x}", c.rip));
}

fn state(thread: &Thread, c: &Context) -> Crash {
    let registers = [
        c.rax, c.rdx, c.rcx, c.rbx, c.rsi, c.rdi, c.rbp, c.rsp, c.r8, c.r9, c.r10, c.r11, c.r12,
        c.r13, c.r14, c.r15, c.rip,
    ];
    let mappings = {
        let space = thread.space.lock();
        space
            .executable_files()
            .map(|(range, offset, path)| Mapping {
                start: range.start,
                end: range.end,
                offset,
                path,
            })
            .collect()
    };
    Crash { registers, stack_at: c.rsp, stack: stack(thread, c.rsp), mappings }
}

/// The stack from `rsp` up to the first page that cannot be read.
fn stack(thread: &Thread, rsp: u64) -> Vec<u8> {
    // The rest of the request needs room in the buffer too.
    let most = STACK_MAX.min(host::capacity() / 2);
    let mut bytes = Vec::new();
    let mut at = rsp;
    while bytes.len() < most {
        let n = usize::try_from(PAGE - at % PAGE).unwrap_or(0).min(most - bytes.len());
        let mut part = vec![0; n];
        if thread.user().read(at, &mut part).is_err() {
            break;
        }
        bytes.extend_from_slice(&part);
        at += n as u64;
    }
    bytes
}
