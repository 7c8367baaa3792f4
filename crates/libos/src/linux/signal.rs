//! `asm/signal.h`, `asm-generic/siginfo.h`.
#![allow(dead_code, reason = "the header's list is kept whole")]

pub(crate) const SIGHUP: u32 = 1;
pub(crate) const SIGINT: u32 = 2;
pub(crate) const SIGQUIT: u32 = 3;
pub(crate) const SIGILL: u32 = 4;
pub(crate) const SIGTRAP: u32 = 5;
pub(crate) const SIGABRT: u32 = 6;
pub(crate) const SIGBUS: u32 = 7;
pub(crate) const SIGFPE: u32 = 8;
pub(crate) const SIGKILL: u32 = 9;
pub(crate) const SIGUSR1: u32 = 10;
pub(crate) const SIGSEGV: u32 = 11;
pub(crate) const SIGUSR2: u32 = 12;
pub(crate) const SIGPIPE: u32 = 13;
pub(crate) const SIGALRM: u32 = 14;
pub(crate) const SIGTERM: u32 = 15;
pub(crate) const SIGCHLD: u32 = 17;
pub(crate) const SIGCONT: u32 = 18;
pub(crate) const SIGSTOP: u32 = 19;
pub(crate) const SIGTSTP: u32 = 20;
pub(crate) const SIGTTIN: u32 = 21;
pub(crate) const SIGTTOU: u32 = 22;
pub(crate) const SIGURG: u32 = 23;
pub(crate) const SIGXFSZ: u32 = 25;
pub(crate) const SIGWINCH: u32 = 28;
pub(crate) const SIGSYS: u32 = 31;
/// Number of signals; they are 1..=64.
pub(crate) const NSIG: u32 = 64;

pub(crate) const SA_NOCLDSTOP: u64 = 1;
pub(crate) const SA_NOCLDWAIT: u64 = 2;
pub(crate) const SA_SIGINFO: u64 = 4;
pub(crate) const SA_RESTORER: u64 = 0x0400_0000;
pub(crate) const SA_ONSTACK: u64 = 0x0800_0000;
pub(crate) const SA_RESTART: u64 = 0x1000_0000;
pub(crate) const SA_NODEFER: u64 = 0x4000_0000;
pub(crate) const SA_RESETHAND: u64 = 0x8000_0000;

pub(crate) const SIG_DFL: u64 = 0;
pub(crate) const SIG_IGN: u64 = 1;

pub(crate) const SIG_BLOCK: u64 = 0;
pub(crate) const SIG_UNBLOCK: u64 = 1;
pub(crate) const SIG_SETMASK: u64 = 2;

pub(crate) const SS_ONSTACK: u32 = 1;
pub(crate) const SS_DISABLE: u32 = 2;
pub(crate) const SS_AUTODISARM: u32 = 1 << 31;
pub(crate) const MINSIGSTKSZ: u64 = 2048;

pub(crate) const SI_USER: i32 = 0;
pub(crate) const SI_KERNEL: i32 = 0x80;
pub(crate) const SI_QUEUE: i32 = -1;
pub(crate) const SI_TIMER: i32 = -2;
pub(crate) const SI_TKILL: i32 = -6;

pub(crate) const CLD_EXITED: i32 = 1;
pub(crate) const CLD_KILLED: i32 = 2;
pub(crate) const CLD_DUMPED: i32 = 3;
pub(crate) const CLD_STOPPED: i32 = 5;
pub(crate) const CLD_CONTINUED: i32 = 6;

pub(crate) const SEGV_MAPERR: i32 = 1;
pub(crate) const SEGV_ACCERR: i32 = 2;
pub(crate) const BUS_ADRALN: i32 = 1;
pub(crate) const BUS_ADRERR: i32 = 2;
pub(crate) const BUS_OBJERR: i32 = 3;
pub(crate) const ILL_ILLOPN: i32 = 2;
pub(crate) const FPE_INTDIV: i32 = 1;
pub(crate) const FPE_FLTINV: i32 = 7;
pub(crate) const TRAP_BRKPT: i32 = 1;
pub(crate) const TRAP_TRACE: i32 = 2;
