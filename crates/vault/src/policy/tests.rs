use std::sync::Arc;

use serde_json::{Value, json};
use vault_sdk::time::Seconds;
use vault_sdk::{Data, Operation};

use super::*;

fn acl(texts: &[&str]) -> Acl {
    bound(texts, None)
}

fn bound(texts: &[&str], subject: Option<&Subject>) -> Acl {
    let parse = |(number, text): (usize, &&str)| {
        Arc::new(AclPolicy::parse(&format!("p{number}"), text).unwrap())
    };
    let policies: Vec<_> = texts.iter().enumerate().map(parse).collect();
    Acl::bind(&policies, subject)
}

fn reason(acl: &Acl, operation: Operation, path: &str, data: &Value, wrap: u64) -> String {
    let data = data.as_object().cloned().unwrap_or_default();
    let query = Query { path, operation, data: &data, wrap_ttl: Seconds(wrap) };
    acl.decide(&query).reason.to_string()
}

fn allowed(acl: &Acl, operation: Operation, path: &str) -> bool {
    let data = Data::new();
    acl.decide(&Query { path, operation, data: &data, wrap_ttl: Seconds(0) }).allowed
}

const GRANTED: &str = "the rule grants the operation";

#[test]
fn nothing_is_granted_by_default() {
    let acl = acl(&[r#"path "secret/a" { capabilities = ["read"] }"#]);
    assert!(allowed(&acl, Operation::Read, "secret/a"));
    for (operation, path) in [
        (Operation::Update, "secret/a"),
        (Operation::Read, "secret/ab"),
        (Operation::Read, "secret/a/"),
        (Operation::Read, "secret/A"),
        (Operation::Read, "secret"),
        (Operation::Read, ""),
    ] {
        assert!(!allowed(&acl, operation, path), "{operation} {path}");
    }
    assert!(allowed(&acl, Operation::Help, "anything"));
}

#[test]
fn old_short_forms_mean_what_they_meant() {
    let acl = acl(&[r#"path "r/*" { policy = "read" } path "w" { policy = "write" }
           path "s" { policy = "sudo" } path "r/no" { policy = "deny" }"#]);
    assert_eq!(acl.capabilities("r/x"), ["list", "read"]);
    assert_eq!(acl.capabilities("w"), ["create", "delete", "list", "read", "update"]);
    assert_eq!(acl.capabilities("s"), ["create", "delete", "list", "read", "sudo", "update"]);
    assert_eq!(acl.capabilities("r/no"), ["deny"]);
    assert_eq!(acl.capabilities("nowhere"), ["deny"]);
}

#[test]
fn json_and_hcl_say_the_same() {
    let json = r#"{"path": {"a/*": {"capabilities": ["read"], "denied_parameters": {"X": []}}}}"#;
    let hcl = r#"path "a/*" { capabilities = ["read"] denied_parameters = { "x" = [] } }"#;
    assert_eq!(AclPolicy::parse("p", json), AclPolicy::parse("P", hcl));
}

#[test]
fn mistakes_are_refused_with_their_place() {
    for (text, expected) in [
        ("nope = 1", "invalid key \"nope\" on line 1"),
        ("path \"a\" {\n capability = [] }", "path \"a\": invalid key \"capability\" on line 2"),
        ("path \"a\" { capabilities = [\"write\"] }", "path \"a\": invalid capability \"write\""),
        ("path \"a\" { policy = \"all\" }", "path \"a\": invalid policy \"all\""),
        ("path \"a/+*\" { }", "path \"a/+*\": invalid use of wildcards ('+*' is forbidden)"),
        ("path = 1", "line 1: expected path \"...\" { ... }"),
        ("path \"a\" \"b\" { }", "line 1: expected path \"...\" { ... }"),
        (
            "path \"a\" { min_wrapping_ttl = \"2h\" max_wrapping_ttl = 60 }",
            "path \"a\": max_wrapping_ttl cannot be less than min_wrapping_ttl",
        ),
        (
            "path \"a/{{identity.entity.nmae}}\" { }",
            "path \"a/{{identity.entity.nmae}}\": unknown template variable \"identity.entity.nmae\"",
        ),
        // A condition that is not enforced must not be accepted in silence.
        (
            "path \"a\" { control_group = {} }",
            "path \"a\": invalid key \"control_group\" on line 1",
        ),
    ] {
        assert_eq!(AclPolicy::parse("p", text).unwrap_err().to_string(), expected);
    }
}

#[test]
fn rules_for_one_path_add_up_and_deny_wins() {
    let acl = acl(&[
        r#"path "a" { capabilities = ["read"] } path "b" { capabilities = ["deny"] }"#,
        r#"path "/a" { capabilities = ["update"] } path "b" { capabilities = ["read"] }"#,
    ]);
    assert_eq!(acl.capabilities("a"), ["read", "update"]);
    assert_eq!(acl.capabilities("b"), ["deny"]);
}

#[test]
fn the_documented_order_decides() {
    for (rules, path, deciding) in [
        (vec!["a/*", "a/b"], "a/b", "a/b"),
        (vec!["a/*", "a/b*"], "a/bc", "a/b*"),
        (vec!["a/+", "a/b*"], "a/bc", "a/b*"),
        (vec!["a/+/c", "a/*"], "a/b/c", "a/+/c"),
        (vec!["a/+/ba*", "a/+/bar"], "a/x/bar", "a/+/bar"),
        (vec!["a/+/+/d", "a/+/c/d"], "a/b/c/d", "a/+/c/d"),
        (vec!["a/+/b*", "a/+/ba*"], "a/x/bar", "a/+/ba*"),
        (vec!["+/b", "*"], "a/b", "+/b"),
    ] {
        let rule = |path: &&str| format!("path {path:?} {{ capabilities = [\"read\"] }}");
        let text: String = rules.iter().map(rule).collect();
        let data = Data::new();
        let query = Query { path, operation: Operation::Read, data: &data, wrap_ttl: Seconds(0) };
        let explained = acl(&[&text]).explain(&query);
        assert_eq!(explained.rules[0].path, deciding, "{rules:?} {path}");
        assert_eq!(explained.rules.len(), 2);
        assert!(explained.allowed);
    }
}

#[test]
fn plus_is_one_segment() {
    let acl = acl(&[r#"path "a/+/c" { capabilities = ["read"] }"#]);
    assert!(allowed(&acl, Operation::Read, "a/b/c"));
    for path in ["a/c", "a/b/b/c", "a/b/c/", "a/b/cd"] {
        assert!(!allowed(&acl, Operation::Read, path), "{path}");
    }
}

/// GHSA-xp3c: a list has a slash at the end, which a denying rule does not.
#[test]
fn a_list_does_not_slip_past_a_denial() {
    let acl = acl(&[
        r#"path "kv/*" { capabilities = ["list", "read"] } path "kv/+/no" { capabilities = ["deny"] }
           path "kv/never" { capabilities = ["deny"] }"#,
    ]);
    assert!(!allowed(&acl, Operation::List, "kv/a/no/"));
    assert!(!allowed(&acl, Operation::List, "kv/never/"));
    assert!(allowed(&acl, Operation::List, "kv/a/yes/"));
    assert!(allowed(&acl, Operation::List, "kv/"));
}

#[test]
fn parameters_are_checked() {
    let acl = acl(&[
        r#"path "a" { capabilities = ["update"] allowed_parameters = { foo = ["x*", 5], bar = [] } }
           path "d" { capabilities = ["update"] denied_parameters = { foo = ["no", 5], bar = [] } }
           path "q" { capabilities = ["update"] required_parameters = ["foo"] }
           path "n" { capabilities = ["update"] denied_parameters = { "*" = [] } }
           path "m" { capabilities = ["update"] allowed_parameters = { foo = ["x"], "*" = [] } }"#,
    ]);
    for (path, data, expected) in [
        ("a", json!({}), GRANTED),
        ("a", json!({ "foo": "xy", "bar": { "any": 1 } }), GRANTED),
        ("a", json!({ "FOO": "x" }), GRANTED),
        ("a", json!({ "foo": 5 }), GRANTED),
        ("a", json!({ "foo": "y" }), "the rule does not allow the value of parameter \"foo\""),
        ("a", json!({ "foo": ["x"] }), "the rule does not allow the value of parameter \"foo\""),
        ("a", json!({ "baz": 1 }), "the rule does not allow one of the parameters"),
        ("d", json!({ "foo": "yes", "baz": 1 }), GRANTED),
        ("d", json!({ "foo": "no" }), "the rule denies parameter \"foo\""),
        ("d", json!({ "foo": "5" }), "the rule denies parameter \"foo\""),
        ("d", json!({ "Bar": null }), "the rule denies parameter \"bar\""),
        ("q", json!({}), "the rule requires parameter \"foo\""),
        ("q", json!({ "foo": 1 }), GRANTED),
        ("n", json!({}), GRANTED),
        ("n", json!({ "a": 1 }), "the rule denies parameter \"*\""),
        ("m", json!({ "baz": 1, "foo": "x" }), GRANTED),
        ("m", json!({ "foo": "y" }), "the rule does not allow the value of parameter \"foo\""),
    ] {
        assert_eq!(reason(&acl, Operation::Update, path, &data, 0), expected, "{path} {data}");
    }
}

#[test]
fn wrapping_is_bounded() {
    let acl = acl(&[
        r#"path "a" { capabilities = ["read"] min_wrapping_ttl = "1m" max_wrapping_ttl = "2m" }
           path "b" { capabilities = ["read"] max_wrapping_ttl = 60 }"#,
    ]);
    for (path, ttl, ok) in [
        ("a", 0, false),
        ("a", 59, false),
        ("a", 60, true),
        ("a", 121, false),
        ("b", 0, false),
        ("b", 1, true),
    ] {
        let reason = reason(&acl, Operation::Read, path, &json!({}), ttl);
        assert_eq!(reason == GRANTED, ok, "{path} {ttl}");
    }
}

fn ann() -> Subject {
    Subject {
        id: "e-1".to_owned(),
        name: "ann".to_owned(),
        metadata: [("team.lead".to_owned(), "bob".to_owned())].into(),
        aliases: vec![SubjectAlias {
            mount_accessor: "auth_userpass_1".to_owned(),
            name: "ann1".to_owned(),
            ..SubjectAlias::default()
        }],
        groups: vec![SubjectGroup {
            id: "g-1".to_owned(),
            name: "ops".to_owned(),
            ..SubjectGroup::default()
        }],
    }
}

#[test]
fn templates_are_filled_for_the_caller() {
    let text = r#"
        path "kv/{{identity.entity.id}}/*" { capabilities = ["read"] }
        path "kv/{{ identity.entity.metadata.team.lead }}" { capabilities = ["read"] }
        path "kv/{{identity.entity.aliases.auth_userpass_1.name}}" { capabilities = ["read"] }
        path "kv/{{identity.groups.ids.g-1.name}}" { capabilities = ["read"] }
        path "kv/{{identity.groups.names.ops.id}}" { capabilities = ["read"] }
        path "kv/{{identity.groups.names.admins.id}}" { capabilities = ["read"] }
        path "kv/-{{identity.entity.metadata.gone}}" { capabilities = ["read"] }"#;
    let acl = bound(&[text], Some(&ann()));
    for path in ["kv/e-1/x", "kv/bob", "kv/ann1", "kv/ops", "kv/g-1"] {
        assert!(allowed(&acl, Operation::Read, path), "{path}");
    }
    assert!(!allowed(&acl, Operation::Read, "kv/-"));
    let nobody = bound(&[text], None);
    assert!(!allowed(&nobody, Operation::Read, "kv/e-1/x"));
    assert_eq!(nobody.warnings(), [""; 0]);
}

/// GHSA-59w7: a name that people choose must not widen a rule.
#[test]
fn unsafe_values_grant_nothing_and_a_denial_that_has_one_denies_all() {
    let allow = r#"path "kv/{{identity.entity.name}}/*" { capabilities = ["read"] }
                   path "other" { capabilities = ["read"] }"#;
    let deny = r#"path "kv/{{identity.entity.name}}" { capabilities = ["deny"] }"#;
    for name in ["a/*", "*", "+", "a,b", "a/b", "a\n"] {
        let subject = Subject { name: name.to_owned(), ..ann() };
        let acl = bound(&[allow], Some(&subject));
        assert!(!allowed(&acl, Operation::Read, "kv/a/x"), "{name}");
        assert!(allowed(&acl, Operation::Read, "other"));
        assert_eq!(acl.warnings().len(), 1);
        assert!(!acl.warnings()[0].contains(&format!("{name:?}")));
        let acl = bound(&[allow, deny], Some(&subject));
        assert!(!allowed(&acl, Operation::Read, "other"));
        assert_eq!(acl.capabilities("other"), ["deny"]);
        assert_eq!(
            reason(&acl, Operation::Read, "other", &json!({}), 0),
            "policy \"p1\" denies \"kv/{{identity.entity.name}}\", whose template has an unsafe value"
        );
    }
}

#[test]
fn mounts_are_seen_where_a_rule_reaches() {
    let acl = acl(&[
        r#"path "secret/data/a" { capabilities = ["read"] } path "te*" { capabilities = ["list"] }
           path "+/issue/x" { capabilities = ["update"] } path "no/*" { capabilities = ["deny"] }"#,
    ]);
    for (mount, sees) in
        [("secret/", true), ("team/", true), ("pki/", true), ("secret/data/", true)]
    {
        assert_eq!(acl.sees_mount(mount), sees, "{mount}");
    }
    let narrow = super::tests::acl(&[
        r#"path "a/b" { capabilities = ["read"] } path "no/*" { capabilities = ["deny"] }"#,
    ]);
    assert!(!narrow.sees_mount("no/"));
    assert!(!narrow.sees_mount("b/"));
    assert!(!narrow.sees_mount("a/b/c/"));
}

mod against_the_reference {
    use proptest::prelude::*;

    use super::*;
    use crate::policy::reference;

    fn segment() -> impl Strategy<Value = &'static str> {
        prop::sample::select(vec!["a", "b", "ab", "abc", "+", ""])
    }

    fn pattern() -> impl Strategy<Value = String> {
        (prop::collection::vec(segment(), 1..5), any::<bool>()).prop_map(|(segments, open)| {
            let text = segments.join("/");
            if open && !text.ends_with('+') { text + "*" } else { text }
        })
    }

    fn path() -> impl Strategy<Value = String> {
        let plain = prop::sample::select(vec!["a", "b", "ab", "abc"]);
        (prop::collection::vec(plain, 1..5), any::<bool>())
            .prop_map(|(parts, slash)| parts.join("/") + if slash { "/" } else { "" })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(4000))]
        #[test]
        fn the_same_rule_decides(
            patterns in prop::collection::btree_set(pattern(), 0..12),
            path in path(),
            is_list: bool,
        ) {
            let rule = |p: &String| format!("path {p:?} {{ capabilities = [\"read\", \"list\"] }}\n");
            let text: String = patterns.iter().map(rule).collect();
            let acl = acl(&[&text]);
            // A leading slash is cut, so that two patterns may become one.
            let patterns: Vec<&str> =
                patterns.iter().map(|p| p.strip_prefix('/').unwrap_or(p)).collect();
            let operation = if is_list { Operation::List } else { Operation::Read };
            let data = Data::new();
            let query = Query { path: &path, operation, data: &data, wrap_ttl: Seconds(0) };
            let explained = acl.explain(&query);
            let expected = reference::decides(&patterns, &path, is_list);
            prop_assert_eq!(explained.rules.first().map(|rule| rule.path.as_str()), expected);
            prop_assert_eq!(acl.decide(&query).allowed, expected.is_some());
        }

        #[test]
        fn parsing_never_panics(text in ".*") {
            let _ = AclPolicy::parse("p", &text);
        }
    }
}
