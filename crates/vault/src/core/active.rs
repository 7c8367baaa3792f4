//! The unsealed server: everything that needs the barrier.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use crypto::Secret;
use vault_sdk::time::{Instant, Seconds};
use vault_sdk::{Boxed, Data, MountClass, Outbound, System};

use super::{Engines, Setup};
use crate::audit::Audit;
use crate::barrier::{Barrier, Transaction};
use crate::identity::Identity;
use crate::lease::{Ground, Held, Leases, ProfileId, Revocation, RevocationKind};
use crate::lockout::Lockout;
use crate::mount::{MountEntry, MountTable};
use crate::mount_storage::MountStorage;
use crate::passwords::PasswordPolicy;
use crate::policies::Policies;
use crate::policy::Acl;
use crate::quotas::Quotas;
use crate::time::{ClockState, HostClock, TrustedTime};
use crate::{Error, random};

/// Bound ACLs that are kept.
const ACLS_MAX: usize = 10_000;

/// The unsealed server.
pub(crate) struct Active {
    pub(crate) barrier: Arc<Barrier>,
    pub(crate) root_key: RwLock<Secret<[u8; 32]>>,
    pub(crate) leases: Leases,
    pub(crate) policies: Policies,
    pub(crate) audit: Audit,
    pub(crate) identity: Identity,
    pub(crate) quotas: Quotas,
    pub(crate) lockout: Lockout,
    pub(crate) time: TrustedTime,
    pub(crate) system_ttls: (Seconds, Seconds),
    /// Whether this store was restored from a snapshot and nobody has a token since.
    pub(crate) is_restored: bool,
    mounts: RwLock<Arc<MountTable>>,
    /// Held while mounts change.
    pub(crate) mounting: Mutex<()>,
    /// By [`engine_key`].
    engines: RwLock<HashMap<String, Arc<dyn vault_sdk::Backend>>>,
    acls: RwLock<AclCache>,
    clock: Arc<dyn HostClock>,
    outbound: Arc<dyn Outbound>,
}

#[derive(Default)]
struct AclCache {
    /// Generations of policies and identity.
    generations: (u64, u64),
    bound: HashMap<ProfileId, Arc<Acl>>,
}

impl Active {
    /// Writes what a new store begins with.
    pub(crate) fn found(
        barrier: Barrier,
        root_key: Secret<[u8; 32]>,
        setup: &Setup,
    ) -> Result<Self, Error> {
        let mut transaction = Transaction::new();
        MountTable::initial(&barrier).store(&mut transaction);
        Leases::initialise(&mut transaction);
        Policies::initialise(&mut transaction);
        Audit::initialise(&mut transaction);
        Identity::initialise(&mut transaction);
        barrier.commit(transaction)?;
        Self::open(barrier, root_key, setup)
    }

    /// Reads what an opened store has.
    pub(crate) fn open(
        barrier: Barrier,
        root_key: Secret<[u8; 32]>,
        setup: &Setup,
    ) -> Result<Self, Error> {
        let barrier = Arc::new(barrier);
        let mounts = MountTable::load(&barrier)?;
        let time = TrustedTime::new(barrier.time_floor_ms());
        let active = Active {
            root_key: RwLock::new(root_key),
            leases: Leases::load(Arc::clone(&barrier))?,
            policies: Policies::new(Arc::clone(&barrier)),
            identity: Identity::load(Arc::clone(&barrier))?,
            quotas: Quotas::load(Arc::clone(&barrier))?,
            lockout: Lockout::default(),
            audit: Audit::load(Arc::clone(&barrier), setup.clock.wall_ms())?,
            time,
            system_ttls: (setup.settings.default_lease_ttl, setup.settings.max_lease_ttl),
            is_restored: false,
            mounts: RwLock::new(Arc::new(MountTable::default())),
            mounting: Mutex::default(),
            engines: RwLock::default(),
            acls: RwLock::default(),
            clock: Arc::clone(&setup.clock),
            outbound: Arc::clone(&setup.outbound),
            barrier,
        };
        active.now();
        active.set_mounts(mounts, &setup.engines);
        Ok(active)
    }

    /// After a snapshot was restored: whatever was issued before is void.
    pub(crate) fn begin_anew(&mut self) -> Result<(), Error> {
        self.leases.revoke(Revocation {
            kind: RevocationKind::Sequence,
            target: "root".to_owned(),
            below: self.barrier.next_sequence(),
            started_ms: self.now(),
            force: true,
        })?;
        self.is_restored = true;
        Ok(())
    }

    /// The trusted time in milliseconds, and what it is worth.
    pub(crate) fn clock(&self) -> (u64, ClockState) {
        let (now, state) = self.time.observe(self.clock.wall_ms(), self.clock.monotonic_ms());
        self.barrier.raise_time_floor(now);
        (now, state)
    }

    /// The trusted time in milliseconds.
    pub(crate) fn now(&self) -> u64 {
        self.clock().0
    }

    /// The trusted time, if something may be released now.
    pub(crate) fn release_time(&self) -> Result<u64, Error> {
        match self.clock() {
            (now, ClockState::Steady) => Ok(now),
            (_, ClockState::Backward) => Err(Error::Clock("it was set back")),
            (_, ClockState::Jump) => Err(Error::Clock("it went ahead too far")),
        }
    }

    /// The mount table as it is now.
    pub(crate) fn mounts(&self) -> Arc<MountTable> {
        Arc::clone(&self.mounts.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Takes a mount table that is committed, and makes the engines that it adds.
    pub(crate) fn set_mounts(&self, table: MountTable, kinds: &Engines) {
        let mut engines = self.engines.write().unwrap_or_else(PoisonError::into_inner);
        engines.retain(|key, _| table.iter().any(|entry| engine_key(entry) == *key));
        for entry in table.iter() {
            let key = engine_key(entry);
            if !engines.contains_key(&key)
                && let Some(engine) = kinds.make(entry.class, &entry.kind, &entry.options)
            {
                engines.insert(key, engine);
            }
        }
        drop(engines);
        *self.mounts.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(table);
    }

    /// The engine of a mount; `None` for the core's own, and for kinds that are gone.
    pub(crate) fn engine(&self, entry: &MountEntry) -> Option<Arc<dyn vault_sdk::Backend>> {
        let engines = self.engines.read().unwrap_or_else(PoisonError::into_inner);
        engines.get(&engine_key(entry)).cloned()
    }

    /// Storage of a mount.
    pub(crate) fn storage(&self, entry: &MountEntry) -> MountStorage {
        MountStorage::new(Arc::clone(&self.barrier), entry.storage_prefix())
    }

    /// All policies of a token: its own and those of its entity.
    pub(crate) fn policies_of(&self, token: &Held) -> (Vec<String>, Vec<String>) {
        let profile = &token.profile;
        if profile.entity.is_empty() {
            return (profile.policies.clone(), Vec::new());
        }
        let of_identity = self.identity.state().policies(&profile.entity);
        let names = profile.policies.iter().chain(&of_identity).map(String::as_str);
        (crate::policies::normalise(names), of_identity)
    }

    /// The policies of a token, bound.
    pub(crate) fn acl(&self, token: &Held) -> Result<Arc<Acl>, Error> {
        let generations = (self.policies.generation(), self.identity.generation());
        {
            let acls = self.acls.read().unwrap_or_else(PoisonError::into_inner);
            if let Some(acl) = acls.bound.get(&token.record.profile)
                && acls.generations == generations
            {
                return Ok(Arc::clone(acl));
            }
        }
        let acl = Arc::new(self.bind(token)?);
        let mut acls = self.acls.write().unwrap_or_else(PoisonError::into_inner);
        if acls.generations != generations || acls.bound.len() >= ACLS_MAX {
            *acls = AclCache { generations, bound: HashMap::new() };
        }
        acls.bound.insert(token.record.profile, Arc::clone(&acl));
        Ok(acl)
    }

    fn bind(&self, token: &Held) -> Result<Acl, Error> {
        let (names, _) = self.policies_of(token);
        if names.iter().any(|name| name == "root") {
            return Ok(Acl::root());
        }
        let mut policies = Vec::new();
        for name in &names {
            policies.extend(self.policies.get(name)?);
        }
        let subject = self.identity.state().subject(&token.profile.entity);
        Ok(Acl::bind(&policies, subject.as_ref()))
    }
}

/// What an engine belongs to: a mount, in the version that its options name. An upgrade makes another engine.
fn engine_key(entry: &MountEntry) -> String {
    let version = entry.options.get("version").map_or("", String::as_str);
    format!("{} {version}", entry.uuid)
}

impl Active {
    fn make_password(&self, policy: Option<&str>) -> Result<String, Error> {
        let Some(name) = policy else { return Ok(PasswordPolicy::default().generate()) };
        let row = self.barrier.get(&format!("password-policy/{name}"))?;
        let row = row.ok_or_else(|| Error::Invalid(format!("no password policy {name:?}")))?;
        Ok(PasswordPolicy::parse(&String::from_utf8_lossy(&row.content))?.generate())
    }
}

impl Ground for Active {
    fn mount_generation(&self, accessor: &str) -> Option<u64> {
        self.mounts().by_accessor(accessor).map(|entry| entry.generation)
    }

    fn entity_generation(&self, id: &str) -> Result<Option<u64>, Error> {
        let state = self.identity.state();
        let entity = state.entities.get(id).filter(|entity| !entity.disabled);
        Ok(entity.map(|entity| entity.generation))
    }
}

impl System for Active {
    fn now(&self) -> Instant {
        Instant(Active::now(self).saturating_mul(1_000_000))
    }

    fn random(&self, bytes: &mut [u8]) {
        random::fill(bytes);
    }

    fn password<'a>(
        &'a self,
        policy: Option<&'a str>,
    ) -> Boxed<'a, Result<String, vault_sdk::Error>> {
        Box::pin(std::future::ready(self.make_password(policy).map_err(vault_sdk::Error::from)))
    }

    fn entity<'a>(&'a self, id: &'a str) -> Boxed<'a, Result<Option<Data>, vault_sdk::Error>> {
        let state = self.identity.state();
        let entity = state.entities.get(id).map(|entity| {
            let mut data = Data::new();
            data.insert("id".into(), entity.id.clone().into());
            data.insert("name".into(), entity.name.clone().into());
            data.insert("metadata".into(), serde_json::json!(entity.metadata));
            data
        });
        Box::pin(std::future::ready(Ok(entity)))
    }

    fn outbound(&self) -> &dyn Outbound {
        &*self.outbound
    }
}

impl std::fmt::Debug for Active {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Active").field("barrier", &self.barrier).finish_non_exhaustive()
    }
}

/// Whether an auth method or a secrets engine of this kind can be mounted by operators.
pub(crate) fn is_built_in(class: MountClass, kind: &str) -> bool {
    match class {
        MountClass::Auth => kind == "token",
        MountClass::Secret => matches!(kind, "system" | "identity" | "cubbyhole"),
    }
}
