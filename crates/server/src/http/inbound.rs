//! From an HTTP request to the core's.

use std::collections::BTreeMap;

use hyper::body::Incoming;
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap};
use hyper::{Method, Request, StatusCode};
use serde_json::Value;
use vault::Inbound;
use vault_sdk::time::Seconds;
use vault_sdk::{Connection, Data, Operation};
use zeroize::Zeroizing;

use super::Peer;
use super::answer::Answer;
use super::body;
use super::envelope::Asked;

/// A request that is read.
pub(super) struct Read(Inbound);

impl Read {
    /// What kind of request it is.
    pub(super) fn asked(&self) -> Asked {
        match self.0.operation {
            Operation::List | Operation::Scan => Asked::List,
            Operation::Read | Operation::Help => Asked::Read,
            Operation::Create | Operation::Update | Operation::Patch | Operation::Delete => {
                Asked::Write
            }
        }
    }

    pub(super) fn into_inner(self) -> Inbound {
        self.0
    }
}

/// Headers that ask for what this server does not have. To serve them without it would be worse than to say so.
pub(super) fn refused_headers(headers: &HeaderMap) -> Option<Answer> {
    let namespace = headers.get("x-vault-namespace").map(|value| value.as_bytes());
    let is_root =
        |name: &[u8]| name.is_empty() || name == b"root" || name == b"/" || name == b"root/";
    if namespace.is_some_and(|name| !is_root(name)) {
        let text = "namespaces are not supported by this server; leave X-Vault-Namespace out";
        return Some(Answer::error(StatusCode::BAD_REQUEST, text));
    }
    let format = headers.get("x-vault-wrap-format").map(|value| value.as_bytes());
    if format.is_some_and(|format| !format.is_empty()) {
        let text =
            "X-Vault-Wrap-Format is not supported by this server; wrapping tokens are opaque";
        return Some(Answer::error(StatusCode::BAD_REQUEST, text));
    }
    None
}

/// Reads the rest of a request.
pub(super) async fn read(peer: &Peer, request: Request<Incoming>) -> Result<Read, Answer> {
    let (parts, incoming) = request.into_parts();
    let query = query(parts.uri.query().unwrap_or_default())
        .ok_or_else(|| Answer::error(StatusCode::BAD_REQUEST, "the query is malformed"))?;
    let operation = operation(&parts.method, &query)?;
    let mut path = parts.uri.path().strip_prefix("/v1/").unwrap_or_default().to_owned();
    if matches!(operation, Operation::List | Operation::Scan)
        && !path.is_empty()
        && !path.ends_with('/')
    {
        path.push('/');
    }
    let data = if operation.writes() {
        if operation == Operation::Patch {
            check_patch(&parts.headers)?;
        }
        let bytes = body::read(incoming, &peer.listener.limits).await?;
        // Many clients leave the type of a form on JSON.
        let looks_like_json =
            bytes.trim_ascii_start().first().is_none_or(|byte| b"{[\"".contains(byte));
        if is_form(&parts.headers) && !looks_like_json {
            let text = std::str::from_utf8(&bytes).ok().and_then(self::query);
            text.ok_or_else(|| Answer::error(StatusCode::BAD_REQUEST, "the form is malformed"))?
        } else {
            body::parse(&bytes, &peer.listener.limits)?
        }
    } else {
        query
    };
    Ok(Read(Inbound {
        operation,
        path,
        data,
        headers: headers(&parts.headers),
        connection: connection(peer),
        token: token(&parts.headers),
        wrap_ttl: wrap_ttl(&parts.headers)?,
    }))
}

fn operation(method: &Method, query: &Data) -> Result<Operation, Answer> {
    let asks = |name: &str| {
        query
            .get(name)
            .and_then(Value::as_str)
            .is_some_and(|value| matches!(value, "1" | "t" | "T" | "true" | "TRUE" | "True"))
    };
    Ok(match method.as_str() {
        "GET" if query.contains_key("help") => Operation::Help,
        "GET" if asks("list") => Operation::List,
        "GET" if asks("scan") => Operation::Scan,
        "GET" => Operation::Read,
        "LIST" => Operation::List,
        "SCAN" => Operation::Scan,
        "POST" | "PUT" => Operation::Update,
        "PATCH" => Operation::Patch,
        "DELETE" => Operation::Delete,
        _ => return Err(Answer::error(StatusCode::METHOD_NOT_ALLOWED, "unsupported method")),
    })
}

fn check_patch(headers: &HeaderMap) -> Result<(), Answer> {
    let given = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let kind = given.split(';').next().unwrap_or_default().trim();
    if kind.eq_ignore_ascii_case("application/merge-patch+json") {
        return Ok(());
    }
    let text = "PATCH requires Content-Type of application/merge-patch+json";
    Err(Answer::error(StatusCode::UNSUPPORTED_MEDIA_TYPE, text))
}

fn is_form(headers: &HeaderMap) -> bool {
    let kind = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    kind.split(';').next().is_some_and(|kind| kind.trim() == "application/x-www-form-urlencoded")
}

/// `X-Vault-Token`, or the bearer token.
fn token(headers: &HeaderMap) -> Option<Zeroizing<String>> {
    let own = headers.get("x-vault-token").and_then(|value| value.to_str().ok());
    let bearer = headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok());
    let bearer = bearer.and_then(|value| {
        let (scheme, token) = value.split_once(' ')?;
        scheme.eq_ignore_ascii_case("bearer").then_some(token)
    });
    let token = own.filter(|token| !token.is_empty()).or(bearer)?.trim();
    (!token.is_empty()).then(|| Zeroizing::new(token.to_owned()))
}

fn wrap_ttl(headers: &HeaderMap) -> Result<Seconds, Answer> {
    let Some(value) = headers.get("x-vault-wrap-ttl") else { return Ok(Seconds::ZERO) };
    let parsed = value.to_str().ok().and_then(|text| Seconds::parse(text).ok());
    let wrong = || Answer::error(StatusCode::BAD_REQUEST, "error parsing X-Vault-Wrap-TTL");
    parsed.ok_or_else(wrong)
}

/// All headers but those that carry tokens.
fn headers(headers: &HeaderMap) -> BTreeMap<String, Vec<String>> {
    let mut map: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (name, value) in headers {
        if name == AUTHORIZATION || name == "x-vault-token" {
            continue;
        }
        if let Ok(value) = value.to_str() {
            map.entry(name.as_str().to_owned()).or_default().push(value.to_owned());
        }
    }
    map
}

fn connection(peer: &Peer) -> Connection {
    Connection {
        remote: peer.address.map(|address| address.ip()),
        remote_port: peer.address.map_or(0, |address| address.port()),
        peer_certificates: peer.certificates.as_ref().clone(),
        tls: peer.tls,
    }
}

/// Parameters of a query or a form. A name given once is a text, more than once a list of texts.
pub(super) fn query(text: &str) -> Option<Data> {
    let mut data = Data::new();
    for pair in text.split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let (name, value) = (decode(name)?, Value::String(decode(value)?));
        match data.get_mut(&name) {
            None => {
                data.insert(name, value);
            }
            Some(Value::Array(values)) => values.push(value),
            Some(first) => *first = Value::Array(vec![first.take(), value]),
        }
    }
    Some(data)
}

/// Percent-decoding of a form (WHATWG URL, section 5): `+` is a blank.
fn decode(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        match byte {
            b'+' => bytes.push(b' '),
            b'%' => {
                let mut digit = || char::from(rest.next()?).to_digit(16);
                let value = digit()? * 16 + digit()?;
                bytes.push(u8::try_from(value).ok()?);
            }
            other => bytes.push(other),
        }
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn queries_are_decoded_once() {
        let parsed = |text| query(text).map(Value::Object);
        assert_eq!(parsed("a=1&b=x+y%2Fz&c"), Some(json!({ "a": "1", "b": "x y/z", "c": "" })));
        assert_eq!(parsed("a=1&a=2&a=3"), Some(json!({ "a": ["1", "2", "3"] })));
        assert_eq!(parsed("a=%2541"), Some(json!({ "a": "%41" })));
        for bad in ["a=%", "a=%4", "a=%zz", "a=%ff"] {
            assert_eq!(parsed(bad), None, "{bad}");
        }
    }

    #[test]
    fn verbs_and_their_disguises() {
        let of = |method: &str, text: &str| {
            let method = Method::from_bytes(method.as_bytes()).unwrap();
            operation(&method, &query(text).unwrap()).ok()
        };
        assert_eq!(of("GET", ""), Some(Operation::Read));
        assert_eq!(of("GET", "list=true"), Some(Operation::List));
        assert_eq!(of("GET", "list=false"), Some(Operation::Read));
        assert_eq!(of("GET", "help=1"), Some(Operation::Help));
        assert_eq!(of("LIST", ""), Some(Operation::List));
        assert_eq!(of("PUT", "list=true"), Some(Operation::Update));
        assert_eq!(of("TRACE", ""), None);
    }

    #[test]
    fn tokens_come_in_two_headers_and_are_not_handed_on() {
        let mut map = HeaderMap::new();
        map.insert(AUTHORIZATION, "Bearer b".parse().unwrap());
        assert_eq!(token(&map).as_deref().map(String::as_str), Some("b"));
        map.insert("x-vault-token", "a".parse().unwrap());
        assert_eq!(token(&map).as_deref().map(String::as_str), Some("a"));
        assert!(headers(&map).is_empty());
    }

    #[test]
    fn namespaces_are_refused_clearly() {
        let refused = |name: &str| {
            let mut map = HeaderMap::new();
            map.insert("x-vault-namespace", name.parse().unwrap());
            refused_headers(&map).is_some()
        };
        assert!(refused("team"));
        assert!(!refused("") && !refused("root"));
    }
}
