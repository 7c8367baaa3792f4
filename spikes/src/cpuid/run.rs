//! Runs a program under a [`Mask`] and notes what it executes.

use std::fs::File;
use std::io::{self, Read, Seek};
use std::process::{Command, Stdio};

use iced_x86::{Decoder, DecoderOptions, EncodingKind, Instruction, Mnemonic, Register};

use super::Mask;
use crate::tracee::{Event, Registers, Resume, Tracee, registers, resume, set_registers, wait_any};

const ARCH_SET_CPUID: u64 = 0x1012;
const CPUID: [u8; 2] = [0x0f, 0xa2];

/// What a program did.
#[derive(Debug, Default)]
pub(super) struct Observed {
    pub(super) exit: i32,
    pub(super) stdout: Vec<u8>,
    pub(super) cpuid: u64,
    /// Counted only when stepping, as are the rest.
    pub(super) xgetbv: u64,
    pub(super) steps: u64,
    /// VEX-encoded instructions on vector registers (BMI needs no AVX state and does not count).
    pub(super) vex: u64,
    pub(super) evex: u64,
}

/// Which instructions of a program are stepped through and counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    /// None: full speed between CPUIDs.
    Nothing,
    /// All, from the first. Every step costs two context switches.
    Everything,
    /// From the program's first `int3` on.
    AfterBreakpoint,
}

/// Runs `command` to its end, answering every CPUID by `mask`.
///
/// Tracer and program share one processor: waking each other across processors costs more than
/// everything else together.
pub(super) fn observe(command: &mut Command, mask: Mask, step: Step) -> io::Result<Observed> {
    let trace = || {
        crate::pin_to_processor_0()?;
        observe_pinned(command, mask, step)
    };
    let panicked = |_| Err(io::Error::other("the tracing thread panicked"));
    std::thread::scope(|scope| scope.spawn(trace).join().unwrap_or_else(panicked))
}

fn observe_pinned(command: &mut Command, mask: Mask, step: Step) -> io::Result<Observed> {
    let mut stdout: File = tempfile::tempfile()?;
    command.stdout(stdout.try_clone()?).stdin(Stdio::null());
    let tracee = Tracee::spawn(command)?;
    tracee.system_call(libc::SYS_arch_prctl, [ARCH_SET_CPUID, 0, 0, 0, 0, 0])?;
    let mut observed = Observed::default();
    let mut how = if step == Step::Everything { Resume::Step } else { Resume::Continue };
    resume(tracee.pid, how, 0)?;
    while let Ok((thread, event)) = wait_any() {
        let signal = match event {
            Event::Exited(code) if thread == tracee.pid => {
                observed.exit = code;
                break;
            }
            Event::Exited(_) => continue,
            Event::Signal(libc::SIGSEGV) if answer(&tracee, thread, mask)? => {
                observed.cpuid += 1;
                0
            }
            Event::Signal(libc::SIGTRAP) => {
                if step == Step::AfterBreakpoint {
                    how = Resume::Step;
                }
                0
            }
            Event::Signal(libc::SIGSTOP) | Event::Ptrace | Event::SystemCall => 0,
            Event::Signal(signal) => signal,
        };
        if how == Resume::Step {
            observed.count(&tracee, thread)?;
        }
        resume(thread, how, signal)?;
    }
    stdout.rewind()?;
    stdout.read_to_end(&mut observed.stdout)?;
    Ok(observed)
}

/// Answers the CPUID at which `thread` stopped; false if it stopped at something else.
fn answer(tracee: &Tracee, thread: i32, mask: Mask) -> io::Result<bool> {
    let stopped = registers(thread)?;
    let mut code = [0; 2];
    if tracee.read(stopped.rip, &mut code).is_err() || code != CPUID {
        return Ok(false);
    }
    let answer = mask.answer(stopped.rax as u32, stopped.rcx as u32);
    let [rax, rbx, rcx, rdx] = [answer.eax, answer.ebx, answer.ecx, answer.edx].map(u64::from);
    set_registers(thread, &Registers { rax, rbx, rcx, rdx, rip: stopped.rip + 2, ..stopped })?;
    Ok(true)
}

impl Observed {
    fn count(&mut self, tracee: &Tracee, thread: i32) -> io::Result<()> {
        let mut code = [0; 15];
        let rip = registers(thread)?.rip;
        if tracee.read(rip, &mut code).is_err() {
            return Ok(());
        }
        self.steps += 1;
        // Most instructions start with neither of these bytes; decoding all would double the time.
        if !matches!(code[0], 0x0f | 0x62 | 0xc4 | 0xc5) {
            return Ok(());
        }
        let instruction = Decoder::new(64, &code, DecoderOptions::NONE).decode();
        match instruction.code().encoding() {
            EncodingKind::VEX if on_vectors(&instruction) => self.vex += 1,
            EncodingKind::EVEX => self.evex += 1,
            _ if instruction.mnemonic() == Mnemonic::Xgetbv => self.xgetbv += 1,
            _ => {}
        }
        Ok(())
    }
}

fn on_vectors(instruction: &Instruction) -> bool {
    matches!(instruction.mnemonic(), Mnemonic::Vzeroupper | Mnemonic::Vzeroall)
        || (0..instruction.op_count())
            .map(|operand| instruction.op_register(operand))
            .any(|register: Register| register.is_vector_register() || register.is_k())
}
