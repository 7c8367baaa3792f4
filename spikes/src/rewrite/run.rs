//! Runs a program whose modules are rewritten as they are mapped.

use std::fs::File;
use std::io::{self, Read, Seek};
use std::os::fd::{AsRawFd, FromRawFd};
use std::os::unix::fs::FileExt;
use std::process::{Command, Stdio};

use super::plan::{JUMP, Plan, moved};
use super::scan::{CodeMap, scan};
use super::trampoline::{AFTER, FINISHED, FLAGS, RECORD_SHIFT, REGISTERS, SITE, encode};
use crate::check;
use crate::tracee::{Event, Mapping, Resume, Tracee, registers, resume, wait_any};

/// Bytes of records per module; a program that makes more calls faults at the page after them.
const RECORDS: u64 = 64 << 20;
/// Bytes before the records: counter and address.
const HEADER: u64 = 4096;
/// CF, PF, AF, ZF, SF and OF.
const ARITHMETIC: u64 = 0x8d5;
/// Calls after which a second thread or process runs on with another stack pointer.
const CLONES: [i64; 4] = [libc::SYS_clone, libc::SYS_fork, libc::SYS_vfork, libc::SYS_clone3];

/// What a rewritten program did.
#[derive(Debug, Default)]
pub(super) struct Outcome {
    pub(super) exit: i32,
    pub(super) stdout: Vec<u8>,
    /// One line per rewritten module.
    pub(super) modules: Vec<String>,
    /// Calls that entered a trampoline, and those that came back from the kernel.
    pub(super) calls: u64,
    pub(super) finished: u64,
    /// Calls after which a register differed that the kernel preserves.
    pub(super) mismatches: Vec<String>,
}

struct Rewriter {
    tracee: Tracee,
    records: File,
    outcome: Outcome,
}

/// Runs `command` to its end with its executable, loader and libc rewritten.
pub(super) fn rewritten(command: &mut Command) -> io::Result<Outcome> {
    let mut stdout: File = tempfile::tempfile()?;
    command.stdout(stdout.try_clone()?).stdin(Stdio::null());
    let records = inheritable_memfd()?;
    let mut rewriter =
        Rewriter { tracee: Tracee::spawn(command)?, records, outcome: Outcome::default() };
    let mappings = rewriter.tracee.mappings()?;
    let dynamic = mappings.iter().any(|mapping| mapping.file.contains("/ld-"));
    for mapping in mappings.iter().filter(|mapping| mapping.is_code()) {
        rewriter.rewrite(mapping)?;
    }
    rewriter.finish(if dynamic { Resume::ToSystemCall } else { Resume::Continue })?;
    rewriter.compare_registers()?;
    stdout.rewind()?;
    stdout.read_to_end(&mut rewriter.outcome.stdout)?;
    Ok(rewriter.outcome)
}

impl Rewriter {
    /// Lets the program run to its end, rewriting what it maps until libc has been.
    fn finish(&mut self, mut how: Resume) -> io::Result<()> {
        let first = self.tracee.pid;
        resume(first, how, 0)?;
        while let Ok((thread, event)) = wait_any() {
            let signal = match event {
                Event::Exited(code) if thread == first => {
                    self.outcome.exit = code;
                    break;
                }
                Event::Exited(_) => continue,
                Event::SystemCall => {
                    if self.rewrite_new_mapping(thread)? {
                        how = Resume::Continue;
                    }
                    0
                }
                Event::Signal(libc::SIGTRAP | libc::SIGSTOP) | Event::Ptrace => 0,
                Event::Signal(signal) => signal,
            };
            resume(thread, how, signal)?;
        }
        Ok(())
    }

    /// At the exit of an executable `mmap` of a file: rewrites it; true if it was libc.
    fn rewrite_new_mapping(&mut self, thread: i32) -> io::Result<bool> {
        let call = registers(thread)?;
        let is_code = call.orig_rax as i64 == libc::SYS_mmap
            && call.rdx & libc::PROT_EXEC as u64 != 0
            && call.r8 as i32 >= 0
            && call.rax % 4096 == 0;
        if !is_code {
            return Ok(false);
        }
        let mappings = self.tracee.mappings()?;
        let Some(mapping) = mappings.iter().find(|m| m.start == call.rax && m.is_code()) else {
            return Ok(false);
        };
        self.rewrite(mapping)?;
        Ok(mapping.file.contains("libc.so"))
    }

    fn rewrite(&mut self, mapping: &Mapping) -> io::Result<()> {
        let bytes = std::fs::read(&mapping.file)?;
        let Some(code) = scan(&bytes) else { return Ok(()) };
        let Some(bias) = bias(&code, mapping) else { return Ok(()) };
        let header = self.map_area(mapping)?;
        let area = header + HEADER + RECORDS + 4096;
        let (mut at, mut rewritten, mut left) = (area, 0, 0);
        for site in code.sites() {
            let Some(moved) = moved(site).filter(|_| Plan::of(&code, site).rewrites()) else {
                left += 1;
                continue;
            };
            let start = moved[0].ip().wrapping_add(bias);
            let relocated: Vec<_> = moved
                .iter()
                .map(|instruction| {
                    let mut relocated = *instruction;
                    relocated.set_ip(instruction.ip().wrapping_add(bias));
                    if relocated.is_ip_rel_memory_operand() {
                        let target = relocated.ip_rel_memory_address().wrapping_add(bias);
                        relocated.set_memory_displacement64(target);
                    }
                    relocated
                })
                .collect();
            let site_addr = site.addr.wrapping_add(bias);
            let trampoline = encode(at, &relocated, site_addr, header).map_err(io::Error::other)?;
            self.tracee.write(at, &trampoline)?;
            let displacement = at.wrapping_sub(start + JUMP as u64) as u32;
            let mut jump = vec![0xe9];
            jump.extend(displacement.to_le_bytes());
            // INT3 up to the site: if something jumped there after all, it would be seen.
            jump.resize((site_addr - start) as usize, 0xcc);
            self.tracee.write(start, &jump)?;
            at += trampoline.len() as u64;
            rewritten += 1;
        }
        self.outcome.modules.push(format!("{}: {rewritten} rewritten, {left} left", mapping.file));
        Ok(())
    }

    /// Maps header, records and room for trampolines within reach of the module.
    fn map_area(&self, module: &Mapping) -> io::Result<u64> {
        const CODE: u64 = 1 << 20;
        let len = HEADER + RECORDS + 4096 + CODE;
        let mappings = self.tracee.mappings()?;
        let is_free = |at: &u64| mappings.iter().all(|m| m.end <= *at || m.start >= *at + len);
        // A gigabyte away: below is free for libraries, above for programs at low addresses.
        let below = (1..6).filter_map(|n| module.start.checked_sub((1 << 30) + n * (128 << 20)));
        let above = (1..6).map(|n| module.end + (1 << 30) + n * (128 << 20));
        let at = below.chain(above).find(is_free);
        let at = at.ok_or_else(|| io::Error::other("no room for trampolines near the module"))?;
        let mmap = |at: u64, len: u64, prot: i32, flags: i32, fd: i64, offset: u64| {
            let flags = (flags | libc::MAP_FIXED_NOREPLACE) as u64;
            let args = [at, len, prot as u64, flags, fd as u64, offset];
            self.tracee.system_call(libc::SYS_mmap, args)
        };
        let offset = self.outcome.modules.len() as u64 * (HEADER + RECORDS);
        self.records.set_len(offset + HEADER + RECORDS)?;
        let (read_write, fd) = (libc::PROT_READ | libc::PROT_WRITE, self.records.as_raw_fd());
        mmap(at, HEADER + RECORDS, read_write, libc::MAP_SHARED, i64::from(fd), offset)?;
        let private = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;
        let code = at + HEADER + RECORDS + 4096;
        mmap(code, CODE, libc::PROT_READ | libc::PROT_EXEC, private, -1, 0)?;
        self.records.write_all_at(&(at + HEADER).to_le_bytes(), offset + 8)?;
        Ok(at)
    }

    fn compare_registers(&mut self) -> io::Result<()> {
        for module in 0..self.outcome.modules.len() as u64 {
            let base = module * (HEADER + RECORDS);
            let word = |at: u64| -> io::Result<u64> {
                let mut bytes = [0; 8];
                self.records.read_exact_at(&mut bytes, base + at)?;
                Ok(u64::from_le_bytes(bytes))
            };
            let calls = word(0)?;
            self.outcome.calls += calls;
            for record in 0..calls {
                let at = |offset: i64| HEADER + (record << RECORD_SHIFT) + offset as u64;
                if word(at(FINISHED))? == 0 {
                    continue;
                }
                self.outcome.finished += 1;
                let number = word(at(0))?;
                // RAX, RCX and R11 change by design; RBX is restored from the record itself.
                for (index, register) in (0..).zip(REGISTERS) {
                    let skipped = matches!(index, 0 | 1 | 3 | 11)
                        || index == 4 && CLONES.contains(&(number as i64));
                    let (before, after) = (word(at(index * 8))?, word(at(AFTER + index * 8))?);
                    if !skipped && before != after {
                        let site = word(at(SITE))?;
                        self.outcome.mismatches.push(format!(
                            "call {number} at {site:#x}: {register:?} {before:#x} -> {after:#x}"
                        ));
                    }
                }
                let kernel_saw = word(at(AFTER + 11 * 8))? & ARITHMETIC;
                if kernel_saw != flags(word(at(FLAGS))?) {
                    self.outcome.mismatches.push(format!("call {number}: flags {kernel_saw:#x}"));
                }
            }
        }
        Ok(())
    }
}

/// Arithmetic flags from what LAHF (in AH) and SETO (in AL) left.
fn flags(ax: u64) -> u64 {
    (ax >> 8 | (ax & 1) << 11) & ARITHMETIC
}

/// What to add to the file's addresses to get those of the mapping.
fn bias(code: &CodeMap, mapping: &Mapping) -> Option<u64> {
    let inside = |offset: u64| {
        offset >= mapping.offset && offset < mapping.offset + (mapping.end - mapping.start)
    };
    let section = code.sections.iter().find(|section| inside(section.offset as u64))?;
    let addr = mapping.start + (section.offset as u64 - mapping.offset);
    Some(addr.wrapping_sub(section.addr))
}

/// A memory file that the program inherits, so that it can be made to map it.
fn inheritable_memfd() -> io::Result<File> {
    // SAFETY: the name is a C string.
    let fd = unsafe { libc::memfd_create(c"records".as_ptr(), 0) };
    check("memfd_create", fd)?;
    // SAFETY: `fd` was just returned and nobody else owns it.
    Ok(unsafe { File::from_raw_fd(fd) })
}
