//! Randomness: RDRAND alone. Failure is fatal, there is no other source to fall back to.

use crate::backend;

/// Fills `out` with random bytes.
pub fn fill(out: &mut [u8]) {
    for chunk in out.chunks_mut(8) {
        let word = backend::random_u64().to_le_bytes();
        for (byte, random) in chunk.iter_mut().zip(word) {
            *byte = random;
        }
    }
}
