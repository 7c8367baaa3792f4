//! Requests from enclave to host.
//!
//! A request is a frame at the start of the thread's shared buffer. The enclave writes it, leaves
//! with EEXIT (RDI [`crate::entry::EXIT_OCALL`], RSI the frame's address), and after re-entry reads
//! the two result words once. All data goes through the rest of the shared buffer; addresses in
//! arguments point into it.
//!
//! ```text
//!  0 number   u64, an [`Ocall`]
//!  8 detail   u64: for `Syscall` the Linux system call's number, else 0
//! 16 args     6 x u64
//! 64 result   i64: zero or more, or a negated errno (-4095..=-1)
//! 72 extra    u64: second result of the few ocalls that have one, else 0
//! 80          first byte of data
//! ```
//!
//! What the enclave accepts as an answer is part of the request: [`Answer`] for each system call.
//! An answer outside it is a lying host; the enclave treats it as EIO and logs it once.

/// Offset of the first data byte in the shared buffer.
pub const DATA: usize = 128;
/// Offset of the result word.
pub const RESULT: usize = 64;
/// Offset of the second result word.
pub const EXTRA: usize = 72;
/// Smallest shared buffer in bytes.
pub const BUFFER_MIN: u64 = 64 << 10;
/// Largest shared buffer in bytes.
pub const BUFFER_MAX: u64 = 16 << 20;

/// What the enclave can ask of the host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u64)]
#[non_exhaustive]
pub enum Ocall {
    /// A Linux system call out of [`HOST_CALLS`]; `detail` is its number.
    Syscall = 1,
    /// Ends the process. `args[0]`: exit status 0..=255, or 256 plus the number of the signal that ended it. Does not return.
    ExitProcess = 2,
    /// Starts a host thread that enters TCS `args[0]` with `ENTER_THREAD`.
    SpawnThread = 3,
    /// Parks the calling thread until woken or until `args[1]` nanoseconds have passed (`u64::MAX`: no
    /// limit), unless its park word no longer equals `args[0]`. Result: 0, or `-ETIMEDOUT`, `-EINTR`, `-EAGAIN`.
    Park = 4,
    /// Adds one to the park word of thread `args[0]` (its index) and wakes it.
    Unpark = 5,
    /// SGX_IOC_ENCLAVE_RESTRICT_PERMISSIONS: pages `args[0]`, bytes `args[1]`, permissions `args[2]` (R 1, W 2, X 4). `extra`: bytes done.
    RestrictPages = 6,
    /// SGX_IOC_ENCLAVE_MODIFY_TYPES: pages `args[0]`, bytes `args[1]`, page type `args[2]`. `extra`: bytes done.
    ModifyPages = 7,
    /// SGX_IOC_ENCLAVE_REMOVE_PAGES: pages `args[0]`, bytes `args[1]`. `extra`: bytes done.
    RemovePages = 8,
    /// The quoting enclave's TARGETINFO (512 bytes) into the buffer at `args[0]`.
    QuoteTarget = 9,
    /// A quote about the REPORT (432 bytes) at `args[0]`, into `args[1]`, at most `args[2]` bytes. Result: length.
    Quote = 10,
    /// A line for the log: level `args[0]` (1 error to 5 trace), text at `args[1]`, `args[2]` bytes.
    Log = 11,
    /// CPUID of the host for leaf `args[0]` and sub-leaf `args[1]`: EAX, EBX, ECX, EDX (16 bytes) into the
    /// buffer at `args[2]`. Not to be believed: the enclave masks it by what it knows itself.
    Cpuid = 12,
    /// Interrupts thread `args[0]` (its index): if it runs in the enclave it is entered with `ENTER_EVENT`, if it
    /// waits in an ocall that call ends with `-EINTR`. Comes back before that has happened.
    Interrupt = 13,
    /// Has some thread interrupted in `args[0]` nanoseconds, once (`u64::MAX`: never). Replaces what was asked for
    /// before.
    SetAlarm = 14,
    /// Stops the host process, as the default action of SIGTSTP does. Comes back when it is continued.
    StopProcess = 15,
    /// The program has crashed: an encoded [`crate::crash::Crash`] at `args[0]`, `args[1]` bytes, for a backtrace in the
    /// log. Debug enclaves only.
    Crash = 16,
}

impl Ocall {
    /// Every ocall.
    pub const ALL: &[Self] = &[
        Self::Syscall,
        Self::ExitProcess,
        Self::SpawnThread,
        Self::Park,
        Self::Unpark,
        Self::RestrictPages,
        Self::ModifyPages,
        Self::RemovePages,
        Self::QuoteTarget,
        Self::Quote,
        Self::Log,
        Self::Cpuid,
        Self::Interrupt,
        Self::SetAlarm,
        Self::StopProcess,
        Self::Crash,
    ];

    /// The ocall with this number.
    #[must_use]
    pub fn from_number(number: u64) -> Option<Self> {
        Self::ALL.iter().copied().find(|ocall| *ocall as u64 == number)
    }

    /// A name for people.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Syscall => "(system call)",
            Self::ExitProcess => "(exit process)",
            Self::SpawnThread => "(spawn thread)",
            Self::Park => "(park)",
            Self::Unpark => "(unpark)",
            Self::RestrictPages => "(restrict pages)",
            Self::ModifyPages => "(modify pages)",
            Self::RemovePages => "(remove pages)",
            Self::QuoteTarget => "(quote target)",
            Self::Quote => "(quote)",
            Self::Log => "(log)",
            Self::Cpuid => "(cpuid)",
            Self::Interrupt => "(interrupt)",
            Self::SetAlarm => "(set alarm)",
            Self::StopProcess => "(stop process)",
            Self::Crash => "(crash)",
        }
    }

    /// Plausible results. For `Syscall` the call's own row says more.
    #[must_use]
    pub const fn answer(self) -> Answer {
        match self {
            Self::Syscall => Answer::Checked,
            Self::Quote => Answer::AtMostArg(2),
            _ => Answer::Zero,
        }
    }

    /// Judges a host's result, as [`HostCall::judge`].
    #[must_use]
    pub fn judge(self, args: &[u64; 6], result: i64) -> Option<Result<u64, u16>> {
        self.answer().judge(args, result)
    }
}

/// Which non-negative results of a host system call are plausible at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// Zero.
    Zero,
    /// A new file descriptor, 0..=[`HOST_FD_MAX`].
    Fd,
    /// At most argument `n`.
    AtMostArg(usize),
    /// Any value; the caller checks it.
    Checked,
}

impl Answer {
    fn judge(self, args: &[u64; 6], result: i64) -> Option<Result<u64, u16>> {
        if result < 0 {
            let errno = result.checked_neg()?;
            return (1..=4095).contains(&errno).then(|| u16::try_from(errno).ok().map(Err))?;
        }
        let value = u64::try_from(result).ok()?;
        let plausible = match self {
            Self::Zero => value == 0,
            Self::Fd => value <= HOST_FD_MAX,
            Self::AtMostArg(n) => args.get(n).is_some_and(|&most| value <= most),
            Self::Checked => true,
        };
        plausible.then_some(Ok(value))
    }
}

/// Largest host file descriptor the enclave believes.
pub const HOST_FD_MAX: u64 = (1 << 20) - 1;

/// A row of the table of host system calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HostCall {
    /// x86-64 system call number.
    pub number: u64,
    /// Name as in the man pages.
    pub name: &'static str,
    /// Plausible results.
    pub answer: Answer,
}

macro_rules! host_calls {
    ($($constant:ident $number:literal $name:literal $answer:expr;)*) => {
        $(#[doc = concat!("`", $name, "(2)`.")]
        pub const $constant: HostCall =
            HostCall { number: $number, name: $name, answer: $answer };)*
        /// Every Linux system call that an enclave may ask the host for.
        pub const HOST_CALLS: &[HostCall] = &[$($constant),*];
    };
}

host_calls! {
    READ 0 "read" Answer::AtMostArg(2);
    WRITE 1 "write" Answer::AtMostArg(2);
    CLOSE 3 "close" Answer::Zero;
    POLL 7 "poll" Answer::AtMostArg(1);
    IOCTL 16 "ioctl" Answer::Zero;
    PREAD64 17 "pread64" Answer::AtMostArg(2);
    PWRITE64 18 "pwrite64" Answer::AtMostArg(2);
    SENDTO 44 "sendto" Answer::AtMostArg(2);
    RECVFROM 45 "recvfrom" Answer::AtMostArg(2);
    SOCKET 41 "socket" Answer::Fd;
    CONNECT 42 "connect" Answer::Zero;
    SHUTDOWN 48 "shutdown" Answer::Zero;
    BIND 49 "bind" Answer::Zero;
    LISTEN 50 "listen" Answer::Zero;
    GETSOCKNAME 51 "getsockname" Answer::Zero;
    GETPEERNAME 52 "getpeername" Answer::Zero;
    SETSOCKOPT 54 "setsockopt" Answer::Zero;
    GETSOCKOPT 55 "getsockopt" Answer::Zero;
    FCNTL 72 "fcntl" Answer::Checked;
    FSYNC 74 "fsync" Answer::Zero;
    FDATASYNC 75 "fdatasync" Answer::Zero;
    FTRUNCATE 77 "ftruncate" Answer::Zero;
    FCHMOD 91 "fchmod" Answer::Zero;
    GETDENTS64 217 "getdents64" Answer::AtMostArg(2);
    CLOCK_GETTIME 228 "clock_gettime" Answer::Zero;
    CLOCK_NANOSLEEP 230 "clock_nanosleep" Answer::Zero;
    OPENAT 257 "openat" Answer::Fd;
    MKDIRAT 258 "mkdirat" Answer::Zero;
    MKNODAT 259 "mknodat" Answer::Zero;
    NEWFSTATAT 262 "newfstatat" Answer::Zero;
    UNLINKAT 263 "unlinkat" Answer::Zero;
    SYMLINKAT 266 "symlinkat" Answer::Zero;
    LINKAT 265 "linkat" Answer::Zero;
    READLINKAT 267 "readlinkat" Answer::AtMostArg(3);
    FCHMODAT 268 "fchmodat" Answer::Zero;
    UTIMENSAT 280 "utimensat" Answer::Zero;
    ACCEPT4 288 "accept4" Answer::Fd;
    EVENTFD2 290 "eventfd2" Answer::Fd;
    RENAMEAT2 316 "renameat2" Answer::Zero;
    STATX 332 "statx" Answer::Zero;
}

impl HostCall {
    /// The table's row for a system call number.
    #[must_use]
    pub fn by_number(number: u64) -> Option<&'static Self> {
        HOST_CALLS.iter().find(|call| call.number == number)
    }

    /// Judges a host's result: `Ok` a plausible value, `Err(errno)` a reported error, `None` a lie.
    #[must_use]
    pub fn judge(&self, args: &[u64; 6], result: i64) -> Option<Result<u64, u16>> {
        self.answer.judge(args, result)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn table_has_no_number_twice() {
        for (i, a) in HOST_CALLS.iter().enumerate() {
            assert!(HOST_CALLS[i + 1..].iter().all(|b| a.number != b.number), "{}", a.name);
        }
    }

    #[test]
    fn ocall_numbers_round_trip() {
        let known = (0..64).filter_map(Ocall::from_number).map(|o| o as u64);
        assert!(known.eq(1..=Ocall::ALL.len() as u64), "an ocall is missing from Ocall::ALL");
    }

    #[test]
    fn lies_are_told_from_answers() {
        let args = [3, 0x1000, 10, 0, 0, 0];
        assert_eq!(READ.judge(&args, 10), Some(Ok(10)));
        assert_eq!(READ.judge(&args, 11), None);
        assert_eq!(READ.judge(&args, -11), Some(Err(11)));
        assert_eq!(READ.judge(&args, -4096), None);
        assert_eq!(READ.judge(&args, i64::MIN), None);
        assert_eq!(OPENAT.judge(&args, 1 << 20), None);
        assert_eq!(CLOSE.judge(&args, 1), None);
    }
}
