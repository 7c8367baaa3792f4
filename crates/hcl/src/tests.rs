#![allow(clippy::indexing_slicing, reason = "a test may panic")]

use serde_json::json;

use super::*;

fn json_of(text: &str) -> serde_json::Value {
    serde_json::Value::Object(parse(text).unwrap().to_json())
}

#[test]
fn reads_the_forms_that_configuration_uses() {
    let text = r#"
        # comment
        ui = true // comment
        /* many
           lines */
        api_addr = "https://a.example:8200"
        max_lease_ttl = "10h"
        default = 3
        listener "tcp" {
          address = "127.0.0.1:8200"
          tls_disable = 1
          telemetry { unauthenticated_metrics_access = true }
        }
        storage "file" { path = "/data" }
        list = ["a", 2, ]
    "#;
    assert_eq!(
        json_of(text),
        json!({
            "ui": true,
            "api_addr": "https://a.example:8200",
            "max_lease_ttl": "10h",
            "default": 3,
            "listener": { "tcp": {
                "address": "127.0.0.1:8200",
                "tls_disable": 1,
                "telemetry": { "unauthenticated_metrics_access": true },
            } },
            "storage": { "file": { "path": "/data" } },
            "list": ["a", 2],
        })
    );
}

#[test]
fn reads_numbers_texts_and_heredocs() {
    let text = "a = 0x1F\nb = -3\nc = 1.5e3\nd = 010\ne = \"x\\n\\u00e9${ a \"b\" }\"\n\
                f = <<EOT\n  one\ntwo\nEOT\ng = <<-EOT\n    one\n      two\n    EOT\n";
    assert_eq!(
        json_of(text),
        json!({
            "a": 31, "b": -3, "c": 1500.0, "d": 8, "e": "x\né${ a \"b\" }",
            "f": "  one\ntwo\n", "g": "one\n  two\n",
        })
    );
}

#[test]
fn blocks_are_the_same_in_every_nesting() {
    let forms = [
        r#"path "a/*" { x = 1 } path "b" { x = 2 }"#,
        r#"path { "a/*" { x = 1 } "b" = { x = 2 } }"#,
        r#"{"path": {"a/*": {"x": 1}, "b": {"x": 2}}}"#,
        r#"{"path": [{"a/*": {"x": 1}}, {"b": {"x": 2}}]}"#,
        r#"{"path": {"a/*": [{"x": 1}], "b": {"x": 2}}}"#,
    ];
    for form in forms {
        let body = parse(form).unwrap();
        let blocks = body.blocks("path").unwrap();
        let labels: Vec<&str> = blocks.iter().map(|block| block.labels[0]).collect();
        assert_eq!(labels, ["a/*", "b"], "{form}");
        assert_eq!(blocks[1].body.attribute("x"), Some(&Value::Integer(2)));
    }
    assert_eq!(parse("\n\npath = 3").unwrap().blocks("path"), Err(3));
}

#[test]
fn repeated_keys_stay() {
    for form in ["a = 1\na = 2", r#"{"a": 1, "a": 2}"#] {
        assert_eq!(parse(form).unwrap().items.len(), 2, "{form}");
    }
}

#[test]
fn mistakes_have_a_place() {
    for (text, expected) in [
        ("a", "line 1, column 2: expected '=' or '{' or a label, found the end"),
        ("a = ", "line 1, column 5: expected a value, found the end"),
        ("a = b", "line 1, column 5: expected a value, found \"b\""),
        ("a \"b\" = 1", "line 1, column 7: expected '{' or a label, found '='"),
        ("\n a = [1 2]", "line 2, column 9: expected ',' or ']', found a number"),
        ("a = \"x", "line 1, column 5: text is not closed"),
        ("a = \"x\ny\"", "line 1, column 5: text is not closed"),
        ("a = \"\\q\"", "line 1, column 7: unknown escape \\q"),
        ("/* a", "line 1, column 1: comment is not closed"),
        ("a = <<E\nx\n", "line 1, column 5: heredoc E is not closed"),
        ("a = 1x", "line 1, column 5: expected a number, found a number"),
        ("}", "line 1, column 1: expected a key, found '}'"),
        ("a { b = 1", "line 1, column 10: expected a key, found the end"),
        ("{\"a\": }", "line 1, column 7: not JSON"),
        ("{\"a\": 1", "line 1, column 7: JSON ends too early"),
        ("{} []", "line 1, column 4: not JSON"),
    ] {
        assert_eq!(parse(text).unwrap_err().to_string(), expected, "{text}");
    }
}

#[test]
fn depth_is_bounded() {
    for (open, close) in [("a = [", "]"), ("a {", "}"), ("{\"a\":", "}")] {
        let inner = |n: usize| match open {
            "a = [" => format!("a = {}{}", "[".repeat(n), "]".repeat(n)),
            "a {" => format!("{}{}", open.repeat(n), close.repeat(n)),
            _ => format!("{}1{}", open.repeat(n), close.repeat(n)),
        };
        assert!(parse(&inner(50)).is_ok(), "{open}");
        assert!(parse(&inner(100_000)).is_err(), "{open}");
    }
}

proptest::proptest! {
    #[test]
    fn never_panics(text in ".*") {
        let _ = parse(&text);
    }

    #[test]
    fn never_panics_on_likely_pieces(pieces in proptest::collection::vec(
        proptest::sample::select(vec![
            "a", "\"", "b\"", "{", "}", "[", "]", "=", ",", "\n", "<<E\n", "E\n", "-", "0x", "1", ".",
            "\\", "u", "${", "/*", "*/", "#", "true", " ", "é",
        ]), 0..40)
    ) {
        let _ = parse(&pieces.concat());
    }
}
