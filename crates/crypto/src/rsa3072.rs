//! RSA-3072 with public exponent 3, RSASSA-PKCS1-v1_5 with SHA-256 (RFC 8017): the one scheme that
//! signs enclaves.
//!
//! Numbers are 384 bytes, big-endian, as RFC 8017 writes them.

use alloc::string::String;
use core::fmt;

use crypto_bigint::{BoxedUint, NonZero, U3072, U6144};
use rand_core::CryptoRng;
use rsa::pkcs1::{DecodeRsaPrivateKey as _, DecodeRsaPublicKey as _};
use rsa::pkcs8::{DecodePrivateKey as _, DecodePublicKey as _, EncodePrivateKey as _};
use rsa::pkcs8::{EncodePublicKey as _, LineEnding};
use rsa::traits::PublicKeyParts;
use rsa::{Pkcs1v15Sign, RsaPrivateKey, RsaPublicKey};

use crate::{Error, Secret, sha256};

/// Size of modulus, signature and quotients in bytes.
pub const SIZE: usize = 384;
/// Size of the modulus in bits.
pub const BITS: u32 = 3072;
/// The public exponent.
pub const EXPONENT: u64 = 3;

const ALGORITHM: &str = "RSA-3072 PKCS#1 v1.5 SHA-256";

/// A public key.
#[derive(Clone, PartialEq, Eq)]
pub struct PublicKey(RsaPublicKey);

impl PublicKey {
    /// Makes a key from its modulus.
    ///
    /// # Errors
    ///
    /// [`Error::KeyKind`] when the modulus has not 3072 bits, [`Error::OutOfRange`] when it is even.
    pub fn from_modulus(modulus: &[u8; SIZE]) -> Result<Self, Error> {
        let modulus = BoxedUint::from_be_slice(modulus, BITS).map_err(|_| out_of_range())?;
        check_bits(modulus.bits())?;
        let key = RsaPublicKey::new(modulus, BoxedUint::from(EXPONENT));
        key.map(PublicKey).map_err(|_| out_of_range())
    }

    /// Reads a PEM file with a SubjectPublicKeyInfo or a PKCS#1 public key.
    ///
    /// # Errors
    ///
    /// [`Error::KeyFormat`] when it holds neither, [`Error::KeyKind`] for another size or exponent.
    pub fn from_pem(pem: &str) -> Result<Self, Error> {
        let key = RsaPublicKey::from_public_key_pem(pem)
            .or_else(|_| RsaPublicKey::from_pkcs1_pem(pem))
            .map_err(|_| Error::KeyFormat {
                what: "RSA public key",
                expected: "PEM with PUBLIC KEY or RSA PUBLIC KEY",
            })?;
        check_kind(&key)?;
        Ok(PublicKey(key))
    }

    /// Returns the key as PEM with a SubjectPublicKeyInfo.
    ///
    /// # Errors
    ///
    /// [`Error::Failed`] when the encoder fails, which no valid key makes it do.
    pub fn to_pem(&self) -> Result<String, Error> {
        self.0
            .to_public_key_pem(LineEnding::LF)
            .map_err(|_| Error::Failed { operation: "encode RSA public key" })
    }

    /// Returns the modulus.
    pub fn modulus(&self) -> [u8; SIZE] {
        fixed(&self.0.n().to_be_bytes())
    }

    /// Checks `signature` over `message`.
    ///
    /// # Errors
    ///
    /// [`Error::SignatureMismatch`] when it does not verify.
    pub fn verify(&self, message: &[u8], signature: &[u8; SIZE]) -> Result<(), Error> {
        self.0
            .verify(scheme(), &sha256(message), signature)
            .map_err(|_| Error::SignatureMismatch { algorithm: ALGORITHM })
    }

    /// Returns the two quotients that SIGSTRUCT carries: `q1 = floor(s^2 / n)` and
    /// `q2 = floor((s^2 mod n) * s / n)`, so that `s^3 mod n` needs no division to check.
    ///
    /// # Errors
    ///
    /// [`Error::OutOfRange`] when the signature is not below the modulus.
    pub fn quotients(&self, signature: &[u8; SIZE]) -> Result<Quotients, Error> {
        let modulus = U3072::from_be_slice(&self.modulus());
        let signature = U3072::from_be_slice(signature);
        if signature >= modulus {
            return Err(Error::OutOfRange { what: "RSA signature", expected: "below the modulus" });
        }
        let (q1, rest) = divide(signature, signature, modulus)?;
        let (q2, _) = divide(rest, signature, modulus)?;
        Ok(Quotients { q1, q2 })
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digest = sha256(&self.modulus());
        f.write_str("rsa3072::PublicKey(sha256 of modulus ")?;
        digest.iter().try_for_each(|byte| write!(f, "{byte:02x}"))?;
        f.write_str(")")
    }
}

/// The quotients of a signature.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quotients {
    /// `floor(s^2 / n)`.
    pub q1: [u8; SIZE],
    /// `floor((s^2 mod n) * s / n)`.
    pub q2: [u8; SIZE],
}

/// A private key. It is wiped when dropped and does not show in `Debug`.
#[derive(Clone)]
pub struct PrivateKey(RsaPrivateKey);

impl PrivateKey {
    /// Makes a new key. This takes seconds.
    ///
    /// # Errors
    ///
    /// [`Error::Failed`] when no key was found, which a working random source does not let happen.
    pub fn generate(rng: &mut impl CryptoRng) -> Result<Self, Error> {
        let bits = usize::try_from(BITS).map_err(|_| out_of_range())?;
        RsaPrivateKey::new_with_exp(rng, bits, BoxedUint::from(EXPONENT))
            .map(PrivateKey)
            .map_err(|_| Error::Failed { operation: "generate RSA key" })
    }

    /// Reads a PEM file with an unencrypted PKCS#8 or PKCS#1 private key.
    ///
    /// # Errors
    ///
    /// [`Error::KeyFormat`] when it holds neither, [`Error::KeyKind`] for another size or exponent.
    pub fn from_pem(pem: &str) -> Result<Self, Error> {
        let key = RsaPrivateKey::from_pkcs8_pem(pem)
            .or_else(|_| RsaPrivateKey::from_pkcs1_pem(pem))
            .map_err(|_| Error::KeyFormat {
                what: "RSA private key",
                expected: "unencrypted PEM with PRIVATE KEY (PKCS#8) or RSA PRIVATE KEY (PKCS#1)",
            })?;
        check_kind(key.as_public_key())?;
        Ok(PrivateKey(key))
    }

    /// Returns the key as PEM with PKCS#8.
    ///
    /// # Errors
    ///
    /// [`Error::Failed`] when the encoder fails, which no valid key makes it do.
    pub fn to_pem(&self) -> Result<Secret<String>, Error> {
        let mut pem = self
            .0
            .to_pkcs8_pem(LineEnding::LF)
            .map_err(|_| Error::Failed { operation: "encode RSA private key" })?;
        Ok(Secret::new(core::mem::take(&mut *pem)))
    }

    /// Returns the public half.
    pub fn public_key(&self) -> PublicKey {
        PublicKey(self.0.to_public_key())
    }

    /// Signs `message`. The random source blinds the computation; the signature does not depend on
    /// it.
    ///
    /// # Errors
    ///
    /// [`Error::Failed`] when the key is inconsistent.
    pub fn sign(&self, rng: &mut impl CryptoRng, message: &[u8]) -> Result<[u8; SIZE], Error> {
        self.0
            .sign_with_rng(rng, scheme(), &sha256(message))
            .map(|signature| fixed(&signature))
            .map_err(|_| Error::Failed { operation: "RSA signature" })
    }
}

impl fmt::Debug for PrivateKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "rsa3072::PrivateKey(redacted, {:?})", self.public_key())
    }
}

fn scheme() -> Pkcs1v15Sign {
    Pkcs1v15Sign::new::<sha2::Sha256>()
}

/// Returns quotient and remainder of `a * b / n`.
fn divide(a: U3072, b: U3072, n: U3072) -> Result<([u8; SIZE], U3072), Error> {
    let product: U6144 = a.concatenating_mul(&b);
    let n: U6144 = n.resize();
    let n = NonZero::new(n).into_option().ok_or(out_of_range())?;
    let (quotient, rest) = product.div_rem_vartime(&n);
    Ok((fixed(quotient.to_be_bytes().as_ref()), rest.resize()))
}

/// Right-aligns `bytes`, whose leading zeros may be missing or many.
fn fixed(bytes: &[u8]) -> [u8; SIZE] {
    let mut out = [0; SIZE];
    for (to, from) in out.iter_mut().rev().zip(bytes.iter().rev()) {
        *to = *from;
    }
    out
}

fn check_kind(key: &RsaPublicKey) -> Result<(), Error> {
    check_bits(key.n().bits())?;
    if *key.e() == BoxedUint::from(EXPONENT) {
        return Ok(());
    }
    let low = key.e().as_words().first().copied().unwrap_or_default();
    Err(Error::KeyKind { what: "RSA public exponent", expected: EXPONENT, found: low })
}

fn check_bits(bits: u32) -> Result<(), Error> {
    if bits == BITS {
        return Ok(());
    }
    Err(Error::KeyKind { what: "RSA modulus bits", expected: BITS.into(), found: bits.into() })
}

fn out_of_range() -> Error {
    Error::OutOfRange { what: "RSA modulus", expected: "odd, of 3072 bits" }
}
