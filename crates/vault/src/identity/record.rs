//! Records of the identity store.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

pub(super) const ENTITIES: &str = "identity/entity/";
pub(super) const ALIASES: &str = "identity/alias/";
pub(super) const GROUPS: &str = "identity/group/";

/// Somebody, or some program.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Entity {
    pub(crate) id: String,
    pub(crate) name: String,
    /// The issue sequence number at which it was made. Leases name it.
    pub(crate) generation: u64,
    pub(crate) metadata: BTreeMap<String, String>,
    pub(crate) policies: Vec<String>,
    pub(crate) disabled: bool,
    pub(crate) merged_entity_ids: Vec<String>,
    pub(crate) created: String,
    pub(crate) updated: String,
}

/// A name of an entity, or of an external group, at an auth method.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Alias {
    pub(crate) id: String,
    /// The entity's or group's.
    pub(crate) canonical_id: String,
    pub(crate) mount_accessor: String,
    pub(crate) name: String,
    /// Set by the auth method.
    pub(crate) metadata: BTreeMap<String, String>,
    /// Set by operators.
    pub(crate) custom_metadata: BTreeMap<String, String>,
    pub(crate) merged_from: Vec<String>,
    pub(crate) created: String,
    pub(crate) updated: String,
}

/// Where a group's members come from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum GroupKind {
    /// Operators name them.
    #[default]
    Internal,
    /// The auth method of its alias names them at login.
    External,
}

/// Entities and groups that share policies.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Group {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) kind: GroupKind,
    pub(crate) metadata: BTreeMap<String, String>,
    pub(crate) policies: Vec<String>,
    pub(crate) member_entity_ids: BTreeSet<String>,
    pub(crate) member_group_ids: BTreeSet<String>,
    pub(crate) alias: Option<Alias>,
    pub(crate) modify_index: u64,
    pub(crate) created: String,
    pub(crate) updated: String,
}
