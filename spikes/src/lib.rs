//! Experiments behind design decisions: each module answers one question and keeps the answer as a
//! test. The figures they print are quoted in `docs/adr`.
//!
//! | module | question | decision |
//! |---|---|---|
//! | [`switch`] | what does switching two conflicting processes cost? | ADR 0005 |
//! | [`rewrite`] | can system-call sites be rewritten with registers intact? | ADR 0006 |
//! | [`epcm`] | do page permissions kept by `mprotect` survive Go and V8? | ADR 0007 |
//! | [`cpuid`] | do programs obey a CPUID that is narrower than XCR0? | ADR 0008 |
//!
//! This is not a library for other crates: nothing may depend on it.
#![allow(unsafe_code, reason = "experiments with pages, signals and ptrace")]
#![allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "x86-64 Linux only: usize, u64 and register images convert without loss"
)]
#![allow(
    clippy::disallowed_methods,
    clippy::print_stdout,
    reason = "a tool that starts programs, reads the clock and prints figures"
)]

pub mod cpuid;
mod elf;
pub mod epcm;
pub mod rewrite;
pub mod switch;
mod tracee;

use std::io::{self, Read, Write};
use std::mem::MaybeUninit;
use std::path::Path;
use std::process::Command;
use std::sync::Mutex;
use std::time::Duration;

/// First address of the enclave range; the 64 KiB below are never mapped.
const ELRANGE: usize = 0x1_0000;
/// Bytes of one page.
const PAGE: usize = 4096;
/// Held while a spike uses the one range of low addresses that this process has.
static ELRANGE_OWNER: Mutex<()> = Mutex::new(());

/// Turns a system-call result of -1 into the error of `errno`, named after the operation.
fn check(what: &str, result: impl Into<i64>) -> io::Result<i64> {
    let result = result.into();
    if result == -1 {
        let cause = io::Error::last_os_error();
        return Err(io::Error::new(cause.kind(), format!("{what}: {cause}")));
    }
    Ok(result)
}

/// Maps `len` bytes at exactly `addr`, refusing to replace anything that is there.
///
/// Returns the address as a pointer; the pages are private, zero and have permissions `prot`.
fn map_at(addr: usize, len: usize, prot: i32) -> io::Result<*mut u8> {
    let flags =
        libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE | libc::MAP_FIXED_NOREPLACE;
    // SAFETY: MAP_FIXED_NOREPLACE never touches an existing mapping.
    let base = unsafe { libc::mmap(addr as *mut libc::c_void, len, prot, flags, -1, 0) };
    check(&format!("map {len:#x} bytes at {addr:#x}"), base as i64)?;
    Ok(base.cast())
}

/// Compiles a C program, as every machine that links Rust programs can.
fn compile_c(source: &str, program: &Path, options: &[&str]) -> io::Result<()> {
    let file = program.with_extension("c");
    std::fs::write(&file, source)?;
    let status = Command::new("cc").args(options).arg("-o").arg(program).arg(&file).status()?;
    if !status.success() {
        return Err(io::Error::other(format!("cc {}: {status}", file.display())));
    }
    Ok(())
}

/// Keeps the calling thread, and what it starts from now on, on processor 0.
fn pin_to_processor_0() -> io::Result<()> {
    // SAFETY: a bit set: all zero is a value.
    let mut set: libc::cpu_set_t = unsafe { MaybeUninit::zeroed().assume_init() };
    // SAFETY: 0 is inside the set.
    unsafe { libc::CPU_SET(0, &mut set) };
    // SAFETY: `set` is live for the call.
    let result = unsafe { libc::sched_setaffinity(0, size_of_val(&set), &raw const set) };
    check("sched_setaffinity", result).map(drop)
}

/// Runs `work` in a forked child and returns its result. The child has one thread only, so `work`
/// must not wait for another.
fn in_child(work: impl FnOnce() -> u64) -> io::Result<u64> {
    let (mut reader, mut writer) = io::pipe()?;
    // SAFETY: the child runs `work` and system calls, then ends without cleaning up.
    let child = unsafe { libc::fork() };
    check("fork", child)?;
    if child == 0 {
        let written = writer.write_all(&work().to_le_bytes());
        // SAFETY: ends the child at once.
        unsafe { libc::_exit(i32::from(written.is_err())) };
    }
    drop(writer);
    let mut result = [0; 8];
    let read = reader.read_exact(&mut result);
    // SAFETY: waits for the child just started; its status is not needed.
    unsafe { libc::waitpid(child, std::ptr::null_mut(), 0) };
    read.map(|()| u64::from_le_bytes(result))
}

/// Processor time of the calling thread: what the figures are in, because other work shares the
/// machine and would count as wall time.
fn processor_time() -> Duration {
    // SAFETY: a structure of integers: all zero is a value.
    let mut time: libc::timespec = unsafe { MaybeUninit::zeroed().assume_init() };
    // SAFETY: `time` is live for the call, which cannot fail for this clock.
    unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &raw mut time) };
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}
