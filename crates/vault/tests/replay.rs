//! A host that deletes rows, or puts old ones back, revives nothing that was taken away.
//!
//! `docs/specs/lease-record.md`, section 3: every row the store ever had, deleted or in every older
//! version, one at a time, against servers that start on it.
#![allow(clippy::unwrap_used, reason = "tests panic to fail")]

mod common;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use common::{Clock, Server, setup};
use serde_json::json;
use storage::{Backend as _, Batch, Memory, wait};
use vault::Core;
use vault_sdk::Operation::{Delete, Update};

type Rows = BTreeMap<Vec<u8>, Vec<u8>>;

/// What must stay refused, as token and path.
struct Taken(Vec<(String, &'static str)>);

/// A server on which everything was taken away in some way, with the store after each step.
fn history() -> (Server, Taken, Vec<Rows>) {
    let server = Server::new();
    let mut rows = vec![server.store.export()];
    let mut taken = Vec::new();
    server.furnish();
    rows.push(server.store.export());
    let mut step = |server: &Server| rows.push(server.store.export());

    let revoked = server.login("reader", 3600);
    step(&server);
    server.write("auth/token/revoke", json!({ "token": revoked }));
    taken.push((revoked, "secret/a"));
    step(&server);

    let parent = server.data(
        Update,
        "auth/token/create",
        &server.root,
        json!({ "policies": ["root"], "ttl": "1h" }),
    );
    drop(parent);
    let create = |token: &str, data| {
        let auth = server.call(Update, "auth/token/create", token, data).unwrap().auth.unwrap();
        auth.client_token.to_string()
    };
    let parent = create(&server.root, json!({ "policies": ["root"], "ttl": "1h" }));
    let child = create(&parent, json!({ "policies": ["reader"] }));
    step(&server);
    server.call(Update, "auth/token/revoke-self", &parent, json!({})).unwrap();
    taken.extend([(parent, "secret/a"), (child, "secret/a")]);
    step(&server);

    let once = create(&server.root, json!({ "policies": ["reader"], "num_uses": 2 }));
    step(&server);
    server.read("secret/a", &once).unwrap();
    step(&server);
    server.read("secret/a", &once).unwrap();
    taken.push((once, "secret/a"));
    step(&server);

    let prefixed = server.login("reader", 3600);
    step(&server);
    server.write("sys/leases/revoke-prefix/auth/open", json!({}));
    taken.push((prefixed.clone(), "secret/a"));
    step(&server);
    server.core.tick();
    step(&server);

    let ann = server.login_as("ann", &[]);
    let path = format!("identity/entity/id/{}", ann.entity_id);
    server.write(&path, json!({ "policies": ["reader"] }));
    step(&server);
    server.data(Delete, &path, &server.root, json!({})).unwrap();
    taken.push((ann.client_token.to_string(), "secret/a"));
    step(&server);

    // A rule that denies: without it the other policy would allow.
    server.write("secret/private", json!({ "value": 1 }));
    let deny = r#"path "secret/private" { capabilities = ["deny"] }"#;
    let narrow = server.call(
        Update,
        "auth/token/create",
        &server.root,
        json!({ "policies": ["reader", "narrow"] }),
    );
    let narrow = narrow.unwrap().auth.unwrap().client_token.to_string();
    step(&server);
    server.write("sys/policies/acl/narrow", json!({ "policy": deny }));
    taken.push((narrow, "secret/private"));
    step(&server);

    let open = server.login("reader", 3600);
    step(&server);
    server.call(Delete, "sys/auth/open", &server.root, json!({})).unwrap();
    taken.push((open, "secret/a"));
    step(&server);
    server.core.tick();
    step(&server);
    (server, Taken(taken), rows)
}

fn put_in_place(store: &Memory, rows: &Rows) {
    let now = store.export();
    for key in now.keys().filter(|key| !rows.contains_key(*key)) {
        wait(store.commit(Batch::default().delete(key.as_slice()))).unwrap();
    }
    for (key, value) in rows.iter().filter(|(key, value)| now.get(*key) != Some(value)) {
        wait(store.commit(Batch::default().put(key.as_slice(), value.as_slice()))).unwrap();
    }
}

/// Starts a server on the store, if it starts, and tries everything that was taken away.
fn check(server: &mut Server, taken: &Taken, what: &str) {
    let clock = Arc::new(Clock::new(1_700_000_001_000));
    let Ok(core) = Core::new(setup(Arc::new(server.store.clone()), clock)) else { return };
    server.core = core;
    for share in &server.shares[1..] {
        if server.data(Update, "sys/unseal", "", json!({ "key": share })).is_err() {
            return;
        }
    }
    for (token, path) in &taken.0 {
        assert!(server.read(path, token).is_err(), "{what}: {path} can be read again");
    }
}

#[test]
fn nothing_is_revived_by_deleting_or_replaying_a_row() {
    let (mut server, taken, history) = history();
    let good = server.store.export();
    let keys: BTreeSet<&Vec<u8>> = history.iter().flat_map(BTreeMap::keys).collect();
    let mut cases = 0;
    for key in keys {
        let mut versions: BTreeSet<Option<&Vec<u8>>> =
            history.iter().map(|rows| rows.get(key)).collect();
        versions.insert(None);
        versions.remove(&good.get(key));
        for version in versions {
            let mut rows = good.clone();
            match version {
                Some(value) => rows.insert(key.clone(), value.clone()),
                None => rows.remove(key),
            };
            put_in_place(&server.store, &rows);
            check(&mut server, &taken, &format!("{} {}", key.escape_ascii(), version.is_some()));
            cases += 1;
        }
    }
    assert!(cases > 100, "{cases} cases");
    put_in_place(&server.store, &good);
    check(&mut server, &taken, "as it was");
    assert!(
        server.read("secret/a", &server.root).is_ok(),
        "and what was not taken away still is there"
    );
}

/// The same under a server that runs: what it has in memory counts.
#[test]
fn nothing_is_revived_under_a_running_server() {
    let (server, taken, history) = history();
    let good = server.store.export();
    for rows in &history {
        for (key, value) in rows.iter().filter(|(key, value)| good.get(*key) != Some(value)) {
            wait(server.store.commit(Batch::default().put(key.as_slice(), value.as_slice())))
                .unwrap();
            // Makes the server take a new snapshot, if it can still commit.
            let _ = server.data(Update, "secret/other", &server.root, json!({ "value": 1 }));
            for (token, path) in &taken.0 {
                assert!(server.read(path, token).is_err(), "{}", key.escape_ascii());
            }
        }
    }
}
