//! Which collateral a quote needs.

use core::fmt;

use alloc::vec::Vec;

use crate::{
    Bytes, PckExtension, Quote, Refusal, Tee,
    error::refusal,
    pem,
    quote::CertificationData,
    x509::{Certificate, oid},
};

/// The CA that issues PCK certificates, and so the PCK CRL.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum PckCa {
    /// Single-package platforms.
    Processor,
    /// Multi-package platforms.
    Platform,
}

impl PckCa {
    /// The word in requests.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Processor => "processor",
            Self::Platform => "platform",
        }
    }

    pub(super) fn of_name(common_name: &str) -> Option<Self> {
        if common_name.ends_with("PCK Processor CA") {
            return Some(Self::Processor);
        }
        common_name.ends_with("PCK Platform CA").then_some(Self::Platform)
    }
}

/// The key of collateral: what a quote needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize)]
pub struct Need {
    /// TEE of the quote.
    pub tee: Tee,
    /// Platform family.
    pub fmspc: Bytes<6>,
    /// CA of the platform.
    pub ca: PckCa,
}

impl Need {
    /// Reads from an unverified quote what collateral it needs.
    ///
    /// # Errors
    ///
    /// When the quote does not parse, or names its platform by PPID (`pck.unavailable`).
    pub fn of_quote(bytes: &[u8]) -> Result<Self, Refusal> {
        let quote = Quote::parse(bytes)?;
        let chain = match quote.auth.certification {
            CertificationData::PckChain(text) => pem::certificates(text)?,
            CertificationData::PckCertificate(data) if data.starts_with(b"-----") => {
                pem::certificates(data)?
            }
            CertificationData::PckCertificate(der) => Vec::from([der.to_vec()]),
            other => {
                return Err(refusal!(
                    PckUnavailable,
                    "certification data of type {} holds no certificate; fetch the PCK certificate first",
                    other.kind()
                ));
            }
        };
        Self::of_chain(quote.tee(), &chain)
    }

    /// Reads from an unverified PCK chain in PEM what collateral quotes of that platform need.
    ///
    /// # Errors
    ///
    /// When the chain does not parse or has no PCK certificate.
    pub fn of_pck_chain(tee: Tee, pem: &str) -> Result<Self, Refusal> {
        Self::of_chain(tee, &pem::certificates(pem.as_bytes())?)
    }

    fn of_chain(tee: Tee, chain: &[Vec<u8>]) -> Result<Self, Refusal> {
        for der in chain {
            let certificate = Certificate::parse(der)?;
            let Some(contents) = certificate.extension(oid::SGX) else { continue };
            let fmspc = PckExtension::parse(contents)?.fmspc;
            let ca =
                certificate.issuer.common_name().and_then(PckCa::of_name).ok_or_else(|| {
                    refusal!(
                        ChainName,
                        "PCK certificate is issued by {}, which is no PCK CA",
                        certificate.issuer
                    )
                })?;
            return Ok(Self { tee, fmspc, ca });
        }
        Err(refusal!(ChainIncomplete, "the platform's chain has no PCK certificate"))
    }
}

impl fmt::Display for Need {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let tee = if self.tee == Tee::Tdx { "TDX" } else { "SGX" };
        write!(f, "{tee} platforms of FMSPC {} under the {} CA", self.fmspc, self.ca.as_str())
    }
}
