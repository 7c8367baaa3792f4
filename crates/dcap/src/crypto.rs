//! The cryptography that verification needs, behind one trait.
//!
//! Two implementations exist: [`Ring`] (feature `ring`, the default) and [`RustCrypto`] (feature
//! `rustcrypto`, without std). A [`crate::Verifier`] takes either, or the caller's own.

use core::fmt;

/// Signature verification and hashing. Every method is total: a malformed key or signature is
/// `false`, never a panic.
pub trait Crypto: fmt::Debug + Sync {
    /// SHA-256 over the concatenation of `parts`.
    fn sha256(&self, parts: &[&[u8]]) -> [u8; 32];
    /// SHA-384.
    fn sha384(&self, bytes: &[u8]) -> [u8; 48];
    /// SHA-512.
    fn sha512(&self, bytes: &[u8]) -> [u8; 64];
    /// ECDSA P-256 with SHA-256; `key` is the uncompressed point `04 || x || y`, `signature` is
    /// `r || s`.
    fn p256_sha256(&self, key: &[u8; 65], message: &[u8], signature: &[u8; 64]) -> bool;
    /// ECDSA P-384 with SHA-384; `key` is the uncompressed point, `signature` is `r || s`.
    fn p384_sha384(&self, key: &[u8; 97], message: &[u8], signature: &[u8; 96]) -> bool;
    /// RSASSA-PSS with SHA-384, MGF1 with SHA-384 and a salt of 48 bytes; `key` is a DER
    /// `RSAPublicKey` of 4096 bits.
    fn rsa_pss_sha384(&self, key: &[u8], message: &[u8], signature: &[u8]) -> bool;
}

/// The implementation used when the caller names none.
#[cfg(feature = "ring")]
pub static DEFAULT: &dyn Crypto = &Ring;
/// The implementation used when the caller names none.
#[cfg(all(feature = "rustcrypto", not(feature = "ring")))]
pub static DEFAULT: &dyn Crypto = &RustCrypto;

#[cfg(feature = "ring")]
pub use with_ring::Ring;
#[cfg(feature = "rustcrypto")]
pub use with_rustcrypto::RustCrypto;

#[cfg(feature = "ring")]
mod with_ring {
    use ring::{digest, signature};

    use super::Crypto;

    /// Cryptography by `ring`.
    #[derive(Debug, Clone, Copy)]
    pub struct Ring;

    fn holds(
        algorithm: &'static dyn signature::VerificationAlgorithm,
        key: &[u8],
        message: &[u8],
        signature: &[u8],
    ) -> bool {
        signature::UnparsedPublicKey::new(algorithm, key).verify(message, signature).is_ok()
    }

    fn fixed<const N: usize>(digest: &digest::Digest) -> [u8; N] {
        let mut out = [0; N];
        for (to, from) in out.iter_mut().zip(digest.as_ref()) {
            *to = *from;
        }
        out
    }

    impl Crypto for Ring {
        fn sha256(&self, parts: &[&[u8]]) -> [u8; 32] {
            let mut context = digest::Context::new(&digest::SHA256);
            parts.iter().for_each(|part| context.update(part));
            fixed(&context.finish())
        }

        fn sha384(&self, bytes: &[u8]) -> [u8; 48] {
            fixed(&digest::digest(&digest::SHA384, bytes))
        }

        fn sha512(&self, bytes: &[u8]) -> [u8; 64] {
            fixed(&digest::digest(&digest::SHA512, bytes))
        }

        fn p256_sha256(&self, key: &[u8; 65], message: &[u8], signature: &[u8; 64]) -> bool {
            holds(&signature::ECDSA_P256_SHA256_FIXED, key, message, signature)
        }

        fn p384_sha384(&self, key: &[u8; 97], message: &[u8], signature: &[u8; 96]) -> bool {
            holds(&signature::ECDSA_P384_SHA384_FIXED, key, message, signature)
        }

        fn rsa_pss_sha384(&self, key: &[u8], message: &[u8], signature: &[u8]) -> bool {
            holds(&signature::RSA_PSS_2048_8192_SHA384, key, message, signature)
        }
    }
}

#[cfg(feature = "rustcrypto")]
mod with_rustcrypto {
    use p256::ecdsa::{Signature, VerifyingKey, signature::Verifier as _};
    use sha2::{Digest as _, Sha256, Sha384, Sha512};

    use super::Crypto;

    /// Cryptography in pure Rust, without std. P-384 and RSA are absent: SEV-SNP evidence is refused.
    #[derive(Debug, Clone, Copy)]
    pub struct RustCrypto;

    impl Crypto for RustCrypto {
        fn sha256(&self, parts: &[&[u8]]) -> [u8; 32] {
            let mut hash = Sha256::new();
            parts.iter().for_each(|part| hash.update(part));
            hash.finalize().into()
        }

        fn sha384(&self, bytes: &[u8]) -> [u8; 48] {
            Sha384::digest(bytes).into()
        }

        fn sha512(&self, bytes: &[u8]) -> [u8; 64] {
            Sha512::digest(bytes).into()
        }

        fn p256_sha256(&self, key: &[u8; 65], message: &[u8], signature: &[u8; 64]) -> bool {
            let (Ok(key), Ok(signature)) =
                (VerifyingKey::from_sec1_bytes(key), Signature::from_slice(signature))
            else {
                return false;
            };
            key.verify(message, &signature).is_ok()
        }

        fn p384_sha384(&self, _: &[u8; 97], _: &[u8], _: &[u8; 96]) -> bool {
            false
        }

        fn rsa_pss_sha384(&self, _: &[u8], _: &[u8], _: &[u8]) -> bool {
            false
        }
    }
}
