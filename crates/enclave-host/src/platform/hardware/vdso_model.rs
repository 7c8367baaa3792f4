//! A model of `__vdso_sgx_enter_enclave` with a processor below it.
//!
//! The function is written from its description in the uapi header `asm/sgx.h` and executes a real ENCLU. On a
//! processor without SGX that raises #UD (with SGX and a TCS that is none, #GP); the signal handler here then does
//! what a processor and the kernel would do, by the SDM (EENTER, ERESUME, EEXIT, AEX) and by `vsgx.S`'s documented
//! contract:
//!
//! - EENTER and ERESUME keep RSP and RBP of the host for their SSA frame; EEXIT and AEX go back to them. An ERESUME
//!   from another place than the EENTER before it is recorded as a violation.
//! - Everything else that the calling convention preserves is overwritten on the way out: R12 to R15, MXCSR, FCW.
//! - Exceptions come out as the kernel's fix-up makes them; a signal finds RIP at the AEP and RAX at ERESUME.
//! - The exit handler is called on the interrupted stack, aligned, and decides whether to enter again.
//!
//! What the enclave does after each entry is a script.
#![allow(
    clippy::cast_sign_loss,
    clippy::cast_possible_truncation,
    reason = "registers pass through greg_t"
)]

use std::cell::UnsafeCell;
use std::sync::Once;

use super::vdso::{EnterEnclave, Function};
use crate::platform::{EENTER, ERESUME, SgxEnclaveRun};

std::arch::global_asm!(
    ".pushsection .text.casemate_test,\"ax\",@progbits",
    ".globl casemate_test_vdso",
    "casemate_test_vdso:",
    "  push rbp",
    "  mov rbp, rsp",
    "  push rbx",
    "  mov eax, ecx",
    // The leaf must be EENTER or ERESUME.
    "1: lea ecx, [eax - 2]",
    "  cmp ecx, 1",
    "  ja 4f",
    "  mov rcx, [rbp + 16]",
    "  mov rbx, [rcx]",
    "  lea rcx, [rip + casemate_test_aep]",
    ".globl casemate_test_aep",
    "casemate_test_aep:",
    "  .byte 0x0f, 0x01, 0xd7",
    // EEXIT comes back here.
    "  mov rbx, [rbp + 16]",
    "  mov dword ptr [rbx + 8], 4",
    "2: cmp qword ptr [rbx + 24], 0",
    "  je 3f",
    "  mov rcx, rsp",
    "  mov r10, rsp",
    "  and rsp, -16",
    "  push r10",
    "  push rbx",
    "  cld",
    "  call [rbx + 24]",
    "  mov rsp, [rsp + 8]",
    "  test eax, eax",
    "  jg 1b",
    "  jmp 5f",
    "3: xor eax, eax",
    "  jmp 5f",
    "4: mov eax, -22",
    "5: mov rbx, [rbp - 8]",
    "  mov rsp, rbp",
    "  pop rbp",
    "  ret",
    // Where the kernel's fix-up sends exceptions: RAX leaf, RDI vector, RSI error code, RDX address.
    ".globl casemate_test_exception",
    "casemate_test_exception:",
    "  mov rbx, [rbp + 16]",
    "  mov [rbx + 8], eax",
    "  mov [rbx + 12], di",
    "  mov [rbx + 14], si",
    "  mov [rbx + 16], rdx",
    "  jmp 2b",
    ".globl casemate_test_vdso_end",
    "casemate_test_vdso_end:",
    ".popsection",
);

unsafe extern "C" {
    fn casemate_test_vdso(
        rdi: u64,
        rsi: u64,
        rdx: u64,
        function: u32,
        r8: u64,
        r9: u64,
        run: *mut SgxEnclaveRun,
    ) -> libc::c_int;
    fn casemate_test_aep();
    fn casemate_test_exception();
    fn casemate_test_vdso_end();
}

/// What the enclave does after it was entered or resumed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Does {
    /// EEXIT with these registers.
    Exit([u64; 3]),
    /// Raises an exception: vector, error code, address.
    Raise(u16, u16, u64),
    /// Is interrupted by this host signal.
    Signal(i32),
}

/// What the processor was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Seen {
    /// EENTER at this CSSA with RDI, RSI and RDX.
    Entered(usize, [u64; 3]),
    /// ERESUME to this CSSA.
    Resumed(usize),
    /// A rule was broken.
    Violation(&'static str),
}

/// The processor of one thread. Plain arrays: the signal handler must not allocate.
struct Processor {
    script: [Option<Does>; 16],
    next: usize,
    seen: [Option<Seen>; 16],
    count: usize,
    cssa: usize,
    /// RSP, RBP and the address after ENCLU, by SSA frame.
    host: [[u64; 3]; 2],
}

impl Processor {
    const NEW: Self = Self {
        script: [None; 16],
        next: 0,
        seen: [None; 16],
        count: 0,
        cssa: 0,
        host: [[0; 3]; 2],
    };

    fn note(&mut self, seen: Seen) {
        if let Some(slot) = self.seen.get_mut(self.count) {
            *slot = Some(seen);
            self.count += 1;
        }
    }
}

thread_local! {
    static PROCESSOR: UnsafeCell<Processor> = const { UnsafeCell::new(Processor::NEW) };
}

fn with<R>(run: impl FnOnce(&mut Processor) -> R) -> R {
    PROCESSOR.with(|processor| {
        // SAFETY: used by this thread alone, and never while the handler runs: the handler interrupts only the ENCLU of
        // the model, which is outside of this closure.
        run(unsafe { &mut *processor.get() })
    })
}

/// Sets what the enclave of this thread will do, and forgets what was seen.
pub(super) fn script(steps: &[Does]) {
    install();
    with(|processor| {
        *processor = Processor::NEW;
        for (slot, step) in processor.script.iter_mut().zip(steps) {
            *slot = Some(*step);
        }
    });
}

/// What was seen on this thread since [`script`].
pub(super) fn seen() -> Vec<Seen> {
    with(|processor| processor.seen.iter().flatten().copied().collect())
}

/// The model as the platform takes it.
pub(super) fn vdso() -> EnterEnclave {
    install();
    let start = casemate_test_vdso as *const () as usize;
    let end = casemate_test_vdso_end as *const () as usize;
    let function: Function = casemate_test_vdso;
    EnterEnclave::of(function, end - start)
}

fn install() {
    static INSTALLED: Once = Once::new();
    INSTALLED.call_once(|| {
        for signal in [libc::SIGILL, libc::SIGSEGV] {
            // SAFETY: all zero is a valid `sigaction`.
            let mut action: libc::sigaction = unsafe { std::mem::zeroed() };
            action.sa_sigaction = on_enclu as *const () as usize;
            // Not on the signal stack: a processor uses none, and the handler under test may be on it.
            action.sa_flags = libc::SA_SIGINFO;
            // SAFETY: the set is writable. Everything is blocked: a signal that the handler sends comes when it
            // returns, as an interrupt of the enclave.
            unsafe { libc::sigfillset(&raw mut action.sa_mask) };
            // SAFETY: the action is complete and the handler is async-signal-safe.
            unsafe { libc::sigaction(signal, &raw const action, std::ptr::null_mut()) };
        }
    });
}

extern "C" fn on_enclu(signal: i32, _info: *mut libc::siginfo_t, context: *mut libc::c_void) {
    // SAFETY: the kernel passes the interrupted context.
    let context = unsafe { &mut *context.cast::<libc::ucontext_t>() };
    let aep = casemate_test_aep as *const () as usize as u64;
    if context.uc_mcontext.gregs[libc::REG_RIP as usize] as u64 != aep {
        // Not ours: the default action ends the test.
        // SAFETY: takes numbers alone.
        unsafe { libc::signal(signal, libc::SIG_DFL) };
        return;
    }
    with(|processor| processor.execute(context));
}

impl Processor {
    fn execute(&mut self, context: &mut libc::ucontext_t) {
        let reg =
            |context: &libc::ucontext_t, at: i32| context.uc_mcontext.gregs[at as usize] as u64;
        let host = [reg(context, libc::REG_RSP), reg(context, libc::REG_RBP)];
        match reg(context, libc::REG_RAX) as u32 {
            EENTER if self.cssa < 2 => {
                let registers =
                    [libc::REG_RDI, libc::REG_RSI, libc::REG_RDX].map(|r| reg(context, r));
                self.note(Seen::Entered(self.cssa, registers));
                let after = reg(context, libc::REG_RIP) + 3;
                self.host[self.cssa] = [host[0], host[1], after];
            }
            ERESUME if self.cssa > 0 => {
                self.cssa -= 1;
                self.note(Seen::Resumed(self.cssa));
                if self.host[self.cssa][..2] != host {
                    self.note(Seen::Violation("ERESUME from another stack depth than EENTER"));
                }
            }
            _ => self.note(Seen::Violation("a leaf at a CSSA where it is none")),
        }
        let step = self.script.get(self.next).copied().flatten().unwrap_or(Does::Exit([0; 3]));
        self.next += 1;
        self.leave(context, step);
    }

    fn leave(&mut self, context: &mut libc::ucontext_t, step: Does) {
        let [rsp, rbp, after] = self.host[self.cssa.min(1)];
        let tcs = context.uc_mcontext.gregs[libc::REG_RBX as usize] as u64;
        let aep = casemate_test_aep as *const () as usize as u64;
        let mut put =
            |at: i32, value: u64| context.uc_mcontext.gregs[at as usize] = value.cast_signed();
        for at in [libc::REG_R8, libc::REG_R9, libc::REG_R10, libc::REG_R11] {
            put(at, 0xdead);
        }
        for at in [libc::REG_R12, libc::REG_R13, libc::REG_R14, libc::REG_R15, libc::REG_RBX] {
            put(at, 0xdead);
        }
        put(libc::REG_RSP, rsp);
        put(libc::REG_RBP, rbp);
        match step {
            Does::Exit([rdi, rsi, rdx]) => {
                put(libc::REG_RIP, after);
                put(libc::REG_RDI, rdi);
                put(libc::REG_RSI, rsi);
                put(libc::REG_RDX, rdx);
            }
            Does::Raise(vector, error, address) => {
                self.cssa += 1;
                put(libc::REG_RIP, casemate_test_exception as *const () as usize as u64);
                put(libc::REG_RAX, u64::from(ERESUME));
                put(libc::REG_RDI, u64::from(vector));
                put(libc::REG_RSI, u64::from(error));
                put(libc::REG_RDX, address);
            }
            Does::Signal(signal) => {
                self.cssa += 1;
                put(libc::REG_RIP, aep);
                put(libc::REG_RAX, u64::from(ERESUME));
                put(libc::REG_RBX, tcs);
                put(libc::REG_RCX, aep);
                // SAFETY: sends a signal to this thread; it is blocked until this handler returns.
                unsafe { libc::raise(signal) };
            }
        }
        let state = context.uc_mcontext.fpregs;
        // SAFETY: the kernel wrote the state, and it is this handler's to change.
        unsafe { (*state).mxcsr = 0x3f80 };
        // SAFETY: as above.
        unsafe { (*state).cwd = 0x77f };
    }
}
