//! GET over HTTP and HTTPS.

use std::time::Duration;

use dcap::{
    Reason, Refusal,
    pcs::{Request, Response},
};

/// Collateral is small: the largest PCK CRL has a few kilobytes.
const LARGEST_BODY: u64 = 16 << 20;
/// How long one request may take.
const TIMEOUT: Duration = Duration::from_secs(30);

/// Sends a request. An answer with an error status is an answer; no answer is a refusal.
pub(super) fn get(request: &Request) -> Result<Response, Refusal> {
    let outage = |error: ureq::Error| {
        Refusal::new(Reason::CollateralOutage, format!("GET {}: {error}", request.url))
    };
    let agent: ureq::Agent = ureq::Agent::config_builder()
        .timeout_global(Some(TIMEOUT))
        .http_status_as_error(false)
        .build()
        .into();
    let mut answer = agent.get(&request.url).call().map_err(outage)?;
    let headers = answer
        .headers()
        .iter()
        .filter_map(|(name, value)| {
            Some((name.as_str().to_owned(), value.to_str().ok()?.to_owned()))
        })
        .collect();
    let status = answer.status().as_u16();
    let body = answer.body_mut().with_config().limit(LARGEST_BODY).read_to_vec().map_err(outage)?;
    Ok(Response { status, headers, body })
}
