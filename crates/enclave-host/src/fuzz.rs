//! Entry points for fuzzing (`fuzz/`): what an enclave asks of its host, and what AESM answers.
//! Built there and for tests.

/// A system call on behalf of the enclave, checked and not made: whatever the enclave writes into its
/// buffer, memory outside it never reaches the kernel.
pub fn ocall(bytes: &[u8]) {
    crate::ocalls::fuzz::ocall(bytes);
}

/// An answer of AESM.
pub fn aesm(bytes: &[u8]) {
    crate::platform::hardware::fuzz_aesm(bytes);
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    /// Runs a target over its corpus, whole and cut.
    fn replay(name: &str, target: fn(&[u8])) {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus").join(name);
        for entry in std::fs::read_dir(folder).unwrap() {
            let bytes = std::fs::read(entry.unwrap().path()).unwrap();
            for length in [bytes.len(), bytes.len() / 2, bytes.len().saturating_sub(1), 60, 1] {
                target(&bytes[..length.min(bytes.len())]);
            }
        }
    }

    #[test]
    fn no_file_of_the_corpus_makes_a_target_fail() {
        replay("ocall", super::ocall);
        replay("aesm", super::aesm);
    }
}
