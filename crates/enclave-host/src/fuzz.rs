//! Entry points for fuzzing (`fuzz/`): what an enclave asks of its host, and what AESM answers.
//! Built only there.

/// A system call on behalf of the enclave, checked and not made: whatever the enclave writes into its
/// buffer, memory outside it never reaches the kernel.
pub fn ocall(bytes: &[u8]) {
    crate::ocalls::fuzz::ocall(bytes);
}

/// An answer of AESM.
pub fn aesm(bytes: &[u8]) {
    crate::platform::hardware::fuzz_aesm(bytes);
}
