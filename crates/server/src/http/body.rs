//! Reading bodies within bounds.

use http_body_util::{BodyExt as _, Limited};
use hyper::StatusCode;
use hyper::body::Incoming;
use serde_json::Value;
use vault_sdk::Data;
use zeroize::Zeroizing;

use super::answer::Answer;
use super::json_limits;
use crate::config::Limits;

/// Reads a body of at most as many bytes as the listener allows.
pub(super) async fn read(body: Incoming, limits: &Limits) -> Result<Zeroizing<Vec<u8>>, Answer> {
    match Limited::new(body, limits.request_size).collect().await {
        Ok(collected) => Ok(Zeroizing::new(collected.to_bytes().into())),
        Err(error) if error.is::<http_body_util::LengthLimitError>() => {
            Err(Answer::error(StatusCode::PAYLOAD_TOO_LARGE, "http: request body too large"))
        }
        Err(_) => Err(Answer::error(StatusCode::BAD_REQUEST, "the request's body ended early")),
    }
}

/// Parses a body. Nothing stands for an empty object. What the parser says about the text is not repeated:
/// it may quote it.
pub(super) fn parse(bytes: &[u8], limits: &Limits) -> Result<Data, Answer> {
    let refuse = |text: &str| Answer::error(StatusCode::BAD_REQUEST, text);
    if bytes.iter().all(u8::is_ascii_whitespace) {
        return Ok(Data::new());
    }
    json_limits::check(bytes, limits).map_err(refuse)?;
    match serde_json::from_slice(bytes) {
        Ok(Value::Object(data)) => Ok(data),
        Ok(_) => Err(refuse("failed to parse JSON input: expected an object")),
        Err(error) => Err(refuse(&format!(
            "failed to parse JSON input: malformed at line {}, column {}",
            error.line(),
            error.column()
        ))),
    }
}
