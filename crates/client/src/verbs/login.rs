//! `login`: an auth method lets in, the token is kept.

use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;

use serde_json::{Map, Value, json};

use super::Verb;
use super::basic::{clean, doing};
use crate::api::{Answer, Api};
use crate::flags::{Flags, Takes};
use crate::output::Format;
use crate::settings::token_file;
use crate::{Console, Failure, data, secret};

pub(super) const VERBS: &[Verb] =
    &[Verb { name: "login", help: "Logs in and keeps the token.", run: login }];

fn login(arguments: &[String], console: &mut Console<'_>) -> Result<u8, Failure> {
    let flags = Flags::parse(
        arguments,
        &[
            ("method", Takes::Value),
            ("path", Takes::Value),
            ("no-store", Takes::Switch),
            ("no-print", Takes::Switch),
            ("token-only", Takes::Switch),
        ],
    )?;
    let method = flags.value("method").unwrap_or("token").to_owned();
    let mut api = Api::new(&flags)?;
    let mut given = match (method.as_str(), flags.arguments.as_slice()) {
        ("token", [token]) if token != "-" && !token.contains('=') => {
            [("token".to_owned(), json!(token))].into_iter().collect()
        }
        ("token", [] | [_]) if flags.arguments.first().is_none_or(|a| a == "-") => {
            if console.is_terminal && flags.arguments.is_empty() {
                let _ = write!(console.err, "Token (will be visible): ");
                let _ = console.err.flush();
            }
            [("token".to_owned(), json!(console.read_input()?.trim()))].into_iter().collect()
        }
        (_, arguments) => data::gather(arguments, console)?,
    };
    let answer = match method.as_str() {
        "token" => by_token(&mut api, &given),
        name => {
            let mount = flags.value("path").map_or(name, clean).to_owned();
            let body = credentials(name, &mut given, console)?;
            let path = match given.get("username").and_then(Value::as_str) {
                Some(user) if ["userpass", "ldap", "okta", "radius"].contains(&name) => {
                    format!("auth/{mount}/login/{user}")
                }
                _ => format!("auth/{mount}/login"),
            };
            // A token at hand has nothing to do with a login.
            api.settings.token = None;
            api.put(&path, body)
        }
    };
    let answer = answer.map_err(doing("Error authenticating"))?;
    let token = secret::find(&answer.body, "token")
        .or_else(|| secret::find(&answer.body, "wrapping_token"));
    let token = token.and_then(|token| token.as_str().map(str::to_owned));
    let token = token.ok_or_else(|| Failure::remote("Vault returned no auth or wrap info"))?;
    if flags.is_on("token-only") {
        console.say_raw(&token);
        return Ok(0);
    }
    if !flags.is_on("no-store") && answer.body.get("wrap_info").is_none_or(Value::is_null) {
        keep(&token)?;
    }
    if flags.is_on("no-print") {
        return Ok(0);
    }
    if Format::of(&flags)? == Format::Table && flags.value("field").is_none() {
        console.say("Success! You are now authenticated. The token information displayed below\nis already stored in the token helper. You do NOT need to run \"vault login\"\nagain. Future Vault requests will automatically use this token.\n");
    }
    secret::show(console, &flags, &answer)?;
    Ok(0)
}

/// The body of a login.
fn credentials(
    method: &str,
    given: &mut Map<String, Value>,
    console: &mut Console<'_>,
) -> Result<Value, Failure> {
    if ["userpass", "ldap", "okta", "radius"].contains(&method) {
        if !given.contains_key("username") {
            return Err(Failure::local("Error authenticating: 'username' must be specified"));
        }
        let password = match given.remove("password") {
            Some(password) => password,
            None => {
                if console.is_terminal {
                    let _ = write!(console.err, "Password (will be visible): ");
                    let _ = console.err.flush();
                }
                json!(console.read_input()?.trim_end_matches(['\r', '\n']))
            }
        };
        return Ok(json!({ "password": password }));
    }
    Ok(Value::Object(given.clone()))
}

/// A token is looked up; what is known of it is shown as a login would be.
fn by_token(api: &mut Api, given: &Map<String, Value>) -> Result<Answer, Failure> {
    let token = given.get("token").and_then(Value::as_str).unwrap_or_default().to_owned();
    if token.is_empty() {
        return Err(Failure::local("A token must be passed to auth"));
    }
    api.settings.token = Some(zeroize::Zeroizing::new(token.clone()));
    let found = api.get("auth/token/lookup-self")?;
    let empty = Map::new();
    let data = found.data().unwrap_or(&empty);
    let field = |name: &str| data.get(name).cloned().unwrap_or_default();
    let body = json!({
        "request_id": "", "lease_id": "", "lease_duration": 0, "renewable": false, "data": null, "warnings": null,
        "auth": {
            "client_token": token,
            "accessor": field("accessor"),
            "policies": field("policies"),
            "token_policies": field("policies"),
            "metadata": field("meta"),
            "lease_duration": field("ttl"),
            "renewable": data.get("renewable").cloned().unwrap_or(json!(false)),
        },
    });
    let text = zeroize::Zeroizing::new(body.to_string());
    Ok(Answer { status: 200, body, text })
}

/// Writes the token where the next call finds it.
fn keep(token: &str) -> Result<(), Failure> {
    let Some(path) = token_file() else { return Ok(()) };
    let failed =
        |error: std::io::Error| Failure::local(format!("write {}: {error}", path.display()));
    match std::fs::remove_file(&path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(failed(error)),
        _ => {}
    }
    let file = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path);
    file.and_then(|mut file| file.write_all(token.as_bytes())).map_err(failed)
}
