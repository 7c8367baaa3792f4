use serde_json::{Value, json};
use vault_sdk::time::Seconds;
use vault_sdk::{Data, MountClass, Response};

use super::*;
use crate::testing::{Bench, data, now, object};

fn bench() -> Bench<AppRole> {
    Bench::new(AppRole, "auth/approle/", MountClass::Auth)
}

fn make_role(bench: &Bench<AppRole>, name: &str, settings: Value) {
    bench.ask(Operation::Create, &format!("role/{name}"), settings).unwrap();
}

fn secret_id(bench: &Bench<AppRole>, role: &str, settings: Value) -> Data {
    bench.get(Operation::Update, &format!("role/{role}/secret-id"), settings)
}

fn role_id(bench: &Bench<AppRole>, role: &str) -> Value {
    bench.get(Operation::Read, &format!("role/{role}/role-id"), json!({}))["role_id"].clone()
}

fn log_in(bench: &Bench<AppRole>, role_id: &Value, secret_id: &Value) -> Result<Auth, Error> {
    let input = json!({ "role_id": role_id, "secret_id": secret_id });
    bench.ask(Operation::Update, "login", input).map(|mut answer| answer.auth.take().unwrap())
}

fn text(result: Result<Auth, Error>) -> String {
    result.unwrap_err().to_string()
}

const REFUSED: &str = "invalid role or secret ID";

#[test]
fn a_role_and_its_secret_identifier_let_in() {
    let bench = bench();
    make_role(
        &bench,
        "R",
        json!({ "token_policies": "p", "token_ttl": "5m", "token_num_uses": 3 }),
    );
    let secret = secret_id(&bench, "r", json!({ "metadata": "{\"a\":\"b\"}" }));
    let auth = log_in(&bench, &role_id(&bench, "r"), &secret["secret_id"]).unwrap();
    assert_eq!(auth.policies, ["p"]);
    assert_eq!((auth.ttl, auth.num_uses, auth.renewable), (Seconds(300), 3, true));
    assert_eq!(json!(auth.metadata), json!({ "a": "b", "role_name": "r" }));
    assert_eq!(json!(auth.alias.unwrap().name), role_id(&bench, "r"));
    assert!(!bench.memory.keys().concat().contains(secret["secret_id"].as_str().unwrap()));
}

#[test]
fn refusals_do_not_tell_which_part_was_wrong() {
    let bench = bench();
    make_role(&bench, "r", json!({}));
    make_role(&bench, "s", json!({}));
    let id = role_id(&bench, "r");
    let others = secret_id(&bench, "s", json!({}))["secret_id"].clone();
    assert_eq!(text(log_in(&bench, &id, &json!("wrong"))), REFUSED);
    assert_eq!(text(log_in(&bench, &json!("wrong"), &json!("wrong"))), REFUSED);
    assert_eq!(text(log_in(&bench, &id, &others)), REFUSED);
    assert_eq!(text(log_in(&bench, &id, &Value::Null)), "missing secret_id");
    assert_eq!(text(log_in(&bench, &Value::Null, &Value::Null)), "missing role_id");
}

#[test]
fn uses_and_time_run_out() {
    let bench = bench();
    make_role(&bench, "r", json!({ "secret_id_num_uses": 2, "secret_id_ttl": 60 }));
    let id = role_id(&bench, "r");
    let secret = secret_id(&bench, "r", json!({}))["secret_id"].clone();
    assert!(log_in(&bench, &id, &secret).is_ok());
    assert!(log_in(&bench, &id, &secret).is_ok());
    assert_eq!(text(log_in(&bench, &id, &secret)), REFUSED);
    assert!(
        !bench.memory.keys().iter().any(|key| key.starts_with("sid/") || key.starts_with("acc/"))
    );

    let secret = secret_id(&bench, "r", json!({ "num_uses": 1 }));
    assert_eq!(secret["secret_id_num_uses"], 1);
    bench.memory.pass(Seconds(60));
    assert_eq!(text(log_in(&bench, &id, &secret["secret_id"])), REFUSED);
    let tidied = bench.ask(Operation::Update, "tidy/secret-id", json!({})).unwrap();
    assert!(tidied.warnings[0].contains("1 secret identifiers"));
    assert_eq!(bench.memory.keys().len(), 2);
    for (input, expected) in [
        (json!({ "num_uses": 3 }), "num_uses cannot be higher than the role's secret_id_num_uses"),
        (json!({ "num_uses": 0 }), "num_uses cannot be higher than the role's secret_id_num_uses"),
        (json!({ "ttl": 61 }), "ttl cannot be longer than the role's secret_id_ttl"),
        (json!({ "ttl": 0 }), "ttl cannot be longer than the role's secret_id_ttl"),
        (json!({ "metadata": "x" }), "expected metadata as a JSON object of strings in one string"),
    ] {
        assert_eq!(bench.refusal(Operation::Update, "role/r/secret-id", input), expected);
    }
}

#[test]
fn custom_identifiers_are_found_looked_up_and_destroyed() {
    let bench = bench();
    make_role(&bench, "r", json!({ "role_id": "my/role" }));
    let custom = json!({ "secret_id": "s" });
    let made = bench.get(Operation::Update, "role/r/custom-secret-id", custom.clone());
    assert_eq!(made["secret_id"], "s");
    let again = bench.refusal(Operation::Update, "role/r/custom-secret-id", custom.clone());
    assert_eq!(again, "SecretID is already registered");
    assert!(log_in(&bench, &json!("my/role"), &json!("s")).is_ok());
    let accessor = made["secret_id_accessor"].clone();
    let found = bench.get(Operation::Update, "role/r/secret-id/lookup", custom.clone());
    assert_eq!(found["secret_id_accessor"], accessor);
    let by_accessor = json!({ "secret_id_accessor": accessor });
    let found =
        bench.get(Operation::Update, "role/r/secret-id-accessor/lookup", by_accessor.clone());
    assert_eq!(found["secret_id_num_uses"], 0);
    let listed = bench.get(Operation::List, "role/r/secret-id", json!({}));
    assert_eq!(listed["keys"], json!([accessor]));
    bench.ask(Operation::Update, "role/r/secret-id-accessor/destroy", by_accessor.clone()).unwrap();
    assert_eq!(text(log_in(&bench, &json!("my/role"), &json!("s"))), REFUSED);
    assert!(bench.get(Operation::Update, "role/r/secret-id/lookup", custom).is_empty());
    let gone = bench.refusal(Operation::Update, "role/r/secret-id-accessor/destroy", by_accessor);
    assert!(gone.starts_with("failed to find accessor entry"));
}

/// CVE-2023-24999: an accessor of one role does nothing on the path of another.
#[test]
fn accessors_do_not_cross_roles() {
    let bench = bench();
    make_role(&bench, "a", json!({}));
    make_role(&bench, "b", json!({}));
    let secret = secret_id(&bench, "a", json!({}));
    let accessor = json!({ "secret_id_accessor": secret["secret_id_accessor"] });
    for verb in ["lookup", "destroy"] {
        let path = format!("role/b/secret-id-accessor/{verb}");
        let answer = bench.ask(Operation::Update, &path, accessor.clone());
        let refused = match &answer {
            Ok(answer) => matches!(answer.body, vault_sdk::Body::Status(404, _)),
            Err(_) => true,
        };
        assert!(refused, "{path}");
    }
    let by_id = json!({ "secret_id": secret["secret_id"] });
    bench.ask(Operation::Update, "role/b/secret-id/destroy", by_id).unwrap();
    assert!(log_in(&bench, &role_id(&bench, "a"), &secret["secret_id"]).is_ok());
    let sly = json!({ "secret_id_accessor": "../a" });
    assert!(bench.ask(Operation::Update, "role/b/secret-id-accessor/destroy", sly).is_err());
}

#[test]
fn nothing_of_a_removed_role_is_valid_in_its_successor() {
    let bench = bench();
    make_role(&bench, "r", json!({ "role_id": "id" }));
    let secret = secret_id(&bench, "r", json!({}))["secret_id"].clone();
    let auth = log_in(&bench, &json!("id"), &secret).unwrap();
    bench.ask(Operation::Delete, "role/r", json!({})).unwrap();
    assert!(bench.memory.keys().is_empty());
    make_role(&bench, "r", json!({ "role_id": "id" }));
    assert_eq!(text(log_in(&bench, &json!("id"), &secret)), REFUSED);
    let renewed = now(login::renew(&auth, bench.memory.context()));
    assert_eq!(renewed.unwrap_err().to_string(), "role does not exist during renewal");
}

#[test]
fn a_role_identifier_names_one_role() {
    let bench = bench();
    make_role(&bench, "a", json!({ "role_id": "id" }));
    let refusal = bench.refusal(Operation::Create, "role/b", json!({ "role_id": "id" }));
    assert_eq!(refusal, "role_id is already used by another role");
    bench.ask(Operation::Update, "role/a/role-id", json!({ "role_id": "other" })).unwrap();
    make_role(&bench, "b", json!({ "role_id": "id" }));
    let secret = secret_id(&bench, "a", json!({}))["secret_id"].clone();
    assert_eq!(log_in(&bench, &json!("other"), &secret).unwrap().role, "a");
    assert_eq!(text(log_in(&bench, &json!("id"), &secret)), REFUSED);
}

#[test]
fn networks_bind_roles_and_secret_identifiers() {
    let bench = bench();
    make_role(
        &bench,
        "r",
        json!({ "secret_id_bound_cidrs": "10.0.0.0/8", "token_bound_cidrs": ["10.0.0.0/8"] }),
    );
    let narrow = json!({ "cidr_list": "10.1.0.0/16", "token_bound_cidrs": "10.1.2.3" });
    let secret = secret_id(&bench, "r", narrow)["secret_id"].clone();
    let from = |address: &str| -> Result<Response, Error> {
        let input = json!({ "role_id": role_id(&bench, "r"), "secret_id": secret });
        let mut request = Request::new(Operation::Update, "login", object(input));
        request.connection.remote = Some(address.parse().unwrap());
        bench.send(&request)
    };
    let auth = from("10.1.9.9").unwrap().auth.take().unwrap();
    assert_eq!(auth.bound_cidrs, ["10.1.2.3".parse().unwrap()]);
    assert_eq!(from("10.2.0.1").unwrap_err().to_string(), REFUSED);
    let wide = json!({ "cidr_list": "11.0.0.0/8" });
    assert_eq!(
        bench.refusal(Operation::Update, "role/r/secret-id", wide),
        "11.0.0.0/8 is not within the secret_id_bound_cidrs of the role"
    );
}

#[test]
fn settings_are_read_changed_and_reset_one_by_one() {
    let bench = bench();
    make_role(&bench, "r", json!({}));
    for (setting, name, value, shown, none) in [
        ("policies", "token_policies", json!("b,a"), json!(["a", "b"]), json!([])),
        ("token-ttl", "token_ttl", json!("1m"), json!(60), json!(0)),
        ("token-max-ttl", "token_max_ttl", json!(60), json!(60), json!(0)),
        ("token-num-uses", "token_num_uses", json!(5), json!(5), json!(0)),
        ("period", "token_period", json!("2m"), json!(120), json!(0)),
        ("secret-id-ttl", "secret_id_ttl", json!("2m"), json!(120), json!(0)),
        ("secret-id-num-uses", "secret_id_num_uses", json!(5), json!(5), json!(0)),
        (
            "secret-id-bound-cidrs",
            "secret_id_bound_cidrs",
            json!("127.0.0.1"),
            json!(["127.0.0.1/32"]),
            json!(null),
        ),
        (
            "bound-cidr-list",
            "bound_cidr_list",
            json!("127.0.0.0/8"),
            json!(["127.0.0.0/8"]),
            json!(null),
        ),
        (
            "token-bound-cidrs",
            "token_bound_cidrs",
            json!(["127.0.0.1"]),
            json!(["127.0.0.1"]),
            json!(null),
        ),
    ] {
        let path = format!("role/r/{setting}");
        bench.ask(Operation::Update, &path, json!({ name: value })).unwrap();
        assert_eq!(bench.get(Operation::Read, &path, json!({}))[name], shown, "{setting}");
        assert!(bench.ask(Operation::Update, &path, json!({})).is_err(), "{setting}");
        bench.ask(Operation::Delete, &path, json!({})).unwrap();
        assert_eq!(bench.get(Operation::Read, &path, json!({}))[name], none, "{setting}");
    }
    bench.ask(Operation::Update, "role/r/policies", json!({ "policies": "x" })).unwrap();
    assert_eq!(bench.get(Operation::Read, "role/r/policies", json!({}))["policies"], json!(["x"]));
    let unbound = bench.refusal(
        Operation::Update,
        "role/r/bind-secret-id",
        json!({ "bind_secret_id": false }),
    );
    assert_eq!(unbound, "at least one constraint should be enabled on the role");
}

#[test]
fn roles_are_checked() {
    let bench = bench();
    for (settings, expected) in [
        (
            json!({ "bind_secret_id": false }),
            "at least one constraint should be enabled on the role",
        ),
        (
            json!({ "token_ttl": "2h", "token_max_ttl": "1h" }),
            "'token_ttl' cannot be greater than 'token_max_ttl'",
        ),
        (json!({ "token_policies": "ROOT" }), "auth methods cannot create root tokens"),
        (json!({ "token_type": "x" }), "invalid 'token_type' value \"x\""),
    ] {
        assert_eq!(bench.refusal(Operation::Create, "role/r", settings), expected);
    }
    assert!(bench.memory.keys().is_empty());
    let missing = bench.ask(Operation::Update, "role/none/secret-id", json!({})).unwrap_err();
    assert!(matches!(missing, Error::Status { status: 404, .. }));
    make_role(&bench, "r", json!({}));
    let shown = data(&bench.ask(Operation::Read, "role/r", json!({})).unwrap());
    assert_eq!(shown["bind_secret_id"], true);
    assert_eq!(shown["secret_id_bound_cidrs"], Value::Null);
    assert!(!shown.contains_key("policies"));
}
