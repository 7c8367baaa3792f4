//! Making and checking the signature of a SIGSTRUCT ("Enclave Signature Structure (SIGSTRUCT)"):
//! RSA-3072, exponent 3, PKCS#1 v1.5 with SHA-256, and the quotients Q1 and Q2.
//!
//! Signing can be done in one step, [`sign`], or in two for a key that lives in an HSM or on another
//! machine: have [`Sigstruct::signed_bytes`] signed there, then [`attach`] the signature.
//!
//! SIGSTRUCT stores its numbers little-endian; `crypto::rsa3072` takes them big-endian.

use crypto::CryptoRng;
use crypto::rsa3072::{PrivateKey, PublicKey};

use crate::{RSA_SIZE, Sigstruct};

/// Why a signature is refused; each variant names the field that is wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SigningError {
    /// MODULUS is not one of RSA-3072.
    #[error("SIGSTRUCT.MODULUS is not an RSA-3072 modulus")]
    Modulus(#[source] crypto::Error),
    /// SIGNATURE does not verify over the signed fields.
    #[error("SIGSTRUCT.SIGNATURE does not verify over the signed fields")]
    Signature(#[source] crypto::Error),
    /// Q1 is not the quotient that SIGNATURE and MODULUS give.
    #[error("SIGSTRUCT.Q1 is not floor(SIGNATURE^2 / MODULUS)")]
    Q1,
    /// Q2 is not the quotient that SIGNATURE and MODULUS give.
    #[error("SIGSTRUCT.Q2 is not floor((SIGNATURE^2 mod MODULUS) * SIGNATURE / MODULUS)")]
    Q2,
    /// The private key could not sign.
    #[error("sign SIGSTRUCT")]
    Key(#[source] crypto::Error),
}

/// Signs `sigstruct`: fills in MODULUS, SIGNATURE, Q1 and Q2, whatever they were.
///
/// The random source blinds the computation; the result does not depend on it.
///
/// # Errors
///
/// [`SigningError`] when the key is inconsistent.
pub fn sign(
    sigstruct: &Sigstruct,
    key: &PrivateKey,
    rng: &mut impl CryptoRng,
) -> Result<Sigstruct, SigningError> {
    let signature = key.sign(rng, &sigstruct.signed_bytes()).map_err(SigningError::Key)?;
    attach(sigstruct, &key.public_key(), &signature)
}

/// Completes `sigstruct` with a signature made elsewhere, after checking it. `signature` is
/// big-endian, as every signing tool writes it.
///
/// # Errors
///
/// [`SigningError::Signature`] when it does not verify over the signed fields.
pub fn attach(
    sigstruct: &Sigstruct,
    key: &PublicKey,
    signature: &[u8; RSA_SIZE],
) -> Result<Sigstruct, SigningError> {
    key.verify(&sigstruct.signed_bytes(), signature).map_err(SigningError::Signature)?;
    let quotients = key.quotients(signature).map_err(SigningError::Signature)?;
    Ok(Sigstruct {
        modulus: reversed(&key.modulus()),
        signature: reversed(signature),
        q1: reversed(&quotients.q1),
        q2: reversed(&quotients.q2),
        ..*sigstruct
    })
}

/// Checks MODULUS, SIGNATURE, Q1 and Q2, as EINIT does before it answers SGX_INVALID_SIGNATURE.
///
/// # Errors
///
/// [`SigningError`] names the first field that is wrong.
pub fn verify(sigstruct: &Sigstruct) -> Result<(), SigningError> {
    let key =
        PublicKey::from_modulus(&reversed(&sigstruct.modulus)).map_err(SigningError::Modulus)?;
    let signature = reversed(&sigstruct.signature);
    key.verify(&sigstruct.signed_bytes(), &signature).map_err(SigningError::Signature)?;
    let quotients = key.quotients(&signature).map_err(SigningError::Signature)?;
    if reversed(&quotients.q1) != sigstruct.q1 {
        return Err(SigningError::Q1);
    }
    if reversed(&quotients.q2) != sigstruct.q2 {
        return Err(SigningError::Q2);
    }
    Ok(())
}

fn reversed(number: &[u8; RSA_SIZE]) -> [u8; RSA_SIZE] {
    let mut reversed = *number;
    reversed.reverse();
    reversed
}
