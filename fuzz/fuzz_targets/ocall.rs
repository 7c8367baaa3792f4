//! Fuzzes `enclave_host::fuzz::ocall` and the judgement of a host's answers: what the host does for an
//! enclave, and what the enclave believes of it.
#![no_main]

use enclave_abi::ocall::{HOST_CALLS, HostCall};

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    enclave_host::fuzz::ocall(bytes);
    let mut words = bytes.as_chunks::<8>().0.iter().map(|word| u64::from_le_bytes(*word));
    let mut word = || words.next().unwrap_or_default();
    let index = usize::try_from(word()).unwrap_or_default() % HOST_CALLS.len();
    let (result, args) = (word().cast_signed(), [word(), word(), word(), word(), word(), word()]);
    judge(&HOST_CALLS[index], &args, result);
});

fn judge(call: &HostCall, args: &[u64; 6], result: i64) {
    match call.judge(args, result) {
        Some(Ok(value)) => assert_eq!(i64::try_from(value), Ok(result)),
        Some(Err(errno)) => assert!((1..4096).contains(&errno) && result == -i64::from(errno)),
        None => {}
    }
}
