//! Snapshots: another machine, the same shares, nothing revived.
#![allow(clippy::unwrap_used, reason = "tests panic to fail")]

mod common;

use base64::Engine as _;
use common::Server;
use serde_json::json;
use storage::Memory;
use vault::snapshot::{SnapshotError, restore};
use vault_sdk::Operation::Update;

#[test]
fn a_restored_store_opens_with_the_shares_and_revives_nobody() {
    let mut server = Server::new();
    server.furnish();
    let token = server.login("reader", 3600);
    let mut snapshot = Vec::new();
    server.core.write_snapshot(&mut snapshot).unwrap();
    server.write("auth/token/revoke", json!({ "token": token }));
    server.write("secret/later", json!({ "value": 1 }));
    assert!(!snapshot.windows(4).any(|window| window == b"kept"), "rows are encrypted");
    let root = server.root.clone();

    let store = Memory::new();
    restore(&store, &mut snapshot.as_slice()).unwrap();
    assert!(matches!(restore(&store, &mut snapshot.as_slice()), Err(SnapshotError::NotEmpty)));
    server.store = store;
    server.reopen();
    assert!(server.read("secret/a", &token).is_err(), "revoked after the snapshot");
    assert!(server.read("secret/a", &root).is_err(), "root tokens too");
    server.reopen();
    assert!(server.read("secret/a", &root).is_err(), "for good");
    // Nobody has a token with sudo now, so the shares alone make one, until the next restart.
    server.store = Memory::new();
    restore(&server.store, &mut snapshot.as_slice()).unwrap();
    server.reopen();
    let otp = "0".repeat(28);
    let begun =
        server.data(Update, "sys/generate-root/attempt", "", json!({ "otp": otp })).unwrap();
    let mut done = begun.clone();
    for share in &server.shares[..2] {
        let data = json!({ "key": share, "nonce": begun["nonce"] });
        done = server.data(Update, "sys/generate-root/update", "", data).unwrap();
    }
    let encoded = done["encoded_root_token"].as_str().unwrap();
    let encoded = base64::engine::general_purpose::STANDARD_NO_PAD.decode(encoded).unwrap();
    let fresh = String::from_utf8(encoded.into_iter().map(|byte| byte ^ b'0').collect()).unwrap();
    assert_eq!(server.read("secret/a", &fresh).unwrap()["value"], "kept");
    assert!(server.read("secret/later", &fresh).is_err());
}

#[test]
fn damaged_snapshots_are_refused_before_anything_is_written() {
    let server = Server::new();
    server.furnish();
    let mut snapshot = Vec::new();
    server.core.write_snapshot(&mut snapshot).unwrap();
    for position in [0, 30, snapshot.len() / 2, snapshot.len() - 1] {
        let mut damaged = snapshot.clone();
        damaged[position] ^= 1;
        let store = Memory::new();
        assert!(matches!(restore(&store, &mut damaged.as_slice()), Err(SnapshotError::Damaged(_))));
        assert!(store.export().is_empty());
    }
    assert!(restore(&Memory::new(), &mut &snapshot[..20]).is_err());
}
