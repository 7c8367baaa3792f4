//! AMD's certificate chains: VCEK or VLEK, ASK or ASVK, ARK.

use alloc::vec::Vec;

use super::verify::Context;
use crate::{
    Refusal, Time,
    crypto::Crypto,
    error::{ensure, refusal},
    pem,
    x509::{Certificate, Crl},
};

/// A processor family with a root key of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum SnpProduct {
    /// EPYC 7003.
    Milan,
    /// EPYC 9004, with Bergamo and Siena.
    Genoa,
    /// EPYC 9005.
    Turin,
}

impl SnpProduct {
    const ALL: [Self; 3] = [Self::Milan, Self::Genoa, Self::Turin];

    /// The name in AMD's certificates and key service.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Milan => "Milan",
            Self::Genoa => "Genoa",
            Self::Turin => "Turin",
        }
    }

    pub(super) fn root(self) -> &'static [u8] {
        match self {
            Self::Milan => include_bytes!("../roots/amd-ark-milan.der"),
            Self::Genoa => include_bytes!("../roots/amd-ark-genoa.der"),
            Self::Turin => include_bytes!("../roots/amd-ark-turin.der"),
        }
    }

    /// AMD's signing keys that need not be sent along.
    fn known_signers(self) -> &'static [&'static [u8]] {
        match self {
            Self::Milan => &[
                include_bytes!("../roots/amd-ask-milan.der"),
                include_bytes!("../roots/amd-asvk-milan.der"),
            ],
            Self::Genoa => &[include_bytes!("../roots/amd-ask-genoa.der")],
            Self::Turin => &[include_bytes!("../roots/amd-ask-turin.der")],
        }
    }

    /// The family of a CPUID family and model (version 3 reports), if it is a known one.
    pub(super) fn of_cpuid([family, model, _]: [u8; 3]) -> Option<Self> {
        match (family, model) {
            (0x19, 0x00..=0x0f) => Some(Self::Milan),
            (0x19, 0x10..=0x1f | 0xa0..=0xaf) => Some(Self::Genoa),
            (0x1a, 0x00..=0x1f) => Some(Self::Turin),
            _ => None,
        }
    }

    pub(super) fn has_fmc(self) -> bool {
        self == Self::Turin
    }
}

/// What is needed to verify a report.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SnpCollateral {
    /// The VCEK or VLEK certificate, DER or PEM; more certificates of its chain may follow in PEM.
    pub vek: Vec<u8>,
    /// ASK or ASVK, and possibly the ARK, each DER or PEM. May be empty when AMD's signing key is
    /// a known one.
    pub chain: Vec<Vec<u8>>,
    /// AMD's CRL of the family, DER. Without it revocation is not checked, and the claims say so.
    pub crl: Option<Vec<u8>>,
}

/// Decodes a certificate given as DER or PEM.
pub(super) fn to_der(bytes: &[u8]) -> Result<Vec<Vec<u8>>, Refusal> {
    if bytes.starts_with(b"-----") {
        pem::certificates(bytes)
    } else {
        Ok(Vec::from([bytes.to_vec()]))
    }
}

/// A verified chain.
pub(super) struct Verified {
    pub(super) product: SnpProduct,
    pub(super) crl_number: Option<u64>,
    /// Validity of every certificate on the path and of the CRL.
    pub(super) windows: Vec<(Time, Time)>,
}

/// Verifies the endorsement certificate up to one of AMD's roots.
pub(super) fn verify(
    context: Context<'_>,
    vek: &Certificate<'_>,
    others: &[Vec<u8>],
    collateral: &SnpCollateral,
) -> Result<Verified, Refusal> {
    let mut given = others.to_vec();
    for certificate in &collateral.chain {
        given.extend(to_der(certificate)?);
    }
    for product in SnpProduct::ALL {
        let root = Certificate::parse(product.root())?;
        let known = product.known_signers().iter().copied();
        for der in given.iter().map(Vec::as_slice).chain(known) {
            let signer = Certificate::parse(der)?;
            if signer.subject == vek.issuer && signer.issuer == root.subject {
                return verify_path(context, product, &root, &signer, vek, collateral);
            }
        }
    }
    Err(refusal!(
        ChainRoot,
        "certificate {} issued by {} leads to none of AMD's roots",
        vek.subject,
        vek.issuer
    ))
}

fn verify_path(
    Context { crypto, now }: Context<'_>,
    product: SnpProduct,
    root: &Certificate<'_>,
    signer: &Certificate<'_>,
    vek: &Certificate<'_>,
    collateral: &SnpCollateral,
) -> Result<Verified, Refusal> {
    root.check_validity(now)?;
    signer.check_validity(now)?;
    signer.check_ca(0, false)?;
    signer.verify_signature(crypto, root.key)?;
    vek.check_validity(now)?;
    ensure!(!vek.is_ca(), ChainRole, "endorsement certificate {} is a CA", vek.subject);
    vek.verify_signature(crypto, signer.key)?;
    let mut windows: Vec<_> =
        [root, signer, vek].iter().map(|one| (one.not_before, one.not_after)).collect();
    let crl_number = match &collateral.crl {
        Some(der) => {
            let crl = check_crl(crypto, der, root, signer, now)?;
            windows.push((crl.this_update, crl.next_update));
            Some(crl.number)
        }
        None => None,
    };
    Ok(Verified { product, crl_number, windows })
}

fn check_crl<'a>(
    crypto: &dyn Crypto,
    der: &'a [u8],
    root: &Certificate<'_>,
    signer: &Certificate<'_>,
    now: Time,
) -> Result<Crl<'a>, Refusal> {
    let crl = Crl::parse(der)?;
    crl.check(crypto, root.subject, root.key, root.subject_key_id(), now)?;
    ensure!(
        !crl.serials().any(|serial| serial == signer.serial),
        SnpVekRevoked,
        "CA {} is listed by AMD's CRL",
        signer.subject
    );
    Ok(crl)
}
