//! Identity: entities, their aliases at auth methods, and groups.
//!
//! All of it is in memory; each record is a row. The row `identity/summary` counts them, so that a host that hides one
//! from a scan is noticed at unseal, and not taken for an absence.

mod edit;
mod engine;
mod record;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard};

use serde::de::DeserializeOwned;

pub(crate) use edit::Edit;
pub(crate) use engine::IdentityEngine;
pub(crate) use record::{Alias, Entity, Group, GroupKind};

use crate::barrier::{Barrier, Transaction};
use crate::policy::{Subject, SubjectAlias, SubjectGroup};
use crate::{Error, barrier};

const SUMMARY: &str = "identity/summary";
/// Groups above a group that are looked at.
const DEPTH_MAX: usize = 100;

/// Everything known about who is who.
#[derive(Debug, Default)]
pub(crate) struct State {
    pub(crate) entities: BTreeMap<String, Arc<Entity>>,
    pub(crate) aliases: BTreeMap<String, Arc<Alias>>,
    pub(crate) groups: BTreeMap<String, Arc<Group>>,
    by_name: HashMap<String, String>,
    by_factor: HashMap<(String, String), String>,
    groups_by_name: HashMap<String, String>,
}

/// The identity store.
#[derive(Debug)]
pub(crate) struct Identity {
    barrier: Arc<Barrier>,
    state: RwLock<State>,
    changing: Mutex<()>,
    generation: AtomicU64,
}

impl Identity {
    /// Adds the row of a store without entities.
    pub(crate) fn initialise(transaction: &mut Transaction) {
        transaction.put(SUMMARY, b"[0,0,0]".to_vec());
    }

    pub(crate) fn load(barrier: Arc<Barrier>) -> Result<Self, Error> {
        let tampered =
            |reason| Error::from(barrier::Error::Tampered { key: SUMMARY.into(), reason });
        let row =
            barrier.get(SUMMARY)?.ok_or_else(|| tampered("the identity summary is missing"))?;
        let counts: [usize; 3] = serde_json::from_slice(&row.content)
            .map_err(|_| tampered("the identity summary is malformed"))?;
        let mut state = State::default();
        for entity in read_all::<Entity>(&barrier, record::ENTITIES)? {
            state.put_entity(entity);
        }
        for alias in read_all::<Alias>(&barrier, record::ALIASES)? {
            state.put_alias(alias);
        }
        for group in read_all::<Group>(&barrier, record::GROUPS)? {
            state.put_group(group);
        }
        if state.counts() != counts {
            return Err(tampered("entities, aliases or groups were hidden from a scan"));
        }
        Ok(Identity {
            barrier,
            state: RwLock::new(state),
            changing: Mutex::default(),
            generation: AtomicU64::new(0),
        })
    }

    pub(crate) fn state(&self) -> RwLockReadGuard<'_, State> {
        self.state.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Held by who reads, decides and then changes.
    pub(crate) fn changing(&self) -> MutexGuard<'_, ()> {
        self.changing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A number that is another after every change.
    pub(crate) fn generation(&self) -> u64 {
        self.generation.load(Ordering::Acquire)
    }

    /// Commits an edit, made while `changing` is held.
    pub(crate) fn commit(&self, edit: Edit, _changing: &MutexGuard<'_, ()>) -> Result<(), Error> {
        let mut transaction = Transaction::new();
        let counts = edit.counts(&self.state());
        edit.write(&mut transaction);
        transaction.put(SUMMARY, serde_json::to_vec(&counts).unwrap_or_default());
        self.barrier.commit(transaction)?;
        let mut state = self.state.write().unwrap_or_else(PoisonError::into_inner);
        edit.apply(&mut state);
        self.generation.fetch_add(1, Ordering::AcqRel);
        Ok(())
    }

    /// The entity that logs in under `alias` at a mount, made if there is none. Returns its id and
    /// generation, and refuses one that is disabled.
    pub(crate) fn log_in(
        &self,
        mount_accessor: &str,
        alias: &vault_sdk::Alias,
        group_aliases: &[String],
        now: &str,
    ) -> Result<(String, u64), Error> {
        let known = self.state().login(mount_accessor, alias, group_aliases);
        let entity = match known {
            Some(entity) => entity,
            None => {
                let changing = self.changing();
                let mut edit = Edit::default();
                let sequence = || self.barrier.next_sequence();
                let entity = {
                    let state = self.state();
                    edit.login(&state, mount_accessor, alias, group_aliases, now, sequence)
                };
                self.commit(edit, &changing)?;
                entity
            }
        };
        if entity.disabled {
            Err(Error::Denied)
        } else {
            Ok((entity.id.clone(), entity.generation))
        }
    }
}

fn read_all<T: DeserializeOwned>(barrier: &Barrier, prefix: &str) -> Result<Vec<T>, Error> {
    let mut records = Vec::new();
    for key in barrier.keys(prefix, "", usize::MAX)? {
        let Some(row) = barrier.get(&key)? else { continue };
        let malformed = |_| barrier::Error::Tampered { key, reason: "not an identity record" };
        records.push(serde_json::from_slice(&row.content).map_err(malformed)?);
    }
    Ok(records)
}

impl State {
    fn counts(&self) -> [usize; 3] {
        [self.entities.len(), self.aliases.len(), self.groups.len()]
    }

    fn put_entity(&mut self, entity: Entity) {
        self.by_name.insert(entity.name.to_lowercase(), entity.id.clone());
        self.entities.insert(entity.id.clone(), Arc::new(entity));
    }

    fn remove_entity(&mut self, id: &str) {
        if let Some(entity) = self.entities.remove(id) {
            self.by_name.remove(&entity.name.to_lowercase());
        }
    }

    fn put_alias(&mut self, alias: Alias) {
        self.by_factor.insert((alias.mount_accessor.clone(), alias.name.clone()), alias.id.clone());
        self.aliases.insert(alias.id.clone(), Arc::new(alias));
    }

    fn remove_alias(&mut self, id: &str) {
        if let Some(alias) = self.aliases.remove(id) {
            self.by_factor.remove(&(alias.mount_accessor.clone(), alias.name.clone()));
        }
    }

    fn put_group(&mut self, group: Group) {
        self.groups_by_name.insert(group.name.to_lowercase(), group.id.clone());
        self.groups.insert(group.id.clone(), Arc::new(group));
    }

    fn remove_group(&mut self, id: &str) {
        if let Some(group) = self.groups.remove(id) {
            self.groups_by_name.remove(&group.name.to_lowercase());
        }
    }

    pub(crate) fn entity_named(&self, name: &str) -> Option<&Arc<Entity>> {
        self.entities.get(self.by_name.get(&name.to_lowercase())?)
    }

    pub(crate) fn group_named(&self, name: &str) -> Option<&Arc<Group>> {
        self.groups.get(self.groups_by_name.get(&name.to_lowercase())?)
    }

    pub(crate) fn alias_at(&self, mount_accessor: &str, name: &str) -> Option<&Arc<Alias>> {
        self.aliases.get(self.by_factor.get(&(mount_accessor.to_owned(), name.to_owned()))?)
    }

    pub(crate) fn aliases_of<'a>(
        &'a self,
        entity: &'a str,
    ) -> impl Iterator<Item = &'a Arc<Alias>> {
        self.aliases.values().filter(move |alias| alias.canonical_id == entity)
    }

    /// Groups that have the entity as a member themselves.
    pub(crate) fn direct_groups(&self, entity: &str) -> BTreeSet<String> {
        let members = self.groups.values().filter(|group| group.member_entity_ids.contains(entity));
        members.map(|group| group.id.clone()).collect()
    }

    /// Groups that have the entity as a member, directly or through other groups.
    pub(crate) fn all_groups(&self, entity: &str) -> BTreeSet<String> {
        let mut found = self.direct_groups(entity);
        let mut new: Vec<String> = found.iter().cloned().collect();
        for _ in 0..DEPTH_MAX {
            let Some(below) = new.pop() else { break };
            for group in
                self.groups.values().filter(|group| group.member_group_ids.contains(&below))
            {
                if found.insert(group.id.clone()) {
                    new.push(group.id.clone());
                }
            }
        }
        found
    }

    /// Groups that have the group as a member.
    pub(crate) fn parents<'a>(&'a self, group: &'a str) -> impl Iterator<Item = &'a Arc<Group>> {
        self.groups.values().filter(move |parent| parent.member_group_ids.contains(group))
    }

    /// Policies of an entity and of its groups: sorted, each once, never `root`.
    pub(crate) fn policies(&self, entity: &str) -> Vec<String> {
        let own =
            self.entities.get(entity).map(|entity| entity.policies.clone()).unwrap_or_default();
        let groups = self.all_groups(entity);
        let of_groups = groups.iter().filter_map(|id| self.groups.get(id));
        let names = own.iter().chain(of_groups.flat_map(|group| &group.policies));
        let mut policies = crate::policies::normalise(names.map(String::as_str));
        policies.retain(|name| name != "root");
        policies
    }

    /// What policy templates may know of an entity.
    pub(crate) fn subject(&self, entity: &str) -> Option<Subject> {
        let known = self.entities.get(entity)?;
        let aliases = self.aliases_of(entity).map(|alias| SubjectAlias {
            mount_accessor: alias.mount_accessor.clone(),
            id: alias.id.clone(),
            name: alias.name.clone(),
            metadata: alias.metadata.clone(),
            custom_metadata: alias.custom_metadata.clone(),
        });
        let groups = self.all_groups(entity);
        let groups = groups.iter().filter_map(|id| self.groups.get(id)).map(|group| SubjectGroup {
            id: group.id.clone(),
            name: group.name.clone(),
            metadata: group.metadata.clone(),
        });
        Some(Subject {
            id: known.id.clone(),
            name: known.name.clone(),
            metadata: known.metadata.clone(),
            aliases: aliases.collect(),
            groups: groups.collect(),
        })
    }

    /// The entity of a login that changes nothing in the store.
    fn login(
        &self,
        mount_accessor: &str,
        alias: &vault_sdk::Alias,
        group_aliases: &[String],
    ) -> Option<Arc<Entity>> {
        let known = self.alias_at(mount_accessor, &alias.name)?;
        let entity = self.entities.get(&known.canonical_id)?;
        let is_same = known.metadata == alias.metadata
            && self.external_changes(mount_accessor, &entity.id, group_aliases).is_empty();
        is_same.then(|| Arc::clone(entity))
    }

    /// External groups of a mount whose membership a login changes.
    fn external_changes(
        &self,
        mount_accessor: &str,
        entity: &str,
        group_aliases: &[String],
    ) -> Vec<Group> {
        let external = self.groups.values().filter(|group| {
            group.alias.as_ref().is_some_and(|alias| alias.mount_accessor == mount_accessor)
        });
        let mut changed = Vec::new();
        for group in external {
            let name = group.alias.as_ref().map_or("", |alias| &alias.name);
            let belongs = group_aliases.iter().any(|alias| alias == name);
            if belongs != group.member_entity_ids.contains(entity) {
                let mut group = (**group).clone();
                if belongs {
                    group.member_entity_ids.insert(entity.to_owned());
                } else {
                    group.member_entity_ids.remove(entity);
                }
                changed.push(group);
            }
        }
        changed
    }
}
