//! Errors of the primitives. None of them carries key material or says how far a check got.

/// Why an operation was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A MAC does not belong to the message and key.
    #[error("{algorithm}: the MAC does not match the message")]
    MacMismatch {
        /// Name of the algorithm.
        algorithm: &'static str,
    },
    /// A signature does not belong to the message and key.
    #[error("{algorithm}: the signature does not match the message and key")]
    SignatureMismatch {
        /// Name of the algorithm.
        algorithm: &'static str,
    },
    /// The encoding of a key cannot be read.
    #[error("read {what}: expected {expected}")]
    KeyFormat {
        /// Which key.
        what: &'static str,
        /// The encodings that are understood.
        expected: &'static str,
    },
    /// A key is well-formed, but not of the one kind that is accepted.
    #[error("{what}: expected {expected}, found {found}")]
    KeyKind {
        /// Which property of the key.
        what: &'static str,
        /// The only accepted value.
        expected: u64,
        /// The value found.
        found: u64,
    },
    /// A number is outside its range, such as an RSA signature not below the modulus.
    #[error("{what} is out of range: it must be {expected}")]
    OutOfRange {
        /// Which number.
        what: &'static str,
        /// The range, in words.
        expected: &'static str,
    },
    /// More output was asked of a key derivation than it can give.
    #[error("HKDF-SHA-256: at most 8160 bytes of output, {asked} asked")]
    OutputTooLong {
        /// Bytes asked for.
        asked: usize,
    },
    /// The primitive failed for a reason it does not tell.
    #[error("{operation} failed")]
    Failed {
        /// What was attempted.
        operation: &'static str,
    },
}
