//! Answers, before they are HTTP.

use http_body_util::Full;
use hyper::body::Bytes;
use hyper::header::{
    CACHE_CONTROL, CONTENT_TYPE, HeaderName, HeaderValue, STRICT_TRANSPORT_SECURITY,
};
use hyper::{Response, StatusCode};
use serde_json::json;

use super::Peer;

/// Status, type and bytes.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) content_type: String,
    pub(crate) body: Vec<u8>,
    pub(crate) headers: Vec<(String, String)>,
}

impl Answer {
    /// JSON with a line end, as Go writes it.
    pub(crate) fn json(status: StatusCode, value: &impl serde::Serialize) -> Self {
        let mut body = serde_json::to_vec(value).unwrap_or_default();
        body.push(b'\n');
        Self { status, content_type: "application/json".to_owned(), body, headers: Vec::new() }
    }

    /// One error.
    pub(crate) fn error(status: StatusCode, text: &str) -> Self {
        Self::json(status, &json!({ "errors": [text] }))
    }

    /// 404 without a reason.
    pub(crate) fn not_found() -> Self {
        Self::json(StatusCode::NOT_FOUND, &json!({ "errors": [] }))
    }

    /// 204.
    pub(crate) fn empty() -> Self {
        let (content_type, body, headers) = (String::new(), Vec::new(), Vec::new());
        Self { status: StatusCode::NO_CONTENT, content_type, body, headers }
    }

    /// Adds the headers of every answer.
    pub(crate) fn into_response(self, peer: &Peer, is_head: bool) -> Response<Full<Bytes>> {
        let body = if is_head { Bytes::new() } else { Bytes::from(self.body) };
        let mut response = Response::new(Full::new(body));
        *response.status_mut() = self.status;
        let headers = response.headers_mut();
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        let hsts = HeaderValue::from_static("max-age=31536000; includeSubDomains");
        headers.insert(STRICT_TRANSPORT_SECURITY, hsts);
        if !self.content_type.is_empty()
            && let Ok(value) = HeaderValue::from_str(&self.content_type)
        {
            headers.insert(CONTENT_TYPE, value);
        }
        for (name, value) in peer.listener.response_headers.iter().chain(&self.headers) {
            let name = HeaderName::from_bytes(name.as_bytes());
            if let (Ok(name), Ok(value)) = (name, HeaderValue::from_str(value)) {
                headers.insert(name, value);
            }
        }
        response
    }
}
