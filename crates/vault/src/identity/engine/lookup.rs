//! `identity/lookup`.

use vault_sdk::table::{Call, Field, Path};
use vault_sdk::{Operation, Response};

use super::super::{Alias, State};
use super::{IdentityEngine, entity_json, group_json};
use crate::Error;
use crate::core::native::done;

pub(super) fn paths() -> Vec<Path<IdentityEngine>> {
    let fields = || {
        [
            Field::string("name", "By name."),
            Field::string("id", "By id."),
            Field::string("alias_id", "By an alias's id."),
            Field::string("alias_name", "By an alias's name, with alias_mount_accessor."),
            Field::string("alias_mount_accessor", "With alias_name."),
        ]
    };
    vec![
        Path::new("lookup/entity")
            .help("Finds an entity.", "")
            .fields(fields())
            .on(Operation::Update, |engine: &IdentityEngine, call| {
                done(engine.lookup_entity(call))
            }),
        Path::new("lookup/group")
            .help("Finds a group.", "")
            .fields(fields())
            .on(Operation::Update, |engine: &IdentityEngine, call| done(engine.lookup_group(call))),
    ]
}

/// What is looked for.
enum Wanted<'a> {
    Id(&'a str),
    Name(&'a str),
    AliasId(&'a str),
    Factor(&'a str, &'a str),
}

fn wanted<'a>(call: &'a Call<'_>) -> Result<Wanted<'a>, Error> {
    let fields = ["id", "name", "alias_id", "alias_name"].map(|name| call.text(name));
    let accessor = call.text("alias_mount_accessor");
    match (fields, accessor) {
        ([id, "", "", ""], "") if !id.is_empty() => Ok(Wanted::Id(id)),
        (["", name, "", ""], "") if !name.is_empty() => Ok(Wanted::Name(name)),
        (["", "", alias, ""], "") if !alias.is_empty() => Ok(Wanted::AliasId(alias)),
        (["", "", "", name], accessor) if !name.is_empty() && !accessor.is_empty() => {
            Ok(Wanted::Factor(accessor, name))
        }
        (["", "", "", ""], "") => Err(Error::invalid("query parameter not supplied")),
        _ => Err(Error::invalid(
            "exactly one of id, name, alias_id, or alias_name with alias_mount_accessor must be given",
        )),
    }
}

impl IdentityEngine {
    fn lookup_entity(&self, call: &Call<'_>) -> Result<Response, Error> {
        let state = self.state();
        let id = match wanted(call)? {
            Wanted::Id(id) => Some(id.to_owned()),
            Wanted::Name(name) => state.entity_named(name).map(|entity| entity.id.clone()),
            Wanted::AliasId(id) => state.aliases.get(id).map(|alias| alias.canonical_id.clone()),
            Wanted::Factor(accessor, name) => {
                state.alias_at(accessor, name).map(|alias| alias.canonical_id.clone())
            }
        };
        let data = id.and_then(|id| entity_json(&state, &id, &self.mounts()));
        Ok(data.map_or_else(Response::empty, Response::data))
    }

    fn lookup_group(&self, call: &Call<'_>) -> Result<Response, Error> {
        let state = self.state();
        let id = match wanted(call)? {
            Wanted::Id(id) => Some(id.to_owned()),
            Wanted::Name(name) => state.group_named(name).map(|group| group.id.clone()),
            Wanted::AliasId(id) => by_alias(&state, |alias| alias.id == id),
            Wanted::Factor(accessor, name) => {
                by_alias(&state, |alias| alias.mount_accessor == accessor && alias.name == name)
            }
        };
        let data = id.and_then(|id| group_json(&state, &id, &self.mounts()));
        Ok(data.map_or_else(Response::empty, Response::data))
    }
}

fn by_alias(state: &State, is_it: impl Fn(&Alias) -> bool) -> Option<String> {
    let mut groups = state.groups.values();
    groups.find(|group| group.alias.as_ref().is_some_and(&is_it)).map(|group| group.id.clone())
}
