//! Asking the host, and not believing it.
//!
//! A [`Request`] is marshalled into the thread's shared buffer; a [`Reply`] holds the judged result
//! and hands out outputs as [`FromHost`], each byte read from untrusted memory once.
//!
//! # Preconditions
//! A thread has one shared buffer: a [`Reply`]'s outputs must be copied before the next request.

use alloc::{vec, vec::Vec};

use enclave_abi::{
    bytes::u64_at,
    ocall::{self, HostCall, Ocall},
};

use crate::{FromHost, backend, user};

/// Why a request brought no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The host reported this errno (1..=4095).
    #[error("host call failed with errno {0}")]
    Errno(u16),
    /// The host's answer to the named call is impossible.
    #[error("host answered {0} with an impossible value")]
    Lie(&'static str),
    /// The request does not fit the shared buffer.
    #[error("request of {bytes} bytes exceeds the shared buffer")]
    TooLarge {
        /// Bytes the request needed.
        bytes: usize,
    },
    /// Application memory named in the request is not accessible.
    #[error(transparent)]
    Fault(#[from] user::Fault),
}

#[derive(Debug, Clone, Copy)]
enum Kind {
    Plain(Ocall),
    Syscall(HostCall),
}

/// A request being marshalled.
#[derive(Debug)]
#[must_use = "a request does nothing until it is sent"]
pub struct Request {
    kind: Kind,
    args: [u64; 6],
    arg_count: usize,
    spans: [(usize, usize); 6],
    cursor: usize,
    error: Option<Error>,
}

/// Bytes of data a request can carry in and out together.
#[must_use]
pub fn capacity() -> usize {
    backend::shared_len().saturating_sub(ocall::DATA)
}

impl Request {
    /// Starts a host system call.
    pub fn syscall(call: HostCall) -> Self {
        Self::of(Kind::Syscall(call))
    }

    /// Starts any other ocall.
    pub fn new(ocall: Ocall) -> Self {
        Self::of(Kind::Plain(ocall))
    }

    fn of(kind: Kind) -> Self {
        Self {
            kind,
            args: [0; 6],
            arg_count: 0,
            spans: [(0, 0); 6],
            cursor: ocall::DATA,
            error: None,
        }
    }

    /// Adds an argument that is a plain value.
    pub fn value(mut self, value: u64) -> Self {
        self.push(value, (0, 0));
        self
    }

    /// Adds an argument that points to a copy of `bytes`.
    pub fn input(mut self, bytes: &[u8]) -> Self {
        if let Some(at) = self.reserve(bytes.len()) {
            backend::shared_write(at, bytes);
            self.push(backend::shared_base() + at as u64, (at, bytes.len()));
        }
        self
    }

    /// Adds an argument that points to a copy of `len` bytes of application memory at `address`.
    pub fn input_user(mut self, address: u64, len: usize) -> Self {
        if let Some(at) = self.reserve(len) {
            match backend::user_to_shared(address, at, len) {
                Ok(()) => self.push(backend::shared_base() + at as u64, (at, len)),
                Err(fault) => self.error = self.error.or(Some(Error::Fault(fault))),
            }
        }
        self
    }

    /// Adds an argument that points to `len` bytes the host may fill; zeroed first.
    pub fn output(mut self, len: usize) -> Self {
        if let Some(at) = self.reserve(len) {
            self.push(backend::shared_base() + at as u64, (at, len));
        }
        self
    }

    fn push(&mut self, value: u64, span: (usize, usize)) {
        if let (Some(arg), Some(slot)) =
            (self.args.get_mut(self.arg_count), self.spans.get_mut(self.arg_count))
        {
            *arg = value;
            *slot = span;
        }
        self.arg_count += 1;
    }

    fn reserve(&mut self, len: usize) -> Option<usize> {
        let at = self.cursor.next_multiple_of(16);
        let end = at.checked_add(len);
        if self.error.is_some() {
            return None;
        }
        match end {
            Some(end) if end <= backend::shared_len() => {
                self.cursor = end;
                Some(at)
            }
            _ => {
                self.error = Some(Error::TooLarge { bytes: len });
                None
            }
        }
    }

    /// Leaves the enclave, and judges the answer.
    ///
    /// # Errors
    /// What failed while marshalling, the host's errno, or [`Error::Lie`].
    pub fn send(self) -> Result<Reply, Error> {
        if let Some(error) = self.error {
            return Err(error);
        }
        let (number, detail) = match self.kind {
            Kind::Plain(ocall) => (ocall as u64, 0),
            Kind::Syscall(call) => (Ocall::Syscall as u64, call.number),
        };
        let mut frame = [0; ocall::DATA];
        let words = [number, detail].into_iter().chain(self.args);
        for (chunk, word) in frame.chunks_exact_mut(8).zip(words) {
            chunk.copy_from_slice(&word.to_le_bytes());
        }
        backend::shared_write(0, &frame);
        backend::exit_for_ocall();
        let [result, extra] = result_words().any_will_do();
        let value = judge(self.kind, &self.args, result.cast_signed())?;
        Ok(Reply { value, extra: FromHost::copied(extra), spans: self.spans })
    }
}

/// The two result words, read together; the caller judges the first, the user of the second that.
fn result_words() -> FromHost<[u64; 2]> {
    let mut bytes = [0; 16];
    backend::shared_read(ocall::RESULT, &mut bytes);
    FromHost::copied([0, 8].map(|at| u64_at(&bytes, at).unwrap_or(0)))
}

fn judge(kind: Kind, args: &[u64; 6], result: i64) -> Result<u64, Error> {
    let (judged, name) = match kind {
        Kind::Syscall(call) => (call.judge(args, result), call.name),
        Kind::Plain(ocall) => (ocall.judge(args, result), ocall.name()),
    };
    judged.ok_or(Error::Lie(name))?.map_err(Error::Errno)
}

/// A judged answer, with the request's outputs still in the shared buffer.
#[derive(Debug, Clone, Copy)]
pub struct Reply {
    /// The result: not negative, plausible for the call.
    pub value: u64,
    /// The second result word.
    pub extra: FromHost<u64>,
    spans: [(usize, usize); 6],
}

impl Reply {
    /// The first `N` bytes of the output given as argument `arg` (counted from 0); zeros beyond what the request
    /// reserved.
    pub fn output<const N: usize>(&self, arg: usize) -> FromHost<[u8; N]> {
        let mut bytes = [0; N];
        self.copy_out(arg, &mut bytes);
        FromHost::copied(bytes)
    }

    /// The first `len` bytes of output `arg`, cut to what the request reserved.
    pub fn output_bytes(&self, arg: usize, len: usize) -> FromHost<Vec<u8>> {
        let (_, reserved) = self.spans.get(arg).copied().unwrap_or((0, 0));
        let mut bytes = vec![0; len.min(reserved)];
        self.copy_out(arg, &mut bytes);
        FromHost::copied(bytes)
    }

    /// Copies the first bytes of output `arg` into `out`: data that nobody interprets here, such as a file's.
    /// Copies nothing beyond what the request reserved; the rest of `out` is left as it was.
    pub fn copy_out(&self, arg: usize, out: &mut [u8]) {
        let (at, len) = self.spans.get(arg).copied().unwrap_or((0, 0));
        let n = len.min(out.len());
        if let Some(out) = out.get_mut(..n) {
            backend::shared_read(at, out);
        }
    }

    /// Copies the first `len` bytes of output `arg` to application memory at `address`.
    ///
    /// # Errors
    /// [`user::Fault`] when the application's memory is not writable there.
    pub fn copy_to_user(&self, arg: usize, address: u64, len: usize) -> Result<(), user::Fault> {
        let (at, reserved) = self.spans.get(arg).copied().unwrap_or((0, 0));
        backend::shared_to_user(at, address, len.min(reserved))
    }
}

/// Ends the process, with how many system calls it made, for `--stats`: `status` 0..=255, or 256 plus the number of the signal that ended it.
pub fn exit_process(status: u64) -> ! {
    // The host does not return from this; if it does, ask again rather than run on.
    loop {
        let (fast, trapped) = crate::fast::counts();
        let _ = Request::new(Ocall::ExitProcess).value(status).value(fast).value(trapped).send();
    }
}

/// Stops the host process until it is continued.
pub fn stop_process() {
    // A host that does not do it runs the program on.
    let _ = Request::new(Ocall::StopProcess).send();
}

/// Tells the host of a crash: an encoded `enclave_abi::crash::Crash`. Public from then on; for debug enclaves.
pub fn crash(bytes: &[u8]) {
    let _ = Request::new(Ocall::Crash).input(bytes).value(bytes.len() as u64).send();
}

/// Severity of a log line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u64)]
pub enum Level {
    /// Something failed.
    Error = 1,
    /// Something is wrong but was handled.
    Warn = 2,
    /// Once per start or rarer.
    Info = 3,
    /// For people who look for a fault.
    Debug = 4,
    /// Every call.
    Trace = 5,
}

/// Sends a line to the host's log. The text is public from then on: no secret may be in it.
pub fn log(level: Level, text: &str) {
    let bytes = text.as_bytes();
    let bytes = bytes.get(..bytes.len().min(4096)).unwrap_or(bytes);
    let _ =
        Request::new(Ocall::Log).value(level as u64).input(bytes).value(bytes.len() as u64).send();
}
