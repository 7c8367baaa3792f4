//! ECDSA with P-256 and SHA-256 (FIPS 186-5): quotes and the certificates under them.
//!
//! Signatures are the 64 bytes `r || s`, public keys the 64 bytes `x || y`, big-endian, as quotes
//! carry them. Signing is deterministic (RFC 6979).

use alloc::vec::Vec;
use core::fmt;

use p256::ecdsa::signature::{Signer as _, Verifier as _};
use p256::ecdsa::{Signature, SigningKey as EcdsaSigningKey, VerifyingKey as EcdsaVerifyingKey};
use p256::elliptic_curve::Generate as _;
use rand_core::CryptoRng;

use crate::{Error, Secret};

/// Size of a public key and of a signature in bytes.
pub const SIZE: usize = 64;

const ALGORITHM: &str = "ECDSA P-256 SHA-256";
const UNCOMPRESSED: u8 = 4;

/// A private key. It is wiped when dropped and does not show in `Debug`.
#[derive(Clone)]
pub struct SigningKey(EcdsaSigningKey);

impl SigningKey {
    /// Makes a new key.
    pub fn generate(rng: &mut impl CryptoRng) -> Self {
        SigningKey(EcdsaSigningKey::generate_from_rng(rng))
    }

    /// Takes the private scalar, big-endian.
    ///
    /// # Errors
    ///
    /// [`Error::OutOfRange`] when it is zero or not below the order of the curve.
    pub fn from_scalar(scalar: &Secret<[u8; 32]>) -> Result<Self, Error> {
        EcdsaSigningKey::from_slice(scalar.expose()).map(SigningKey).map_err(|_| {
            Error::OutOfRange {
                what: "P-256 private scalar",
                expected: "from 1 to below the order of the curve",
            }
        })
    }

    /// Returns the private scalar, big-endian.
    pub fn to_scalar(&self) -> Secret<[u8; 32]> {
        Secret::new(self.0.to_bytes().into())
    }

    /// Returns the public half.
    pub fn verifying_key(&self) -> VerifyingKey {
        VerifyingKey(*self.0.verifying_key())
    }

    /// Signs the SHA-256 digest of `message`.
    pub fn sign(&self, message: &[u8]) -> [u8; SIZE] {
        let signature: Signature = self.0.sign(message);
        signature.to_bytes().into()
    }

    /// Signs the SHA-256 digest of `message`; the signature is DER, as X.509 carries it.
    pub fn sign_der(&self, message: &[u8]) -> Vec<u8> {
        let signature: Signature = self.0.sign(message);
        signature.to_der().as_bytes().to_vec()
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ecdsa_p256::SigningKey(redacted)")
    }
}

/// A public key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct VerifyingKey(EcdsaVerifyingKey);

impl VerifyingKey {
    /// Takes a point as `x || y`.
    ///
    /// # Errors
    ///
    /// [`Error::OutOfRange`] when it is not on the curve.
    pub fn from_xy(xy: &[u8; SIZE]) -> Result<Self, Error> {
        let mut sec1 = [UNCOMPRESSED; 1 + SIZE];
        for (to, from) in sec1.iter_mut().skip(1).zip(xy) {
            *to = *from;
        }
        EcdsaVerifyingKey::from_sec1_bytes(&sec1)
            .map(VerifyingKey)
            .map_err(|_| Error::OutOfRange { what: "P-256 public key", expected: "on the curve" })
    }

    /// Returns the point as `x || y`.
    pub fn to_xy(&self) -> [u8; SIZE] {
        let sec1 = self.0.to_sec1_point(false);
        let mut xy = [0; SIZE];
        for (to, from) in xy.iter_mut().zip(sec1.as_bytes().iter().skip(1)) {
            *to = *from;
        }
        xy
    }

    /// Checks a signature `r || s` over `message`.
    ///
    /// # Errors
    ///
    /// [`Error::SignatureMismatch`] when it does not verify.
    pub fn verify(&self, message: &[u8], signature: &[u8; SIZE]) -> Result<(), Error> {
        let signature = Signature::from_slice(signature).map_err(|_| mismatch())?;
        self.0.verify(message, &signature).map_err(|_| mismatch())
    }

    /// Checks a DER signature over `message`.
    ///
    /// # Errors
    ///
    /// [`Error::SignatureMismatch`] when it does not verify.
    pub fn verify_der(&self, message: &[u8], signature: &[u8]) -> Result<(), Error> {
        let signature = Signature::from_der(signature).map_err(|_| mismatch())?;
        self.0.verify(message, &signature).map_err(|_| mismatch())
    }
}

fn mismatch() -> Error {
    Error::SignatureMismatch { algorithm: ALGORITHM }
}
