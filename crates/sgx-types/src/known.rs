//! Signers that everybody knows, so that tools can warn and policies can refuse.

use crate::Mrsigner;

/// A signer whose MRSIGNER is published.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KnownSigner {
    /// Its MRSIGNER.
    pub mrsigner: Mrsigner,
    /// Who it is.
    pub name: &'static str,
    /// Whether the private key is public too: then the signer proves nothing.
    pub key_is_public: bool,
}

const KNOWN: &[KnownSigner] = &[
    KnownSigner {
        mrsigner: Mrsigner(hex(
            b"83d719e77deaca1470f6baf62a4d774303c899db69020f9c70ee1dfc08c7ce9e",
        )),
        name: "sample signing key of the Intel SGX SDK and of sgxs-tools",
        key_is_public: true,
    },
    KnownSigner {
        mrsigner: Mrsigner(hex(
            b"bb0b22465413ae2d6b9fb9d10c473d99d2942655ef771c92b586697e01698457",
        )),
        name: "development key of Casemate",
        key_is_public: true,
    },
    KnownSigner {
        mrsigner: Mrsigner(hex(
            b"8c4f5775d796503e96137f77c68a829a0056ac8ded70140b081b094490c57bff",
        )),
        name: "Intel, SGX quoting and quote-verification enclaves",
        key_is_public: false,
    },
    KnownSigner {
        mrsigner: Mrsigner(hex(
            b"dc9e2a7c6f948f17474e34a7fc43ed030f7c1563f1babddf6340c82e0e54a8c5",
        )),
        name: "Intel, TDX quoting enclave",
        key_is_public: false,
    },
    KnownSigner {
        mrsigner: Mrsigner(hex(
            b"acb77012053e05a63d413b8bbae8fb6c5d73b3f2996d91c43bbbf90959c0f8d4",
        )),
        name: "Intel, launch enclave",
        key_is_public: false,
    },
];

/// Returns what is known about a signer.
pub fn known_signer(mrsigner: &Mrsigner) -> Option<&'static KnownSigner> {
    KNOWN.iter().find(|known| known.mrsigner == *mrsigner)
}

/// Decodes the digests above while compiling; a wrong digit does not compile.
#[allow(
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "runs while compiling only, where a panic is a compile error"
)]
const fn hex(digits: &[u8; 64]) -> [u8; 32] {
    let mut bytes = [0; 32];
    let mut at = 0;
    while at < 32 {
        bytes[at] = nibble(digits[2 * at]) << 4 | nibble(digits[2 * at + 1]);
        at += 1;
    }
    bytes
}

#[allow(
    clippy::arithmetic_side_effects,
    reason = "runs while compiling only, where a panic is a compile error"
)]
const fn nibble(digit: u8) -> u8 {
    match digit {
        b'0'..=b'9' => digit - b'0',
        b'a'..=b'f' => digit - b'a' + 10,
        _ => panic!("not a lower-case hexadecimal digit"),
    }
}
