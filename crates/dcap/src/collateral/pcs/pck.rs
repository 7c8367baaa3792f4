//! The PCK certificate of a platform that a quote names by PPID (certification data types 1 to 3).

use alloc::{
    format,
    string::{String, ToString},
    vec::Vec,
};

use serde::Deserialize;

use super::{CollateralService, Part, Request, Response, ServiceKind, chain, check_status};
use crate::{
    CertificationData, PlatformIdentity, Quote, Refusal,
    crypto::Crypto,
    error::{ensure, refusal},
    hex, pem,
    x509::{Certificate, PublicKey},
};

/// What a list has instead of a certificate that was revoked or never made.
const NOT_AVAILABLE: &str = "Not available";

impl CollateralService {
    /// Asks for the PCK certificate at the TCB that the quote names.
    ///
    /// # Errors
    ///
    /// `pck.unavailable` when the quote has its certificate with it, or names its platform in a way
    /// that this kind of service does not know: a PCS knows PPIDs encrypted with RSA-3072, a PCCS
    /// knows the quoting enclave's id as well.
    pub fn pck_certificate_request(&self, quote: &Quote<'_>) -> Result<Request, Refusal> {
        let (platform, identity) = self.platform(quote)?;
        let cpusvn = hex::encode(identity.cpusvn);
        let pcesvn = hex::encode(&identity.pcesvn.to_le_bytes());
        let url = format!(
            "{}/sgx/certification/v4/pckcert?{platform}&cpusvn={cpusvn}&pcesvn={pcesvn}",
            self.base
        );
        Ok(Request { part: Part::PckCertificate, url })
    }

    /// Asks for the PCK certificates at every TCB of the quote's platform.
    ///
    /// # Errors
    ///
    /// As [`Self::pck_certificate_request`].
    pub fn pck_certificates_request(&self, quote: &Quote<'_>) -> Result<Request, Refusal> {
        let (platform, _) = self.platform(quote)?;
        let url = format!("{}/sgx/certification/v4/pckcerts?{platform}", self.base);
        Ok(Request { part: Part::PckCertificates, url })
    }

    /// The parameters that name the platform.
    fn platform<'q>(
        &self,
        quote: &'q Quote<'_>,
    ) -> Result<(String, &'q PlatformIdentity<'q>), Refusal> {
        let certification = &quote.auth.certification;
        let identity = certification.platform_identity().ok_or_else(|| {
            refusal!(
                PckUnavailable,
                "certification data of type {} names no PPID to ask for",
                certification.kind()
            )
        })?;
        let encrypted = matches!(certification, CertificationData::PpidRsa3072(_));
        let mut parameters = Vec::new();
        if encrypted {
            parameters.push(format!("encrypted_ppid={}", hex::encode(identity.ppid)));
        }
        match self.kind {
            ServiceKind::Pccs => {
                let qe_id = quote.header.user_data.first_chunk::<16>().copied().unwrap_or_default();
                parameters.push(format!("qeid={}", hex::encode(&qe_id)));
            }
            ServiceKind::Pcs { .. } => ensure!(
                encrypted,
                PckUnavailable,
                "a PCS knows platforms by PPIDs encrypted with RSA-3072 (type 3), the quote has type {}; ask a PCCS",
                certification.kind()
            ),
        }
        // Type 1 in circulation leaves the PCE's id out; all of Intel's have id 0.
        let pceid = identity.pceid.copied().unwrap_or_default();
        parameters.push(format!("pceid={}", hex::encode(&pceid)));
        Ok((parameters.join("&"), identity))
    }
}

/// The PEM chain out of the answer to [`CollateralService::pck_certificate_request`], to be put into
/// [`Collateral::pck_certificate_chain`](crate::Collateral::pck_certificate_chain).
///
/// # Errors
///
/// As [`super::assemble`]; `collateral.missing` when the service knows no such platform or TCB.
pub fn pck_chain(request: &Request, response: &Response) -> Result<String, Refusal> {
    check_status(request, response)?;
    let leaf = core::str::from_utf8(&response.body)
        .map_err(|_| refusal!(CollateralMalformed, "PCK certificate is not text"))?;
    ensure!(
        pem::certificates(leaf.as_bytes())?.len() == 1,
        CollateralMalformed,
        "expected one PCK certificate in PEM"
    );
    join(leaf, response)
}

/// The PEM chain of the certificate that signed this quote's QE report, out of the answer to
/// [`CollateralService::pck_certificates_request`].
///
/// Which TCB a certificate is for is not read from the list: a PCK signs for one TCB only, so the
/// certificate whose key verifies the quoting enclave's report is the one.
///
/// # Errors
///
/// As [`super::assemble`]; `pck.unavailable` when no certificate of the list is of this quote.
pub fn pck_chain_of_list(
    crypto: &dyn Crypto,
    quote: &Quote<'_>,
    request: &Request,
    response: &Response,
) -> Result<String, Refusal> {
    #[derive(Deserialize)]
    struct Entry<'a> {
        #[serde(borrow)]
        cert: alloc::borrow::Cow<'a, str>,
    }
    check_status(request, response)?;
    let entries: Vec<Entry<'_>> = serde_json::from_slice(&response.body).map_err(|error| {
        refusal!(CollateralMalformed, "list of PCK certificates: {}", error.to_string())
    })?;
    for entry in entries.iter().filter(|entry| entry.cert != NOT_AVAILABLE) {
        let leaf = super::percent_decode(entry.cert.as_bytes())
            .ok_or_else(|| refusal!(CollateralMalformed, "PCK certificate is not URL-encoded"))?;
        if has_signed(crypto, &leaf, quote)? {
            return join(&leaf, response);
        }
    }
    Err(refusal!(
        PckUnavailable,
        "none of {} PCK certificates signed the quoting enclave's report",
        entries.len()
    ))
}

fn has_signed(crypto: &dyn Crypto, leaf: &str, quote: &Quote<'_>) -> Result<bool, Refusal> {
    for der in pem::certificates(leaf.as_bytes())? {
        if let PublicKey::P256(key) = Certificate::parse(&der)?.key
            && crypto.p256_sha256(key, quote.auth.qe_report, quote.auth.qe_report_signature)
        {
            return Ok(true);
        }
    }
    Ok(false)
}

fn join(leaf: &str, response: &Response) -> Result<String, Refusal> {
    let issuers = chain(response, &["SGX-PCK-Certificate-Issuer-Chain"])?;
    let newline = if leaf.ends_with('\n') { "" } else { "\n" };
    Ok(format!("{leaf}{newline}{issuers}"))
}
