//! What many leases share, stored once.

use std::collections::BTreeMap;

use crypto::sha256;
use serde::{Deserialize, Serialize};
use vault_sdk::cidr::Cidr;
use vault_sdk::time::Seconds;
use vault_sdk::{Data, TokenKind};

/// A profile's name: the first half of its content's SHA-256.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct ProfileId(pub(crate) [u8; 16]);

/// What many leases share. Fields that are empty are not stored.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Profile {
    /// Where it was issued, as `auth/approle/login`.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(crate) path: String,
    /// Accessor of the mount that issued it.
    pub(crate) mount: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(crate) role: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(crate) entity: String,
    /// Of a token: sorted, without duplicates.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) policies: Vec<String>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) metadata: BTreeMap<String, String>,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(crate) display_name: String,
    pub(crate) token_kind: TokenKind,
    pub(crate) renewable: bool,
    /// At creation.
    pub(crate) ttl: Seconds,
    #[serde(skip_serializing_if = "is_zero")]
    pub(crate) max_ttl: Seconds,
    #[serde(skip_serializing_if = "is_zero")]
    pub(crate) explicit_max_ttl: Seconds,
    #[serde(skip_serializing_if = "is_zero")]
    pub(crate) period: Seconds,
    /// At creation; 0: unlimited.
    #[serde(skip_serializing_if = "is_none")]
    pub(crate) num_uses: u64,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) bound_cidrs: Vec<Cidr>,
    #[serde(skip_serializing_if = "is_false")]
    pub(crate) no_default_policy: bool,
    /// The engine's own, for renewal and revocation.
    #[serde(skip_serializing_if = "Data::is_empty")]
    pub(crate) internal: Data,
    /// Which of the engine's kinds of secret; empty for tokens.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(crate) secret_kind: String,
    /// The alias under which it logged in, for renewal.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) alias: Option<vault_sdk::Alias>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) group_aliases: Vec<String>,
    /// What a wrapping token is for; empty for others.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(crate) wraps: String,
}

fn is_zero(seconds: &Seconds) -> bool {
    seconds.is_zero()
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_none(number: &u64) -> bool {
    *number == 0
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_false(value: &bool) -> bool {
    !*value
}

impl Profile {
    pub(crate) fn encode(&self) -> (ProfileId, Vec<u8>) {
        let bytes = serde_json::to_vec(self).unwrap_or_default();
        let hash = sha256(&bytes);
        (ProfileId(*hash.first_chunk().expect("a hash has 32 bytes")), bytes)
    }

    pub(crate) fn is_root(&self) -> bool {
        self.policies.iter().any(|policy| policy == "root")
    }
}
