use vault_sdk::MountClass;
use vault_sdk::time::Seconds;

use super::*;
use crate::testing::{Bench, data};

fn bench() -> Bench<Kv2> {
    Bench::new(Kv2, "secret/", MountClass::Secret)
}

fn write(bench: &Bench<Kv2>, path: &str, value: Value) -> Data {
    bench.get(Operation::Update, &format!("data/{path}"), json!({ "data": value }))
}

fn read(bench: &Bench<Kv2>, path: &str) -> Value {
    let answer = bench.ask(Operation::Read, &format!("data/{path}"), json!({})).unwrap();
    data(&answer)["data"].clone()
}

#[test]
fn every_write_is_a_version() {
    let bench = bench();
    let first = write(&bench, "a/b", json!({ "x": 1 }));
    assert_eq!(first["version"], 1);
    assert_eq!(first["custom_metadata"], Value::Null);
    assert_eq!(first["deletion_time"], "");
    assert_eq!(write(&bench, "a/b", json!({ "x": 2 }))["version"], 2);
    assert_eq!(read(&bench, "a/b"), json!({ "x": 2 }));
    let old = bench.get(Operation::Read, "data/a/b", json!({ "version": "1" }));
    assert_eq!(old["data"], json!({ "x": 1 }));
    assert_eq!(old["metadata"]["version"], 1);
    for (path, input) in [("data/none", json!({})), ("data/a/b", json!({ "version": 9 }))] {
        assert!(matches!(bench.ask(Operation::Read, path, input), Err(Error::NotFound)));
    }
    assert!(matches!(bench.ask(Operation::Read, "data/a/b/", json!({})), Err(Error::NotFound)));
}

#[test]
fn check_and_set_lets_one_writer_win() {
    let bench = bench();
    let set = |cas: Value| {
        let input = json!({ "data": {}, "options": { "cas": cas } });
        bench.ask(Operation::Update, "data/a", input).map(|answer| data(&answer)["version"].clone())
    };
    assert_eq!(set(json!(0)).unwrap(), 1);
    let mismatch = "check-and-set parameter did not match the current version";
    assert_eq!(set(json!(0)).unwrap_err().to_string(), mismatch);
    assert_eq!(set(json!(-1)).unwrap_err().to_string(), mismatch);
    assert_eq!(set(json!("1")).unwrap(), 2);
    assert_eq!(set(json!("x")).unwrap_err().to_string(), "error parsing check-and-set parameter");
    bench.ask(Operation::Update, "config", json!({ "cas_required": true })).unwrap();
    let required = "check-and-set parameter required for this call";
    assert_eq!(bench.refusal(Operation::Update, "data/a", json!({ "data": {} })), required);
    assert_eq!(bench.refusal(Operation::Update, "data/b", json!({ "data": {} })), required);
}

#[test]
fn deleted_versions_come_back_and_destroyed_ones_do_not() {
    let bench = bench();
    write(&bench, "a", json!({ "x": 1 }));
    write(&bench, "a", json!({ "x": 2 }));
    bench.ask(Operation::Delete, "data/a", json!({})).unwrap();
    let gone = bench.ask(Operation::Read, "data/a", json!({})).unwrap();
    assert!(matches!(&gone.body, Body::Status(404, data) if data["data"].is_null()));
    assert_ne!(data(&gone)["metadata"]["deletion_time"], "");
    bench.ask(Operation::Update, "undelete/a", json!({ "versions": [2] })).unwrap();
    assert_eq!(read(&bench, "a"), json!({ "x": 2 }));
    bench.ask(Operation::Update, "destroy/a", json!({ "versions": "2" })).unwrap();
    bench.ask(Operation::Update, "undelete/a", json!({ "versions": [2] })).unwrap();
    let gone = bench.ask(Operation::Read, "data/a", json!({})).unwrap();
    assert_eq!(data(&gone)["metadata"]["destroyed"], true);
    assert_eq!(bench.memory.keys(), ["d/1/a", "m/a"]);
    for path in ["delete/a", "undelete/a", "destroy/a"] {
        let refusal = bench.refusal(Operation::Update, path, json!({}));
        assert_eq!(refusal, "no version number provided");
    }
    bench.ask(Operation::Update, "destroy/none", json!({ "versions": [1] })).unwrap();
    bench.ask(Operation::Delete, "metadata/a", json!({})).unwrap();
    assert!(bench.memory.keys().is_empty());
}

#[test]
fn old_versions_are_forgotten() {
    let bench = bench();
    bench.ask(Operation::Update, "config", json!({ "max_versions": 2 })).unwrap();
    for number in 1..=5 {
        write(&bench, "a", json!({ "n": number }));
    }
    let metadata = bench.get(Operation::Read, "metadata/a", json!({}));
    assert_eq!(metadata["oldest_version"], 4);
    assert_eq!(metadata["versions"].as_object().unwrap().len(), 2);
    assert_eq!(bench.memory.keys(), ["config", "d/4/a", "d/5/a", "m/a"]);
    bench.ask(Operation::Update, "metadata/a", json!({ "max_versions": 1 })).unwrap();
    write(&bench, "a", json!({}));
    assert_eq!(bench.memory.keys(), ["config", "d/6/a", "m/a"]);
}

#[test]
fn a_secret_with_many_versions_can_be_removed() {
    let bench = bench();
    bench.ask(Operation::Update, "metadata/a", json!({ "max_versions": 1000 })).unwrap();
    for number in 1..=300 {
        write(&bench, "a", json!({ "n": number }));
    }
    bench.ask(Operation::Update, "metadata/a", json!({ "max_versions": 1 })).unwrap();
    write(&bench, "a", json!({}));
    assert_eq!(bench.memory.keys(), ["d/301/a", "m/a"]);
    bench.ask(Operation::Delete, "metadata/a", json!({})).unwrap();
    assert!(bench.memory.keys().is_empty());
}

#[test]
fn versions_delete_themselves() {
    let bench = bench();
    bench.ask(Operation::Update, "metadata/a", json!({ "delete_version_after": "1h" })).unwrap();
    assert_ne!(write(&bench, "a", json!({ "x": 1 }))["deletion_time"], "");
    bench.memory.pass(Seconds(3599));
    assert_eq!(read(&bench, "a"), json!({ "x": 1 }));
    bench.memory.pass(Seconds(1));
    assert_eq!(read(&bench, "a"), Value::Null);
    bench.ask(Operation::Update, "config", json!({ "delete_version_after": "-1s" })).unwrap();
    assert_eq!(bench.get(Operation::Read, "config", json!({}))["delete_version_after"], "-1s");
    assert_eq!(write(&bench, "a", json!({}))["deletion_time"], "");
}

#[test]
fn patches_merge_as_rfc_7396_says() {
    let bench = bench();
    write(&bench, "a", json!({ "keep": 1, "drop": 2, "deep": { "x": 1, "y": 2 }, "flat": 3 }));
    let patch = json!({ "data": { "drop": null, "deep": { "y": null, "z": [null] }, "flat": { "n": null } },
                        "options": { "cas": 1 } });
    assert_eq!(bench.get(Operation::Patch, "data/a", patch)["version"], 2);
    assert_eq!(
        read(&bench, "a"),
        json!({ "keep": 1, "deep": { "x": 1, "z": [null] }, "flat": {} })
    );
    let none = bench.ask(Operation::Patch, "data/none", json!({ "data": {} }));
    assert!(matches!(none, Err(Error::NotFound)));
    bench.ask(Operation::Delete, "data/a", json!({})).unwrap();
    let gone = bench.ask(Operation::Patch, "data/a", json!({ "data": {} })).unwrap();
    assert!(matches!(gone.body, Body::Status(404, _)));
}

#[test]
fn subkeys_show_structure_and_no_values() {
    let bench = bench();
    write(&bench, "a", json!({ "x": "canary", "deep": { "y": { "z": "canary" }, "e": {} } }));
    let all = bench.get(Operation::Read, "subkeys/a", json!({}));
    assert_eq!(all["subkeys"], json!({ "x": null, "deep": { "y": { "z": null }, "e": null } }));
    let flat = bench.get(Operation::Read, "subkeys/a", json!({ "depth": 1 }));
    assert_eq!(flat["subkeys"], json!({ "x": null, "deep": null }));
}

#[test]
fn custom_metadata_is_bounded_and_patched() {
    let bench = bench();
    let set = |operation, custom: Value| {
        bench.ask(operation, "metadata/a", json!({ "custom_metadata": custom }))
    };
    set(Operation::Update, json!({ "k": "v", "l": "w" })).unwrap();
    set(Operation::Patch, json!({ "k": null, "m": "x" })).unwrap();
    let shown = bench.get(Operation::Read, "metadata/a", json!({}))["custom_metadata"].clone();
    assert_eq!(shown, json!({ "l": "w", "m": "x" }));
    let many: Data = (0..65).map(|number| (number.to_string(), json!("v"))).collect();
    for bad in [
        json!(many),
        json!({ "k": 1 }),
        json!({ "k".repeat(129): "v" }),
        json!({ "k": "v".repeat(513) }),
    ] {
        let refusal = set(Operation::Update, bad).unwrap_err().to_string();
        assert!(refusal.starts_with("custom_metadata validation failed"), "{refusal}");
    }
    bench.ask(Operation::Patch, "metadata/a", json!({ "custom_metadata": null })).unwrap();
    assert_eq!(bench.get(Operation::Read, "metadata/a", json!({}))["custom_metadata"], Value::Null);
}

#[test]
fn lists_scans_and_details() {
    let bench = bench();
    for path in ["a", "b/c", "b/d/e"] {
        write(&bench, path, json!({ "x": 1 }));
    }
    let keys = |operation, path| bench.get(operation, path, json!({}))["keys"].clone();
    assert_eq!(keys(Operation::List, "metadata/"), json!(["a", "b/"]));
    assert_eq!(keys(Operation::List, "metadata"), json!(["a", "b/"]));
    assert_eq!(keys(Operation::Scan, "metadata/b/"), json!(["c", "d/e"]));
    let detailed = bench.get(Operation::List, "detailed-metadata/", json!({}));
    assert_eq!(detailed["key_info"]["a"]["current_version"], 1);
    assert!(bench.get(Operation::List, "metadata/none/", json!({})).is_empty());
}

#[test]
fn a_path_of_version_1_is_pointed_out() {
    let answer = bench().ask(Operation::Read, "a", json!({})).unwrap();
    assert!(matches!(answer.body, Body::Status(404, _)));
    assert!(answer.warnings[0].starts_with("Invalid path for a versioned K/V secrets engine"));
}
