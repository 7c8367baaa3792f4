//! Leases in the store.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use super::record::SPENT;
use super::{Kind, LeaseKey, Profile, ProfileId, Record, Revocation, Revocations, TokenKeys};
use crate::Error;
use crate::barrier::{self, Barrier, Expect, Transaction};
use crate::hex;

/// Records are below it.
pub(crate) const PREFIX: &str = "lease/";
/// Row of the revocations.
const REVOCATIONS: &str = "core/revocations";
/// Parents above a token that are looked at.
const DEPTH_MAX: usize = 1000;
/// Profiles kept in memory.
const PROFILES_MAX: usize = 20_000;

/// What a lease's validity rests on besides its record.
pub(crate) trait Ground {
    /// Generation of the mount with this accessor.
    fn mount_generation(&self, accessor: &str) -> Option<u64>;
    /// Generation of the entity with this id, if it is there and not disabled.
    fn entity_generation(&self, id: &str) -> Result<Option<u64>, Error>;
}

/// A lease as it was read.
#[derive(Clone, Debug)]
pub(crate) struct Held {
    pub(crate) key: LeaseKey,
    /// Of the row.
    pub(crate) version: u64,
    pub(crate) record: Record,
    pub(crate) profile: Arc<Profile>,
}

/// A lease to be issued.
#[derive(Clone, Debug)]
pub(crate) struct New {
    pub(crate) kind: Kind,
    pub(crate) profile: Profile,
    pub(crate) mount_generation: u64,
    pub(crate) entity_generation: u64,
    pub(crate) parent: Option<LeaseKey>,
    /// 0: never.
    pub(crate) expires_ms: u64,
    /// Of a secret.
    pub(crate) lease_id: String,
}

impl Held {
    /// Whether it is a token without a record.
    pub(crate) fn is_batch(&self) -> bool {
        self.profile.token_kind == vault_sdk::TokenKind::Batch
    }
}

/// All leases.
#[derive(Debug)]
pub(crate) struct Leases {
    barrier: Arc<Barrier>,
    pub(crate) keys: TokenKeys,
    profiles: RwLock<HashMap<ProfileId, Arc<Profile>>>,
    revocations: RwLock<Arc<Revocations>>,
    /// Held while the revocations are changed.
    revoking: Mutex<()>,
}

fn row_key(key: LeaseKey) -> String {
    format!("{PREFIX}{}", key.to_hex())
}

fn profile_key(id: ProfileId) -> String {
    format!("profile/{}", hex::encode(&id.0))
}

fn tampered(key: String, reason: &'static str) -> Error {
    barrier::Error::Tampered { key, reason }.into()
}

/// The hints of a record.
fn hints(key: LeaseKey, record: &Record, profile: &Profile) -> Vec<Vec<u8>> {
    let mut hints = Vec::with_capacity(5);
    let mut hint = |letter: u8, parts: &[&[u8]]| {
        let mut hint = vec![1, letter];
        parts.iter().for_each(|part| hint.extend_from_slice(part));
        hint.extend_from_slice(&key.0);
        hints.push(hint);
    };
    if record.expires_ms != 0 {
        hint(b'x', &[&record.expires_ms.to_be_bytes()]);
    }
    if let Some(parent) = record.parent {
        hint(b'p', &[&parent.0]);
    }
    hint(b'o', &[profile.path.as_bytes(), b"/"]);
    if !profile.entity.is_empty() {
        hint(b'e', &[profile.entity.as_bytes(), b"/"]);
    }
    if !profile.role.is_empty() {
        hint(b'r', &[profile.mount.as_bytes(), b"/", profile.role.as_bytes(), b"/"]);
    }
    hints
}

impl Leases {
    pub(crate) fn load(barrier: Arc<Barrier>) -> Result<Self, Error> {
        let keys = TokenKeys::new(barrier.ring().derived("lease"));
        let row = barrier.get(REVOCATIONS)?;
        let row = row.ok_or_else(|| tampered(REVOCATIONS.into(), "the revocations are missing"))?;
        let revocations = serde_json::from_slice(&row.content)
            .map_err(|_| tampered(REVOCATIONS.into(), "the revocations are malformed"))?;
        Ok(Leases {
            barrier,
            keys,
            profiles: RwLock::default(),
            revocations: RwLock::new(Arc::new(revocations)),
            revoking: Mutex::default(),
        })
    }

    /// Adds the rows of a store without leases.
    pub(crate) fn initialise(transaction: &mut Transaction) {
        let none = serde_json::to_vec(&Revocations::default()).unwrap_or_default();
        transaction.put(REVOCATIONS, none);
    }

    pub(crate) fn get(&self, key: LeaseKey) -> Result<Option<Held>, Error> {
        let name = row_key(key);
        let Some(row) = self.barrier.get(&name)? else { return Ok(None) };
        let record =
            Record::decode(&row.content).ok_or_else(|| tampered(name, "not a lease record"))?;
        let profile = self.profile(record.profile)?;
        Ok(Some(Held { key, version: row.version, record, profile }))
    }

    fn profile(&self, id: ProfileId) -> Result<Arc<Profile>, Error> {
        if let Some(profile) = self.profiles.read().unwrap_or_else(PoisonError::into_inner).get(&id)
        {
            return Ok(Arc::clone(profile));
        }
        let key = profile_key(id);
        let row = self
            .barrier
            .get(&key)?
            .ok_or_else(|| tampered(key.clone(), "the profile is missing"))?;
        let profile: Profile =
            serde_json::from_slice(&row.content).map_err(|_| tampered(key, "not a profile"))?;
        let profile = Arc::new(profile);
        self.remember(id, &profile);
        Ok(profile)
    }

    fn remember(&self, id: ProfileId, profile: &Arc<Profile>) {
        let mut profiles = self.profiles.write().unwrap_or_else(PoisonError::into_inner);
        if profiles.len() >= PROFILES_MAX {
            profiles.clear();
        }
        profiles.insert(id, Arc::clone(profile));
    }

    /// The revocations in force.
    pub(crate) fn revocations(&self) -> Arc<Revocations> {
        Arc::clone(&self.revocations.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Whether a lease is valid: every fact it rests on is there.
    pub(crate) fn is_valid(
        &self,
        held: &Held,
        now_ms: u64,
        ground: &dyn Ground,
    ) -> Result<bool, Error> {
        let revocations = self.revocations();
        if !Self::stands(held, now_ms, ground, &revocations)? {
            return Ok(false);
        }
        let mut parent = held.record.parent;
        for _ in 0..DEPTH_MAX {
            let Some(key) = parent else { return Ok(true) };
            let Some(above) = self.get(key)? else { return Ok(false) };
            if !Self::stands(&above, now_ms, ground, &revocations)? {
                return Ok(false);
            }
            parent = above.record.parent;
        }
        Ok(false)
    }

    /// The rules of validity that concern the record alone.
    fn stands(
        held: &Held,
        now_ms: u64,
        ground: &dyn Ground,
        revocations: &Revocations,
    ) -> Result<bool, Error> {
        let (record, profile) = (&held.record, &held.profile);
        let never_ends = record.expires_ms == 0 && record.kind == Kind::Token && profile.is_root();
        let in_time = never_ends || now_ms < record.expires_ms;
        let mounted = ground.mount_generation(&profile.mount) == Some(record.mount_generation);
        if !in_time || !mounted || revocations.cover(record, profile) {
            return Ok(false);
        }
        if profile.entity.is_empty() {
            return Ok(true);
        }
        Ok(ground.entity_generation(&profile.entity)? == Some(record.entity_generation))
    }

    /// Returns the lease, if it is there and valid.
    pub(crate) fn find(
        &self,
        key: LeaseKey,
        now_ms: u64,
        ground: &dyn Ground,
    ) -> Result<Option<Held>, Error> {
        let Some(held) = self.get(key)? else { return Ok(None) };
        Ok(if self.is_valid(&held, now_ms, ground)? { Some(held) } else { None })
    }

    /// The record of a token that is not stored.
    pub(crate) fn unstored(&self, new: &New, now_ms: u64) -> Record {
        Record {
            kind: new.kind,
            sequence: self.barrier.next_sequence(),
            mount_generation: new.mount_generation,
            entity_generation: new.entity_generation,
            parent: new.parent,
            profile: new.profile.encode().0,
            issued_ms: now_ms,
            renewed_ms: 0,
            expires_ms: new.expires_ms,
            uses: 0,
            tail: String::new(),
        }
    }

    /// Adds a new lease with this identifier (token or lease id) to a transaction.
    pub(crate) fn issue(
        &self,
        id: &str,
        new: New,
        now_ms: u64,
        transaction: &mut Transaction,
    ) -> Result<Held, Error> {
        let key = self.keys.key(id);
        let (profile_id, bytes) = new.profile.encode();
        let profile_row = profile_key(profile_id);
        if self.barrier.version(&profile_row)?.is_none() {
            transaction.put(profile_row, bytes);
        }
        let uses = u32::try_from(new.profile.num_uses).unwrap_or(SPENT - 1);
        let record = Record {
            kind: new.kind,
            sequence: self.barrier.next_sequence(),
            mount_generation: new.mount_generation,
            entity_generation: new.entity_generation,
            parent: new.parent,
            profile: profile_id,
            issued_ms: now_ms,
            renewed_ms: 0,
            expires_ms: new.expires_ms,
            uses,
            tail: new.lease_id,
        };
        let profile = Arc::new(new.profile);
        transaction.put(row_key(key), record.encode()).expect(row_key(key), Expect::Absent);
        for hint in hints(key, &record, &profile) {
            transaction.hint(hint);
        }
        self.remember(profile_id, &profile);
        Ok(Held { key, version: 0, record, profile })
    }

    /// Replaces a lease's record, unless somebody else did meanwhile.
    pub(crate) fn replace(&self, held: &Held, record: Record) -> Result<Held, Error> {
        let mut transaction = Transaction::new();
        transaction.put(row_key(held.key), record.encode());
        transaction.expect(row_key(held.key), Expect::Version(held.version));
        let (before, after) =
            (hints(held.key, &held.record, &held.profile), hints(held.key, &record, &held.profile));
        for hint in before.iter().filter(|hint| !after.contains(hint)) {
            transaction.unhint(hint.clone());
        }
        for hint in after.iter().filter(|hint| !before.contains(hint)) {
            transaction.hint(hint.clone());
        }
        let version = self.barrier.commit(transaction)?;
        Ok(Held { key: held.key, version, record, profile: Arc::clone(&held.profile) })
    }

    /// Counts one use of a token. `false` if none was left.
    pub(crate) fn spend(&self, held: &Held) -> Result<bool, Error> {
        let mut held = held.clone();
        loop {
            let uses = match held.record.uses {
                0 => return Ok(true),
                SPENT => return Ok(false),
                1 => SPENT,
                more => more - 1,
            };
            let record = Record { uses, ..held.record.clone() };
            match self.replace(&held, record) {
                Ok(_) => return Ok(true),
                Err(Error::Barrier(barrier::Error::Conflict { .. })) => {}
                Err(error) => return Err(error),
            }
            match self.get(held.key)? {
                Some(newer) => held = newer,
                None => return Ok(false),
            }
        }
    }

    /// Adds the removal of a lease's rows to a transaction.
    pub(crate) fn remove(held: &Held, transaction: &mut Transaction) {
        transaction.delete(row_key(held.key));
        for hint in hints(held.key, &held.record, &held.profile) {
            transaction.unhint(hint);
        }
    }

    /// Puts a revocation in force.
    pub(crate) fn revoke(&self, revocation: Revocation) -> Result<(), Error> {
        self.change_revocations(|entries| entries.push(revocation))
    }

    /// Forgets revocations that are swept up.
    pub(crate) fn forget(&self, done: &Revocation) -> Result<(), Error> {
        self.change_revocations(|entries| entries.retain(|entry| entry != done))
    }

    fn change_revocations(&self, change: impl FnOnce(&mut Vec<Revocation>)) -> Result<(), Error> {
        let _revoking = self.revoking.lock().unwrap_or_else(PoisonError::into_inner);
        let mut revocations = (*self.revocations()).clone();
        change(&mut revocations.entries);
        let mut transaction = Transaction::new();
        transaction.put(REVOCATIONS, serde_json::to_vec(&revocations).unwrap_or_default());
        self.barrier.commit(transaction)?;
        *self.revocations.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(revocations);
        Ok(())
    }

    /// Keys of the leases that hints of this kind and prefix name, after `after`; they may be wrong.
    pub(crate) fn hinted(
        &self,
        letter: u8,
        prefix: &[u8],
        after: &[u8],
        limit: usize,
    ) -> Result<Vec<(Vec<u8>, LeaseKey)>, Error> {
        let prefix = [&[1, letter], prefix].concat();
        let hints = self.barrier.hints(&prefix, after, limit)?;
        let named = hints.into_iter().filter_map(|hint| {
            let key = LeaseKey(*hint.last_chunk()?);
            Some((hint, key))
        });
        Ok(named.collect())
    }

    /// Keys of all records from `from` on.
    pub(crate) fn all(&self, from: &str, limit: usize) -> Result<Vec<LeaseKey>, Error> {
        let keys = self.barrier.keys(PREFIX, from, limit)?;
        let parse = |key: &String| LeaseKey::from_hex(key.strip_prefix(PREFIX)?);
        Ok(keys.iter().filter_map(parse).collect())
    }
}
