//! AMD's certificate chains: VCEK or VLEK, ASK or ASVK, ARK.

use alloc::vec::Vec;

use super::verify::Context;
use crate::{
    Refusal, RootKind, Time,
    anchor::AmdRoot,
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
    pub(crate) const ALL: [Self; 3] = [Self::Milan, Self::Genoa, Self::Turin];

    /// The name in AMD's certificates and key service.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Milan => "Milan",
            Self::Genoa => "Genoa",
            Self::Turin => "Turin",
        }
    }

    pub(crate) fn root(self) -> &'static [u8] {
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
pub(super) struct Verified<'a> {
    pub(super) root: &'a AmdRoot,
    pub(super) crl_number: Option<u64>,
    /// Validity of every certificate on the path and of the CRL.
    pub(super) windows: Vec<(Time, Time)>,
}

/// Verifies the endorsement certificate up to one of the accepted roots.
pub(super) fn verify<'a>(
    context: Context<'_>,
    roots: &'a [AmdRoot],
    vek: &Certificate<'_>,
    others: &[Vec<u8>],
    collateral: &SnpCollateral,
) -> Result<Verified<'a>, Refusal> {
    let mut given = others.to_vec();
    for certificate in &collateral.chain {
        given.extend(to_der(certificate)?);
    }
    for anchor in roots {
        let root = Certificate::parse(&anchor.certificate)?;
        let signers =
            if anchor.kind == RootKind::Amd { anchor.product.known_signers() } else { &[] };
        let known = signers.iter().copied();
        for der in given.iter().map(Vec::as_slice).chain(known) {
            let signer = Certificate::parse(der)?;
            if signer.subject == vek.issuer && signer.issuer == root.subject {
                return verify_path(context, anchor, &root, &signer, vek, collateral);
            }
        }
    }
    Err(refusal!(
        ChainRoot,
        "certificate {} issued by {} leads to no accepted root for SEV-SNP",
        vek.subject,
        vek.issuer
    ))
}

fn verify_path<'a>(
    Context { crypto, now }: Context<'_>,
    anchor: &'a AmdRoot,
    root: &Certificate<'_>,
    signer: &Certificate<'_>,
    vek: &Certificate<'_>,
    collateral: &SnpCollateral,
) -> Result<Verified<'a>, Refusal> {
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
            let crl = check_crl(crypto, der, root, &[signer, vek], now)?;
            windows.push((crl.this_update, crl.next_update));
            Some(crl.number)
        }
        None => None,
    };
    Ok(Verified { root: anchor, crl_number, windows })
}

/// Checks the root's CRL and looks the certificates below the root up in it.
///
/// The signing key may not sign CRLs, so the root's is the only one there is. By RFC 5280 its entries
/// are about certificates of the root itself; the root numbers those from 65536, so an entry with the
/// serial number of an endorsement certificate can only be meant for that one, and is taken so. An
/// entry that names another issuer (an indirect CRL) is critical and refuses the whole list.
fn check_crl<'a>(
    crypto: &dyn Crypto,
    der: &'a [u8],
    root: &Certificate<'_>,
    below: &[&Certificate<'_>],
    now: Time,
) -> Result<Crl<'a>, Refusal> {
    let crl = Crl::parse(der)?;
    crl.check(crypto, root.subject, root.key, root.subject_key_id(), now)?;
    for certificate in below {
        ensure!(
            !crl.serials().any(|serial| serial == certificate.serial),
            SnpVekRevoked,
            "certificate {} is listed by the CRL of {}",
            certificate.subject,
            root.subject
        );
    }
    Ok(crl)
}
