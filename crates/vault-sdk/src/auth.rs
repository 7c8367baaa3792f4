//! What an auth method says about a caller who has proved who they are.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::Data;
use crate::cidr::Cidr;
use crate::time::Seconds;

/// The kind of token to issue.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TokenKind {
    /// What the mount is tuned to.
    #[default]
    Default,
    /// Kept in storage; can be renewed and revoked.
    Service,
    /// Self-contained and encrypted; neither renewed nor revoked.
    Batch,
    /// Service, unless the login asks for batch.
    DefaultService,
    /// Batch, unless the login asks for service.
    DefaultBatch,
}

impl TokenKind {
    /// Parses the value of `token_type`.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Some(match name {
            "" | "default" => Self::Default,
            "service" => Self::Service,
            "batch" => Self::Batch,
            "default-service" => Self::DefaultService,
            "default-batch" => Self::DefaultBatch,
            _ => return None,
        })
    }

    /// The value of `token_type`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Default => "default",
            Self::Service => "service",
            Self::Batch => "batch",
            Self::DefaultService => "default-service",
            Self::DefaultBatch => "default-batch",
        }
    }
}

/// A successful login, before the core caps its times, resolves its entity and issues a token. Also
/// what the core keeps of it for renewal.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Auth {
    /// Policies of the token. The core adds `default` and refuses `root`.
    pub policies: Vec<String>,
    /// Leaves out `default`.
    pub no_default_policy: bool,
    /// Shown to people and in the audit log.
    pub metadata: BTreeMap<String, String>,
    /// The core puts the mount's name before it.
    pub display_name: String,
    /// Who this is, to the identity store; `None` for no entity.
    pub alias: Option<Alias>,
    /// Names of external groups that the caller is in.
    pub group_aliases: Vec<String>,
    /// Wanted time to live; zero for the mount's default.
    pub ttl: Seconds,
    /// Bound on renewals; zero for the mount's.
    pub max_ttl: Seconds,
    /// Bound that no change of mount or system moves; zero for none.
    pub explicit_max_ttl: Seconds,
    /// Not zero for a periodic token.
    pub period: Seconds,
    /// Whether renewal is allowed at all.
    pub renewable: bool,
    /// Uses until the token ends; zero for no bound.
    pub num_uses: u64,
    /// Networks that the token may come from; empty for all.
    pub bound_cidrs: Vec<Cidr>,
    /// Which kind of token.
    pub token_kind: TokenKind,
    /// The role that decided, for revocation and quotas by role; empty for none.
    pub role: String,
    /// For the method itself: handed back at renewal, shown to nobody.
    pub internal: Data,
}

/// A name under which an auth method knows an entity.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Alias {
    /// Unique within the mount.
    pub name: String,
    /// Visible to policy templates.
    pub metadata: BTreeMap<String, String>,
}
