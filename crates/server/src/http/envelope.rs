//! The envelope that Vault's clients expect around every answer.

use hyper::StatusCode;
use serde::Serialize;
use serde_json::{Map, Value, json};
use vault::{IssuedAuth, IssuedWrap, Reply};
use vault_sdk::{Body, Data};

use super::answer::Answer;

#[derive(Serialize)]
struct Envelope<'a> {
    request_id: &'a str,
    lease_id: &'a str,
    renewable: bool,
    lease_duration: u64,
    data: Option<&'a Data>,
    wrap_info: Option<Value>,
    warnings: Option<&'a [String]>,
    auth: Option<Value>,
    mount_type: &'a str,
}

/// Paths older than the envelope, which repeat their data at the top.
const REPEATING: &[&str] = &[
    "sys/audit",
    "sys/audit-hash",
    "sys/auth",
    "sys/config/cors",
    "sys/config/auditing/request-headers",
    "sys/capabilities",
    "sys/capabilities-accessor",
    "sys/capabilities-self",
    "sys/ha-status",
    "sys/key-status",
    "sys/mounts",
    "sys/policy",
    "sys/rekey/backup",
    "sys/rekey/recovery-key-backup",
    "sys/remount",
    "sys/rotate",
    "sys/wrapping/wrap",
];

/// Whether a path is, or lies below, one that repeats its data.
pub(super) fn repeats_data(path: &str) -> bool {
    REPEATING.iter().any(|known| {
        path.strip_prefix(known).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    })
}

/// What kind of request is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Asked {
    /// Nothing there is a 404.
    Read,
    /// No names are a 404, too.
    List,
    /// Nothing to say is a 204.
    Write,
}

/// Makes an answer of a reply.
pub(super) fn answer(mut reply: Reply, asked: Asked, repeats: bool) -> Answer {
    let mut body = std::mem::take(&mut reply.body);
    let headers = std::mem::take(&mut reply.headers);
    if let ("status", Body::Data(data)) = (reply.mount_kind.as_str(), &body) {
        return Answer::json(StatusCode::OK, data);
    }
    let mut answer = if reply.wrap.is_some() {
        enveloped(StatusCode::OK, &reply, None, false)
    } else {
        match &mut body {
            Body::Raw { status, content_type, bytes } => Answer {
                status: code(*status),
                content_type: std::mem::take(content_type),
                body: std::mem::take(bytes),
                headers: Vec::new(),
            },
            Body::Empty if reply.auth.is_some() || !reply.warnings.is_empty() => {
                enveloped(StatusCode::OK, &reply, None, false)
            }
            Body::Empty if asked != Asked::Write => Answer::not_found(),
            Body::Empty => Answer::empty(),
            Body::Data(data) if asked == Asked::List && data.is_empty() => missing(&reply),
            Body::Data(data) => enveloped(StatusCode::OK, &reply, Some(data), repeats),
            Body::Status(status, data) => {
                let data = (!data.is_empty()).then_some(&*data);
                enveloped(code(*status), &reply, data, false)
            }
        }
    };
    answer.headers.extend(headers);
    answer
}

fn code(status: u16) -> StatusCode {
    StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
}

fn missing(reply: &Reply) -> Answer {
    if reply.warnings.is_empty() {
        Answer::not_found()
    } else {
        enveloped(StatusCode::NOT_FOUND, reply, None, false)
    }
}

fn enveloped(status: StatusCode, reply: &Reply, data: Option<&Data>, repeats: bool) -> Answer {
    let lease = reply.lease.as_ref();
    let envelope = Envelope {
        request_id: if reply.wrap.is_some() { "" } else { &reply.request_id },
        lease_id: lease.map_or("", |lease| &lease.lease_id),
        renewable: lease.is_some_and(|lease| lease.renewable),
        lease_duration: lease.map_or(reply.lease_duration.0, |lease| lease.duration.0),
        data,
        wrap_info: reply.wrap.as_ref().map(wrap),
        warnings: (!reply.warnings.is_empty()).then_some(&reply.warnings),
        auth: reply.auth.as_ref().map(auth),
        mount_type: &reply.mount_kind,
    };
    match data {
        Some(data) if repeats => Answer::json(status, &repeated(&envelope, data)),
        _ => Answer::json(status, &envelope),
    }
}

/// Data at the top beside the envelope, whose own keys win.
fn repeated(envelope: &Envelope<'_>, data: &Data) -> Map<String, Value> {
    let mut top = data.clone();
    if let Ok(Value::Object(envelope)) = serde_json::to_value(envelope) {
        top.extend(envelope);
    }
    top
}

fn wrap(wrap: &IssuedWrap) -> Value {
    let mut value = json!({
        "token": wrap.token.as_str(),
        "accessor": wrap.accessor,
        "ttl": wrap.ttl.0,
        "creation_time": wrap.creation_time.to_rfc3339(),
        "creation_path": wrap.creation_path,
    });
    if let (Value::Object(value), false) = (&mut value, wrap.wrapped_accessor.is_empty()) {
        value.insert("wrapped_accessor".to_owned(), json!(wrap.wrapped_accessor));
    }
    value
}

fn auth(auth: &IssuedAuth) -> Value {
    let mut value = json!({
        "client_token": auth.client_token.as_str(),
        "accessor": auth.accessor,
        "policies": auth.policies,
        "token_policies": auth.token_policies,
        "metadata": (!auth.metadata.is_empty()).then_some(&auth.metadata),
        "lease_duration": auth.lease_duration.0,
        "renewable": auth.renewable,
        "entity_id": auth.entity_id,
        "token_type": auth.token_type,
        "orphan": auth.orphan,
        "mfa_requirement": null,
        "num_uses": auth.num_uses,
    });
    if let (Value::Object(value), false) = (&mut value, auth.identity_policies.is_empty()) {
        value.insert("identity_policies".to_owned(), json!(auth.identity_policies));
    }
    value
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(answer: &Answer) -> Value {
        serde_json::from_slice(&answer.body).unwrap_or(Value::Null)
    }

    fn reply(body: Body) -> Reply {
        Reply { request_id: "id".to_owned(), mount_kind: "kv".to_owned(), body, ..Reply::default() }
    }

    fn data(value: Value) -> Body {
        Body::Data(value.as_object().unwrap().clone())
    }

    #[test]
    fn every_key_is_there() {
        let answer = answer(reply(data(json!({ "a": 1 }))), Asked::Read, false);
        assert_eq!(
            parsed(&answer),
            json!({
                "request_id": "id", "lease_id": "", "renewable": false, "lease_duration": 0,
                "data": { "a": 1 }, "wrap_info": null, "warnings": null, "auth": null,
                "mount_type": "kv",
            })
        );
        assert_eq!(answer.body.last(), Some(&b'\n'));
    }

    #[test]
    fn nothing_is_204_after_a_write_and_404_after_a_read() {
        let status = |body, asked| answer(reply(body), asked, false).status.as_u16();
        assert_eq!(status(Body::Empty, Asked::Write), 204);
        assert_eq!(status(Body::Empty, Asked::Read), 404);
        assert_eq!(status(data(json!({})), Asked::List), 404);
        assert_eq!(status(data(json!({})), Asked::Read), 200);
        assert_eq!(status(data(json!({})), Asked::Write), 200);
        let mut warned = reply(Body::Empty);
        warned.warnings.push("w".to_owned());
        assert_eq!(parsed(&answer(warned, Asked::Write, false))["warnings"], json!(["w"]));
    }

    #[test]
    fn old_paths_repeat_their_data() {
        assert!(repeats_data("sys/mounts") && repeats_data("sys/policy/x"));
        assert!(!repeats_data("sys/policies/acl") && !repeats_data("secret/sys/mounts"));
        let answer =
            answer(reply(data(json!({ "secret/": {}, "lease_id": 1 }))), Asked::Read, true);
        let value = parsed(&answer);
        assert_eq!(value["secret/"], value["data"]["secret/"]);
        assert_eq!(value["lease_id"], "");
    }

    #[test]
    fn a_wrapped_answer_shows_nothing_else() {
        let mut wrapped = reply(data(json!({ "canary": "canary" })));
        wrapped.wrap = Some(IssuedWrap::default());
        let answer = answer(wrapped, Asked::Read, false);
        let value = parsed(&answer);
        assert_eq!((&value["request_id"], &value["data"]), (&json!(""), &Value::Null));
        assert!(!String::from_utf8_lossy(&answer.body).contains("canary"));
    }
}
