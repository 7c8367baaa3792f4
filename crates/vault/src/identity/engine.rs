//! The engine at `identity/`: paths shared by entities, aliases and groups.

mod aliases;
mod entities;
mod groups;
mod lookup;

use std::sync::OnceLock;

use serde_json::{Value, json};
use vault_sdk::table::{Call, PathTable};
use vault_sdk::{Data, Engine, Response};

use super::{Alias, GroupKind, State};
use crate::Error;
use crate::core::native::Native;
use crate::core::renew::instant;
use crate::mount::MountTable;

/// One request to `identity/`.
pub(crate) struct IdentityEngine(pub(crate) Native);

impl Engine for IdentityEngine {
    fn table() -> &'static PathTable<Self> {
        static TABLE: OnceLock<PathTable<IdentityEngine>> = OnceLock::new();
        TABLE.get_or_init(|| {
            let groups = [entities::paths(), aliases::paths(), groups::paths(), lookup::paths()];
            PathTable::new(
                "The identity store: entities, aliases and groups.",
                groups.into_iter().flatten().collect(),
            )
        })
    }
}

impl IdentityEngine {
    fn now(&self) -> String {
        instant(self.0.active.now()).to_rfc3339()
    }

    fn mounts(&self) -> std::sync::Arc<MountTable> {
        self.0.active.mounts()
    }
}

/// Policies of a request: normalised, and never `root` (CVE-2025-5999, CVE-2025-64761).
fn policies(call: &Call<'_>) -> Result<Vec<String>, Error> {
    let asked = call.list("policies");
    let names = crate::policies::normalise(asked.iter().map(String::as_str));
    if names.iter().any(|name| name == "root") {
        return Err(Error::invalid("policies cannot contain root"));
    }
    Ok(names)
}

/// An object that is null if it is empty, as Go writes maps that were never made.
fn map_or_null(map: &std::collections::BTreeMap<String, String>) -> Value {
    if map.is_empty() { Value::Null } else { json!(map) }
}

fn alias_json(alias: &Alias, mounts: &MountTable) -> Value {
    let mount = mounts.by_accessor(&alias.mount_accessor);
    json!({
        "canonical_id": alias.canonical_id,
        "creation_time": alias.created,
        "custom_metadata": map_or_null(&alias.custom_metadata),
        "id": alias.id,
        "last_update_time": alias.updated,
        "local": false,
        "merged_from_canonical_ids": if alias.merged_from.is_empty() { Value::Null } else { json!(alias.merged_from) },
        "metadata": map_or_null(&alias.metadata),
        "mount_accessor": alias.mount_accessor,
        "mount_path": mount.map_or("", |mount| mount.path.as_str()),
        "mount_type": mount.map_or("", |mount| mount.kind.as_str()),
        "name": alias.name,
        "namespace_id": "root",
    })
}

fn entity_json(state: &State, id: &str, mounts: &MountTable) -> Option<Data> {
    let entity = state.entities.get(id)?;
    let direct = state.direct_groups(id);
    let all = state.all_groups(id);
    let inherited: Vec<&String> = all.difference(&direct).collect();
    let aliases: Vec<Value> = state.aliases_of(id).map(|alias| alias_json(alias, mounts)).collect();
    let merged = &entity.merged_entity_ids;
    let value = json!({
        "aliases": aliases,
        "creation_time": entity.created,
        "direct_group_ids": direct,
        "disabled": entity.disabled,
        "group_ids": all,
        "id": entity.id,
        "inherited_group_ids": inherited,
        "last_update_time": entity.updated,
        "merged_entity_ids": if merged.is_empty() { Value::Null } else { json!(merged) },
        "metadata": map_or_null(&entity.metadata),
        "mfa_secrets": {},
        "name": entity.name,
        "namespace_id": "root",
        "policies": entity.policies,
    });
    value.as_object().cloned()
}

fn group_json(state: &State, id: &str, mounts: &MountTable) -> Option<Data> {
    let group = state.groups.get(id)?;
    let is_unused = group.kind == GroupKind::External && group.member_entity_ids.is_empty();
    let members = if is_unused { Value::Null } else { json!(group.member_entity_ids) };
    let parents: Vec<&String> = state.parents(id).map(|parent| &parent.id).collect();
    let value = json!({
        "alias": group.alias.as_ref().map_or_else(|| json!({}), |alias| alias_json(alias, mounts)),
        "creation_time": group.created,
        "id": group.id,
        "last_update_time": group.updated,
        "member_entity_ids": members,
        "member_group_ids": group.member_group_ids,
        "metadata": map_or_null(&group.metadata),
        "modify_index": group.modify_index,
        "name": group.name,
        "namespace_id": "root",
        "parent_group_ids": parents,
        "policies": group.policies,
        "type": group.kind,
    });
    value.as_object().cloned()
}

fn found(data: Option<Data>) -> Result<Response, Error> {
    data.map(Response::data).ok_or_else(|| vault_sdk::Error::NotFound.into())
}
