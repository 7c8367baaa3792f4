//! What operators do: rekey, generate a root token, rotate, limit, explain.
#![allow(clippy::unwrap_used, reason = "tests panic to fail")]

mod common;

use base64::Engine as _;
use common::{Server, strings};
use serde_json::json;
use vault::Error;
use vault_sdk::Operation::{Delete, List, Read, Update};

#[test]
fn rekey_makes_the_old_shares_void() {
    let mut server = Server::new();
    server.furnish();
    let begin = json!({ "secret_shares": 3, "secret_threshold": 2, "require_verification": true });
    let nonce = server.write("sys/rekey/init", begin)["nonce"].clone();
    let update = |share: &String, nonce| {
        server.data(
            Update,
            "sys/rekey/update",
            &server.root,
            json!({ "key": share, "nonce": nonce }),
        )
    };
    assert!(update(&server.shares[0], json!("other")).is_err());
    assert_eq!(update(&server.shares[0], nonce.clone()).unwrap()["progress"], 1);
    let done = update(&server.shares[2], nonce).unwrap();
    let new = strings(&done["keys"]);
    let verify = |share: &String| {
        let data = json!({ "key": share, "nonce": done["verification_nonce"] });
        server.write("sys/rekey/verify", data)
    };
    verify(&new[0]);
    assert_eq!(verify(&new[1])["complete"], true);
    assert_eq!(server.read("secret/a", &server.root).unwrap()["value"], "kept");
    server.core.seal();
    for share in &server.shares[..2] {
        let _ = server.data(Update, "sys/unseal", "", json!({ "key": share }));
    }
    assert!(server.core.is_sealed(), "the old shares");
    server.shares = new;
    server.reopen();
    assert_eq!(server.read("secret/a", &server.root).unwrap()["value"], "kept");
}

#[test]
fn cve_2025_4656_only_the_entitled_begin_and_cancel() {
    let server = Server::new();
    server.furnish();
    let token = server.login("reader", 3600);
    for path in ["sys/rekey/init", "sys/generate-root/attempt"] {
        for operation in [Read, Update, Delete] {
            for token in ["", &token] {
                let data = json!({ "secret_shares": 1, "secret_threshold": 1 });
                assert!(
                    matches!(server.data(operation, path, token, data), Err(Error::Denied)),
                    "{path}"
                );
            }
        }
    }
}

#[test]
fn a_root_token_is_generated_with_shares_and_otp() {
    let server = Server::new();
    let begun = server.write("sys/generate-root/attempt", json!({}));
    let otp = begun["otp"].as_str().unwrap();
    assert_eq!(otp.len(), 28);
    let update = |share: &String| {
        server.write("sys/generate-root/update", json!({ "key": share, "nonce": begun["nonce"] }))
    };
    assert_eq!(update(&server.shares[0])["complete"], false);
    let done = update(&server.shares[1]);
    let encoded = done["encoded_root_token"].as_str().unwrap();
    let encoded = base64::engine::general_purpose::STANDARD_NO_PAD.decode(encoded).unwrap();
    let token: Vec<u8> = encoded.iter().zip(otp.bytes()).map(|(a, b)| a ^ b).collect();
    let token = String::from_utf8(token).unwrap();
    assert_eq!(server.read("auth/token/lookup-self", &token).unwrap()["policies"], json!(["root"]));
    let wrong = json!({ "otp": "too short" });
    assert!(server.data(Update, "sys/generate-root/attempt", &server.root, wrong).is_err());
}

#[test]
fn rotation_counts_and_survives() {
    let mut server = Server::new();
    server.furnish();
    assert_eq!(server.read("sys/key-status", &server.root).unwrap()["term"], 1);
    server.write("sys/rotate", json!({}));
    assert_eq!(server.read("sys/key-status", &server.root).unwrap()["term"], 2);
    server.reopen();
    assert_eq!(server.read("secret/a", &server.root).unwrap()["value"], "kept");
    server.write("sys/rotate/config", json!({ "interval": "24h" }));
    server.clock.pass(24 * 3600 + 1);
    server.core.tick();
    assert_eq!(server.read("sys/key-status", &server.root).unwrap()["term"], 3);
}

#[test]
fn a_lying_clock_stops_releases_and_not_reads() {
    let server = Server::new();
    server.furnish();
    let token = server.login("reader", 3600);
    server.clock.set_behind(60);
    let login = || server.data(Update, "auth/open/login", "", json!({ "role": "reader" }));
    assert!(matches!(login(), Err(Error::Clock(_))));
    assert!(server.read("secret/a", &token).is_ok());
    assert!(!server.core.health().unwrap().clock_trusted);
    server.clock.set_behind(0);
    assert!(login().is_ok());
}

#[test]
fn quotas_refuse() {
    let server = Server::new();
    server.furnish();
    server.write(
        "sys/quotas/rate-limit/few",
        json!({ "path": "secret/", "rate": 2, "interval": "10s" }),
    );
    let read = || server.read("secret/a", &server.root);
    assert!(read().is_ok() && read().is_ok());
    assert!(matches!(read(), Err(Error::RateLimited { .. })));
    assert!(server.read("sys/mounts", &server.root).is_ok(), "other paths");
    server.clock.pass(10);
    assert!(read().is_ok());
    let names = server.data(List, "sys/quotas/rate-limit", &server.root, json!({})).unwrap();
    assert_eq!(strings(&names["keys"]), ["few"]);
}

#[test]
fn policies_explain_themselves() {
    let server = Server::new();
    server.furnish();
    let token = server.login("reader", 3600);
    let why = |path: &str, operation: &str| {
        let query = json!({ "path": path, "operation": operation, "token": token });
        server.write("sys/policies/explain", query)
    };
    assert_eq!(why("secret/a", "read")["allowed"], true);
    let refused = why("secret/a", "update");
    assert_eq!(refused["allowed"], false);
    assert!(serde_json::to_string(&refused).unwrap().contains("reader"), "{refused:?}");
}

#[test]
fn passwords_follow_policies() {
    let server = Server::new();
    let policy = "length = 9\nrule \"charset\" { charset = \"xyz\" }";
    server.write("sys/policies/password/p", json!({ "policy": policy }));
    let made = server.read("sys/policies/password/p/generate", &server.root).unwrap();
    let password = made["password"].as_str().unwrap();
    assert!(password.len() == 9 && password.chars().all(|c| "xyz".contains(c)));
}

#[test]
fn every_path_of_sys_refuses_who_has_no_token() {
    let server = Server::new();
    let document =
        server.data(Read, "sys/internal/specs/openapi", &server.root, json!({})).unwrap();
    let paths = document["paths"].as_object().unwrap();
    assert!(paths.len() > 100, "{}", paths.len());
    let open = [
        "sys/wrapping/unwrap",
        "sys/wrapping/lookup",
        "sys/wrapping/rewrap",
        "sys/replication/status",
    ];
    for path in paths.keys() {
        let path = path.trim_start_matches('/').replace(['{', '}'], "");
        if open.contains(&path.as_str()) {
            continue;
        }
        for operation in [Read, Update, Delete, List] {
            let result = server.data(operation, &path, "", json!({}));
            assert!(matches!(result, Err(Error::Denied)), "{operation} {path}: {result:?}");
        }
    }
}
