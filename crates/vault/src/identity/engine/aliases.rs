//! `identity/entity-alias`, `identity/group-alias`.

use serde_json::json;
use vault_sdk::table::{Call, Field, Path};
use vault_sdk::{Data, MountClass, Operation, Response};

use super::super::{Alias, Edit, Entity, Group, GroupKind};
use super::{IdentityEngine, alias_json, found};
use crate::core::native::done;
use crate::{Error, random};

pub(super) fn paths() -> Vec<Path<IdentityEngine>> {
    let fields = || {
        [
            Field::string("id", "The alias."),
            Field::string("name", "The name at the auth method."),
            Field::string("canonical_id", "The entity or group."),
            Field::string("entity_id", "Older form of canonical_id."),
            Field::string("mount_accessor", "The auth method's mount."),
            Field::text_map("custom_metadata", "About it."),
            Field::text_map("metadata", "Accepted, set by auth methods."),
        ]
    };
    vec![
        Path::new("entity-alias")
            .help("Makes or changes an alias of an entity.", "")
            .fields(fields())
            .on(Operation::Update, |engine: &IdentityEngine, call| done(engine.write_alias(call))),
        Path::new("entity-alias/id")
            .help("All aliases of entities.", "")
            .on(Operation::List, |engine: &IdentityEngine, _| done(Ok(engine.list_aliases()))),
        Path::new("entity-alias/id/{id:any}")
            .help("One alias of an entity.", "")
            .fields(fields())
            .on(Operation::Read, |engine: &IdentityEngine, call| {
                done(found(engine.entity_alias(call.text("id"))))
            })
            .on(Operation::Update, |engine: &IdentityEngine, call| done(engine.write_alias(call)))
            .on(Operation::Delete, |engine: &IdentityEngine, call| done(engine.delete_alias(call))),
        Path::new("group-alias")
            .help("Makes or changes the alias of an external group.", "")
            .fields(fields())
            .on(Operation::Update, |engine: &IdentityEngine, call| {
                done(engine.write_group_alias(call))
            }),
        Path::new("group-alias/id")
            .help("All aliases of groups.", "")
            .on(Operation::List, |engine: &IdentityEngine, _| {
                done(Ok(engine.list_group_aliases()))
            }),
        Path::new("group-alias/id/{id:any}")
            .help("One alias of a group.", "")
            .fields(fields())
            .on(Operation::Read, |engine: &IdentityEngine, call| {
                done(found(engine.group_alias(call.text("id"))))
            })
            .on(Operation::Update, |engine: &IdentityEngine, call| {
                done(engine.write_group_alias(call))
            })
            .on(Operation::Delete, |engine: &IdentityEngine, call| {
                done(engine.delete_group_alias(call))
            }),
    ]
}

fn listed<'a>(aliases: impl Iterator<Item = &'a Alias>, engine: &IdentityEngine) -> Response {
    let mounts = engine.mounts();
    let (mut keys, mut info) = (Vec::new(), Data::new());
    for alias in aliases {
        keys.push(alias.id.clone());
        info.insert(alias.id.clone(), alias_json(alias, &mounts));
    }
    Response::list_with_info(keys, info)
}

impl IdentityEngine {
    fn list_aliases(&self) -> Response {
        listed(self.state().aliases.values().map(|alias| &**alias), self)
    }

    fn list_group_aliases(&self) -> Response {
        listed(self.state().groups.values().filter_map(|group| group.alias.as_ref()), self)
    }

    fn entity_alias(&self, id: &str) -> Option<Data> {
        let state = self.state();
        let alias = state.aliases.get(id)?;
        alias_json(alias, &self.mounts()).as_object().cloned()
    }

    fn group_alias(&self, id: &str) -> Option<Data> {
        let state = self.state();
        let mut aliases = state.groups.values().filter_map(|group| group.alias.as_ref());
        let alias = aliases.find(|alias| alias.id == id)?;
        alias_json(alias, &self.mounts()).as_object().cloned()
    }

    /// The mount that an alias is to be at.
    fn mount_of(&self, call: &Call<'_>, known: Option<&Alias>) -> Result<String, Error> {
        let accessor = match (call.text("mount_accessor"), known) {
            ("", Some(known)) => known.mount_accessor.clone(),
            ("", None) => return Err(Error::invalid("missing mount_accessor")),
            (accessor, _) => accessor.to_owned(),
        };
        let mounts = self.mounts();
        let mount = mounts.by_accessor(&accessor).filter(|mount| mount.class == MountClass::Auth);
        match mount {
            Some(_) => Ok(accessor),
            None => Err(Error::Invalid(format!("invalid mount accessor {accessor:?}"))),
        }
    }

    fn write_alias(&self, call: &Call<'_>) -> Result<Response, Error> {
        let identity = &self.0.active.identity;
        let changing = identity.changing();
        let (id, name) = (call.text("id"), call.text("name"));
        let known = match id {
            "" => None,
            id => Some(
                identity
                    .state()
                    .aliases
                    .get(id)
                    .cloned()
                    .ok_or_else(|| Error::invalid("invalid alias id"))?,
            ),
        };
        let accessor = self.mount_of(call, known.as_deref())?;
        let name = match (name, &known) {
            ("", Some(known)) => known.name.clone(),
            ("", None) => return Err(Error::invalid("missing alias name")),
            (name, _) => name.to_owned(),
        };
        let at_place = identity.state().alias_at(&accessor, &name).cloned();
        let known = match (known, at_place) {
            (Some(known), Some(other)) if known.id != other.id => {
                return Err(Error::invalid(
                    "alias with combination of mount accessor and name already exists",
                ));
            }
            (Some(known), _) => Some(known),
            (None, other) => other,
        };
        let mut edit = Edit::default();
        let asked = call.text_if_given("canonical_id").or_else(|| call.text_if_given("entity_id"));
        let asked = asked.filter(|id| !id.is_empty());
        let canonical = self.entity_for_alias(asked, known.as_deref(), &accessor, &mut edit)?;
        let is_new = known.is_none();
        let mut alias = known.as_deref().cloned().unwrap_or_else(|| Alias {
            id: random::uuid(),
            created: self.now(),
            ..Alias::default()
        });
        (alias.name, alias.mount_accessor, alias.canonical_id) = (name, accessor, canonical);
        alias.updated = self.now();
        if call.given("custom_metadata") {
            alias.custom_metadata = call.text_map("custom_metadata");
        }
        if call.given("metadata") && is_new {
            alias.metadata = call.text_map("metadata");
        }
        let answer = json!({ "id": alias.id, "canonical_id": alias.canonical_id });
        edit.put_alias(alias);
        identity.commit(edit, &changing)?;
        Ok(Response::json(answer))
    }

    /// The entity of an alias: the one that was asked for, the one it has, or a new one.
    fn entity_for_alias(
        &self,
        asked: Option<&str>,
        known: Option<&Alias>,
        accessor: &str,
        edit: &mut Edit,
    ) -> Result<String, Error> {
        let state = self.state();
        match (asked, known) {
            (Some(id), known) => {
                if !state.entities.contains_key(id) {
                    return Err(Error::invalid("invalid canonical ID"));
                }
                let mut others = state.aliases_of(id);
                let has_other = others.any(|alias| {
                    alias.mount_accessor == accessor
                        && known.is_none_or(|known| known.id != alias.id)
                });
                if has_other {
                    return Err(Error::invalid(
                        "Alias already exists for requested entity and mount accessor",
                    ));
                }
                Ok(id.to_owned())
            }
            (None, Some(known)) => Ok(known.canonical_id.clone()),
            (None, None) => {
                let id = random::uuid();
                let now = self.now();
                edit.put_entity(Entity {
                    name: format!("entity_{}", &id[..8]),
                    id: id.clone(),
                    generation: self.0.active.barrier.next_sequence(),
                    created: now.clone(),
                    updated: now,
                    ..Entity::default()
                });
                Ok(id)
            }
        }
    }

    fn delete_alias(&self, call: &Call<'_>) -> Result<Response, Error> {
        let identity = &self.0.active.identity;
        let changing = identity.changing();
        let mut edit = Edit::default();
        if identity.state().aliases.contains_key(call.text("id")) {
            edit.aliases.insert(call.text("id").to_owned(), None);
        }
        identity.commit(edit, &changing)?;
        Ok(Response::empty())
    }

    fn write_group_alias(&self, call: &Call<'_>) -> Result<Response, Error> {
        let identity = &self.0.active.identity;
        let changing = identity.changing();
        let (id, name) = (call.text("id"), call.text("name"));
        let state = identity.state();
        let of_alias = state
            .groups
            .values()
            .find(|group| group.alias.as_ref().is_some_and(|alias| alias.id == id));
        if !id.is_empty() && of_alias.is_none() {
            return Err(Error::invalid("invalid group alias ID"));
        }
        let known = of_alias.and_then(|group| group.alias.clone());
        let accessor = self.mount_of(call, known.as_ref())?;
        let name = match (name, &known) {
            ("", Some(known)) => known.name.clone(),
            ("", None) => return Err(Error::invalid("missing group alias name")),
            (name, _) => name.to_owned(),
        };
        let asked = call.text("canonical_id");
        let group = match (asked, of_alias) {
            ("", Some(group)) => std::sync::Arc::clone(group),
            // As Vault: an alias without a group makes one.
            ("", None) => std::sync::Arc::new(self.new_external_group()),
            (asked, _) => {
                state.groups.get(asked).cloned().ok_or_else(|| Error::invalid("group not found"))?
            }
        };
        if group.kind != GroupKind::External {
            return Err(Error::invalid("alias can't be set on an internal group"));
        }
        let taken = state.groups.values().any(|other| {
            let is_same = |alias: &Alias| alias.mount_accessor == accessor && alias.name == name;
            other.id != group.id
                && other.alias.as_ref().is_some_and(is_same)
                && Some(&other.id) != of_alias.map(|group| &group.id)
        });
        if taken {
            return Err(Error::invalid(
                "alias with combination of mount accessor and name already exists",
            ));
        }
        let mut edit = Edit::default();
        if let Some(before) = of_alias.filter(|before| before.id != group.id) {
            let mut before = (**before).clone();
            before.alias = None;
            edit.put_group(before);
        }
        let mut alias = known.or_else(|| group.alias.clone()).unwrap_or_else(|| Alias {
            id: random::uuid(),
            created: self.now(),
            ..Alias::default()
        });
        (alias.name, alias.mount_accessor, alias.canonical_id) = (name, accessor, group.id.clone());
        alias.updated = self.now();
        let answer = json!({ "id": alias.id, "canonical_id": alias.canonical_id });
        let mut group = (*group).clone();
        group.alias = Some(alias);
        edit.put_group(group);
        drop(state);
        identity.commit(edit, &changing)?;
        Ok(Response::json(answer))
    }

    fn new_external_group(&self) -> Group {
        let id = random::uuid();
        Group {
            name: format!("group_{}", &id[..8]),
            id,
            kind: GroupKind::External,
            created: self.now(),
            updated: self.now(),
            modify_index: 1,
            ..Group::default()
        }
    }

    fn delete_group_alias(&self, call: &Call<'_>) -> Result<Response, Error> {
        let identity = &self.0.active.identity;
        let changing = identity.changing();
        let id = call.text("id");
        let mut edit = Edit::default();
        for group in identity.state().groups.values() {
            if group.alias.as_ref().is_some_and(|alias| alias.id == id) {
                let mut group = (**group).clone();
                group.alias = None;
                edit.put_group(group);
            }
        }
        identity.commit(edit, &changing)?;
        Ok(Response::empty())
    }
}
