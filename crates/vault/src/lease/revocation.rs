//! Revocations of many at once: one row, in force from the moment it is committed.

use serde::{Deserialize, Serialize};

use super::{Profile, Record};

/// Which leases a revocation covers, besides their sequence numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum RevocationKind {
    /// Paths that begin with the target, on a segment's end.
    Prefix,
    /// The mount with this accessor.
    Mount,
    /// `ACCESSOR/ROLE`.
    Role,
    /// The entity with this id.
    Entity,
    /// All of them; root tokens only if the target is `root`.
    Sequence,
}

/// One revocation of many.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Revocation {
    pub(crate) kind: RevocationKind,
    pub(crate) target: String,
    /// Leases with smaller sequence numbers are covered.
    pub(crate) below: u64,
    pub(crate) started_ms: u64,
    /// Whether failures of engines are to be ignored.
    #[serde(default)]
    pub(crate) force: bool,
}

/// All revocations that are not swept up yet.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Revocations {
    pub(crate) entries: Vec<Revocation>,
}

impl Revocation {
    pub(crate) fn covers(&self, record: &Record, profile: &Profile) -> bool {
        if record.sequence >= self.below {
            return false;
        }
        match self.kind {
            RevocationKind::Prefix => is_below(&self.target, &profile.path),
            RevocationKind::Mount => profile.mount == self.target,
            RevocationKind::Role => self
                .target
                .split_once('/')
                .is_some_and(|(mount, role)| profile.mount == mount && profile.role == role),
            RevocationKind::Entity => !profile.entity.is_empty() && profile.entity == self.target,
            RevocationKind::Sequence => self.target == "root" || record.expires_ms != 0,
        }
    }
}

impl Revocations {
    pub(crate) fn cover(&self, record: &Record, profile: &Profile) -> bool {
        self.entries.iter().any(|entry| entry.covers(record, profile))
    }
}

/// Whether a path lies at or below a prefix, on a segment's end.
fn is_below(prefix: &str, path: &str) -> bool {
    let prefix = prefix.trim_end_matches('/');
    let rest = path.strip_prefix(prefix);
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/') || prefix.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prefixes_end_with_segments() {
        assert!(is_below("auth/a", "auth/a/login"));
        assert!(is_below("auth/a/", "auth/a/login"));
        assert!(is_below("auth/a/login", "auth/a/login"));
        assert!(!is_below("auth/a", "auth/ab/login"));
        assert!(is_below("", "anything"));
    }
}
