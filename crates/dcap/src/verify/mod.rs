//! The verifier: collateral first, then quotes against it.

mod chain;
mod collateral;
mod evaluations;
mod qe;
mod quote;
mod tcb;

use crate::{
    Anchors, Bytes, Claims, Collateral, EvaluationNumbers, Refusal, SignedEvaluations, Time,
    VerifiedCollateral, crypto::Crypto, snp::SnpCollateral,
};

/// Verifies collateral and evidence under a set of accepted roots.
#[derive(Debug, Clone)]
pub struct Verifier {
    pub(crate) anchors: Anchors,
    pub(crate) crypto: &'static dyn Crypto,
}

impl Verifier {
    /// Makes a verifier with the default cryptography.
    #[cfg(any(feature = "ring", feature = "rustcrypto"))]
    #[must_use]
    pub fn new(anchors: Anchors) -> Self {
        Self::with_crypto(anchors, crate::crypto::DEFAULT)
    }

    /// Makes a verifier with cryptography of the caller's choice.
    #[must_use]
    pub fn with_crypto(anchors: Anchors, crypto: &'static dyn Crypto) -> Self {
        Self { anchors, crypto }
    }

    /// The accepted roots.
    #[must_use]
    pub fn anchors(&self) -> &Anchors {
        &self.anchors
    }

    /// Checks every chain, signature, CRL and date in the collateral, once.
    ///
    /// # Errors
    ///
    /// The first check that fails.
    pub fn verify_collateral(
        &self,
        collateral: &Collateral,
        now: Time,
    ) -> Result<VerifiedCollateral, Refusal> {
        collateral::verify(self, collateral, now)
    }

    /// Verifies a list of evaluation numbers; `root_crl` is DER.
    ///
    /// # Errors
    ///
    /// The first check that fails.
    pub fn verify_evaluations(
        &self,
        list: &SignedEvaluations,
        root_crl: &[u8],
        now: Time,
    ) -> Result<EvaluationNumbers, Refusal> {
        evaluations::verify(self, list, root_crl, now)
    }

    /// Verifies an SGX or TDX quote with verified collateral: three signatures.
    ///
    /// # Errors
    ///
    /// The first check that fails.
    pub fn verify_quote(
        &self,
        quote: &[u8],
        collateral: &VerifiedCollateral,
        now: Time,
    ) -> Result<Claims, Refusal> {
        quote::verify(self.crypto, quote, collateral, now)
    }

    /// Verifies an SEV-SNP report up to AMD's root of its processor family.
    ///
    /// # Errors
    ///
    /// The first check that fails.
    pub fn verify_snp(
        &self,
        report: &[u8],
        collateral: &SnpCollateral,
        now: Time,
    ) -> Result<Claims, Refusal> {
        crate::snp::verify(self, report, collateral, now)
    }

    /// The name of this collateral in caches and claims: SHA-256 over all parts.
    #[must_use]
    pub fn collateral_sha256(&self, collateral: &Collateral) -> Bytes<32> {
        collateral.sha256(self.crypto)
    }
}
