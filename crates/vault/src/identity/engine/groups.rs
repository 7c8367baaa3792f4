//! `identity/group`.

use std::collections::BTreeSet;

use serde_json::json;
use vault_sdk::table::{Call, Field, Path};
use vault_sdk::{Data, Operation, Response};

use super::super::{Edit, Group, GroupKind, State};
use super::{IdentityEngine, found, group_json, policies};
use crate::core::native::done;
use crate::{Error, random};

pub(super) fn paths() -> Vec<Path<IdentityEngine>> {
    let fields = || {
        [
            Field::string("id", "The group."),
            Field::string("name", "Its name."),
            Field::string("type", "internal or external."),
            Field::text_map("metadata", "About it."),
            Field::list("policies", "Policies of its members."),
            Field::list("member_group_ids", "Groups in it."),
            Field::list("member_entity_ids", "Entities in it."),
        ]
    };
    vec![
        Path::new("group")
            .help("Makes or changes a group.", "")
            .fields(fields())
            .on(Operation::Update, |engine: &IdentityEngine, call| done(engine.write_group(call))),
        Path::new("group/id")
            .help("All groups by id.", "")
            .on(Operation::List, |engine: &IdentityEngine, _| done(Ok(engine.list_groups(false)))),
        Path::new("group/name")
            .help("All groups by name.", "")
            .on(Operation::List, |engine: &IdentityEngine, _| done(Ok(engine.list_groups(true)))),
        Path::new("group/id/{id:any}")
            .help("One group.", "")
            .fields(fields())
            .on(Operation::Read, |engine: &IdentityEngine, call| {
                done(found(group_json(&engine.state(), call.text("id"), &engine.mounts())))
            })
            .on(Operation::Update, |engine: &IdentityEngine, call| done(engine.write_group(call)))
            .on(Operation::Delete, |engine: &IdentityEngine, call| {
                done(engine.delete_group(Some(call.text("id").to_owned())))
            }),
        Path::new("group/name/{name:any}")
            .help("One group.", "")
            .fields(fields())
            .on(Operation::Read, |engine: &IdentityEngine, call| {
                done(engine.read_named_group(call.text("name")))
            })
            .on(Operation::Update, |engine: &IdentityEngine, call| done(engine.write_group(call)))
            .on(Operation::Delete, |engine: &IdentityEngine, call| {
                let id =
                    engine.state().group_named(call.text("name")).map(|group| group.id.clone());
                done(engine.delete_group(id))
            }),
    ]
}

impl IdentityEngine {
    fn list_groups(&self, by_name: bool) -> Response {
        let state = self.state();
        let (mut keys, mut info) = (Vec::new(), Data::new());
        for group in state.groups.values() {
            let key = if by_name { &group.name } else { &group.id };
            let value = json!({
                "name": group.name,
                "num_member_entities": group.member_entity_ids.len(),
                "num_parent_groups": state.parents(&group.id).count(),
            });
            info.insert(key.clone(), value);
            keys.push(key.clone());
        }
        keys.sort_unstable();
        if by_name { Response::list(keys) } else { Response::list_with_info(keys, info) }
    }

    fn read_named_group(&self, name: &str) -> Result<Response, Error> {
        let (state, mounts) = (self.state(), self.mounts());
        found(state.group_named(name).and_then(|group| group_json(&state, &group.id, &mounts)))
    }

    fn write_group(&self, call: &Call<'_>) -> Result<Response, Error> {
        let identity = &self.0.active.identity;
        let changing = identity.changing();
        let (id, name) = (call.text("id"), call.text("name"));
        let state = identity.state();
        let known = match id {
            "" => state.group_named(name).cloned(),
            id => Some(
                state.groups.get(id).cloned().ok_or_else(|| Error::invalid("invalid group ID"))?,
            ),
        };
        let other = state.group_named(name).filter(|_| !name.is_empty());
        if other.is_some_and(|other| known.as_ref().is_none_or(|known| known.id != other.id)) {
            return Err(Error::invalid("group name is already in use"));
        }
        let is_new = known.is_none();
        let mut group: Group = known.as_deref().cloned().unwrap_or_default();
        if is_new {
            group.id = random::uuid();
            group.created = self.now();
            group.name =
                if name.is_empty() { format!("group_{}", &group.id[..8]) } else { name.to_owned() };
        } else if !name.is_empty() && !call.request.path.starts_with("group/name/") {
            name.clone_into(&mut group.name);
        }
        group.updated = self.now();
        group.modify_index += 1;
        if call.given("type") {
            let kind = match call.text("type") {
                "internal" => GroupKind::Internal,
                "external" => GroupKind::External,
                other => return Err(Error::Invalid(format!("invalid group type {other:?}"))),
            };
            if !is_new && kind != group.kind {
                return Err(Error::invalid("group type cannot be changed"));
            }
            group.kind = kind;
        }
        if call.given("metadata") {
            group.metadata = call.text_map("metadata");
        }
        if call.given("policies") {
            group.policies = policies(call)?;
        }
        if call.given("member_entity_ids") {
            if group.kind == GroupKind::External {
                return Err(Error::invalid(
                    "member entities can't be set manually for external groups",
                ));
            }
            group.member_entity_ids = call.list("member_entity_ids").into_iter().collect();
            if let Some(unknown) =
                group.member_entity_ids.iter().find(|id| !state.entities.contains_key(*id))
            {
                return Err(Error::Invalid(format!("invalid entity ID {unknown:?}")));
            }
        }
        if call.given("member_group_ids") {
            group.member_group_ids = call.list("member_group_ids").into_iter().collect();
            check_members(&state, &group)?;
        }
        let answer = json!({ "id": group.id, "name": group.name });
        let mut edit = Edit::default();
        edit.put_group(group);
        drop(state);
        identity.commit(edit, &changing)?;
        let is_quiet = !is_new && (!id.is_empty() || call.request.path.starts_with("group/name/"));
        Ok(if is_quiet { Response::empty() } else { Response::json(answer) })
    }

    fn delete_group(&self, id: Option<String>) -> Result<Response, Error> {
        let identity = &self.0.active.identity;
        let changing = identity.changing();
        let mut edit = Edit::default();
        {
            let state = identity.state();
            if let Some(id) = id.filter(|id| state.groups.contains_key(id)) {
                for parent in state.parents(&id) {
                    let mut parent = (**parent).clone();
                    parent.member_group_ids.remove(&id);
                    edit.put_group(parent);
                }
                edit.groups.insert(id, None);
            }
        }
        identity.commit(edit, &changing)?;
        Ok(Response::empty())
    }
}

/// Members are there, and no group is within itself.
fn check_members(state: &State, group: &Group) -> Result<(), Error> {
    let mut seen = BTreeSet::new();
    let mut below: Vec<&String> = group.member_group_ids.iter().collect();
    while let Some(id) = below.pop() {
        let member = state.groups.get(id).filter(|member| member.id != group.id);
        let Some(member) = member else {
            let what = if *id == group.id {
                "cyclic relationship detected for member group ID"
            } else {
                "invalid group ID"
            };
            return Err(Error::Invalid(format!("{what} {id:?}")));
        };
        if seen.insert(id) {
            below.extend(&member.member_group_ids);
        }
    }
    Ok(())
}
