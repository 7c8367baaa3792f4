//! A server that is killed loses nothing that it acknowledged.
#![allow(clippy::unwrap_used, reason = "tests panic to fail")]
#![allow(clippy::disallowed_methods, reason = "the test starts and kills a server of its own")]

mod common;

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;

use common::{Clock, setup};
use crypto::Secret;
use serde_json::{Value, json};
use storage::{Embedded, Options};
use vault::barrier::FileWitness;
use vault::seal::AutoSeal;
use vault::seal::auto::StaticSeal;
use vault::{Core, Inbound};
use vault_sdk::Operation::{Read, Update};
use zeroize::Zeroizing;

const DIRECTORY: &str = "CASEMATE_CRASH_DIRECTORY";

fn open(directory: &Path) -> Core {
    let store = Embedded::open(&directory.join("store"), &Options::default()).unwrap();
    let clock = Arc::new(Clock::new(1_700_000_000_000));
    let mut setup = setup(Arc::new(store), clock);
    setup.freshness = Arc::new(FileWitness::new(directory.join("witness")));
    let seal: Arc<dyn AutoSeal> = Arc::new(StaticSeal::new("test", Secret::new([5; 32])));
    setup.seals = vec![seal];
    Core::new(setup).unwrap()
}

fn call(
    core: &Core,
    operation: vault_sdk::Operation,
    path: &str,
    token: &str,
    data: Value,
) -> Option<Value> {
    let Value::Object(data) = data else { panic!("data is an object") };
    let token = Some(Zeroizing::new(token.to_owned()));
    let reply = core
        .handle(Inbound { operation, path: path.into(), data, token, ..Inbound::default() })
        .ok()?;
    match &reply.body {
        vault_sdk::Body::Data(data) => Some(Value::Object(data.clone())),
        _ => Some(Value::Null),
    }
}

/// The server that is killed. As a test of its own it does nothing.
#[test]
fn killed() {
    let Some(directory) = std::env::var_os(DIRECTORY) else { return };
    let core = open(Path::new(&directory));
    let token = std::fs::read_to_string(Path::new(&directory).join("root")).unwrap();
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let (core, token) = (&core, &token);
            scope.spawn(move || {
                for n in 0.. {
                    let path = format!("secret/{thread}/{n}");
                    call(core, Update, &path, token, json!({ "value": path })).unwrap();
                    println!("acknowledged {path}");
                    std::io::stdout().flush().unwrap();
                }
            });
        }
    });
}

#[test]
fn kill_9_loses_nothing_acknowledged() {
    let directory = tempfile::tempdir().unwrap();
    {
        let core = open(directory.path());
        let made = core.initialise(1, 1).unwrap();
        let root = made.root_token.expose();
        call(&core, Update, "sys/mounts/secret", root, json!({ "type": "kv" })).unwrap();
        std::fs::write(directory.path().join("root"), root).unwrap();
    }
    let root = std::fs::read_to_string(directory.path().join("root")).unwrap();
    let mut acknowledged = Vec::new();
    for round in 1..5 {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "killed", "--nocapture"])
            .env(DIRECTORY, directory.path())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        // Killed after a number of answers, in the middle of whatever comes next.
        let until = acknowledged.len() + 7 * round;
        while acknowledged.len() < until {
            let line = lines.next().unwrap().unwrap();
            acknowledged.extend(line.split_once("acknowledged ").map(|(_, path)| path.to_owned()));
        }
        child.kill().unwrap();
        child.wait().unwrap();
        for line in lines.map_while(Result::ok) {
            acknowledged.extend(line.split_once("acknowledged ").map(|(_, path)| path.to_owned()));
        }
        let core = open(directory.path());
        assert!(!core.is_sealed(), "{:?}", core.seal_status());
        for path in &acknowledged {
            let data = call(&core, Read, path, &root, json!({}));
            assert_eq!(data.unwrap_or_default()["value"], json!(path), "lost in round {round}");
        }
    }
}
