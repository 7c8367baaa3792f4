//! What the enclave touches on its host, told to whoever asks: `casemate trace`.

use enclave_abi::ocall::HostCall;

use super::buffer::SharedBuffer;
use super::syscall::{self, Arg};

/// Longest path with its NUL.
const PATH_MAX: u64 = 4096;

/// A system call with a path that succeeded.
#[derive(Debug, Clone, Copy)]
pub struct Touch<'t> {
    /// Its name.
    pub call: &'static str,
    /// The path.
    pub path: &'t [u8],
    /// All its arguments; addresses mean nothing.
    pub args: [u64; 6],
}

/// Is told of every [`Touch`], on any thread.
pub type Trace = Box<dyn Fn(&Touch<'_>) + Send + Sync>;

/// Tells of the paths of a call that has succeeded.
pub(super) fn tell(trace: &Trace, buffer: &SharedBuffer, number: u64, args: &[u64; 6]) {
    let Some(call) = HostCall::by_number(number) else { return };
    let kinds = syscall::arguments(call.name).unwrap_or_default();
    for (arg, kind) in args.iter().zip(kinds) {
        if !matches!(kind, Arg::Path | Arg::PathOrNull) || *arg == 0 {
            continue;
        }
        let room = buffer.room(*arg, PATH_MAX).unwrap_or(0);
        let bytes = buffer.read(*arg, room).unwrap_or_default();
        let path = bytes.split(|byte| *byte == 0).next().unwrap_or_default();
        trace(&Touch { call: call.name, path, args: *args });
    }
}
