//! The core as its clients see it: seal, tokens, policies, leases, wrapping.
#![allow(clippy::unwrap_used, reason = "tests panic to fail")]

mod common;

use common::{Server, strings};
use serde_json::json;
use vault::Error;
use vault_sdk::Operation::{Delete, List, Read, Update};

#[test]
fn seals_and_unseals() {
    let server = Server::new();
    server.furnish();
    server.call(Update, "sys/seal", &server.root, json!({})).unwrap();
    assert!(matches!(server.read("secret/a", &server.root), Err(Error::Sealed)));
    let status = server.core.seal_status().unwrap();
    assert_eq!((status.sealed, status.t, status.n, status.progress), (true, 2, 3, 0));
    let unseal = |key: &str| server.data(Update, "sys/unseal", "", json!({ "key": key }));
    let status = unseal(&server.shares[0]).unwrap();
    assert_eq!(status["progress"], 1);
    assert_eq!(unseal(&server.shares[0]).unwrap()["progress"], 1, "the same share counts once");
    let mut wrong = server.shares[1].clone();
    wrong.replace_range(0..2, if wrong.starts_with("00") { "01" } else { "00" });
    assert!(unseal(&wrong).is_err());
    assert_eq!(server.core.seal_status().unwrap().progress, 0, "wrong shares are dropped");
    unseal(&server.shares[2]).unwrap();
    assert_eq!(unseal(&server.shares[0]).unwrap()["sealed"], false);
    assert_eq!(server.read("secret/a", &server.root).unwrap()["value"], "kept");
    assert!(server.data(Update, "sys/init", "", json!({})).is_err(), "only once");
}

#[test]
fn policies_decide() {
    let server = Server::new();
    server.furnish();
    let token = server.login("reader", 3600);
    assert_eq!(server.read("secret/a", &token).unwrap()["value"], "kept");
    let refused = |result: Result<_, Error>| assert!(matches!(result, Err(Error::Denied)));
    refused(server.data(Update, "secret/a", &token, json!({ "value": "x" })));
    refused(server.data(Delete, "secret/a", &token, json!({})));
    refused(server.read("sys/mounts", &token));
    refused(server.read("secret/a", ""));
    refused(server.read("secret/a", "hvs.nonsense"));
    assert_eq!(strings(&server.data(List, "secret", &token, json!({})).unwrap()["keys"]), ["a"]);
    let shown = server.read("auth/token/lookup-self", &token).unwrap();
    assert_eq!(shown["policies"], json!(["default", "reader"]));
    assert_eq!(shown["path"], "auth/open/login");
    assert_eq!((&shown["ttl"], &shown["orphan"]), (&json!(3600), &json!(true)));
    let policy = r#"path "secret/*" { capabilities = ["deny"] }"#;
    server.write("sys/policies/acl/reader", json!({ "policy": policy }));
    refused(server.read("secret/a", &token));
}

#[test]
fn trees_of_tokens_end_with_their_root() {
    let server = Server::new();
    server.furnish();
    let create = |parent: &str, data| {
        let reply = server.call(Update, "auth/token/create", parent, data).unwrap();
        reply.auth.unwrap()
    };
    let top = create(&server.root, json!({ "policies": ["root"], "ttl": "1h" }));
    let child = create(&top.client_token, json!({ "policies": ["reader"] }));
    let orphan = create(&top.client_token, json!({ "policies": ["reader"], "no_parent": true }));
    assert_eq!((top.client_token.len(), top.accessor.len()), (28, 24));
    assert!(!child.orphan && orphan.orphan);
    let by_accessor = json!({ "accessor": top.accessor });
    server.write("auth/token/revoke-accessor", by_accessor.clone());
    assert!(server.read("secret/a", &child.client_token).is_err());
    assert!(server.read("secret/a", &orphan.client_token).is_ok());
    assert!(server.data(Update, "auth/token/lookup-accessor", &server.root, by_accessor).is_err());
    let accessors = server.data(List, "auth/token/accessors", &server.root, json!({})).unwrap();
    assert_eq!(strings(&accessors["keys"]).len(), 2, "root and the orphan");
    let refused = server.data(
        Update,
        "auth/token/create",
        &orphan.client_token,
        json!({ "policies": ["root"] }),
    );
    assert!(refused.is_err());
}

#[test]
fn prefixes_are_revoked_at_once_and_for_good() {
    let mut server = Server::new();
    server.furnish();
    let tokens: Vec<String> = (0..20).map(|_| server.login("reader", 3600)).collect();
    server.write("sys/leases/revoke-prefix/auth/open", json!({}));
    for token in &tokens {
        assert!(server.read("secret/a", token).is_err());
    }
    let later = server.login("reader", 3600);
    assert!(server.read("secret/a", &later).is_ok(), "issued afterwards");
    server.reopen();
    assert!(server.read("secret/a", &tokens[0]).is_err());
    server.core.tick();
    assert!(server.read("secret/a", &tokens[0]).is_err(), "swept up");
    assert!(server.read("secret/a", &later).is_ok());
    let rows = server.store.export().into_keys().filter(|key| key.starts_with(b"lease/")).count();
    assert_eq!(rows, 2, "root and the later one");
}

#[test]
fn times_uses_and_renewal() {
    let server = Server::new();
    server.furnish();
    let token = server.login("reader", 100);
    server.clock.pass(60);
    let renew = json!({ "increment": 200 });
    let auth = server.call(Update, "auth/token/renew-self", &token, renew).unwrap().auth.unwrap();
    assert_eq!(auth.lease_duration.0, 200);
    server.clock.pass(199);
    assert!(server.read("secret/a", &token).is_ok());
    server.clock.pass(1);
    assert!(server.read("secret/a", &token).is_err());
    let data = json!({ "policies": ["reader"], "num_uses": 2, "explicit_max_ttl": "50s" });
    let auth = server.call(Update, "auth/token/create", &server.root, data).unwrap().auth.unwrap();
    assert_eq!(auth.lease_duration.0, 50);
    assert!(server.read("secret/a", &auth.client_token).is_ok());
    assert!(server.read("secret/a", &auth.client_token).is_ok());
    assert!(server.read("secret/a", &auth.client_token).is_err());
}

#[test]
fn secrets_end_with_their_token() {
    let server = Server::new();
    server.furnish();
    let token = server.login("reader", 3600);
    let reply = server.call(Read, "secret/lease/x", &token, json!({})).unwrap();
    let lease = reply.lease.unwrap();
    assert!(lease.lease_id.starts_with("secret/lease/x/"), "{}", lease.lease_id);
    let lookup = || {
        server.data(
            Update,
            "sys/leases/lookup",
            &server.root,
            json!({ "lease_id": lease.lease_id }),
        )
    };
    assert_eq!(lookup().unwrap()["ttl"], 3600);
    let list = |prefix: &str| {
        server.data(List, &format!("sys/leases/lookup/{prefix}"), &server.root, json!({})).unwrap()
    };
    assert_eq!(strings(&list("secret/lease")["keys"]), ["x/"]);
    assert_eq!(strings(&list("secret/lease/x")["keys"]).len(), 1);
    server.clock.pass(100);
    let renewed = json!({ "lease_id": lease.lease_id, "increment": 1800 });
    let renewed =
        server.call(Update, "sys/leases/renew", &server.root, renewed).unwrap().lease.unwrap();
    assert_eq!(renewed.duration.0, 1800);
    server.call(Update, "auth/token/revoke-self", &token, json!({})).unwrap();
    assert!(lookup().is_err());
    assert_eq!(server.read("secret/revoked", &server.root).unwrap()["done"], true);
}

#[test]
fn answers_are_unwrapped_once() {
    let server = Server::new();
    server.furnish();
    let wrapped = || {
        let data = json!({ "secret": "x" });
        let serde_json::Value::Object(data) = data else { unreachable!() };
        let inbound = vault::Inbound {
            operation: Update,
            path: "sys/wrapping/wrap".into(),
            data,
            token: Some(zeroize::Zeroizing::new(server.root.clone())),
            wrap_ttl: vault_sdk::time::Seconds(60),
            ..vault::Inbound::default()
        };
        server.core.handle(inbound).unwrap().wrap.unwrap()
    };
    let wrap = wrapped();
    let lookup = json!({ "token": *wrap.token });
    assert_eq!(server.write("sys/wrapping/lookup", lookup)["creation_path"], "sys/wrapping/wrap");
    let unwrap = || server.data(Update, "sys/wrapping/unwrap", &wrap.token, json!({}));
    assert_eq!(unwrap().unwrap()["secret"], "x");
    assert!(unwrap().is_err());
    let late = wrapped();
    server.clock.pass(61);
    assert!(server.data(Update, "sys/wrapping/unwrap", &late.token, json!({})).is_err());
    server.core.tick();
    let left = server.store.export().into_keys().filter(|key| key.starts_with(b"wrapped/")).count();
    assert_eq!(left, 0);
}

#[test]
fn a_mount_made_anew_is_another_mount() {
    let server = Server::new();
    server.furnish();
    let token = server.login("reader", 3600);
    server.call(Delete, "sys/auth/open", &server.root, json!({})).unwrap();
    assert!(server.read("secret/a", &token).is_err());
    server.write("sys/auth/open", json!({ "type": "open" }));
    assert!(server.read("secret/a", &token).is_err());
    server.call(Delete, "sys/mounts/secret", &server.root, json!({})).unwrap();
    server.write("sys/mounts/secret", json!({ "type": "kv" }));
    assert!(server.read("secret/a", &server.root).is_err(), "its rows are gone");
    assert!(server.data(Update, "sys/mounts/sys", &server.root, json!({ "type": "kv" })).is_err());
    assert!(server.data(Delete, "sys/mounts/sys", &server.root, json!({})).is_err());
}

#[test]
fn a_secret_that_cannot_be_ended_is_invalid_and_keeps_no_other() {
    let server = Server::new();
    server.furnish();
    let policy = r#"path "*" { capabilities = ["read"] }"#;
    server.write("sys/policies/acl/reader", json!({ "policy": policy }));
    server.write("sys/mounts/far", json!({ "type": "kv" }));
    server.write("far/unreachable", json!({ "value": 1 }));
    let stuck = server.call(Read, "far/lease/x", &server.root, json!({})).unwrap().lease.unwrap();
    let token = server.login("reader", 3600);
    server.call(Read, "secret/lease/x", &token, json!({})).unwrap();
    server.clock.pass(3600);
    server.core.tick();
    let left =
        || server.store.export().into_keys().filter(|key| key.starts_with(b"lease/")).count();
    assert_eq!(left(), 2, "root and the stuck one");
    let token = server.login("reader", 3600);
    let second = server.call(Read, "far/lease/y", &token, json!({})).unwrap().lease.unwrap();
    server.write("auth/token/revoke", json!({ "token": token }));
    let lookup = json!({ "lease_id": second.lease_id });
    assert!(server.data(Update, "sys/leases/lookup", &server.root, lookup).is_err());
    let lookup = json!({ "lease_id": stuck.lease_id });
    assert!(server.data(Update, "sys/leases/lookup", &server.root, lookup).is_err());
    server.write("sys/leases/revoke-prefix/far", json!({}));
    server.core.tick();
    assert_eq!(left(), 3, "both are tried again");
    server.write("sys/leases/revoke-force/far", json!({}));
    server.core.tick();
    assert_eq!(left(), 1, "given up");
}

#[test]
fn batch_tokens_have_no_record_and_end_with_what_they_rest_on() {
    let mut server = Server::new();
    server.furnish();
    let create = |parent: &str, data| server.call(Update, "auth/token/create", parent, data);
    let parent =
        create(&server.root, json!({ "policies": ["root"], "ttl": "1h" })).unwrap().auth.unwrap();
    let rows = server.store.export().len();
    let data = json!({ "type": "batch", "policies": ["reader"], "ttl": "10m" });
    let batch = create(&parent.client_token, data.clone()).unwrap().auth.unwrap();
    assert_eq!(server.store.export().len(), rows);
    assert!(
        batch.client_token.starts_with("hvb.") && batch.accessor.is_empty() && !batch.renewable
    );
    let token = batch.client_token.as_str();
    assert!(server.read("secret/a", token).is_ok());
    assert!(server.data(Update, "secret/a", token, json!({ "value": 1 })).is_err());
    assert_eq!(server.read("auth/token/lookup-self", token).unwrap()["type"], "batch");
    assert!(create(token, json!({})).is_err());
    assert!(server.data(Update, "auth/token/renew-self", token, json!({})).is_err());
    assert!(server.data(Update, "auth/token/revoke-self", token, json!({})).is_err());
    let reply = server.call(Read, "secret/lease/x", token, json!({})).unwrap();
    assert_eq!(reply.lease.unwrap().duration.0, 600, "CVE-2020-25816: its leases end with it");
    let mut edited = token.to_owned();
    edited.replace_range(30..31, if edited[30..].starts_with('A') { "B" } else { "A" });
    assert!(server.read("secret/a", &edited).is_err());
    assert!(create(&server.root, json!({ "type": "batch" })).is_err(), "never root");
    server.reopen();
    assert!(server.read("secret/a", token).is_ok());
    server.call(Update, "auth/token/revoke-self", &parent.client_token, json!({})).unwrap();
    assert!(server.read("secret/a", token).is_err());
    let orphan =
        json!({ "type": "batch", "policies": ["reader"], "ttl": "10m", "no_parent": true });
    let orphan =
        server.call(Update, "auth/token/create", &server.root, orphan).unwrap().auth.unwrap();
    assert!(server.read("secret/a", &orphan.client_token).is_ok());
    server.clock.pass(600);
    assert!(server.read("secret/a", &orphan.client_token).is_err());
}
