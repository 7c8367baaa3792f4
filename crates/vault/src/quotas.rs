//! Rate-limit quotas: how many requests a client may make below a path.

use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use serde::{Deserialize, Serialize};

use crate::barrier::{Barrier, Transaction};
use crate::{Error, barrier};

const ROW: &str = "core/quotas";
/// Clients that are remembered.
const CLIENTS_MAX: usize = 50_000;

/// One quota.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Quota {
    pub(crate) name: String,
    /// A path, a mount with a slash at the end, or empty for all.
    pub(crate) path: String,
    pub(crate) role: String,
    /// Requests in an interval.
    pub(crate) rate: f64,
    pub(crate) interval_s: u64,
    /// How long a client is shut out that went over.
    pub(crate) block_interval_s: u64,
    pub(crate) inheritable: bool,
}

/// Settings of all quotas.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct QuotaConfig {
    pub(crate) audit_log: bool,
    pub(crate) response_headers: bool,
    pub(crate) exempt_paths: Vec<String>,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Stored {
    quotas: BTreeMap<String, Quota>,
    config: QuotaConfig,
}

/// All quotas, and who used how much.
#[derive(Debug)]
pub(crate) struct Quotas {
    barrier: Arc<Barrier>,
    stored: RwLock<Stored>,
    buckets: Mutex<HashMap<(String, Option<IpAddr>), Bucket>>,
}

#[derive(Clone, Copy, Debug)]
struct Bucket {
    tokens: f64,
    at_ms: u64,
    blocked_until_ms: u64,
}

impl Quotas {
    pub(crate) fn load(barrier: Arc<Barrier>) -> Result<Self, Error> {
        let stored = match barrier.get(ROW)? {
            None => Stored::default(),
            Some(row) => serde_json::from_slice(&row.content).map_err(|_| {
                barrier::Error::Tampered { key: ROW.into(), reason: "the quotas are malformed" }
            })?,
        };
        Ok(Quotas { barrier, stored: RwLock::new(stored), buckets: Mutex::default() })
    }

    fn stored(&self) -> Stored {
        self.stored.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) fn all(&self) -> BTreeMap<String, Quota> {
        self.stored().quotas
    }

    pub(crate) fn config(&self) -> QuotaConfig {
        self.stored().config
    }

    pub(crate) fn put(&self, quota: Quota) -> Result<(), Error> {
        let other = self.all().into_values().find(|other| {
            other.name != quota.name && other.path == quota.path && other.role == quota.role
        });
        if let Some(other) = other {
            return Err(Error::Invalid(format!(
                "quota rule with similar properties exists under the name {:?}",
                other.name
            )));
        }
        self.change(|stored| drop(stored.quotas.insert(quota.name.clone(), quota)))
    }

    pub(crate) fn delete(&self, name: &str) -> Result<(), Error> {
        self.change(|stored| drop(stored.quotas.remove(name)))
    }

    pub(crate) fn configure(&self, config: QuotaConfig) -> Result<(), Error> {
        self.change(|stored| stored.config = config)
    }

    fn change(&self, change: impl FnOnce(&mut Stored)) -> Result<(), Error> {
        let mut now = self.stored.write().unwrap_or_else(PoisonError::into_inner);
        let mut stored = now.clone();
        change(&mut stored);
        let mut transaction = Transaction::new();
        transaction.put(ROW, serde_json::to_vec(&stored).unwrap_or_default());
        self.barrier.commit(transaction)?;
        *now = stored;
        self.buckets.lock().unwrap_or_else(PoisonError::into_inner).clear();
        Ok(())
    }

    /// Counts a request, or refuses it. `role` is the one that a login names.
    pub(crate) fn admit(
        &self,
        path: &str,
        mount: &str,
        role: Option<&str>,
        client: Option<IpAddr>,
        now_ms: u64,
    ) -> Result<(), Error> {
        let stored = self.stored.read().unwrap_or_else(PoisonError::into_inner);
        if stored.quotas.is_empty()
            || stored.config.exempt_paths.iter().any(|exempt| exempt == path)
        {
            return Ok(());
        }
        let Some(quota) = most_specific(&stored.quotas, path, mount, role) else { return Ok(()) };
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        if buckets.len() >= CLIENTS_MAX {
            buckets.clear();
        }
        let full = Bucket { tokens: quota.rate, at_ms: now_ms, blocked_until_ms: 0 };
        let bucket = buckets.entry((quota.name.clone(), client)).or_insert(full);
        bucket
            .admit(quota, now_ms)
            .map_err(|retry_after_s| Error::RateLimited { path: path.to_owned(), retry_after_s })
    }
}

impl Bucket {
    #[allow(clippy::cast_precision_loss, reason = "milliseconds of an interval are few")]
    fn admit(&mut self, quota: &Quota, now_ms: u64) -> Result<(), u64> {
        if now_ms < self.blocked_until_ms {
            return Err((self.blocked_until_ms - now_ms).div_ceil(1000));
        }
        let interval_ms = quota.interval_s.max(1).saturating_mul(1000);
        let elapsed = now_ms.saturating_sub(self.at_ms).min(interval_ms) as f64;
        self.tokens =
            (self.tokens + quota.rate * elapsed / interval_ms as f64).min(quota.rate.max(1.0));
        self.at_ms = now_ms;
        if self.tokens >= 1.0 {
            self.tokens -= 1.0;
            return Ok(());
        }
        if quota.block_interval_s > 0 {
            self.blocked_until_ms =
                now_ms.saturating_add(quota.block_interval_s.saturating_mul(1000));
            return Err(quota.block_interval_s);
        }
        Err(quota.interval_s.max(1))
    }
}

/// A quota with the role before one without, a longer path before a shorter one.
fn most_specific<'a>(
    quotas: &'a BTreeMap<String, Quota>,
    path: &str,
    mount: &str,
    role: Option<&str>,
) -> Option<&'a Quota> {
    let matches = |quota: &&Quota| {
        let by_path = quota.path.is_empty()
            || quota.path == mount
            || quota.path == path
            || quota.path.strip_suffix('*').is_some_and(|prefix| path.starts_with(prefix));
        by_path && (quota.role.is_empty() || Some(quota.role.as_str()) == role)
    };
    quotas.values().filter(matches).max_by_key(|quota| (!quota.role.is_empty(), quota.path.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_refill_and_block() {
        let quota = Quota { rate: 2.0, interval_s: 1, ..Quota::default() };
        let mut bucket = Bucket { tokens: 2.0, at_ms: 0, blocked_until_ms: 0 };
        assert_eq!([0, 0, 0].map(|now| bucket.admit(&quota, now)), [Ok(()), Ok(()), Err(1)]);
        assert_eq!([500, 500].map(|now| bucket.admit(&quota, now)), [Ok(()), Err(1)]);
        let quota = Quota { block_interval_s: 60, ..quota };
        assert_eq!(bucket.admit(&quota, 600), Err(60));
        assert_eq!(bucket.admit(&quota, 30_600), Err(30));
        assert_eq!(bucket.admit(&quota, 60_600), Ok(()));
    }

    #[test]
    fn the_most_specific_quota_counts() {
        let quota = |name: &str, path: &str, role: &str| {
            let quota = Quota {
                name: name.into(),
                path: path.into(),
                role: role.into(),
                ..Quota::default()
            };
            (name.to_owned(), quota)
        };
        let quotas = BTreeMap::from([
            quota("all", "", ""),
            quota("mount", "auth/a/", ""),
            quota("path", "auth/a/login", ""),
            quota("role", "auth/a/", "r"),
        ]);
        let find =
            |path, mount, role| most_specific(&quotas, path, mount, role).unwrap().name.as_str();
        assert_eq!(find("x/y", "x/", None), "all");
        assert_eq!(find("auth/a/other", "auth/a/", None), "mount");
        assert_eq!(find("auth/a/login", "auth/a/", None), "path");
        assert_eq!(find("auth/a/login", "auth/a/", Some("r")), "role");
    }
}
