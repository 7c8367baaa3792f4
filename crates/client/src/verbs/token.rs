//! `token`: make, look up, renew, revoke.

use serde_json::{Map, Value, json};

use super::Verb;
use super::basic::doing;
use crate::api::Api;
use crate::flags::{Flags, Takes};
use crate::output::{self, Format};
use crate::{Console, Failure, secret};

pub(super) const VERBS: &[Verb] = &[
    Verb { name: "token create", help: "Makes a token.", run: create },
    Verb { name: "token lookup", help: "Reads about a token.", run: lookup },
    Verb { name: "token renew", help: "Extends a token.", run: renew },
    Verb { name: "token revoke", help: "Ends a token.", run: revoke },
    Verb {
        name: "token capabilities",
        help: "Says what a token may do on a path.",
        run: capabilities,
    },
    Verb { name: "print token", help: "Prints the token in use.", run: print },
];

fn create(arguments: &[String], console: &mut Console<'_>) -> Result<u8, Failure> {
    let flags = Flags::parse(
        arguments,
        &[
            ("id", Takes::Value),
            ("display-name", Takes::Value),
            ("ttl", Takes::Value),
            ("explicit-max-ttl", Takes::Value),
            ("period", Takes::Value),
            ("renewable", Takes::Switch),
            ("orphan", Takes::Switch),
            ("no-default-policy", Takes::Switch),
            ("use-limit", Takes::Value),
            ("type", Takes::Value),
            ("role", Takes::Value),
            ("policy", Takes::Values),
            ("metadata", Takes::Values),
            ("entity-alias", Takes::Value),
        ],
    )?;
    flags.exactly::<0>()?;
    let mut body = Map::new();
    for (flag, key) in [
        ("id", "id"),
        ("display-name", "display_name"),
        ("ttl", "ttl"),
        ("explicit-max-ttl", "explicit_max_ttl"),
        ("period", "period"),
        ("type", "type"),
        ("entity-alias", "entity_alias"),
    ] {
        if let Some(value) = flags.value(flag) {
            body.insert(key.to_owned(), json!(value));
        }
    }
    if let Some(text) = flags.value("use-limit") {
        let uses: u64 = text
            .parse()
            .map_err(|_| Failure::local(format!("invalid value {text:?} for flag -use-limit")))?;
        body.insert("num_uses".to_owned(), json!(uses));
    }
    body.insert(
        "renewable".to_owned(),
        json!(flags.value("renewable").is_none_or(|on| on == "true")),
    );
    body.insert("no_parent".to_owned(), json!(flags.is_on("orphan")));
    body.insert("no_default_policy".to_owned(), json!(flags.is_on("no-default-policy")));
    let policies: Vec<&str> =
        flags.values("policy").iter().flat_map(|text| text.split(',')).collect();
    if !policies.is_empty() {
        body.insert("policies".to_owned(), json!(policies));
    }
    let mut metadata = Map::new();
    for pair in flags.values("metadata") {
        let (key, value) = pair.split_once('=').ok_or_else(|| {
            Failure::local(format!("invalid value {pair:?} for flag -metadata: expected key=value"))
        })?;
        metadata.insert(key.to_owned(), json!(value));
    }
    if !metadata.is_empty() {
        body.insert("meta".to_owned(), Value::Object(metadata));
    }
    let path = match flags.value("role") {
        Some(role) => format!("auth/token/create/{role}"),
        None => "auth/token/create".to_owned(),
    };
    let answer =
        Api::new(&flags)?.put(&path, Value::Object(body)).map_err(doing("Error creating token"))?;
    secret::show(console, &flags, &answer)?;
    Ok(0)
}

/// The token that a verb is about: an argument, or the caller's own.
fn subject(flags: &Flags) -> Result<Option<&str>, Failure> {
    match flags.arguments.as_slice() {
        [] => Ok(None),
        [token] => Ok(Some(token)),
        more => {
            Err(Failure::local(format!("Too many arguments (expected 0-1, got {})", more.len())))
        }
    }
}

fn lookup(arguments: &[String], console: &mut Console<'_>) -> Result<u8, Failure> {
    let flags = Flags::parse(arguments, &[("accessor", Takes::Switch)])?;
    let api = Api::new(&flags)?;
    let answer = match (subject(&flags)?, flags.is_on("accessor")) {
        (None, true) => {
            return Err(Failure::local("Not enough arguments with -accessor (expected 1, got 0)"));
        }
        (None, false) => api.get("auth/token/lookup-self"),
        (Some(accessor), true) => {
            api.put("auth/token/lookup-accessor", json!({ "accessor": accessor }))
        }
        (Some(token), false) => api.put("auth/token/lookup", json!({ "token": token })),
    };
    let answer = answer.map_err(doing("Error looking up token"))?;
    secret::show(console, &flags, &answer)?;
    Ok(0)
}

fn renew(arguments: &[String], console: &mut Console<'_>) -> Result<u8, Failure> {
    let flags = Flags::parse(
        arguments,
        &[("increment", Takes::Value), ("i", Takes::Value), ("accessor", Takes::Switch)],
    )?;
    let api = Api::new(&flags)?;
    let increment = flags.value("increment").or(flags.value("i")).unwrap_or("0");
    let answer = match (subject(&flags)?, flags.is_on("accessor")) {
        (None, true) => {
            return Err(Failure::local("Not enough arguments with -accessor (expected 1, got 0)"));
        }
        (None, false) => api.put("auth/token/renew-self", json!({ "increment": increment })),
        (Some(accessor), true) => api.put(
            "auth/token/renew-accessor",
            json!({ "accessor": accessor, "increment": increment }),
        ),
        (Some(token), false) => {
            api.put("auth/token/renew", json!({ "token": token, "increment": increment }))
        }
    };
    let answer = answer.map_err(doing("Error renewing token"))?;
    secret::show(console, &flags, &answer)?;
    Ok(0)
}

fn revoke(arguments: &[String], console: &mut Console<'_>) -> Result<u8, Failure> {
    let flags = Flags::parse(
        arguments,
        &[("accessor", Takes::Switch), ("self", Takes::Switch), ("mode", Takes::Value)],
    )?;
    let api = Api::new(&flags)?;
    let mode = flags.value("mode").unwrap_or_default();
    let answer = match (subject(&flags)?, flags.is_on("self"), flags.is_on("accessor"), mode) {
        (None, true, false, "") => api.put("auth/token/revoke-self", json!({})),
        (Some(accessor), false, true, "") => {
            api.put("auth/token/revoke-accessor", json!({ "accessor": accessor }))
        }
        (Some(token), false, false, "") => api.put("auth/token/revoke", json!({ "token": token })),
        (Some(token), false, false, "orphan") => {
            api.put("auth/token/revoke-orphan", json!({ "token": token }))
        }
        (Some(path), false, false, "path") => {
            api.put(&format!("sys/leases/revoke-prefix/{path}"), json!({}))
        }
        _ => return Err(Failure::local("Give a token, an accessor with -accessor, or -self")),
    };
    answer.map_err(doing("Error revoking token"))?;
    console.say("Success! Revoked token (if it existed)");
    Ok(0)
}

fn capabilities(arguments: &[String], console: &mut Console<'_>) -> Result<u8, Failure> {
    let flags = Flags::parse(arguments, &[("accessor", Takes::Switch)])?;
    let api = Api::new(&flags)?;
    let answer = match (flags.arguments.as_slice(), flags.is_on("accessor")) {
        ([path], false) => {
            api.put("sys/capabilities-self", json!({ "path": path })).map(|a| (a, path))
        }
        ([token, path], false) => {
            api.put("sys/capabilities", json!({ "token": token, "path": path })).map(|a| (a, path))
        }
        ([accessor, path], true) => api
            .put("sys/capabilities-accessor", json!({ "accessor": accessor, "path": path }))
            .map(|a| (a, path)),
        _ => return Err(Failure::local("Not enough arguments (expected 1-2)")),
    };
    let (answer, path) = answer.map_err(doing("Error listing capabilities"))?;
    let data = answer.data();
    let found = data.and_then(|data| data.get(path).or_else(|| data.get("capabilities"))).cloned();
    let found = found.unwrap_or_else(|| json!(["deny"]));
    match Format::of(&flags)? {
        Format::Table | Format::Raw => {
            let mut names: Vec<String> =
                found.as_array().into_iter().flatten().map(output::plain).collect();
            names.sort();
            console.say(&names.join(", "));
        }
        format => output::structured(console, format, &found),
    }
    Ok(0)
}

fn print(arguments: &[String], console: &mut Console<'_>) -> Result<u8, Failure> {
    let flags = Flags::parse(arguments, &[])?;
    let token = crate::settings::Settings::new(&flags).token;
    console.say(token.as_deref().map_or("", String::as_str));
    Ok(0)
}
