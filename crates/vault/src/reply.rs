//! What goes in and out of the core: requests and answers without HTTP.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use vault_sdk::time::{Instant, Seconds};
use vault_sdk::{Body, Connection, Data, Operation};
use zeroize::Zeroizing;

/// A request as the transport understood it.
#[derive(Clone, Default)]
pub struct Inbound {
    /// `POST` and `PUT` are `Update`; the core finds out what is a `Create`.
    pub operation: Operation,
    /// The target after `/v1/`, without the query, percent-encoded as it came.
    pub path: String,
    /// The body of a write, the query parameters of everything else.
    pub data: Data,
    /// By lower-case name.
    pub headers: BTreeMap<String, Vec<String>>,
    /// Where it came from.
    pub connection: Connection,
    /// `X-Vault-Token`, or the bearer token.
    pub token: Option<Zeroizing<String>>,
    /// `X-Vault-Wrap-TTL`; zero: the answer is not to be wrapped.
    pub wrap_ttl: Seconds,
}

impl std::fmt::Debug for Inbound {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Inbound({} {})", self.operation, self.path)
    }
}

/// An answer. The server makes the envelope of it.
#[derive(Clone, Debug, Default)]
pub struct Reply {
    /// Empty in wrapped answers.
    pub request_id: String,
    /// The engine's kind, as `system`: some of its paths are older than the envelope.
    pub mount_kind: String,
    /// What the client gets.
    pub body: Body,
    /// A secret's lease.
    pub lease: Option<IssuedLease>,
    /// How long the data is good for, where there is no lease.
    pub lease_duration: Seconds,
    /// A token.
    pub auth: Option<IssuedAuth>,
    /// A wrapping token in place of all else.
    pub wrap: Option<IssuedWrap>,
    /// Shown beside the data.
    pub warnings: Vec<String>,
    /// Headers that the engine sets.
    pub headers: Vec<(String, String)>,
}

/// A lease, as clients see it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct IssuedLease {
    /// Its identifier.
    pub lease_id: String,
    /// Whether it can be renewed.
    pub renewable: bool,
    /// From now.
    pub duration: Seconds,
}

/// A token, as clients see it.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct IssuedAuth {
    /// The token itself; empty where an accessor was renewed.
    pub client_token: Zeroizing<String>,
    /// Its public handle; empty for batch tokens.
    pub accessor: String,
    /// All policies.
    pub policies: Vec<String>,
    /// The token's own.
    pub token_policies: Vec<String>,
    /// Those of entity and groups.
    pub identity_policies: Vec<String>,
    /// As the auth method set it.
    pub metadata: BTreeMap<String, String>,
    /// From now; zero: it does not end.
    pub lease_duration: Seconds,
    /// Whether it can be renewed.
    pub renewable: bool,
    /// Empty without an entity.
    pub entity_id: String,
    /// `service` or `batch`.
    pub token_type: String,
    /// Whether it has no parent.
    pub orphan: bool,
    /// Zero: unlimited.
    pub num_uses: u64,
}

impl std::fmt::Debug for IssuedAuth {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("IssuedAuth").field("policies", &self.policies).finish_non_exhaustive()
    }
}

/// A wrapping token, as clients see it.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct IssuedWrap {
    /// The wrapping token.
    pub token: Zeroizing<String>,
    /// Its public handle.
    pub accessor: String,
    /// Its life time.
    pub ttl: Seconds,
    /// When it was made.
    pub creation_time: Instant,
    /// The path whose answer it wraps.
    pub creation_path: String,
    /// If the wrapped answer is a token: its accessor.
    pub wrapped_accessor: String,
}

impl std::fmt::Debug for IssuedWrap {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "IssuedWrap({})", self.creation_path)
    }
}
