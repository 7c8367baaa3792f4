//! `sys/leases`: leases looked up, listed, renewed and revoked.

use serde_json::{Value, json};
use vault_sdk::table::{Call, Field, Path};
use vault_sdk::{Operation, Response};
use zeroize::Zeroizing;

use super::System;
use crate::Error;
use crate::core::native::{Outcome, done};
use crate::core::renew::{instant, lease_id_of};
use crate::lease::{Held, Kind, Revocation, RevocationKind};

pub(super) fn paths() -> Vec<Path<System>> {
    let lease_id = || Field::string("lease_id", "The lease.");
    let increment = || Field::seconds("increment", "Wanted life time from now.");
    let sync = || Field::bool("sync", "Waits until secrets are ended at their sources.");
    let renew = |pattern| {
        Path::new(pattern)
            .help("Renews a lease.", "")
            .fields([lease_id(), increment()])
            .on(Operation::Update, |system: &System, call| done(system.renew(call)))
    };
    let revoke = |pattern| {
        Path::new(pattern)
            .help("Revokes a lease.", "")
            .fields([lease_id(), sync()])
            .on(Operation::Update, |system: &System, call| done(system.revoke(call)))
    };
    let revoke_prefix = |pattern| {
        Path::new(pattern)
            .help("Revokes all leases below a path, at once.", "")
            .sudo()
            .field(sync())
            .on(Operation::Update, |system: &System, call| done(system.revoke_prefix(call, false)))
    };
    let revoke_force = |pattern| {
        Path::new(pattern)
            .help("Revokes all leases below a path, whatever their engines say.", "")
            .sudo()
            .on(Operation::Update, |system: &System, call| done(system.revoke_prefix(call, true)))
    };
    vec![
        Path::new("leases/lookup")
            .help("Looks a lease up.", "")
            .field(lease_id())
            .on(Operation::Update, |system: &System, call| done(system.lookup_lease(call))),
        Path::new("leases/lookup/{prefix...?}")
            .help("Lists leases below a path.", "")
            .sudo()
            .on(Operation::List, |system: &System, call| done(system.list_leases(call.text("prefix")))),
        renew("leases/renew"),
        renew("leases/renew/{lease_id...}"),
        renew("renew"),
        renew("renew/{lease_id...}"),
        revoke("leases/revoke"),
        revoke("leases/revoke/{lease_id...}"),
        revoke("revoke"),
        revoke("revoke/{lease_id...}"),
        revoke_prefix("leases/revoke-prefix/{prefix...}"),
        revoke_prefix("revoke-prefix/{prefix...}"),
        revoke_force("leases/revoke-force/{prefix...}"),
        revoke_force("revoke-force/{prefix...}"),
        Path::new("leases/revoke-by")
            .help("Revokes by entity, role, mount, or everything issued before a time; in force at once.", "")
            .sudo()
            .fields([
                Field::string("entity_id", "All of this entity."),
                Field::string("mount_accessor", "All of this mount; with role, of this role."),
                Field::string("role", "With mount_accessor."),
                Field::bool("all", "Everything that was issued until now."),
            ])
            .on(Operation::Update, |system: &System, call| done(system.revoke_by(call))),
        Path::new("leases/tidy")
            .help("Removes what is left over. It happens by itself; this only answers.", "")
            .on(Operation::Update, |_, _| {
                done(Ok(Response::empty().warn("Tidy operation successfully started. Any information from the operation will be printed to Vault's server logs.")))
            }),
    ]
}

impl System {
    fn lease(&self, call: &Call<'_>) -> Result<Held, Error> {
        let id = call.text("lease_id");
        if id.is_empty() {
            return Err(Error::invalid("lease_id must be specified"));
        }
        self.0.active.find_lease(id)?.ok_or_else(|| Error::invalid("invalid lease"))
    }

    fn lookup_lease(&self, call: &Call<'_>) -> Result<Response, Error> {
        let held = self.lease(call)?;
        let record = &held.record;
        let time = |ms: u64| if ms == 0 { Value::Null } else { instant(ms).to_rfc3339().into() };
        Ok(Response::json(json!({
            "id": lease_id_of(&held),
            "issue_time": time(record.issued_ms),
            "expire_time": time(record.expires_ms),
            "last_renewal": time(record.renewed_ms),
            "renewable": held.profile.renewable,
            "ttl": record.expires_ms.saturating_sub(self.0.active.now()) / 1000,
        })))
    }

    fn renew(&self, call: &Call<'_>) -> Result<Response, Error> {
        let held = self.lease(call)?;
        let (active, increment) = (&self.0.active, call.seconds("increment"));
        if held.record.kind == Kind::Token {
            let connection = &call.request.connection;
            let (auth, warnings) =
                active.renew_token(&held, increment, connection, Zeroizing::default())?;
            self.0.give(Outcome::Auth(auth));
            return Ok(Response { warnings, ..Response::empty() });
        }
        let (lease, warnings) = active.renew_lease(&held, increment)?;
        self.0.give(Outcome::Lease(lease));
        Ok(Response { warnings, ..Response::empty() })
    }

    fn revoke(&self, call: &Call<'_>) -> Result<Response, Error> {
        let id = call.text("lease_id");
        if id.is_empty() {
            return Err(Error::invalid("lease_id must be specified"));
        }
        if let Some(held) = self.0.active.find_lease(id)? {
            self.0.active.revoke(held.key)?;
        }
        Ok(Response::empty())
    }

    fn revoke_prefix(&self, call: &Call<'_>, force: bool) -> Result<Response, Error> {
        let prefix = call.text("prefix").trim_end_matches('/');
        if let Some(held) = self.0.active.find_lease(prefix)? {
            self.0.active.revoke(held.key)?;
        }
        self.put_in_force(RevocationKind::Prefix, prefix, force)
    }

    fn revoke_by(&self, call: &Call<'_>) -> Result<Response, Error> {
        let (entity, mount, role) =
            (call.text("entity_id"), call.text("mount_accessor"), call.text("role"));
        match (entity, mount, role, call.bool("all")) {
            ("", "", "", true) => self.put_in_force(RevocationKind::Sequence, "", false),
            ("", "", ..) | (_, _, _, true) => Err(Error::invalid(
                "exactly one of entity_id, mount_accessor and all must be given",
            )),
            (entity, "", "", false) => self.put_in_force(RevocationKind::Entity, entity, false),
            ("", mount, "", false) => self.put_in_force(RevocationKind::Mount, mount, false),
            ("", mount, role, false) => {
                self.put_in_force(RevocationKind::Role, &format!("{mount}/{role}"), false)
            }
            _ => Err(Error::invalid("entity_id goes with nothing else")),
        }
    }

    fn put_in_force(
        &self,
        kind: RevocationKind,
        target: &str,
        force: bool,
    ) -> Result<Response, Error> {
        let active = &self.0.active;
        active.leases.revoke(Revocation {
            kind,
            target: target.to_owned(),
            below: active.barrier.next_sequence(),
            started_ms: active.now(),
            force,
        })?;
        Ok(Response::empty())
    }

    /// One level of lease ids below a prefix. What is not valid is not there.
    fn list_leases(&self, prefix: &str) -> Result<Response, Error> {
        let active = &self.0.active;
        let now = active.now();
        let mut names: Vec<String> = Vec::new();
        let mut after = Vec::new();
        let start = [&[1, b'o'], prefix.as_bytes()].concat();
        loop {
            let hints = active.leases.hinted(b'o', prefix.as_bytes(), &after, 256)?;
            if hints.is_empty() {
                break;
            }
            for (hint, key) in hints {
                after.clone_from(&hint);
                let Some(held) = active.leases.find(key, now, &**active)? else { continue };
                let id = lease_id_of(&held);
                let Some(rest) = id.strip_prefix(prefix) else { continue };
                match rest.split_once('/') {
                    Some((segment, _)) => {
                        let name = format!("{segment}/");
                        // One name for all below it: go on behind them.
                        after = [start.as_slice(), segment.as_bytes(), &[b'/', 0xff]].concat();
                        if !names.contains(&name) {
                            names.push(name);
                        }
                        break;
                    }
                    None => names.push(rest.to_owned()),
                }
            }
        }
        names.sort_unstable();
        names.dedup();
        Ok(Response::list(names))
    }
}
