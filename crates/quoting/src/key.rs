//! Signing keys (ECDSA, P-256, SHA-256) derived from one seed.
//!
//! Everything an emulated endorser signs with comes from a [`Seed`]: equal seeds give equal keys,
//! and since signatures are deterministic too (RFC 6979), equal certificates and quotes.

use std::fmt;

use crypto::{Secret, Sha256, ecdsa_p256, sha256};

use crate::asn1;

/// The secret that one emulated root and everything below it is derived from.
#[derive(Debug, Clone)]
pub struct Seed(Secret<[u8; 32]>);

impl Seed {
    /// Takes 32 uniformly random bytes, or a constant where a test wants a known root.
    pub const fn new(bytes: [u8; 32]) -> Self {
        Self(Secret::new(bytes))
    }
}

/// A private key of the emulated PKI.
#[derive(Clone)]
pub struct SigningKey(ecdsa_p256::SigningKey);

impl SigningKey {
    /// Derives the key that `purpose` and `context` name under `seed`.
    ///
    /// SHA-256 over a domain label, the length-prefixed inputs and a counter is taken as the
    /// scalar; the counter steps on in the (never seen) case that it is zero or not below the
    /// group's order.
    pub fn derive(seed: &Seed, purpose: &str, context: &[u8]) -> Self {
        for counter in 0..u32::MAX {
            let mut hash = Sha256::new();
            hash.update(b"casemate emulated PKI key v1\0");
            hash.update(seed.0.expose());
            for part in [purpose.as_bytes(), context] {
                hash.update(&u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
                hash.update(part);
            }
            hash.update(&counter.to_be_bytes());
            if let Ok(key) = ecdsa_p256::SigningKey::from_scalar(&Secret::new(hash.finish())) {
                return Self(key);
            }
        }
        unreachable!("2^32 hash values in a row that are no P-256 scalar")
    }

    /// The public half.
    pub fn public_key(&self) -> PublicKey {
        PublicKey { xy: self.0.verifying_key().to_xy() }
    }

    /// Signs SHA-256 of `message`; r and s, 32 bytes each, big endian.
    pub fn sign_raw(&self, message: &[u8]) -> [u8; 64] {
        self.0.sign(message)
    }

    /// Signs SHA-256 of `message`; an Ecdsa-Sig-Value (RFC 5480 appendix A).
    pub fn sign_der(&self, message: &[u8]) -> Vec<u8> {
        self.0.sign_der(message)
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("SigningKey").field(&self.public_key()).finish()
    }
}

/// A P-256 public key.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct PublicKey {
    xy: [u8; 64],
}

impl PublicKey {
    /// `x || y`, as quotes carry it.
    pub const fn xy(&self) -> &[u8; 64] {
        &self.xy
    }

    /// `04 || x || y` (SEC 1 section 2.3.3).
    pub fn uncompressed(&self) -> Vec<u8> {
        asn1::concat([&[4][..], &self.xy])
    }

    /// SubjectPublicKeyInfo (RFC 5480 section 2).
    pub fn spki(&self) -> Vec<u8> {
        asn1::sequence([
            asn1::sequence([
                asn1::object_identifier(asn1::EC_PUBLIC_KEY),
                asn1::object_identifier(asn1::PRIME256V1),
            ]),
            asn1::bit_string(0, &self.uncompressed()),
        ])
    }

    /// Key identifier: leftmost 160 bits of SHA-256 of the public key (RFC 7093 section 2, method 1).
    pub fn key_id(&self) -> [u8; 20] {
        let digest = sha256(&self.uncompressed());
        let mut out = [0; 20];
        out.copy_from_slice(&digest[..20]);
        out
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PublicKey({})", crate::hex::lower(&self.xy))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_depend_on_seed_purpose_and_context_and_on_nothing_else() {
        let key = |seed: u8, purpose: &str, context: &[u8]| {
            SigningKey::derive(&Seed::new([seed; 32]), purpose, context).public_key()
        };
        assert_eq!(key(1, "root", b""), key(1, "root", b""));
        assert_ne!(key(1, "root", b""), key(2, "root", b""));
        assert_ne!(key(1, "root", b""), key(1, "pck", b""));
        assert_ne!(key(1, "pck", b"a"), key(1, "pck", b"b"));
        assert_ne!(key(1, "pcka", b""), key(1, "pck", b"a"));
    }

    #[test]
    fn debug_shows_no_secret() {
        let seed = Seed::new([0xab; 32]);
        assert_eq!(format!("{seed:?}"), "Seed(Secret(redacted))");
        let shown = format!("{:?}", SigningKey::derive(&seed, "root", b""));
        assert!(shown.starts_with("SigningKey(PublicKey("), "{shown}");
    }
}
