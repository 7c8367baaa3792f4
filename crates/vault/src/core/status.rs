//! What everybody may know: whether the server is initialised, sealed, and well.

use serde::Serialize;
use vault_sdk::Data;
use vault_sdk::time::Instant;

use super::{Core, Inner};
use crate::Error;
use crate::hex;
use crate::time::ClockState;

/// The answer of `sys/seal-status`.
#[derive(Clone, Debug, Serialize)]
#[allow(clippy::struct_excessive_bools, missing_docs, reason = "the API's field names")]
pub struct SealStatus {
    #[serde(rename = "type")]
    pub kind: String,
    pub initialized: bool,
    pub sealed: bool,
    pub t: u8,
    pub n: u8,
    pub progress: usize,
    pub nonce: String,
    pub version: String,
    pub build_date: String,
    pub migration: bool,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub cluster_name: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub cluster_id: String,
    pub recovery_seal: bool,
    pub storage_type: String,
    /// Which freshness source protects against a rollback of the whole store; `none`: none does.
    pub freshness: String,
    /// Why automatic seals did not open.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub seal_errors: Vec<String>,
}

/// The answer of `sys/health`. The server makes the status code of it.
#[derive(Clone, Debug, Serialize)]
#[allow(clippy::struct_excessive_bools, missing_docs, reason = "the API's field names")]
pub struct Health {
    pub initialized: bool,
    pub sealed: bool,
    pub standby: bool,
    pub performance_standby: bool,
    pub replication_performance_mode: &'static str,
    pub replication_dr_mode: &'static str,
    pub server_time_utc: u64,
    pub version: String,
    pub enterprise: bool,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub cluster_name: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub cluster_id: String,
    pub echo_duration_ms: u64,
    pub clock_skew_ms: u64,
    pub replication_primary_canary_age_ms: u64,
    /// Whether the host's clock fits together; if not, nothing is released.
    pub clock_trusted: bool,
}

impl Core {
    /// The answer of `sys/seal-status`.
    ///
    /// # Errors
    ///
    /// If the store cannot be read.
    pub fn seal_status(&self) -> Result<SealStatus, Error> {
        self.0.seal_status()
    }

    /// The answer of `sys/health`.
    ///
    /// # Errors
    ///
    /// If the store cannot be read.
    pub fn health(&self) -> Result<Health, Error> {
        self.0.health()
    }
}

impl Inner {
    pub(crate) fn seal_status(&self) -> Result<SealStatus, Error> {
        let config = self.seal_config()?;
        let (t, n) = config.as_ref().map_or((0, 0), |config| config.shares());
        let active = self.active();
        let (progress, nonce) = self.operator().unseal_progress();
        let automatic = config.as_ref().and_then(|config| {
            config.slots().iter().find(|slot| slot.kind != "shamir").map(|slot| slot.kind.clone())
        });
        let settings = &self.setup.settings;
        Ok(SealStatus {
            recovery_seal: automatic.is_some(),
            kind: automatic.unwrap_or_else(|| "shamir".to_owned()),
            initialized: config.is_some(),
            sealed: active.is_none(),
            t,
            n,
            progress,
            nonce,
            version: settings.version.clone(),
            build_date: settings.build_date.clone(),
            migration: false,
            cluster_name: active.as_ref().map_or_else(String::new, |_| self.cluster_name()),
            cluster_id: active
                .as_ref()
                .map_or_else(String::new, |active| cluster_id(active.barrier.store_id())),
            storage_type: self.setup.store.kind().to_owned(),
            freshness: self.setup.freshness.kind().to_owned(),
            seal_errors: self.seal_errors(),
        })
    }

    pub(crate) fn health(&self) -> Result<Health, Error> {
        let active = self.active();
        let (now_ms, clock) = active.as_ref().map_or_else(
            || (self.setup.clock.wall_ms(), ClockState::Steady),
            |active| active.clock(),
        );
        let initialized = active.is_some() || self.seal_config()?.is_some();
        Ok(Health {
            initialized,
            sealed: active.is_none(),
            standby: active.is_none(),
            performance_standby: false,
            replication_performance_mode: "disabled",
            replication_dr_mode: "disabled",
            server_time_utc: Instant(now_ms.saturating_mul(1_000_000)).unix(),
            version: self.setup.settings.version.clone(),
            enterprise: false,
            cluster_name: active.as_ref().map_or_else(String::new, |_| self.cluster_name()),
            cluster_id: active
                .as_ref()
                .map_or_else(String::new, |active| cluster_id(active.barrier.store_id())),
            echo_duration_ms: 0,
            clock_skew_ms: 0,
            replication_primary_canary_age_ms: 0,
            clock_trusted: clock == ClockState::Steady,
        })
    }

    pub(crate) fn cluster_name(&self) -> String {
        let name = &self.setup.settings.cluster_name;
        if name.is_empty() { "vault-cluster-casemate".to_owned() } else { name.clone() }
    }

    /// The answer of `sys/leader`.
    pub(crate) fn leader(&self) -> Data {
        let settings = &self.setup.settings;
        let mut data = Data::new();
        data.insert("ha_enabled".into(), false.into());
        data.insert("is_self".into(), false.into());
        data.insert("active_time".into(), "0001-01-01T00:00:00Z".into());
        data.insert("leader_address".into(), settings.api_addr.clone().into());
        data.insert("leader_cluster_address".into(), settings.cluster_addr.clone().into());
        data.insert("performance_standby".into(), false.into());
        data.insert("performance_standby_last_remote_wal".into(), 0.into());
        data
    }
}

/// The store's identifier in the form of a UUID.
fn cluster_id(store: &[u8; 16]) -> String {
    let hex = hex::encode(store);
    [&hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]].join("-")
}
