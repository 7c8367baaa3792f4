//! Calls to other systems. Engines describe them; the server, which alone knows HTTP, makes them.

use std::time::Duration;

use crate::{Boxed, Error};

/// Which certificates an HTTPS server may be signed by.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum TrustAnchors {
    /// The public ones that the server was built with.
    #[default]
    Public,
    /// Only these, in PEM.
    Only(String),
}

/// An HTTP request to another system. Redirects are not followed.
#[derive(Clone, Debug)]
pub struct OutboundRequest {
    /// `GET` or `POST`.
    pub method: &'static str,
    /// `https://` or, for development and loopback, `http://`.
    pub url: String,
    /// Names and values.
    pub headers: Vec<(String, String)>,
    /// Empty for none.
    pub body: Vec<u8>,
    /// Whom to believe.
    pub trust: TrustAnchors,
    /// For the whole exchange.
    pub timeout: Duration,
    /// Bytes of the body; a longer answer is refused.
    pub max_body: usize,
}

/// What the other system said.
#[derive(Clone, Debug)]
pub struct OutboundResponse {
    /// HTTP status code.
    pub status: u16,
    /// At most as long as the request allowed.
    pub body: Vec<u8>,
}

/// Makes calls to other systems.
pub trait Outbound: Send + Sync {
    /// Sends one request and reads the whole answer.
    ///
    /// # Errors
    /// [`Error::Upstream`] with the cause: name not found, connection refused, certificate not
    /// trusted, time over, answer too long.
    fn send<'a>(
        &'a self,
        request: &'a OutboundRequest,
    ) -> Boxed<'a, Result<OutboundResponse, Error>>;
}
