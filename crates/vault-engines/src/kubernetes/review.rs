//! TokenReview (`authentication.k8s.io/v1`): the cluster says whose token it is.

use std::time::Duration;

use serde_json::{Value, json};
use vault_sdk::{Context, Error, OutboundRequest, TrustAnchors};

use super::Config;

/// A service account that the cluster vouches for.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Account {
    pub(super) namespace: String,
    pub(super) name: String,
    pub(super) uid: String,
}

/// Asks the cluster about a token. Whatever is not a clear yes is a no.
pub(super) async fn review(
    context: Context<'_>,
    config: &Config,
    audience: &str,
    jwt: &str,
) -> Result<Account, Error> {
    if config.ca_cert.is_empty() {
        return Err(Error::invalid("kubernetes_ca_cert is not configured"));
    }
    let mut spec = json!({ "token": jwt });
    if let (Value::Object(spec), false) = (&mut spec, audience.is_empty()) {
        spec.insert("audiences".to_owned(), json!([audience]));
    }
    let body =
        json!({ "apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview", "spec": spec });
    let bearer = if config.reviewer_jwt.is_empty() { jwt } else { &config.reviewer_jwt };
    let request = OutboundRequest {
        method: "POST",
        url: format!("{}/apis/authentication.k8s.io/v1/tokenreviews", config.host),
        headers: vec![
            ("Authorization".to_owned(), format!("Bearer {bearer}")),
            ("Content-Type".to_owned(), "application/json".to_owned()),
            ("Accept".to_owned(), "application/json".to_owned()),
        ],
        body: body.to_string().into_bytes(),
        trust: TrustAnchors::Only(config.ca_cert.clone()),
        timeout: Duration::from_secs(10),
        max_body: 1 << 20,
    };
    let answer = context.system.outbound().send(&request).await?;
    if answer.status != 200 && answer.status != 201 {
        return Err(Error::Denied);
    }
    let answer: Value = serde_json::from_slice(&answer.body).map_err(|_| Error::Denied)?;
    account(&answer, audience).ok_or(Error::Denied)
}

/// The service account of an answer that says yes for the audience.
fn account(answer: &Value, audience: &str) -> Option<Account> {
    let status = answer.get("status")?;
    let has_error = status.get("error").and_then(Value::as_str).is_some_and(|e| !e.is_empty());
    if status.get("authenticated") != Some(&Value::Bool(true)) || has_error {
        return None;
    }
    // A cluster that does not know audiences answers without any, which is not a yes for ours.
    let audiences = status.get("audiences").and_then(Value::as_array).map(Vec::as_slice);
    let is_ours = |value: &Value| value.as_str() == Some(audience);
    if !audience.is_empty() && !audiences.unwrap_or_default().iter().any(is_ours) {
        return None;
    }
    let user = status.get("user")?;
    let text = |name: &str| user.get(name)?.as_str().filter(|text| !text.is_empty());
    let (username, uid) = (text("username")?, text("uid")?);
    let mut parts = username.strip_prefix("system:serviceaccount:")?.split(':');
    match (parts.next(), parts.next(), parts.next()) {
        (Some(namespace), Some(name), None) if !namespace.is_empty() && !name.is_empty() => {
            let (namespace, name) = (namespace.to_owned(), name.to_owned());
            Some(Account { namespace, name, uid: uid.to_owned() })
        }
        _ => None,
    }
}
