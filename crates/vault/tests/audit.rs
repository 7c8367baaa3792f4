//! The audit log as operators and auditors see it.
#![allow(clippy::unwrap_used, reason = "tests panic to fail")]

mod common;

use std::io::Write as _;
use std::path::Path;

use common::Server;
use crypto::Secret;
use serde_json::{Value, json};
use vault::audit::chain::{FindingKind, Head, verify};
use vault::{Error, hex};
use vault_sdk::Operation::{Delete, Read, Update};

fn enable(server: &Server, path: &Path, options: &[(&str, &str)]) {
    let mut all = json!({ "file_path": path.to_str().unwrap() });
    for (name, value) in options {
        all[*name] = json!(value);
    }
    server.write("sys/audit/file", json!({ "type": "file", "options": all }));
}

fn entries(path: &Path) -> Vec<Value> {
    let text = std::fs::read_to_string(path).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn chain_of(server: &Server) -> (Secret<[u8; 32]>, Head) {
    let chain = server.read("sys/audit-chain/file", &server.root).unwrap();
    let key = Secret::new(hex::array(chain["key"].as_str().unwrap()).unwrap());
    (key, serde_json::from_value(chain["head"].clone()).unwrap())
}

#[test]
fn every_request_and_answer_is_logged_and_chained() {
    let server = Server::new();
    server.furnish();
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("audit.log");
    enable(&server, &path, &[]);
    let token = server.login("reader", 3600);
    assert!(server.read("secret/a", &token).is_ok());
    assert!(server.data(Update, "secret/a", &token, json!({ "value": "no" })).is_err());
    assert!(server.read("secret/a", "hvs.wrong").is_err());
    let entries = entries(&path);
    let shown: Vec<(&str, &str, &str)> = entries
        .iter()
        .map(|entry| {
            let text =
                |value: &'_ Value| -> &str { value.as_str().unwrap_or("").to_owned().leak() };
            (text(&entry["type"]), text(&entry["request"]["path"]), text(&entry["error"]))
        })
        .collect();
    assert_eq!(
        shown,
        [
            ("response", "sys/audit/file", ""),
            ("request", "auth/open/login", ""),
            ("response", "auth/open/login", ""),
            ("request", "secret/a", ""),
            ("response", "secret/a", ""),
            ("request", "secret/a", "permission denied"),
            ("response", "secret/a", "permission denied"),
            ("request", "secret/a", "permission denied"),
            ("response", "secret/a", "permission denied"),
        ]
    );
    let hashed = server.write("sys/audit-hash/file", json!({ "input": "kept" }));
    assert_eq!(entries[4]["response"]["data"]["value"], hashed["hash"]);
    let hashed = server.write("sys/audit-hash/file", json!({ "input": token }));
    assert_eq!(entries[3]["auth"]["client_token"], hashed["hash"]);
    let (key, head) = chain_of(&server);
    let bytes = std::fs::read(&path).unwrap();
    let report = verify(&bytes, &key, Some(&head));
    // The head was read after its own request was logged, before its answer was.
    assert_eq!((report.findings, report.entries), (vec![], head.seq + 1));
}

#[test]
fn tampering_is_found_and_a_crash_is_not_tampering() {
    let mut server = Server::new();
    server.furnish();
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("audit.log");
    enable(&server, &path, &[]);
    for _ in 0..5 {
        server.read("secret/a", &server.root).unwrap();
    }
    let (key, _) = chain_of(&server);
    server.core.tick();
    let good = std::fs::read_to_string(&path).unwrap();
    let lines: Vec<&str> = good.lines().collect();
    let without =
        lines.iter().enumerate().filter(|(n, _)| *n != 3).map(|(_, line)| format!("{line}\n"));
    let report = verify(without.collect::<String>().as_bytes(), &key, None);
    assert_eq!(report.findings[0].kind, FindingKind::Deleted { count: 1 });
    let edited = good.replacen("\"remote_address\"", "\"remote_addres5\"", 1);
    let edited = if edited == good {
        good.replacen("\"operation\":\"read\"", "\"operation\":\"list\"", 1)
    } else {
        edited
    };
    let report = verify(edited.as_bytes(), &key, None);
    assert!(report.findings.iter().any(|finding| finding.kind == FindingKind::Edited));
    // A crash in the middle of a line.
    std::fs::OpenOptions::new()
        .append(true)
        .open(&path)
        .unwrap()
        .write_all(b"{\"time\":\"20")
        .unwrap();
    server.reopen();
    server.read("secret/a", &server.root).unwrap();
    let (key, head) = chain_of(&server);
    let report = verify(&std::fs::read(&path).unwrap(), &key, Some(&head));
    assert_eq!(report.findings, []);
    // The end cut off: the store knows better, and the next start says so.
    server.core.tick();
    std::fs::write(&path, good.lines().take(3).map(|line| format!("{line}\n")).collect::<String>())
        .unwrap();
    let report = verify(&std::fs::read(&path).unwrap(), &key, Some(&head));
    assert!(matches!(report.findings[0].kind, FindingKind::Cut { .. }));
    server.reopen();
    server.read("secret/a", &server.root).unwrap();
    let resumed = entries(&path).into_iter().find(|entry| entry["type"] == "resumed").unwrap();
    assert!(resumed["resumed"]["missing"].as_u64().unwrap() > 5, "{resumed}");
}

#[test]
fn no_answer_without_an_entry() {
    let server = Server::new();
    server.furnish();
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("deep").join("audit.log");
    std::fs::create_dir(path.parent().unwrap()).unwrap();
    enable(&server, &path, &[]);
    assert!(server.read("secret/a", &server.root).is_ok());
    std::fs::remove_dir_all(path.parent().unwrap()).unwrap();
    server.core.tick();
    assert!(matches!(server.read("secret/a", &server.root), Err(Error::Audit)));
    assert!(matches!(
        server.data(Update, "secret/b", &server.root, json!({ "x": 1 })),
        Err(Error::Audit)
    ));
    std::fs::create_dir(path.parent().unwrap()).unwrap();
    assert!(server.read("secret/a", &server.root).is_ok(), "as soon as it can be logged again");
    assert!(server.read("secret/b", &server.root).is_err(), "the refused write did not happen");
    server.call(Delete, "sys/audit/file", &server.root, json!({})).unwrap();
}

#[test]
fn files_rotate_and_verify_as_one() {
    let server = Server::new();
    server.furnish();
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("audit.log");
    enable(&server, &path, &[("rotate_bytes", "6000"), ("mode", "0640")]);
    for _ in 0..20 {
        server.read("secret/a", &server.root).unwrap();
    }
    let mut bytes = Vec::new();
    for n in (1..10).rev() {
        bytes.extend(
            std::fs::read(directory.path().join(format!("audit.log.{n}"))).unwrap_or_default(),
        );
    }
    assert!(bytes.len() > 12_000);
    bytes.extend(std::fs::read(&path).unwrap());
    let (key, head) = chain_of(&server);
    bytes.extend(std::fs::read(&path).unwrap().into_iter().skip(usize::MAX));
    let report = verify(&bytes, &key, None);
    assert_eq!(report.findings, []);
    assert!(report.entries + 2 >= head.seq);
}

/// Whatever secret goes through the server, it is in no audit entry, no row of the store and no error.
#[test]
fn canary() {
    const CANARY: &str = "canary-7f3a9c51e2";
    let server = Server::new();
    server.furnish();
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("audit.log");
    enable(&server, &path, &[]);
    let mut texts = Vec::new();
    let mut note = |result: Result<vault::Reply, Error>| {
        texts.push(match result {
            Ok(reply) => format!("{reply:?}"),
            Err(error) => format!("{error} {error:?}"),
        });
    };
    let secret = json!({ "value": CANARY, "deep": { "list": [CANARY, 1] } });
    note(server.call(Update, "secret/canary", &server.root, secret));
    note(server.call(Read, "secret/canary", &server.root, json!({})));
    note(server.call(Read, "secret/canary", CANARY, json!({})));
    note(server.call(Update, "auth/token/lookup", &server.root, json!({ "token": CANARY })));
    note(server.call(
        Update,
        "auth/token/create",
        &server.root,
        json!({ "id": CANARY, "ttl": "1h" }),
    ));
    note(server.call(Update, "auth/token/create", &server.root, json!({ "ttl": CANARY })));
    note(server.call(
        Update,
        "auth/token/renew",
        &server.root,
        json!({ "token": CANARY, "increment": CANARY }),
    ));
    note(server.call(Update, "sys/wrapping/unwrap", "", json!({ "token": CANARY })));
    note(server.call(Update, "sys/unseal", "", json!({ "key": CANARY })));
    note(server.call(Update, "sys/wrapping/wrap", &server.root, json!({ "value": CANARY })));
    note(server.call(Update, "auth/token/revoke", &server.root, json!({ "token": CANARY })));
    texts.push(std::fs::read_to_string(&path).unwrap());
    for text in &texts {
        assert!(!text.contains(CANARY), "{text}");
        assert!(!text.contains(&server.root), "{text}");
    }
    for (key, value) in server.store.export() {
        for bytes in [&key, &value] {
            assert!(!bytes.windows(CANARY.len()).any(|window| window == CANARY.as_bytes()));
            assert!(!bytes.windows(20).any(|window| window == &server.root.as_bytes()[..20]));
        }
    }
}

#[test]
fn a_socket_gets_the_same_lines_and_fails_closed_when_it_is_gone() {
    use std::io::BufRead as _;
    let server = Server::new();
    server.furnish();
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("socket");
    let listener = std::os::unix::net::UnixListener::bind(&path).unwrap();
    let options = json!({ "address": path.to_str().unwrap(), "socket_type": "unix" });
    server.write("sys/audit/file", json!({ "type": "socket", "options": options }));
    let (stream, _) = listener.accept().unwrap();
    server.read("secret/a", &server.root).unwrap();
    let mut lines = std::io::BufReader::new(stream).lines();
    let mut next = || serde_json::from_str::<Value>(&lines.next().unwrap().unwrap()).unwrap();
    assert_eq!(next()["request"]["path"], "sys/audit/file");
    assert_eq!((&next()["type"], &next()["type"]), (&json!("request"), &json!("response")));
    drop(lines);
    drop(listener);
    std::fs::remove_file(&path).unwrap();
    assert!(matches!(server.read("secret/a", &server.root), Err(Error::Audit)));
}
