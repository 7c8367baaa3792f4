//! A request as an engine sees it: authenticated, authorised, its path relative to the mount.

use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;

use crate::{Data, Operation, wipe};

/// One request. Its data is wiped when it is dropped, and never printed.
#[derive(Clone, Default)]
pub struct Request {
    /// The identifier in the envelope and in the audit log.
    pub id: String,
    /// What is to be done.
    pub operation: Operation,
    /// Relative to the mount, percent-decoded once, without a leading slash. A list ends in a slash
    /// unless it is empty.
    pub path: String,
    /// The body of a write, the query parameters of everything else.
    pub data: Data,
    /// Headers that the mount lets through, by lower-case name.
    pub headers: BTreeMap<String, Vec<String>>,
    /// Where it came from.
    pub connection: Connection,
    /// Whose token it carries; `None` on unauthenticated paths.
    pub caller: Option<Caller>,
}

/// The transport's view of the client.
#[derive(Clone, Debug, Default)]
pub struct Connection {
    /// `None` on a unix socket.
    pub remote: Option<IpAddr>,
    /// Zero on a unix socket.
    pub remote_port: u16,
    /// Certificates that the client presented and proved possession of, leaf first, in DER.
    pub peer_certificates: Vec<Vec<u8>>,
    /// Whether the connection is encrypted.
    pub tls: bool,
}

/// The token behind a request, without the token itself.
#[derive(Clone, Debug, Default)]
pub struct Caller {
    /// Stable and unique for the life of the token; never reused. The cubbyhole is keyed by it.
    pub token_id: String,
    /// The public handle of the token.
    pub accessor: String,
    /// As auth methods set it.
    pub display_name: String,
    /// Empty if the token has no entity.
    pub entity_id: String,
    /// Names of the token's own policies, then the identity's.
    pub policies: Vec<String>,
    /// As the auth method set it.
    pub metadata: BTreeMap<String, String>,
    /// Whether one of the policies is `root`.
    pub is_root: bool,
    /// Path of the mount that issued the token, as `auth/approle/`.
    pub mount_path: String,
}

impl Request {
    /// A request without identifier, connection and caller.
    #[must_use]
    pub fn new(operation: Operation, path: impl Into<String>, data: Data) -> Self {
        let mut request = Self::default();
        (request.operation, request.path, request.data) = (operation, path.into(), data);
        request
    }
}

impl fmt::Debug for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Request")
            .field("id", &self.id)
            .field("operation", &self.operation)
            .field("path", &self.path)
            .finish_non_exhaustive()
    }
}

impl Drop for Request {
    fn drop(&mut self) {
        wipe(&mut self.data);
    }
}
