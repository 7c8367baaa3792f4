//! The mount table, and the router over it.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use vault_sdk::MountClass;
use vault_sdk::time::Seconds;

use crate::barrier::{Barrier, Transaction};
use crate::{Error, hex, random};

/// Row of the mount table.
const ROW: &str = "core/mounts";

/// One mount.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MountEntry {
    /// With a slash at the end; auth methods begin with `auth/`.
    pub path: String,
    /// Secrets or auth.
    pub class: MountClass,
    /// The engine, as `kv`.
    pub kind: String,
    /// The public handle.
    pub accessor: String,
    /// Its storage is below `logical/` and this.
    pub uuid: String,
    /// The issue sequence number at which it was mounted. Leases name it.
    pub generation: u64,
    /// In the operator's words.
    #[serde(default)]
    pub description: String,
    /// The engine's own, as `version`.
    #[serde(default)]
    pub options: BTreeMap<String, String>,
    /// How it is tuned.
    #[serde(default)]
    pub config: MountConfig,
    /// Not replicated.
    #[serde(default)]
    pub local: bool,
    /// Accepted and shown; every row is encrypted anyway.
    #[serde(default)]
    pub seal_wrap: bool,
    /// Accepted and shown.
    #[serde(default)]
    pub external_entropy_access: bool,
}

/// What `tune` changes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct MountConfig {
    /// Zero for the system's.
    #[serde(default)]
    pub default_lease_ttl: Seconds,
    /// Zero for the system's.
    #[serde(default)]
    pub max_lease_ttl: Seconds,
    /// Accepted and shown.
    #[serde(default)]
    pub force_no_cache: bool,
    /// Of auth methods: which kind of token is issued.
    #[serde(default)]
    pub token_type: String,
    /// `unauth` to list the mount to everybody, `hidden`, or empty.
    #[serde(default)]
    pub listing_visibility: String,
    /// Keys of request data that audit entries show in the clear.
    #[serde(default)]
    pub audit_non_hmac_request_keys: Vec<String>,
    /// Keys of response data that audit entries show in the clear.
    #[serde(default)]
    pub audit_non_hmac_response_keys: Vec<String>,
    /// Headers that reach the engine.
    #[serde(default)]
    pub passthrough_request_headers: Vec<String>,
    /// Headers that the engine may set.
    #[serde(default)]
    pub allowed_response_headers: Vec<String>,
    /// As given, for clients that read it back.
    #[serde(default)]
    pub plugin_version: String,
    /// User lockout of this method, as tuned; empty for the defaults.
    #[serde(default)]
    pub user_lockout: BTreeMap<String, serde_json::Value>,
}

impl MountEntry {
    /// A new mount of `kind` at `path`.
    pub(crate) fn new(path: &str, class: MountClass, kind: &str, generation: u64) -> Self {
        let prefix = if class == MountClass::Auth { "auth_" } else { "" };
        let accessor = format!("{prefix}{kind}_{}", hex::encode(random::bytes::<4>().expose()));
        MountEntry {
            path: path.to_owned(),
            class,
            kind: kind.to_owned(),
            accessor,
            uuid: random::uuid(),
            generation,
            description: String::new(),
            options: BTreeMap::new(),
            config: MountConfig::default(),
            local: false,
            seal_wrap: false,
            external_entropy_access: false,
        }
    }

    /// Where its rows are.
    pub(crate) fn storage_prefix(&self) -> String {
        format!("logical/{}/", self.uuid)
    }

    /// As engines know it.
    pub(crate) fn view(&self, system: (Seconds, Seconds)) -> vault_sdk::Mount {
        let (default_ttl, max_ttl) = self.ttls(system);
        vault_sdk::Mount {
            path: self.path.clone(),
            kind: self.kind.clone(),
            class: self.class,
            accessor: self.accessor.clone(),
            uuid: self.uuid.clone(),
            options: self.options.clone(),
            default_ttl,
            max_ttl,
        }
    }

    /// Default and maximum in force, from the system's.
    pub(crate) fn ttls(&self, (default, max): (Seconds, Seconds)) -> (Seconds, Seconds) {
        let max = self.config.max_lease_ttl.or(max);
        let default = self.config.default_lease_ttl.or(default);
        (default.min(max), max)
    }
}

/// All mounts, by path. It does not change; a change makes another.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct MountTable {
    entries: BTreeMap<String, Arc<MountEntry>>,
}

impl MountTable {
    /// The mounts that every server has.
    pub(crate) fn initial(barrier: &Barrier) -> Self {
        let built_in = [
            ("auth/token/", MountClass::Auth, "token", "token based credentials"),
            ("cubbyhole/", MountClass::Secret, "cubbyhole", "per-token private secret storage"),
            ("identity/", MountClass::Secret, "identity", "identity store"),
            (
                "sys/",
                MountClass::Secret,
                "system",
                "system endpoints used for control, policy and debugging",
            ),
        ];
        let mut table = MountTable::default();
        for (path, class, kind, description) in built_in {
            let mut entry = MountEntry::new(path, class, kind, barrier.next_sequence());
            entry.description = description.to_owned();
            if kind == "token" {
                entry.config.token_type = "default-service".to_owned();
            }
            table.insert(entry);
        }
        table
    }

    /// Reads the table.
    pub(crate) fn load(barrier: &Barrier) -> Result<Self, Error> {
        let row = barrier.get(ROW)?.ok_or(malformed("the mount table is missing"))?;
        serde_json::from_slice(&row.content)
            .map_err(|_| malformed("the mount table is malformed").into())
    }

    /// Adds the table to a transaction.
    pub(crate) fn store(&self, transaction: &mut Transaction) {
        transaction.put(ROW, serde_json::to_vec(self).unwrap_or_default());
    }

    /// Adds or replaces a mount.
    pub(crate) fn insert(&mut self, entry: MountEntry) {
        self.entries.insert(entry.path.clone(), Arc::new(entry));
    }

    /// Removes a mount.
    pub(crate) fn remove(&mut self, path: &str) -> Option<Arc<MountEntry>> {
        self.entries.remove(path)
    }

    /// The mount whose path is the longest that `path` begins with.
    pub fn route(&self, path: &str) -> Option<&Arc<MountEntry>> {
        let mut end = path.len();
        loop {
            let slash = path.get(..end)?.rfind('/')?;
            if let Some(entry) = self.entries.get(&path[..=slash]) {
                return Some(entry);
            }
            end = slash;
        }
    }

    /// The mount at exactly this path.
    pub fn at(&self, path: &str) -> Option<&Arc<MountEntry>> {
        self.entries.get(path)
    }

    /// The mount with this accessor.
    pub fn by_accessor(&self, accessor: &str) -> Option<&Arc<MountEntry>> {
        self.entries.values().find(|entry| entry.accessor == accessor)
    }

    /// A mount that `path` would lie within, or that would lie within it.
    pub fn conflict(&self, path: &str) -> Option<&Arc<MountEntry>> {
        self.entries
            .values()
            .find(|entry| entry.path.starts_with(path) || path.starts_with(&entry.path))
    }

    /// All mounts, by path.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<MountEntry>> {
        self.entries.values()
    }
}

fn malformed(reason: &'static str) -> crate::barrier::Error {
    crate::barrier::Error::Tampered { key: ROW.into(), reason }
}

/// Names that are other engines under older or clearer names: `kv-v2` is `kv` with version 2.
pub(crate) fn canonical_kind(kind: &str) -> (&str, Option<&'static str>) {
    match kind {
        "kv-v1" | "generic" => ("kv", Some("1")),
        "kv-v2" => ("kv", Some("2")),
        other => (other, None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_path_wins() {
        let mut table = MountTable::default();
        for path in ["secret/", "secret/deep/", "auth/token/"] {
            table.insert(MountEntry::new(path, MountClass::Secret, "kv", 1));
        }
        let route = |path| table.route(path).map(|entry| entry.path.as_str());
        assert_eq!(route("secret/a"), Some("secret/"));
        assert_eq!(route("secret/deep/a"), Some("secret/deep/"));
        assert_eq!(route("secret/deeper"), Some("secret/"));
        assert_eq!(route("secret/"), Some("secret/"));
        assert_eq!(route("secret"), None);
        assert_eq!(route("auth/token/create"), Some("auth/token/"));
        assert_eq!(route("auth/x"), None);
        assert!(table.conflict("secret/x/").is_some() && table.conflict("sec/").is_none());
    }
}
