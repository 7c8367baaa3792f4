//! What an engine answers.

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::time::Seconds;
use crate::{Auth, Data, wipe};

/// An answer. The core turns `lease` and `auth` into identifiers, the server makes the envelope.
#[derive(Clone, Default)]
pub struct Response {
    /// What the client gets.
    pub body: Body,
    /// A secret that ends: the core registers it.
    pub lease: Option<Lease>,
    /// How long the data is good for, where there is no lease to renew or revoke; zero if nobody knows.
    pub lease_duration: Seconds,
    /// A login: the core issues the token.
    pub auth: Option<Auth>,
    /// The engine itself wants the answer wrapped, with bounds.
    pub wrap: Option<WrapInfo>,
    /// Shown to the client beside the data.
    pub warnings: Vec<String>,
    /// Response headers, as the few APIs need them that prescribe some.
    pub headers: Vec<(String, String)>,
}

/// The body of an answer.
#[derive(Clone, Default, PartialEq)]
pub enum Body {
    /// No body: 204, unless there is a lease, an auth or a warning.
    #[default]
    Empty,
    /// Under `data` in the envelope, status 200.
    Data(Data),
    /// In the envelope, with a status of its own: 404 with data is how kv v2 shows a deleted version.
    Status(u16, Data),
    /// Not enveloped at all, as certificates and key sets are.
    Raw {
        /// HTTP status code.
        status: u16,
        /// The value of `Content-Type`.
        content_type: String,
        /// As it goes out.
        bytes: Vec<u8>,
    },
}

/// A secret that ends.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lease {
    /// Which of the engine's kinds of secret; handed back at renewal and revocation.
    pub kind: String,
    /// Wanted time to live; zero for the mount's default.
    pub ttl: Seconds,
    /// Bound on renewals; zero for the mount's.
    pub max_ttl: Seconds,
    /// Whether the lease can be renewed.
    pub renewable: bool,
    /// What the engine needs to renew or revoke; shown to nobody.
    pub internal: Data,
}

/// Wrapping that the engine asks for or bounds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WrapInfo {
    /// Time to live of the wrapping token; zero for no wrapping.
    pub ttl: Seconds,
    /// Whether the wrapping token carries the inner token's accessor and entity.
    pub seal_wrap: bool,
}

impl Response {
    /// Nothing to say: 204.
    #[must_use]
    pub fn empty() -> Self {
        Self::default()
    }

    /// Data in an envelope.
    #[must_use]
    pub fn data(data: Data) -> Self {
        Self { body: Body::Data(data), ..Self::default() }
    }

    /// The object that `json!` made, in an envelope.
    ///
    /// # Panics
    /// If the value is not an object; callers pass literals.
    #[must_use]
    pub fn json(value: Value) -> Self {
        match value {
            Value::Object(data) => Self::data(data),
            other => panic!("a response is an object, found {other}"),
        }
    }

    /// Names as LIST answers them; the server makes an empty list a 404.
    #[must_use]
    pub fn list(keys: Vec<String>) -> Self {
        let mut data = Data::new();
        if !keys.is_empty() {
            data.insert("keys".to_owned(), keys.into());
        }
        Self::data(data)
    }

    /// Names with something about each, as LIST answers them.
    #[must_use]
    pub fn list_with_info(keys: Vec<String>, info: Data) -> Self {
        let mut response = Self::list(keys);
        if let (false, Body::Data(data)) = (info.is_empty(), &mut response.body) {
            data.insert("key_info".to_owned(), Value::Object(info));
        }
        response
    }

    /// A login.
    #[must_use]
    pub fn auth(auth: Auth) -> Self {
        Self { auth: Some(auth), ..Self::default() }
    }

    /// A body that is sent as it is.
    #[must_use]
    pub fn raw(content_type: &str, bytes: Vec<u8>) -> Self {
        let content_type = content_type.to_owned();
        Self { body: Body::Raw { status: 200, content_type, bytes }, ..Self::default() }
    }

    /// Adds a warning.
    #[must_use]
    pub fn warn(mut self, text: impl Into<String>) -> Self {
        self.warnings.push(text.into());
        self
    }
}

/// Names the variant and the keys, never a value.
impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("Empty"),
            Self::Data(data) => write!(f, "Data with {} keys", data.len()),
            Self::Status(status, data) => write!(f, "Status({status}) with {} keys", data.len()),
            Self::Raw { status, content_type, bytes } => {
                write!(f, "Raw({status}, {content_type}, {} bytes)", bytes.len())
            }
        }
    }
}

impl fmt::Debug for Response {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Response").field("body", &self.body).finish_non_exhaustive()
    }
}

impl Drop for Body {
    fn drop(&mut self) {
        if let Self::Data(data) | Self::Status(_, data) = self {
            wipe(data);
        }
    }
}
