use serde_json::{Value, json};
use vault_sdk::{MountClass, OutboundResponse};

use super::*;
use crate::testing::Bench;

const URL: &str = "https://k8s.example/apis/authentication.k8s.io/v1/tokenreviews";

/// A bench whose cluster answers as given.
fn bench(status: u16, answer: &Value) -> Bench<Kubernetes> {
    let mut bench = Bench::new(Kubernetes, "auth/kubernetes/", MountClass::Auth);
    let body = answer.to_string().into_bytes();
    bench.memory.answers.insert(URL.to_owned(), OutboundResponse { status, body });
    let config = json!({ "kubernetes_host": "https://k8s.example/", "kubernetes_ca_cert": "pem" });
    bench.ask(Operation::Update, "config", config).unwrap();
    let role = json!({ "bound_service_account_names": ["app-*"], "bound_service_account_namespaces": "prod",
                       "token_policies": "p" });
    bench.ask(Operation::Create, "role/R", role).unwrap();
    bench
}

fn yes(username: &str) -> Value {
    json!({ "status": { "authenticated": true, "user": { "username": username, "uid": "u-1" } } })
}

fn log_in(bench: &Bench<Kubernetes>) -> Result<Auth, Error> {
    let answer = bench.ask(Operation::Update, "login", json!({ "role": "r", "jwt": "j" }));
    answer.map(|mut answer| answer.auth.take().unwrap())
}

#[test]
fn a_reviewed_account_within_the_bounds_gets_in() {
    let auth = log_in(&bench(201, &yes("system:serviceaccount:prod:app-1"))).unwrap();
    assert_eq!(auth.policies, ["p"]);
    assert_eq!(auth.alias.unwrap().name, "u-1");
    assert_eq!(auth.metadata["service_account_name"], "app-1");
    assert_eq!(auth.metadata["service_account_namespace"], "prod");
}

#[test]
fn whatever_is_not_a_clear_yes_is_a_no() {
    let no = json!({ "status": { "authenticated": false } });
    let mut with_error = yes("system:serviceaccount:prod:app-1");
    with_error["status"]["error"] = json!("expired");
    let mut without_uid = yes("system:serviceaccount:prod:app-1");
    without_uid["status"]["user"] = json!({ "username": "system:serviceaccount:prod:app-1" });
    for (status, answer) in [
        (200, no),
        (200, json!({})),
        (200, json!("text")),
        (200, with_error),
        (200, without_uid),
        (401, yes("system:serviceaccount:prod:app-1")),
        (200, yes("system:serviceaccount:test:app-1")),
        (200, yes("system:serviceaccount:prod:other")),
        (200, yes("system:serviceaccount:prod:app-1:x")),
        (200, yes("system:serviceaccount::app-1")),
        (200, yes("admin")),
    ] {
        let refused = log_in(&bench(status, &answer));
        assert!(matches!(refused, Err(Error::Denied)), "{status} {answer} {refused:?}");
    }
}

#[test]
fn an_audience_must_be_confirmed() {
    let with = |audiences: Value| {
        let mut answer = yes("system:serviceaccount:prod:app-1");
        answer["status"]["audiences"] = audiences;
        let bench = bench(200, &answer);
        bench.ask(Operation::Update, "role/r", json!({ "audience": "casemate" })).unwrap();
        log_in(&bench).is_ok()
    };
    assert!(with(json!(["other", "casemate"])));
    assert!(!with(json!(["other"])));
    assert!(!with(json!(null)));
    assert!(!with(json!("casemate")));
}

#[test]
fn configuration_and_roles_are_checked() {
    let bench = Bench::new(Kubernetes, "auth/kubernetes/", MountClass::Auth);
    for (path, input, expected) in [
        ("config", json!({ "kubernetes_host": "http://x" }), "kubernetes_host must be a URL"),
        (
            "config",
            json!({ "kubernetes_host": "https://x", "pem_keys": ["k"] }),
            "pem_keys must be empty",
        ),
        (
            "config",
            json!({ "kubernetes_host": "https://x", "disable_local_ca_jwt": true }),
            "kubernetes_ca_cert must be given",
        ),
        ("role/r", json!({}), "\"bound_service_account_names\" can not be empty"),
        (
            "role/r",
            json!({ "bound_service_account_names": "a" }),
            "\"bound_service_account_namespaces\"",
        ),
        ("login", json!({ "role": "none", "jwt": "j" }), "invalid role name \"none\""),
        ("login", json!({ "role": "a/b", "jwt": "j" }), "invalid role name"),
        ("login", json!({ "jwt": "j" }), "missing role"),
        ("login", json!({ "role": "r" }), "missing jwt"),
    ] {
        let refusal = bench.refusal(Operation::Update, path, input);
        assert!(refusal.starts_with(expected), "{path}: {refusal}");
    }
    let config = json!({ "kubernetes_host": "https://x", "kubernetes_ca_cert": "pem", "token_reviewer_jwt": "canary" });
    bench.ask(Operation::Update, "config", config).unwrap();
    let shown = json!(bench.get(Operation::Read, "config", json!({})));
    assert_eq!(shown["token_reviewer_jwt_set"], true);
    assert!(!shown.to_string().contains("canary"));
}
