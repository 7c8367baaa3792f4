//! Issuing tokens and leases: whom they belong to, and how long they live.

use crypto::Secret;
use vault_sdk::time::{Instant, Seconds};
use vault_sdk::{Auth, Lease, TokenKind};
use zeroize::Zeroizing;

use super::active::Active;
use super::handle::millis;
use crate::barrier::Transaction;
use crate::lease::{Held, Kind, LeaseKey, New, Profile};
use crate::mount::MountEntry;
use crate::reply::{IssuedAuth, IssuedLease, IssuedWrap, Reply};
use crate::{Error, policies, random, wrapping};

/// Digits of a token after its prefix: 142 bits, and 28 characters in all as Vault's.
const TOKEN_DIGITS: usize = 24;

/// Bounds on a life time.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Bounds {
    /// What was asked for; zero: the default.
    pub(crate) wanted: Seconds,
    /// Zero: none.
    pub(crate) max: Seconds,
    /// Zero: none.
    pub(crate) explicit_max: Seconds,
    /// Not zero: periodic.
    pub(crate) period: Seconds,
    /// Default and maximum of mount and system.
    pub(crate) mount: (Seconds, Seconds),
}

impl Bounds {
    /// The life time from now of something issued `age` ago. Never zero unless a bound has passed.
    pub(crate) fn ttl(&self, age: Seconds, warnings: &mut Vec<String>) -> Seconds {
        let left = |max: Seconds| Seconds(max.0.saturating_sub(age.0));
        if !self.period.is_zero() {
            let ttl = self.period;
            return if self.explicit_max.is_zero() {
                ttl
            } else {
                ttl.min(left(self.explicit_max))
            };
        }
        let (default, mount_max) = self.mount;
        let wanted = self.wanted.or(default);
        let mut max = mount_max;
        for bound in [self.max, self.explicit_max] {
            if !bound.is_zero() {
                max = max.min(bound);
            }
        }
        if age.is_zero() && wanted > max {
            warnings.push(format!(
                "TTL of \"{}\" exceeded the effective max_ttl of \"{}\"; TTL value is capped accordingly",
                wanted.to_go(),
                max.to_go()
            ));
        }
        wanted.min(left(max))
    }
}

/// Which kind of token a login gets: the method's word, then the mount's.
fn login_kind(mount: &MountEntry, auth: &Auth) -> Result<TokenKind, Error> {
    let tuned = TokenKind::parse(&mount.config.token_type).unwrap_or_default();
    let kind = match (tuned, auth.token_kind) {
        (TokenKind::Batch, _) | (_, TokenKind::Batch) => TokenKind::Batch,
        (TokenKind::DefaultBatch, TokenKind::Default | TokenKind::DefaultBatch)
        | (TokenKind::Default, TokenKind::DefaultBatch) => TokenKind::Batch,
        _ => TokenKind::Service,
    };
    if kind == TokenKind::Batch && (auth.num_uses != 0 || !auth.period.is_zero()) {
        return Err(Error::invalid("batch tokens can have neither a period nor a number of uses"));
    }
    Ok(kind)
}

/// A new token's text.
pub(crate) fn token_text() -> Zeroizing<String> {
    Zeroizing::new(format!("hvs.{}", random::base62(TOKEN_DIGITS)))
}

impl Active {
    /// Issues a token of a profile that is complete. Zero for `ttl` makes it live for ever, which only
    /// root tokens may.
    pub(crate) fn issue_token(
        &self,
        text: Zeroizing<String>,
        profile: Profile,
        parent: Option<LeaseKey>,
        ttl: Seconds,
        also: Transaction,
    ) -> Result<(IssuedAuth, Held), Error> {
        let now = self.release_time()?;
        let mount_generation = self
            .mounts()
            .by_accessor(&profile.mount)
            .map(|mount| mount.generation)
            .ok_or(vault_sdk::Error::Bug("a token's mount is gone"))?;
        let entity_generation = match &*profile.entity {
            "" => 0,
            id => crate::lease::Ground::entity_generation(self, id)?.ok_or(Error::Denied)?,
        };
        if ttl.is_zero() && !profile.is_root() {
            return Err(Error::invalid("a token's life time must not be zero"));
        }
        let expires_ms = if ttl.is_zero() { 0 } else { now.saturating_add(millis(ttl)) };
        let new = New {
            kind: Kind::Token,
            profile,
            mount_generation,
            entity_generation,
            parent,
            expires_ms,
            lease_id: String::new(),
        };
        if new.profile.token_kind == TokenKind::Batch {
            let record = self.leases.unstored(&new, now);
            let text = self.seal_batch(&record, &new.profile)?;
            let key = self.leases.keys.key(&text);
            let held = Held { key, version: 0, record, profile: std::sync::Arc::new(new.profile) };
            return Ok((self.describe(&held, text, now), held));
        }
        let mut transaction = also;
        let held = self.leases.issue(&text, new, now, &mut transaction)?;
        self.barrier.commit(transaction)?;
        let auth = self.describe(&held, text, now);
        Ok((auth, held))
    }

    /// A token as clients see it.
    pub(crate) fn describe(&self, held: &Held, text: Zeroizing<String>, now_ms: u64) -> IssuedAuth {
        let profile = &held.profile;
        let left = held.record.expires_ms.saturating_sub(now_ms).div_ceil(1000);
        let (policies, identity_policies) = self.policies_of(held);
        IssuedAuth {
            client_token: text,
            accessor: self.accessor(held),
            policies,
            token_policies: profile.policies.clone(),
            identity_policies,
            metadata: profile.metadata.clone(),
            lease_duration: Seconds(left),
            renewable: profile.renewable,
            entity_id: profile.entity.clone(),
            token_type: if held.is_batch() { "batch" } else { "service" }.to_owned(),
            orphan: held.record.parent.is_none(),
            num_uses: profile.num_uses,
        }
    }

    /// Issues the first root token, or one that was generated.
    pub(crate) fn make_root_token(&self) -> Result<Secret<String>, Error> {
        let text = token_text();
        let mounts = self.mounts();
        let mount = mounts.at("auth/token/").ok_or(vault_sdk::Error::Bug("no token mount"))?;
        let profile = Profile {
            path: "auth/token/root".to_owned(),
            mount: mount.accessor.clone(),
            policies: vec!["root".to_owned()],
            display_name: "root".to_owned(),
            token_kind: TokenKind::Service,
            ..Profile::default()
        };
        let secret = Secret::new(text.as_str().to_owned());
        self.issue_token(text, profile, None, Seconds::ZERO, Transaction::new())?;
        Ok(secret)
    }

    /// Issues the token of a login.
    pub(crate) fn issue_login(
        &self,
        mount: &MountEntry,
        path: &str,
        auth: Auth,
    ) -> Result<(IssuedAuth, Vec<String>), Error> {
        let mut warnings = Vec::new();
        let mut names = auth.policies.clone();
        if !auth.no_default_policy {
            names.push("default".to_owned());
        }
        let policies = policies::normalise(names.iter().map(String::as_str));
        if policies.iter().any(|name| name == "root") {
            return Err(Error::invalid("auth methods cannot create root tokens"));
        }
        let bounds = Bounds {
            wanted: auth.ttl,
            max: auth.max_ttl,
            explicit_max: auth.explicit_max_ttl,
            period: auth.period,
            mount: mount.ttls(self.system_ttls),
        };
        let ttl = bounds.ttl(Seconds::ZERO, &mut warnings);
        let source = mount.path.trim_start_matches("auth/").replace('/', "-");
        let display_name =
            format!("{source}{}", auth.display_name).trim_end_matches('-').to_owned();
        let token_kind = login_kind(mount, &auth)?;
        let entity = match &auth.alias {
            Some(alias) => {
                let now = super::renew::instant(self.release_time()?).to_rfc3339();
                self.identity.log_in(&mount.accessor, alias, &auth.group_aliases, &now)?.0
            }
            None => String::new(),
        };
        let profile = Profile {
            path: path.to_owned(),
            mount: mount.accessor.clone(),
            role: auth.role,
            entity,
            policies,
            metadata: auth.metadata,
            display_name,
            token_kind,
            renewable: auth.renewable && token_kind != TokenKind::Batch,
            ttl,
            max_ttl: auth.max_ttl,
            explicit_max_ttl: auth.explicit_max_ttl,
            period: auth.period,
            num_uses: auth.num_uses,
            bound_cidrs: auth.bound_cidrs,
            no_default_policy: auth.no_default_policy,
            internal: auth.internal,
            alias: auth.alias,
            group_aliases: auth.group_aliases,
            ..Profile::default()
        };
        let (issued, _) = self.issue_token(token_text(), profile, None, ttl, Transaction::new())?;
        Ok((issued, warnings))
    }

    /// Registers the lease of a secret. A lease without a kind is none: its duration is only shown.
    pub(crate) fn issue_lease(
        &self,
        mount: &MountEntry,
        path: &str,
        token: Option<&Held>,
        lease: Lease,
    ) -> Result<(IssuedLease, Vec<String>), Error> {
        let mut warnings = Vec::new();
        let bounds = Bounds {
            wanted: lease.ttl,
            max: lease.max_ttl,
            mount: mount.ttls(self.system_ttls),
            ..Bounds::default()
        };
        if lease.kind.is_empty() {
            let duration = lease.ttl.or(bounds.mount.0);
            return Ok((IssuedLease { duration, ..IssuedLease::default() }, warnings));
        }
        let now = self.release_time()?;
        let mut ttl = bounds.ttl(Seconds::ZERO, &mut warnings);
        let batch = token.filter(|token| token.is_batch());
        if let Some(batch) = batch {
            // A batch token's leases end with it (CVE-2020-25816).
            ttl = ttl.min(Seconds(batch.record.expires_ms.saturating_sub(now) / 1000));
        }
        let lease_id = format!("{}/{}", path.trim_end_matches('/'), random::base62(24));
        let new = New {
            kind: Kind::Secret,
            profile: Profile {
                path: path.to_owned(),
                mount: mount.accessor.clone(),
                entity: token.map_or_else(String::new, |token| token.profile.entity.clone()),
                renewable: lease.renewable && batch.is_none(),
                ttl,
                max_ttl: lease.max_ttl,
                internal: lease.internal,
                secret_kind: lease.kind,
                ..Profile::default()
            },
            mount_generation: mount.generation,
            entity_generation: token.map_or(0, |token| token.record.entity_generation),
            parent: match batch {
                Some(batch) => batch.record.parent,
                None => token.map(|token| token.key),
            },
            expires_ms: now.saturating_add(millis(ttl)),
            lease_id: lease_id.clone(),
        };
        let mut transaction = Transaction::new();
        self.leases.issue(&lease_id, new, now, &mut transaction)?;
        self.barrier.commit(transaction)?;
        Ok((IssuedLease { lease_id, renewable: lease.renewable, duration: ttl }, warnings))
    }

    /// Puts a reply behind a token that can be used once.
    pub(crate) fn wrap(&self, reply: Reply, ttl: Seconds, path: &str) -> Result<Reply, Error> {
        let text = token_text();
        let key = self.leases.keys.key(&text);
        let wrapped_accessor =
            reply.auth.as_ref().map_or_else(String::new, |auth| auth.accessor.clone());
        let mounts = self.mounts();
        let mount = mounts.at("auth/token/").ok_or(vault_sdk::Error::Bug("no token mount"))?;
        let profile = Profile {
            path: "sys/wrapping/wrap".to_owned(),
            mount: mount.accessor.clone(),
            policies: vec!["response-wrapping".to_owned()],
            token_kind: TokenKind::Service,
            ttl,
            explicit_max_ttl: ttl,
            num_uses: 1,
            wraps: path.to_owned(),
            ..Profile::default()
        };
        let mut also = Transaction::new();
        also.put(wrapping::row(key), wrapping::encode(&reply));
        let (_, held) = self.issue_token(text.clone(), profile, None, ttl, also)?;
        Ok(Reply {
            wrap: Some(IssuedWrap {
                token: text,
                accessor: self.leases.keys.accessor(key),
                ttl,
                creation_time: Instant(held.record.issued_ms.saturating_mul(1_000_000)),
                creation_path: path.to_owned(),
                wrapped_accessor,
            }),
            ..Reply::default()
        })
    }
}
