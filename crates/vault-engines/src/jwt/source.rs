//! Where keys come from.

use std::time::Duration;

use serde_json::Value;
use vault_sdk::{Context, Error, OutboundRequest, TrustAnchors};

use super::Config;
use super::key::{self, Key};

/// The keys of a configuration, fetched if they are elsewhere.
pub(super) async fn keys(context: Context<'_>, config: &Config) -> Result<Vec<Key>, Error> {
    if !config.pubkeys.is_empty() {
        return Ok(config.pubkeys.iter().filter_map(|pem| key::from_pem(pem)).collect());
    }
    if !config.jwks_url.is_empty() {
        return jwks(context, &config.jwks_url, &config.jwks_ca_pem).await;
    }
    let issuer = config.discovery_url.trim_end_matches('/');
    let url = format!("{issuer}/.well-known/openid-configuration");
    let document = fetch(context, &url, &config.discovery_ca_pem).await?;
    let text = |name: &str| document.get(name).and_then(Value::as_str).unwrap_or_default();
    // OpenID Connect Discovery 1.0, section 4.3: the document must be the issuer's own.
    if text("issuer").trim_end_matches('/') != issuer {
        return Err(Error::Upstream(format!("{url} names another issuer")));
    }
    jwks(context, text("jwks_uri"), &config.discovery_ca_pem).await
}

async fn jwks(context: Context<'_>, url: &str, ca: &str) -> Result<Vec<Key>, Error> {
    let document = fetch(context, url, ca).await?;
    let keys = document.get("keys").and_then(Value::as_array).map(Vec::as_slice);
    let keys: Vec<Key> = keys.unwrap_or_default().iter().filter_map(key::from_jwk).collect();
    if keys.is_empty() {
        return Err(Error::Upstream(format!("{url} has no key that can be used")));
    }
    Ok(keys)
}

async fn fetch(context: Context<'_>, url: &str, ca: &str) -> Result<Value, Error> {
    let trust =
        if ca.is_empty() { TrustAnchors::Public } else { TrustAnchors::Only(ca.to_owned()) };
    let request = OutboundRequest {
        method: "GET",
        url: url.to_owned(),
        headers: vec![("Accept".to_owned(), "application/json".to_owned())],
        body: Vec::new(),
        trust,
        timeout: Duration::from_secs(10),
        max_body: 1 << 20,
    };
    let answer = context.system.outbound().send(&request).await?;
    if answer.status != 200 {
        return Err(Error::Upstream(format!("{url} answered {}", answer.status)));
    }
    serde_json::from_slice(&answer.body).map_err(|_| Error::Upstream(format!("{url} is not JSON")))
}
