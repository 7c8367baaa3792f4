//! `identity/entity`.

use std::sync::Arc;

use serde_json::{Value, json};
use vault_sdk::table::{Call, Field, Path};
use vault_sdk::{Data, Operation, Response};

use super::super::{Edit, Entity, State};
use super::{IdentityEngine, alias_json, entity_json, found, policies};
use crate::core::native::done;
use crate::{Error, random};

pub(super) fn paths() -> Vec<Path<IdentityEngine>> {
    let fields = || {
        [
            Field::string("id", "The entity."),
            Field::string("name", "Its name."),
            Field::text_map("metadata", "About it."),
            Field::list("policies", "Policies of all its tokens."),
            Field::bool("disabled", "Whether its tokens are refused."),
        ]
    };
    vec![
        Path::new("entity")
            .help("Makes or changes an entity.", "")
            .fields(fields())
            .on(Operation::Update, |engine: &IdentityEngine, call| done(engine.write_entity(call))),
        Path::new("entity/id")
            .help("All entities by id.", "")
            .on(Operation::List, |engine: &IdentityEngine, _| {
                done(Ok(engine.list_entities(false)))
            }),
        Path::new("entity/name")
            .help("All entities by name.", "")
            .on(Operation::List, |engine: &IdentityEngine, _| done(Ok(engine.list_entities(true)))),
        Path::new("entity/id/{id:any}")
            .help("One entity.", "")
            .fields(fields())
            .on(Operation::Read, |engine: &IdentityEngine, call| {
                done(found(entity_json(&engine.state(), call.text("id"), &engine.mounts())))
            })
            .on(Operation::Update, |engine: &IdentityEngine, call| done(engine.write_entity(call)))
            .on(Operation::Delete, |engine: &IdentityEngine, call| {
                done(engine.delete_entities(&[call.text("id").to_owned()]))
            }),
        Path::new("entity/name/{name:any}")
            .help("One entity.", "")
            .fields(fields())
            .on(Operation::Read, |engine: &IdentityEngine, call| {
                done(engine.read_named(call.text("name")))
            })
            .on(Operation::Update, |engine: &IdentityEngine, call| done(engine.write_entity(call)))
            .on(Operation::Delete, |engine: &IdentityEngine, call| {
                done(engine.delete_named(call.text("name")))
            }),
        Path::new("entity/batch-delete")
            .help("Removes entities.", "")
            .field(Field::list("entity_ids", "The entities."))
            .on(Operation::Update, |engine: &IdentityEngine, call| {
                done(engine.batch_delete(&call.list("entity_ids")))
            }),
        Path::new("entity/merge")
            .help("Makes several entities one.", "")
            .fields([
                Field::list("from_entity_ids", "Entities that go."),
                Field::string("to_entity_id", "The entity that stays."),
                Field::bool("force", "Accepted."),
                Field::list(
                    "conflicting_alias_ids_to_keep",
                    "Of aliases at one mount: which stays.",
                ),
            ])
            .on(Operation::Update, |engine: &IdentityEngine, call| done(engine.merge(call))),
    ]
}

impl IdentityEngine {
    pub(super) fn state(&self) -> std::sync::RwLockReadGuard<'_, State> {
        self.0.active.identity.state()
    }

    fn list_entities(&self, by_name: bool) -> Response {
        let (state, mounts) = (self.state(), self.mounts());
        let mut info = Data::new();
        let mut keys = Vec::new();
        for entity in state.entities.values() {
            let aliases: Vec<Value> =
                state.aliases_of(&entity.id).map(|alias| alias_json(alias, &mounts)).collect();
            let key = if by_name { &entity.name } else { &entity.id };
            info.insert(key.clone(), json!({ "name": entity.name, "aliases": aliases }));
            keys.push(key.clone());
        }
        keys.sort_unstable();
        if by_name { Response::list(keys) } else { Response::list_with_info(keys, info) }
    }

    fn read_named(&self, name: &str) -> Result<Response, Error> {
        let (state, mounts) = (self.state(), self.mounts());
        found(state.entity_named(name).and_then(|entity| entity_json(&state, &entity.id, &mounts)))
    }

    fn write_entity(&self, call: &Call<'_>) -> Result<Response, Error> {
        let identity = &self.0.active.identity;
        let changing = identity.changing();
        let (id, name) = (call.text("id"), call.text("name"));
        let is_by_name = call.request.path.starts_with("entity/name/");
        let (known, is_taken) = {
            let state = identity.state();
            let known = match id {
                "" => state.entity_named(name).cloned(),
                id => Some(
                    state
                        .entities
                        .get(id)
                        .cloned()
                        .ok_or_else(|| Error::invalid("entity not found from id"))?,
                ),
            };
            let other = state.entity_named(name).filter(|_| !name.is_empty());
            let is_taken =
                other.is_some_and(|other| known.as_ref().is_none_or(|known| known.id != other.id));
            (known, is_taken)
        };
        if is_taken {
            return Err(Error::invalid("entity name is already in use"));
        }
        let is_new = known.is_none();
        let mut entity: Entity = known.as_deref().cloned().unwrap_or_default();
        if is_new {
            entity.id = random::uuid();
            entity.generation = self.0.active.barrier.next_sequence();
            entity.created = self.now();
            entity.name = if name.is_empty() {
                format!("entity_{}", &entity.id[..8])
            } else {
                name.to_owned()
            };
        } else if !name.is_empty() && !is_by_name {
            name.clone_into(&mut entity.name);
        }
        entity.updated = self.now();
        if call.given("metadata") {
            entity.metadata = call.text_map("metadata");
        }
        if call.given("policies") {
            entity.policies = policies(call)?;
        }
        if call.given("disabled") {
            entity.disabled = call.bool("disabled");
        }
        let mut edit = Edit::default();
        let answer = (entity.id.clone(), entity.name.clone());
        edit.put_entity(entity);
        identity.commit(edit, &changing)?;
        if !is_new && (!id.is_empty() || is_by_name) {
            return Ok(Response::empty());
        }
        let state = identity.state();
        let aliases: Vec<&String> = state.aliases_of(&answer.0).map(|alias| &alias.id).collect();
        let aliases = if aliases.is_empty() { Value::Null } else { json!(aliases) };
        Ok(Response::json(json!({ "id": answer.0, "name": answer.1, "aliases": aliases })))
    }

    fn delete_entities(&self, ids: &[String]) -> Result<Response, Error> {
        let identity = &self.0.active.identity;
        let changing = identity.changing();
        // A group at a time, so that a long list fits the store's batches.
        for ids in ids.chunks(10) {
            let mut edit = Edit::default();
            {
                let state = identity.state();
                for id in ids.iter().filter(|id| state.entities.contains_key(*id)) {
                    edit.remove_entity(&state, id);
                }
            }
            identity.commit(edit, &changing)?;
        }
        Ok(Response::empty())
    }

    fn batch_delete(&self, ids: &[String]) -> Result<Response, Error> {
        if ids.is_empty() {
            return Err(Error::invalid("missing entity ids to delete"));
        }
        self.delete_entities(ids)
    }

    fn delete_named(&self, name: &str) -> Result<Response, Error> {
        let id = self.state().entity_named(name).map(|entity| entity.id.clone());
        self.delete_entities(id.as_slice())
    }

    /// Moves aliases and memberships. Policies are not moved: who may merge must not thereby gain
    /// any (CVE-2021-41802).
    fn merge(&self, call: &Call<'_>) -> Result<Response, Error> {
        let identity = &self.0.active.identity;
        let changing = identity.changing();
        let to = call.text("to_entity_id");
        let from = call.list("from_entity_ids");
        let keep = call.list("conflicting_alias_ids_to_keep");
        if to.is_empty() || from.is_empty() {
            return Err(Error::invalid("missing entity id to merge to or from"));
        }
        let mut edit = Edit::default();
        {
            let state = identity.state();
            let target = state.entities.get(to);
            let mut target = target
                .map(|entity: &Arc<Entity>| (**entity).clone())
                .ok_or_else(|| Error::invalid("entity id to merge to is invalid"))?;
            for id in &from {
                if id == to {
                    return Err(Error::invalid(
                        "to_entity_id should not be present in from_entity_ids",
                    ));
                }
                if !state.entities.contains_key(id) {
                    return Err(Error::invalid("entity id to merge from is invalid"));
                }
                self.move_aliases(&state, id, to, &keep, &mut edit)?;
                for group in
                    state.groups.values().filter(|group| group.member_entity_ids.contains(id))
                {
                    let mut group = match edit.groups.remove(&group.id) {
                        Some(Some(edited)) => edited,
                        _ => (**group).clone(),
                    };
                    group.member_entity_ids.remove(id);
                    group.member_entity_ids.insert(to.to_owned());
                    edit.put_group(group);
                }
                edit.remove_entity(&state, id);
                target.merged_entity_ids.push(id.clone());
            }
            target.updated = self.now();
            edit.put_entity(target);
        }
        identity.commit(edit, &changing)?;
        Ok(Response::empty())
    }

    fn move_aliases(
        &self,
        state: &State,
        from: &str,
        to: &str,
        keep: &[String],
        edit: &mut Edit,
    ) -> Result<(), Error> {
        for alias in state.aliases_of(from) {
            let other =
                state.aliases_of(to).find(|other| other.mount_accessor == alias.mount_accessor);
            if let Some(other) = other {
                let keeps_this = keep.contains(&alias.id);
                if !keeps_this && !keep.contains(&other.id) {
                    return Err(Error::Invalid(format!(
                        "toEntity and at least one fromEntity have aliases with the same mount accessor {:?}; \
                         conflicting_alias_ids_to_keep must name the one to keep",
                        alias.mount_accessor
                    )));
                }
                let loser = if keeps_this { other } else { alias };
                edit.aliases.insert(loser.id.clone(), None);
                if !keeps_this {
                    continue;
                }
            }
            let mut moved = (**alias).clone();
            moved.merged_from.push(from.to_owned());
            to.clone_into(&mut moved.canonical_id);
            moved.updated = self.now();
            edit.put_alias(moved);
        }
        Ok(())
    }
}
