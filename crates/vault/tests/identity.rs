//! Entities, aliases and groups as operators and their tokens see them.
#![allow(clippy::unwrap_used, reason = "tests panic to fail")]

mod common;

use common::{Server, strings};
use serde_json::{Value, json};
use vault_sdk::Operation::{Delete, List, Update};

fn accessor(server: &Server) -> String {
    server.read("sys/auth", &server.root).unwrap()["open/"]["accessor"].as_str().unwrap().to_owned()
}

#[test]
fn a_login_has_an_entity_whose_policies_count() {
    let mut server = Server::new();
    server.furnish();
    let first = server.login_as("ann", &[]);
    let again = server.login_as("ann", &[]);
    assert_eq!(first.entity_id, again.entity_id);
    assert_ne!(first.entity_id, server.login_as("bob", &[]).entity_id);
    assert!(server.read("secret/a", &first.client_token).is_err());
    let path = format!("identity/entity/id/{}", first.entity_id);
    server.write(&path, json!({ "policies": ["reader"], "metadata": { "team": "x" } }));
    assert!(server.read("secret/a", &first.client_token).is_ok(), "at once");
    let shown = server.read("auth/token/lookup-self", &first.client_token).unwrap();
    assert_eq!(shown["identity_policies"], json!(["reader"]));
    let policy = r#"path "secret/{{identity.entity.metadata.team}}" { capabilities = ["update", "create"] }"#;
    server.write("sys/policies/acl/reader", json!({ "policy": policy }));
    assert!(server.data(Update, "secret/x", &first.client_token, json!({ "v": 1 })).is_ok());
    assert!(server.data(Update, "secret/y", &first.client_token, json!({ "v": 1 })).is_err());
    server.reopen();
    assert!(server.data(Update, "secret/x", &first.client_token, json!({ "v": 2 })).is_ok());
    server.write(&path, json!({ "disabled": true }));
    assert!(server.read("auth/token/lookup-self", &first.client_token).is_err());
    server.write(&path, json!({ "disabled": false }));
    assert!(server.read("auth/token/lookup-self", &first.client_token).is_ok());
    server.data(Delete, &path, &server.root, json!({})).unwrap();
    assert!(server.read("auth/token/lookup-self", &first.client_token).is_err());
    assert_ne!(server.login_as("ann", &[]).entity_id, first.entity_id);
}

#[test]
fn groups_give_policies_to_members_of_members() {
    let server = Server::new();
    server.furnish();
    let ann = server.login_as("ann", &[]);
    let inner = server
        .write("identity/group", json!({ "name": "inner", "member_entity_ids": [ann.entity_id] }));
    let data =
        json!({ "name": "outer", "policies": ["reader"], "member_group_ids": [inner["id"]] });
    let outer = server.write("identity/group", data);
    assert!(server.read("secret/a", &ann.client_token).is_ok());
    let cycle = json!({ "member_group_ids": [outer["id"]] });
    let path = format!("identity/group/id/{}", inner["id"].as_str().unwrap());
    assert!(server.data(Update, &path, &server.root, cycle).is_err());
    let entity =
        server.read(&format!("identity/entity/id/{}", ann.entity_id), &server.root).unwrap();
    assert_eq!(entity["direct_group_ids"], json!([inner["id"]]));
    assert_eq!(entity["inherited_group_ids"], json!([outer["id"]]));
    server.data(Delete, "identity/group/name/inner", &server.root, json!({})).unwrap();
    assert!(server.read("secret/a", &ann.client_token).is_err());
}

#[test]
fn external_groups_follow_logins() {
    let server = Server::new();
    server.furnish();
    let group = json!({ "name": "admins", "type": "external", "policies": ["reader"] });
    let group = server.write("identity/group", group);
    let alias = json!({ "name": "cn=admins", "canonical_id": group["id"], "mount_accessor": accessor(&server) });
    server.write("identity/group-alias", alias);
    let token = server.login_as("ann", &["cn=admins"]).client_token;
    assert!(server.read("secret/a", &token).is_ok());
    server.login_as("ann", &[]);
    assert!(server.read("secret/a", &token).is_err(), "no longer a member");
}

#[test]
fn cve_2021_41802_merging_gives_nobody_policies() {
    let server = Server::new();
    server.furnish();
    let mallory = server.login_as("mallory", &[]);
    let victim =
        server.write("identity/entity", json!({ "name": "victim", "policies": ["reader"] }));
    let merge = json!({ "from_entity_ids": [victim["id"]], "to_entity_id": mallory.entity_id });
    server.write("identity/entity/merge", merge);
    assert!(server.read("secret/a", &mallory.client_token).is_err());
    let id = victim["id"].as_str().unwrap();
    assert!(server.read(&format!("identity/entity/id/{id}"), &server.root).is_err());
    let kept =
        server.read(&format!("identity/entity/id/{}", mallory.entity_id), &server.root).unwrap();
    assert_eq!(kept["merged_entity_ids"], json!([id]));
}

#[test]
fn cve_2025_5999_root_cannot_be_smuggled_in() {
    let server = Server::new();
    server.furnish();
    for name in ["root", "Root ", " ROOT"] {
        let data = json!({ "name": "x", "policies": [name] });
        assert!(server.data(Update, "identity/entity", &server.root, data.clone()).is_err());
        assert!(server.data(Update, "identity/group", &server.root, data).is_err());
        let login = json!({ "role": name, "ttl": 60 });
        assert!(server.data(Update, "auth/open/login", "", login).is_err());
    }
}

#[test]
fn ghsa_59w7_names_do_not_widen_templates() {
    let server = Server::new();
    server.furnish();
    let policy = format!(
        r#"path "secret/{{{{identity.entity.aliases.{}.name}}}}" {{ capabilities = ["read"] }}"#,
        accessor(&server)
    );
    server.write("sys/policies/acl/own", json!({ "policy": policy }));
    for name in ["*", "a*", "+", "a/*"] {
        let auth = server.login_as(name, &[]);
        let path = format!("identity/entity/id/{}", auth.entity_id);
        server.write(&path, json!({ "policies": ["own"] }));
        assert!(server.read("secret/a", &auth.client_token).is_err(), "{name}");
    }
    let auth = server.login_as("a", &[]);
    server.write(&format!("identity/entity/id/{}", auth.entity_id), json!({ "policies": ["own"] }));
    assert!(server.read("secret/a", &auth.client_token).is_ok());
}

#[test]
fn aliases_and_lookups() {
    let server = Server::new();
    server.furnish();
    let entity = server.write("identity/entity", json!({ "name": "ann" }));
    let accessor = accessor(&server);
    let alias = json!({ "name": "ann", "canonical_id": entity["id"], "mount_accessor": accessor });
    let alias = server.write("identity/entity-alias", alias);
    assert_eq!(server.login_as("ann", &[]).entity_id, entity["id"].as_str().unwrap());
    let found = |query: Value| server.write("identity/lookup/entity", query).get("id").cloned();
    assert_eq!(found(json!({ "name": "ann" })), Some(entity["id"].clone()));
    assert_eq!(found(json!({ "alias_id": alias["id"] })), Some(entity["id"].clone()));
    let factor = json!({ "alias_name": "ann", "alias_mount_accessor": accessor });
    assert_eq!(found(factor), Some(entity["id"].clone()));
    assert_eq!(found(json!({ "name": "nobody" })), None);
    let names = server.data(List, "identity/entity/name", &server.root, json!({})).unwrap();
    assert_eq!(strings(&names["keys"]), ["ann"]);
    let twice =
        json!({ "name": "other", "canonical_id": entity["id"], "mount_accessor": accessor });
    assert!(server.data(Update, "identity/entity-alias", &server.root, twice).is_err());
}

#[test]
fn an_entity_hidden_by_the_host_is_noticed() {
    let mut server = Server::new();
    server.furnish();
    server.login_as("ann", &[]);
    let keys = server.store.export().into_keys();
    let row = keys.into_iter().find(|key| key.starts_with(b"identity/entity/")).unwrap();
    let batch = storage::Batch::default().delete(row);
    storage::wait(storage::Backend::commit(&server.store, batch)).unwrap();
    let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| server.reopen()));
    assert!(result.is_err(), "the unseal fails");
}
