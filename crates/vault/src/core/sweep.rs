//! Removing what is no longer valid: at once what was asked for, in the background what follows from it.

use vault_sdk::{Context, Lease};

use super::active::Active;
use super::handle::engine_wait;
use crate::Error;
use crate::barrier::Transaction;
use crate::lease::{Held, Kind, LeaseKey, Leases, Revocation};
use crate::wrapping;

/// Records that one pass removes, or looks at.
const PASS: usize = 256;

impl Active {
    /// Removes a lease, after which it and everything below it is invalid, and then what is below
    /// it. What does not fit one pass is left to the sweep.
    pub(crate) fn revoke(&self, key: LeaseKey) -> Result<(), Error> {
        let Some(held) = self.leases.get(key)? else { return Ok(()) };
        if let Err(error) = self.remove(&held) {
            self.retire(&held)?;
            return Err(error);
        }
        let mut below = vec![key];
        let mut removed = 0;
        while let Some(parent) = below.pop() {
            for (hint, child) in self.leases.hinted(b'p', &parent.0, &[], PASS)? {
                removed += 1;
                if removed > PASS {
                    return Ok(());
                }
                match self.leases.get(child)? {
                    Some(held) if held.record.parent == Some(parent) => {
                        // Invalid already, for its parent is gone; what is left is tried again.
                        if self.remove(&held).is_err() {
                            self.retire(&held)?;
                        }
                        below.push(child);
                    }
                    _ => {
                        let mut transaction = Transaction::new();
                        transaction.unhint(hint);
                        self.barrier.commit(transaction)?;
                    }
                }
            }
        }
        Ok(())
    }

    /// Ends the life of a lease whose secret could not be ended: it is invalid now, and the rounds of
    /// expiry try again.
    fn retire(&self, held: &Held) -> Result<(), Error> {
        let now = self.now().max(1);
        if held.record.expires_ms > now {
            let record = crate::lease::Record { expires_ms: now, ..held.record.clone() };
            self.leases.replace(held, record)?;
        }
        Ok(())
    }

    /// Makes the children of a token orphans, so that they outlive it.
    pub(crate) fn orphan_children(&self, parent: LeaseKey) -> Result<(), Error> {
        loop {
            let hinted = self.leases.hinted(b'p', &parent.0, &[], PASS)?;
            if hinted.is_empty() {
                return Ok(());
            }
            for (hint, child) in hinted {
                match self.leases.get(child)? {
                    Some(held) if held.record.parent == Some(parent) => {
                        let record = crate::lease::Record { parent: None, ..held.record.clone() };
                        self.leases.replace(&held, record)?;
                    }
                    _ => {
                        let mut transaction = Transaction::new();
                        transaction.unhint(hint);
                        self.barrier.commit(transaction)?;
                    }
                }
            }
        }
    }

    /// Removes one record; ends a secret at its source first.
    fn remove(&self, held: &Held) -> Result<(), Error> {
        if held.record.kind == Kind::Secret {
            self.end_secret(held)?;
        }
        let mut transaction = Transaction::new();
        Leases::remove(held, &mut transaction);
        if !held.profile.wraps.is_empty() {
            transaction.delete(wrapping::row(held.key));
        }
        self.barrier.commit(transaction)?;
        if held.record.kind == Kind::Token {
            self.forget_token(held)?;
        }
        Ok(())
    }

    /// What belonged to a token alone goes with it: its cubbyhole.
    fn forget_token(&self, held: &Held) -> Result<(), Error> {
        let mounts = self.mounts();
        for entry in mounts.iter().filter(|entry| entry.kind == "cubbyhole") {
            let Some(engine) = self.engine(entry) else { continue };
            let (storage, view) = (self.storage(entry), entry.view(self.system_ttls));
            let context = Context { storage: &storage, mount: &view, system: self };
            engine_wait(engine.forget_token(&held.key.to_hex(), context))?;
        }
        Ok(())
    }

    fn end_secret(&self, held: &Held) -> Result<(), Error> {
        let mounts = self.mounts();
        let Some(entry) = mounts.by_accessor(&held.profile.mount) else { return Ok(()) };
        let Some(engine) = self.engine(entry) else { return Ok(()) };
        let (storage, view) = (self.storage(entry), entry.view(self.system_ttls));
        let context = Context { storage: &storage, mount: &view, system: self };
        Ok(engine_wait(engine.revoke(&lease_of(held), context))?)
    }

    /// One round of everything that is due.
    pub(crate) fn tick(&self) {
        // Failures are met again in the next round.
        let _ = self.expire();
        let _ = self.sweep_revocations();
        let now = self.now();
        let _ = self.audit.tick(now);
        if self.barrier.is_rotation_due(now) {
            let root_key = self.root_key.read().unwrap_or_else(std::sync::PoisonError::into_inner);
            let _ = self.barrier.rotate(&root_key, now);
        }
    }

    /// Removes leases whose time is over, oldest first. One that cannot be ended at its source does
    /// not keep the others; it is tried again in the next round.
    fn expire(&self) -> Result<(), Error> {
        let now = self.now();
        let mut after = Vec::new();
        loop {
            let hinted = self.leases.hinted(b'x', &[], &after, PASS)?;
            let Some((last, _)) = hinted.last() else { return Ok(()) };
            after.clone_from(last);
            for (hint, key) in hinted {
                let due = hint.get(2..10).and_then(|bytes| bytes.try_into().ok());
                if due.map(u64::from_be_bytes).is_none_or(|due| due > now) {
                    return Ok(());
                }
                match self.leases.get(key)? {
                    Some(held) if held.record.expires_ms != 0 && held.record.expires_ms <= now => {
                        let _ = self.revoke(key);
                    }
                    _ => {
                        let mut transaction = Transaction::new();
                        transaction.unhint(hint);
                        self.barrier.commit(transaction)?;
                    }
                }
            }
        }
    }

    /// Removes what revocations cover, and then the revocations. What cannot be ended at its source
    /// stays, invalid, with its revocation, unless that was forced.
    fn sweep_revocations(&self) -> Result<(), Error> {
        let revocations = self.leases.revocations();
        if revocations.entries.is_empty() {
            return Ok(());
        }
        let mut is_clean = vec![true; revocations.entries.len()];
        let mut from = String::new();
        loop {
            let keys = self.leases.all(&from, PASS)?;
            let Some(last) = keys.last() else { break };
            from = format!("{}{}\0", crate::lease::PREFIX, last.to_hex());
            for key in keys {
                let Some(held) = self.leases.get(key)? else { continue };
                let covers = |entry: &Revocation| entry.covers(&held.record, &held.profile);
                let covering: Vec<usize> = (0..revocations.entries.len())
                    .filter(|index| covers(&revocations.entries[*index]))
                    .collect();
                if covering.is_empty() || self.revoke(key).is_ok() {
                    continue;
                }
                if covering.iter().any(|index| revocations.entries[*index].force) {
                    let mut transaction = Transaction::new();
                    Leases::remove(&held, &mut transaction);
                    self.barrier.commit(transaction)?;
                } else {
                    covering.into_iter().for_each(|index| is_clean[index] = false);
                }
            }
        }
        for (done, _) in revocations.entries.iter().zip(is_clean).filter(|(_, is_clean)| *is_clean)
        {
            self.leases.forget(done)?;
        }
        Ok(())
    }
}

/// A secret's lease as its engine knows it.
pub(crate) fn lease_of(held: &Held) -> Lease {
    Lease {
        kind: held.profile.secret_kind.clone(),
        ttl: held.profile.ttl,
        max_ttl: held.profile.max_ttl,
        renewable: held.profile.renewable,
        internal: held.profile.internal.clone(),
    }
}
