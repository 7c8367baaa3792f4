//! Renewal and lookup of tokens and leases.

use vault_sdk::time::{Instant, Seconds};
use vault_sdk::{Auth, Connection, Context, Lease, Operation, Request};
use zeroize::Zeroizing;

use super::active::Active;
use super::handle::{engine_wait, millis};
use super::issue::Bounds;
use super::sweep::lease_of;
use crate::Error;
use crate::lease::{Held, Kind, LeaseKey, Record};
use crate::reply::{IssuedAuth, IssuedLease};

impl Active {
    /// The token with this accessor, if it is valid.
    pub(crate) fn find_accessor(&self, accessor: &str) -> Result<Option<Held>, Error> {
        let Some(key) = self.leases.keys.of_accessor(accessor) else { return Ok(None) };
        let held = self.leases.find(key, self.now(), self)?;
        Ok(held.filter(|held| held.record.kind == Kind::Token))
    }

    /// The lease with this identifier, if it is valid.
    pub(crate) fn find_lease(&self, lease_id: &str) -> Result<Option<Held>, Error> {
        let of_token = lease_id.rsplit_once("/h").and_then(|(_, hex)| LeaseKey::from_hex(hex));
        let key = of_token.unwrap_or_else(|| self.leases.keys.key(lease_id));
        let held = self.leases.find(key, self.now(), self)?;
        Ok(held.filter(|held| lease_id_of(held) == lease_id))
    }

    /// Renews a token. `connection` is the renewer's, which auth methods may look at.
    pub(crate) fn renew_token(
        &self,
        held: &Held,
        increment: Seconds,
        connection: &Connection,
        text: Zeroizing<String>,
    ) -> Result<(IssuedAuth, Vec<String>), Error> {
        let profile = &held.profile;
        if !profile.renewable || held.record.expires_ms == 0 || held.is_batch() {
            return Err(Error::invalid("lease is not renewable"));
        }
        let mut warnings = Vec::new();
        let auth = self.renewed_login(held, connection)?;
        let bounds = Bounds {
            wanted: increment.or(auth.ttl),
            max: auth.max_ttl,
            explicit_max: profile.explicit_max_ttl,
            period: auth.period,
            mount: self.mount_ttls(held),
        };
        let held = self.extend(held, bounds, &mut warnings)?;
        Ok((self.describe(&held, text, held.record.renewed_ms), warnings))
    }

    /// Renews a secret's lease.
    pub(crate) fn renew_lease(
        &self,
        held: &Held,
        increment: Seconds,
    ) -> Result<(IssuedLease, Vec<String>), Error> {
        let mut warnings = Vec::new();
        if !held.profile.renewable {
            return Err(Error::invalid("lease is not renewable"));
        }
        let mounts = self.mounts();
        let entry = mounts.by_accessor(&held.profile.mount).ok_or(Error::Denied)?;
        let lease: Lease = match self.engine(entry) {
            Some(engine) => {
                let (storage, view) = (self.storage(entry), entry.view(self.system_ttls));
                let context = Context { storage: &storage, mount: &view, system: self };
                engine_wait(engine.renew(&lease_of(held), context))?
            }
            None => lease_of(held),
        };
        let bounds = Bounds {
            wanted: increment.or(lease.ttl),
            max: lease.max_ttl,
            mount: self.mount_ttls(held),
            ..Bounds::default()
        };
        let held = self.extend(held, bounds, &mut warnings)?;
        let left = held.record.expires_ms.saturating_sub(held.record.renewed_ms) / 1000;
        let lease_id = held.record.tail.clone();
        Ok((IssuedLease { lease_id, renewable: true, duration: Seconds(left) }, warnings))
    }

    fn mount_ttls(&self, held: &Held) -> (Seconds, Seconds) {
        let mounts = self.mounts();
        mounts
            .by_accessor(&held.profile.mount)
            .map_or(self.system_ttls, |entry| entry.ttls(self.system_ttls))
    }

    /// Moves the expiry within its bounds. It never becomes unlimited (CVE-2021-32923).
    fn extend(
        &self,
        held: &Held,
        bounds: Bounds,
        warnings: &mut Vec<String>,
    ) -> Result<Held, Error> {
        let now = self.release_time()?;
        let age = Seconds(now.saturating_sub(held.record.issued_ms).div_ceil(1000));
        let ttl = bounds.ttl(age, warnings);
        if ttl.is_zero() {
            return Err(Error::invalid("past the max TTL, cannot renew"));
        }
        let record = Record {
            expires_ms: now.saturating_add(millis(ttl)).max(1),
            renewed_ms: now,
            ..held.record.clone()
        };
        self.leases.replace(held, record)
    }

    /// What the auth method says about a login that is to be renewed.
    fn renewed_login(&self, held: &Held, connection: &Connection) -> Result<Auth, Error> {
        let profile = &held.profile;
        let auth = Auth {
            policies: profile.policies.clone(),
            no_default_policy: profile.no_default_policy,
            metadata: profile.metadata.clone(),
            display_name: profile.display_name.clone(),
            alias: profile.alias.clone(),
            group_aliases: profile.group_aliases.clone(),
            ttl: profile.ttl,
            max_ttl: profile.max_ttl,
            explicit_max_ttl: profile.explicit_max_ttl,
            period: profile.period,
            renewable: profile.renewable,
            num_uses: profile.num_uses,
            bound_cidrs: profile.bound_cidrs.clone(),
            token_kind: profile.token_kind,
            role: profile.role.clone(),
            internal: profile.internal.clone(),
        };
        let mounts = self.mounts();
        let entry = mounts.by_accessor(&profile.mount).ok_or(Error::Denied)?;
        let Some(engine) = self.engine(entry) else { return Ok(auth) };
        let mut request = Request::new(Operation::Update, "", vault_sdk::Data::new());
        request.connection = connection.clone();
        let (storage, view) = (self.storage(entry), entry.view(self.system_ttls));
        let context = Context { storage: &storage, mount: &view, system: self };
        Ok(engine_wait(engine.renew_login(&auth, &request, context))?)
    }
}

/// A lease's identifier; a token's is made of its path and its key.
pub(crate) fn lease_id_of(held: &Held) -> String {
    match held.record.kind {
        Kind::Secret => held.record.tail.clone(),
        Kind::Token => {
            format!("{}/h{}", held.profile.path.trim_end_matches('/'), held.key.to_hex())
        }
    }
}

/// Milliseconds since 1970 as a time.
pub(crate) fn instant(ms: u64) -> Instant {
    Instant(ms.saturating_mul(1_000_000))
}
