//! Calls of engines to other systems, over ureq.

use std::io::Read as _;

use ureq::tls::{Certificate, RootCerts, TlsConfig};
use vault_sdk::{Boxed, Error, Outbound, OutboundRequest, OutboundResponse, TrustAnchors};

/// Makes calls on the caller's thread. The core drives engines on threads that may wait.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Http;

impl Outbound for Http {
    fn send<'a>(
        &'a self,
        request: &'a OutboundRequest,
    ) -> Boxed<'a, Result<OutboundResponse, Error>> {
        Box::pin(async move { send(request) })
    }
}

fn send(request: &OutboundRequest) -> Result<OutboundResponse, Error> {
    let failed = |error: ureq::Error| {
        Error::Upstream(format!("{} {} failed: {error}", request.method, request.url))
    };
    let config = ureq::Agent::config_builder()
        .http_status_as_error(false)
        .max_redirects(0)
        .timeout_global(Some(request.timeout))
        .tls_config(TlsConfig::builder().root_certs(roots(&request.trust)?).build())
        .build();
    let mut builder =
        ureq::http::Request::builder().method(request.method).uri(request.url.as_str());
    for (name, value) in &request.headers {
        builder = builder.header(name, value);
    }
    let made = builder.body(request.body.as_slice());
    let made = made.map_err(|_| Error::Upstream(format!("{:?} is not a URL", request.url)))?;
    let response = ureq::Agent::new_with_config(config).run(made).map_err(failed)?;
    let status = response.status().as_u16();
    let limit = u64::try_from(request.max_body).unwrap_or(u64::MAX);
    let mut body = Vec::new();
    let read =
        response.into_body().into_reader().take(limit.saturating_add(1)).read_to_end(&mut body);
    if read.is_err() {
        return Err(Error::Upstream(format!("the answer of {} ended early", request.url)));
    }
    if body.len() > request.max_body {
        return Err(Error::Upstream(format!(
            "the answer of {} is longer than {} bytes",
            request.url, request.max_body
        )));
    }
    Ok(OutboundResponse { status, body })
}

fn roots(trust: &TrustAnchors) -> Result<RootCerts, Error> {
    match trust {
        TrustAnchors::Public => Ok(RootCerts::WebPki),
        TrustAnchors::Only(pem) => {
            let wrong = || Error::invalid("the CA certificate is not PEM");
            let mut certificates = Vec::new();
            for item in ureq::tls::parse_pem(pem.as_bytes()) {
                if let ureq::tls::PemItem::Certificate(certificate) = item.map_err(|_| wrong())? {
                    certificates.push(certificate);
                }
            }
            if certificates.is_empty() {
                return Err(wrong());
            }
            Ok(RootCerts::from(certificates.into_iter().collect::<Vec<Certificate<'static>>>()))
        }
    }
}
