//! Wrapped answers in the store. The row goes with the wrapping token, in the same commit.

use serde_json::{Value, json};
use vault_sdk::time::Seconds;
use vault_sdk::{Body, Data};
use zeroize::Zeroizing;

use crate::lease::LeaseKey;
use crate::reply::{IssuedAuth, Reply};

/// The row of what a wrapping token wraps.
pub(crate) fn row(key: LeaseKey) -> String {
    format!("wrapped/{}", key.to_hex())
}

/// A reply as it is stored.
pub(crate) fn encode(reply: &Reply) -> Vec<u8> {
    let (status, data) = match &reply.body {
        Body::Empty => (0, None),
        Body::Data(data) => (200, Some(data)),
        Body::Status(status, data) => (*status, Some(data)),
        Body::Raw { .. } => (0, None),
    };
    let auth = reply.auth.as_ref().map(|auth| {
        json!({
            "client_token": auth.client_token.as_str(), "accessor": auth.accessor, "policies": auth.policies,
            "token_policies": auth.token_policies, "identity_policies": auth.identity_policies,
            "metadata": auth.metadata, "lease_duration": auth.lease_duration.0, "renewable": auth.renewable,
            "entity_id": auth.entity_id, "token_type": auth.token_type, "orphan": auth.orphan,
            "num_uses": auth.num_uses,
        })
    });
    let whole = json!({
        "mount_kind": reply.mount_kind, "status": status, "data": data, "auth": auth,
        "lease": reply.lease, "warnings": reply.warnings,
    });
    whole.to_string().into_bytes()
}

/// A stored reply; `None` if it is none.
pub(crate) fn decode(bytes: &[u8]) -> Option<Reply> {
    let mut whole: Data = serde_json::from_slice(bytes).ok()?;
    let status =
        whole.get("status").and_then(Value::as_u64).and_then(|status| u16::try_from(status).ok());
    let body = match (status?, whole.remove("data")) {
        (200, Some(Value::Object(data))) => Body::Data(data),
        (0, _) => Body::Empty,
        (status, Some(Value::Object(data))) => Body::Status(status, data),
        _ => return None,
    };
    let text = |value: &Value, name: &str| value.get(name)?.as_str().map(str::to_owned);
    let list = |value: &Value, name: &str| {
        let items = value.get(name)?.as_array()?.iter().filter_map(Value::as_str);
        Some(items.map(str::to_owned).collect::<Vec<_>>())
    };
    let auth = whole.get("auth").filter(|auth| auth.is_object()).map(|auth| {
        Some(IssuedAuth {
            client_token: Zeroizing::new(text(auth, "client_token")?),
            accessor: text(auth, "accessor")?,
            policies: list(auth, "policies")?,
            token_policies: list(auth, "token_policies")?,
            identity_policies: list(auth, "identity_policies")?,
            metadata: serde_json::from_value(auth.get("metadata")?.clone()).ok()?,
            lease_duration: Seconds(auth.get("lease_duration")?.as_u64()?),
            renewable: auth.get("renewable")?.as_bool()?,
            entity_id: text(auth, "entity_id")?,
            token_type: text(auth, "token_type")?,
            orphan: auth.get("orphan")?.as_bool()?,
            num_uses: auth.get("num_uses")?.as_u64()?,
        })
    });
    let auth = match auth {
        Some(None) => return None,
        Some(auth) => auth,
        None => None,
    };
    Some(Reply {
        mount_kind: whole.get("mount_kind").and_then(Value::as_str)?.to_owned(),
        body,
        auth,
        lease: serde_json::from_value(whole.remove("lease")?).ok()?,
        warnings: serde_json::from_value(whole.remove("warnings")?).ok()?,
        ..Reply::default()
    })
}
