//! The check of an enclave's system call, without the call.

use enclave_abi::bytes::u64_at;
use enclave_abi::ocall::{DATA, HOST_CALLS};

use super::buffer::{LEN, SharedBuffer};
use super::syscall::{self, Arg, Checked};

/// Reads a call number, six arguments and the buffer's content out of `bytes` and checks the call.
/// Arguments whose highest bit is set are offsets into the buffer or a little beyond it.
pub(crate) fn ocall(bytes: &[u8]) {
    let word = |index: usize| u64_at(bytes, index * 8).unwrap_or_default();
    let index = usize::try_from(word(0)).unwrap_or_default() % HOST_CALLS.len();
    BUFFER.with(|buffer| check(buffer, bytes, index));
}

thread_local! {
    /// Made once: a megabyte of zeros takes longer than all the rest. It is zero between inputs.
    static BUFFER: SharedBuffer = SharedBuffer::new();
}

fn check(buffer: &SharedBuffer, bytes: &[u8], index: usize) {
    let word = |index: usize| u64_at(bytes, index * 8).unwrap_or_default();
    let base = buffer.address();
    let args: [u64; 6] = std::array::from_fn(|index| match word(index + 1) {
        offset if offset >> 63 == 1 => base + (offset & 0x1f_ffff),
        number => number,
    });
    let content = bytes.get(56..).unwrap_or_default();
    let content = &content[..content.len().min(LEN - DATA)];
    buffer.write(base + DATA as u64, content).expect("the content fits the buffer");
    let checked = Checked::new(buffer, HOST_CALLS[index].number, &args);
    buffer.write(base + DATA as u64, &vec![0; content.len()]).expect("it fitted before");
    let Ok(checked) = checked else { return };
    let kinds = syscall::arguments(HOST_CALLS[index].name).unwrap_or_default();
    for (index, kind) in kinds.iter().enumerate() {
        lies_inside(base, &checked, index, kind);
    }
}

/// States again, in wider numbers, what an accepted argument may be.
fn lies_inside(base: u64, checked: &Checked, index: usize, kind: &Arg) {
    let args = checked.args().map(u128::from);
    let (base, end) = (u128::from(base), u128::from(base) + LEN as u128);
    let inside = |len: u128| {
        let within = args[index] >= base && args[index] + len <= end;
        assert!(
            len == 0 || within,
            "argument {index} of {len} bytes leaves the buffer: {checked:?}"
        );
    };
    match *kind {
        Arg::Bytes(len) => inside(args[len]),
        Arg::Array(count, size) => inside(args[count] * u128::from(size)),
        Arg::Structure(len) => inside(len.into()),
        Arg::StructureOrNull(_) | Arg::PathOrNull if args[index] == 0 => {}
        Arg::StructureOrNull(len) => inside(len.into()),
        Arg::Path | Arg::PathOrNull => inside(1),
        Arg::Out(_) => inside(checked.out_len().map_or(0, u128::from)),
        // Replaced by a word that the enclave cannot reach.
        Arg::OutLen => {
            assert!(args[index] < base || args[index] >= end || checked.out_len().is_none())
        }
        // Numbers as well as structures: `check` has lists of both.
        Arg::Number | Arg::Ioctl | Arg::Fcntl => {}
    }
}
