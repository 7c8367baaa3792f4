//! Writes down what a program does to its address space.
//!
//! One line per call, numbers in hexadecimal: `map ADDR LEN PROT`, `protect ADDR LEN PROT`,
//! `unmap ADDR LEN`, `discard ADDR LEN` (MADV_DONTNEED, MADV_FREE); at the end of the program
//! `touched ADDR PAGES` for every stretch of present pages, and `mappings COUNT`.

use std::fmt::Write as _;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::process::{Command, Stdio};

use crate::tracee::{Event, Registers, Resume, Tracee, registers, resume, wait_any};

/// Runs a program to its end and returns its trace.
pub fn record(program: &[&str]) -> anyhow::Result<String> {
    let Some((name, args)) = program.split_first() else {
        anyhow::bail!("expected a program to record");
    };
    let tracee = Tracee::spawn(Command::new(name).args(args).stdin(Stdio::null()))?;
    let mut trace = String::new();
    resume(tracee.pid, Resume::ToSystemCall, 0)?;
    while let Ok((thread, event)) = wait_any() {
        let signal = match event {
            Event::Exited(_) if thread == tracee.pid => break,
            Event::Exited(_) => continue,
            Event::SystemCall => {
                let call = registers(thread)?;
                // At entry the kernel has put -ENOSYS into RAX.
                let at_entry = call.rax as i64 == -i64::from(libc::ENOSYS);
                if !at_entry {
                    trace.extend(line(&call));
                } else if call.orig_rax as i64 == libc::SYS_exit_group {
                    write_touched(&tracee, &mut trace)?;
                }
                0
            }
            Event::Signal(libc::SIGTRAP | libc::SIGSTOP) | Event::Ptrace => 0,
            Event::Signal(signal) => signal,
        };
        resume(thread, Resume::ToSystemCall, signal)?;
    }
    Ok(trace)
}

fn line(call: &Registers) -> Option<String> {
    let Registers { rax, rdi, rsi, rdx, .. } = *call;
    if (rax as i64) < 0 {
        return None;
    }
    let discards = [libc::MADV_DONTNEED as u64, libc::MADV_FREE as u64];
    match call.orig_rax as i64 {
        libc::SYS_mmap => Some(format!("map {rax:x} {rsi:x} {:x}\n", rdx & 7)),
        libc::SYS_mprotect => Some(format!("protect {rdi:x} {rsi:x} {:x}\n", rdx & 7)),
        libc::SYS_munmap => Some(format!("unmap {rdi:x} {rsi:x}\n")),
        libc::SYS_madvise if discards.contains(&rdx) => Some(format!("discard {rdi:x} {rsi:x}\n")),
        _ => None,
    }
}

fn write_touched(tracee: &Tracee, trace: &mut String) -> anyhow::Result<()> {
    let pagemap = File::open(format!("/proc/{}/pagemap", tracee.pid))?;
    let mappings = tracee.mappings()?;
    for mapping in &mappings {
        let mut entries = vec![0; ((mapping.end - mapping.start) / 4096 * 8) as usize];
        match pagemap.read_exact_at(&mut entries, mapping.start / 4096 * 8) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => continue,
            Err(error) => return Err(error.into()),
        }
        let present: Vec<bool> =
            entries.chunks_exact(8).map(|entry| entry[7] & 0x80 != 0).collect();
        let mut page = 0;
        for stretch in present.chunk_by(|a, b| a == b) {
            if stretch[0] {
                let addr = mapping.start + page * 4096;
                writeln!(trace, "touched {addr:x} {:x}", stretch.len())?;
            }
            page += stretch.len() as u64;
        }
    }
    writeln!(trace, "mappings {:x}", mappings.len())?;
    Ok(())
}
