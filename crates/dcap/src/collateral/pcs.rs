//! Talking to a PCS (version 4) or PCCS, without the talking: which requests, and what the answers
//! mean. Whoever has a network sends the requests.

use alloc::{
    format,
    string::{String, ToString},
    vec::Vec,
};

mod pck;

use super::{Collateral, SignedEvaluations, UpdateChannel, need::Need};
use crate::{
    Reason, Refusal, Tee,
    error::{ensure, refusal},
    hex, pem,
};

pub use pck::{pck_chain, pck_chain_of_list};

/// Where Intel publishes the root's CRL.
const INTEL_ROOT_CRL: &str = "https://certificates.trustedservices.intel.com/IntelSGXRootCA.der";

/// A collateral service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CollateralService {
    base: String,
    kind: ServiceKind,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum ServiceKind {
    Pcs { root_crl: String },
    Pccs,
}

/// Which evaluation of TCB info and identities to ask for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Evaluation {
    /// The newest of a channel.
    Channel(UpdateChannel),
    /// Exactly this evaluation data number.
    Number(u32),
}

/// One part of collateral.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Part {
    /// TCB info with its issuer chain.
    TcbInfo,
    /// QE identity with its issuer chain.
    QeIdentity,
    /// PCK CRL with its issuer chain.
    PckCrl,
    /// Root CRL.
    RootCrl,
    /// One PCK certificate with its issuer chain.
    PckCertificate,
    /// All PCK certificates of a platform.
    PckCertificates,
    /// Evaluation numbers with their issuer chain.
    EvaluationNumbers,
}

/// A GET request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// What it asks for.
    pub part: Part,
    /// The address.
    pub url: String,
}

/// An answer. Header names are compared without regard to case.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Response {
    /// HTTP status code.
    pub status: u16,
    /// Header names and values.
    pub headers: Vec<(String, String)>,
    /// Body.
    pub body: Vec<u8>,
}

impl CollateralService {
    /// Intel's service or one of its shape; `base` as in `https://api.trustedservices.intel.com`.
    #[must_use]
    pub fn pcs(base: &str) -> Self {
        Self::pcs_with_root_crl(base, INTEL_ROOT_CRL)
    }

    /// A service of the shape of Intel's whose root CRL is at another address.
    #[must_use]
    pub fn pcs_with_root_crl(base: &str, root_crl: &str) -> Self {
        Self { base: trim(base), kind: ServiceKind::Pcs { root_crl: root_crl.to_string() } }
    }

    /// A caching service (PCCS), which serves the root CRL itself.
    #[must_use]
    pub fn pccs(base: &str) -> Self {
        Self { base: trim(base), kind: ServiceKind::Pccs }
    }

    /// The requests that fetch collateral for these platforms, one for each part.
    #[must_use]
    pub fn requests(&self, need: &Need, evaluation: Evaluation) -> [Request; 4] {
        let tee = path(need.tee);
        let base = &self.base;
        let which = match evaluation {
            Evaluation::Channel(channel) => format!("update={}", channel.as_str()),
            Evaluation::Number(number) => format!("tcbEvaluationDataNumber={number}"),
        };
        let request = |part, url| Request { part, url };
        [
            request(
                Part::TcbInfo,
                format!("{base}/{tee}/certification/v4/tcb?fmspc={}&{which}", need.fmspc),
            ),
            request(Part::QeIdentity, format!("{base}/{tee}/certification/v4/qe/identity?{which}")),
            request(
                Part::PckCrl,
                format!("{base}/sgx/certification/v4/pckcrl?ca={}&encoding=der", need.ca.as_str()),
            ),
            self.root_crl_request(),
        ]
    }

    /// The request for the root's CRL.
    #[must_use]
    pub fn root_crl_request(&self) -> Request {
        let url = match &self.kind {
            ServiceKind::Pcs { root_crl } => root_crl.clone(),
            ServiceKind::Pccs => format!("{}/sgx/certification/v4/rootcacrl", self.base),
        };
        Request { part: Part::RootCrl, url }
    }

    /// The request for the evaluation numbers on offer.
    #[must_use]
    pub fn evaluations_request(&self, tee: Tee) -> Request {
        let tee = path(tee);
        let url = format!("{}/{tee}/certification/v4/tcbevaluationdatanumbers", self.base);
        Request { part: Part::EvaluationNumbers, url }
    }
}

/// The first part of the path that is about a TEE.
fn path(tee: Tee) -> &'static str {
    if tee == Tee::Tdx { "tdx" } else { "sgx" }
}

fn trim(base: &str) -> String {
    base.trim_end_matches('/').to_string()
}

/// Puts the answers to [`CollateralService::requests`] together, in the same order.
///
/// # Errors
///
/// `collateral.withdrawn` (410), `collateral.missing` (404), `collateral.outage` (any other status)
/// or `collateral.malformed`.
pub fn assemble(requests: &[Request; 4], responses: &[Response; 4]) -> Result<Collateral, Refusal> {
    for (request, response) in requests.iter().zip(responses) {
        check_status(request, response)?;
    }
    let [tcb, qe, pck, root] = responses;
    let (tcb_info, tcb_info_signature) = signed(tcb)?;
    let (qe_identity, qe_identity_signature) = signed(qe)?;
    Ok(Collateral {
        pck_crl_issuer_chain: chain(pck, &["SGX-PCK-CRL-Issuer-Chain"])?,
        root_ca_crl: crl(&root.body)?,
        pck_crl: crl(&pck.body)?,
        tcb_info_issuer_chain: chain(tcb, &["TCB-Info-Issuer-Chain", "SGX-TCB-Info-Issuer-Chain"])?,
        tcb_info,
        tcb_info_signature,
        qe_identity_issuer_chain: chain(
            qe,
            &["SGX-Enclave-Identity-Issuer-Chain", "Enclave-Identity-Issuer-Chain"],
        )?,
        qe_identity,
        qe_identity_signature,
        pck_certificate_chain: None,
    })
}

/// The list out of the answer to [`CollateralService::evaluations_request`], for
/// [`Verifier::verify_evaluations`](crate::Verifier::verify_evaluations).
///
/// # Errors
///
/// As [`assemble`].
pub fn evaluations(request: &Request, response: &Response) -> Result<SignedEvaluations, Refusal> {
    check_status(request, response)?;
    let text = text(response)?;
    SignedEvaluations::split(chain(response, &["TCB-Evaluation-Data-Numbers-Issuer-Chain"])?, text)
}

/// The DER out of the answer to [`CollateralService::root_crl_request`].
///
/// # Errors
///
/// As [`assemble`].
pub fn root_crl(request: &Request, response: &Response) -> Result<Vec<u8>, Refusal> {
    check_status(request, response)?;
    crl(&response.body)
}

fn check_status(request: &Request, response: &Response) -> Result<(), Refusal> {
    let reason = match response.status {
        200 => return Ok(()),
        410 => Reason::CollateralWithdrawn,
        404 => Reason::CollateralMissing,
        _ => Reason::CollateralOutage,
    };
    Err(Refusal::new(
        reason,
        format!("GET {}: expected status 200, found {}", request.url, response.status),
    ))
}

fn signed(response: &Response) -> Result<(String, Vec<u8>), Refusal> {
    Collateral::split_signed(text(response)?)
}

fn text(response: &Response) -> Result<&str, Refusal> {
    core::str::from_utf8(&response.body)
        .map_err(|_| refusal!(CollateralMalformed, "signed collateral is not text"))
}

/// A CRL comes as DER, as hexadecimal text (PCCS) or as PEM.
pub(crate) fn crl(body: &[u8]) -> Result<Vec<u8>, Refusal> {
    if body.first() == Some(&0x30) && !body.iter().all(u8::is_ascii_hexdigit) {
        return Ok(body.to_vec());
    }
    let text = body.trim_ascii();
    if let Some(base64) = text
        .strip_prefix(b"-----BEGIN X509 CRL-----")
        .and_then(|rest| rest.strip_suffix(b"-----END X509 CRL-----"))
    {
        return pem::decode_base64(base64)
            .ok_or_else(|| refusal!(CollateralMalformed, "CRL is damaged PEM"));
    }
    hex::decode(text).filter(|der| !der.is_empty()).ok_or_else(|| {
        refusal!(
            CollateralMalformed,
            "CRL of {} bytes is neither DER nor hexadecimal nor PEM",
            body.len()
        )
    })
}

fn chain(response: &Response, names: &[&str]) -> Result<String, Refusal> {
    let value = names.iter().find_map(|name| {
        response.headers.iter().find(|(header, _)| header.eq_ignore_ascii_case(name))
    });
    let (_, value) = value.ok_or_else(|| {
        refusal!(CollateralMalformed, "answer has no header {}", names.join(" or "))
    })?;
    let decoded = percent_decode(value.as_bytes())
        .ok_or_else(|| refusal!(CollateralMalformed, "issuer chain is not URL-encoded text"))?;
    ensure!(
        decoded.contains("-----BEGIN CERTIFICATE-----"),
        CollateralMalformed,
        "issuer chain has no certificate"
    );
    Ok(decoded)
}

fn percent_decode(text: &[u8]) -> Option<String> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((first, after)) = rest.split_first() {
        if *first == b'%' {
            let (digits, after) = after.split_first_chunk::<2>()?;
            let [byte] = hex::decode_array::<1>(digits)?;
            out.push(byte);
            rest = after;
        } else {
            // A plus stays a plus: it occurs in base64.
            out.push(*first);
            rest = after;
        }
    }
    String::from_utf8(out).ok()
}
