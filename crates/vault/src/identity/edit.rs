//! Changes to the identity store that happen together.

use std::collections::BTreeMap;

use super::State;
use super::record::{ALIASES, Alias, ENTITIES, Entity, GROUPS, Group};
use crate::barrier::Transaction;
use crate::{hex, random};

/// Records to be written, or removed where there is `None`.
#[derive(Debug, Default)]
pub(crate) struct Edit {
    pub(crate) entities: BTreeMap<String, Option<Entity>>,
    pub(crate) aliases: BTreeMap<String, Option<Alias>>,
    pub(crate) groups: BTreeMap<String, Option<Group>>,
}

impl Edit {
    pub(crate) fn put_entity(&mut self, entity: Entity) {
        self.entities.insert(entity.id.clone(), Some(entity));
    }

    pub(crate) fn put_alias(&mut self, alias: Alias) {
        self.aliases.insert(alias.id.clone(), Some(alias));
    }

    pub(crate) fn put_group(&mut self, group: Group) {
        self.groups.insert(group.id.clone(), Some(group));
    }

    /// Removes an entity with its aliases, and its memberships.
    pub(crate) fn remove_entity(&mut self, state: &State, id: &str) {
        self.entities.insert(id.to_owned(), None);
        for alias in state.aliases_of(id) {
            self.aliases.entry(alias.id.clone()).or_insert(None);
        }
        for group in state.groups.values().filter(|group| group.member_entity_ids.contains(id)) {
            let mut group = match self.groups.remove(&group.id) {
                Some(Some(edited)) => edited,
                _ => (**group).clone(),
            };
            group.member_entity_ids.remove(id);
            self.put_group(group);
        }
    }

    /// A login under an alias that is new, or has changed.
    pub(super) fn login(
        &mut self,
        state: &State,
        mount_accessor: &str,
        alias: &vault_sdk::Alias,
        group_aliases: &[String],
        now: &str,
        sequence: impl FnOnce() -> u64,
    ) -> std::sync::Arc<Entity> {
        let known = state.alias_at(mount_accessor, &alias.name);
        let entity = known.and_then(|known| state.entities.get(&known.canonical_id)).cloned();
        let entity = entity.unwrap_or_else(|| {
            let entity = Entity {
                id: random::uuid(),
                name: format!("entity_{}", hex::encode(random::bytes::<4>().expose())),
                generation: sequence(),
                created: now.to_owned(),
                updated: now.to_owned(),
                ..Entity::default()
            };
            self.put_entity(entity.clone());
            std::sync::Arc::new(entity)
        });
        let mut record = known.map(|known| (**known).clone()).unwrap_or_else(|| Alias {
            id: random::uuid(),
            mount_accessor: mount_accessor.to_owned(),
            name: alias.name.clone(),
            created: now.to_owned(),
            ..Alias::default()
        });
        record.canonical_id.clone_from(&entity.id);
        record.metadata.clone_from(&alias.metadata);
        now.clone_into(&mut record.updated);
        self.put_alias(record);
        for group in state.external_changes(mount_accessor, &entity.id, group_aliases) {
            self.put_group(group);
        }
        entity
    }

    /// Numbers of records after the edit.
    pub(super) fn counts(&self, state: &State) -> [usize; 3] {
        fn after<T, U>(edits: &BTreeMap<String, Option<T>>, now: &BTreeMap<String, U>) -> usize {
            let added = edits.iter().filter(|(id, edit)| edit.is_some() && !now.contains_key(*id));
            let removed = edits.iter().filter(|(id, edit)| edit.is_none() && now.contains_key(*id));
            now.len() + added.count() - removed.count()
        }
        [
            after(&self.entities, &state.entities),
            after(&self.aliases, &state.aliases),
            after(&self.groups, &state.groups),
        ]
    }

    pub(super) fn write(&self, transaction: &mut Transaction) {
        fn rows<T: serde::Serialize>(
            transaction: &mut Transaction,
            prefix: &str,
            edits: &BTreeMap<String, Option<T>>,
        ) {
            for (id, edit) in edits {
                let key = format!("{prefix}{id}");
                match edit {
                    Some(record) => {
                        transaction.put(key, serde_json::to_vec(record).unwrap_or_default())
                    }
                    None => transaction.delete(key),
                };
            }
        }
        rows(transaction, ENTITIES, &self.entities);
        rows(transaction, ALIASES, &self.aliases);
        rows(transaction, GROUPS, &self.groups);
    }

    pub(super) fn apply(self, state: &mut State) {
        for (id, edit) in self.entities {
            state.remove_entity(&id);
            edit.into_iter().for_each(|entity| state.put_entity(entity));
        }
        for (id, edit) in self.aliases {
            state.remove_alias(&id);
            edit.into_iter().for_each(|alias| state.put_alias(alias));
        }
        for (id, edit) in self.groups {
            state.remove_group(&id);
            edit.into_iter().for_each(|group| state.put_group(group));
        }
    }
}
