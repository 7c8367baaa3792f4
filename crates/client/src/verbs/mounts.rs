//! `secrets` and `audit`: what is enabled where. `auth` shares the code.

use serde_json::{Map, Value, json};

use super::Verb;
use super::basic::{clean, doing};
use crate::api::Api;
use crate::flags::{Flags, Table, Takes};
use crate::output::{self, Format};
use crate::{Console, Failure, data};

pub(super) const VERBS: &[Verb] = &[
    Verb { name: "secrets list", help: "Lists secrets engines.", run: list_secrets },
    Verb { name: "secrets enable", help: "Enables a secrets engine.", run: enable_secrets },
    Verb {
        name: "secrets disable",
        help: "Disables a secrets engine and removes its secrets.",
        run: disable_secrets,
    },
    Verb { name: "secrets tune", help: "Tunes a secrets engine.", run: tune_secrets },
    Verb { name: "secrets move", help: "Moves a secrets engine.", run: move_secrets },
    Verb { name: "audit list", help: "Lists audit devices.", run: list_audit },
    Verb { name: "audit enable", help: "Enables an audit device.", run: enable_audit },
    Verb { name: "audit disable", help: "Disables an audit device.", run: disable_audit },
];

/// What is enabled: the API's folder, and the words for it.
#[derive(Clone, Copy)]
pub(super) struct Kind {
    pub(super) api: &'static str,
    pub(super) word: &'static str,
}

const SECRETS: Kind = Kind { api: "sys/mounts", word: "secrets engine" };
pub(super) const AUTH: Kind = Kind { api: "sys/auth", word: "auth method" };
const AUDIT: Kind = Kind { api: "sys/audit", word: "audit device" };

const FLAGS: Table = &[
    ("path", Takes::Value),
    ("description", Takes::Value),
    ("version", Takes::Value),
    ("default-lease-ttl", Takes::Value),
    ("max-lease-ttl", Takes::Value),
    ("force-no-cache", Takes::Switch),
    ("local", Takes::Switch),
    ("seal-wrap", Takes::Switch),
    ("external-entropy-access", Takes::Switch),
    ("options", Takes::Values),
    ("audit-non-hmac-request-keys", Takes::Values),
    ("audit-non-hmac-response-keys", Takes::Values),
    ("listing-visibility", Takes::Value),
    ("passthrough-request-headers", Takes::Values),
    ("allowed-response-headers", Takes::Values),
    ("plugin-name", Takes::Value),
    ("plugin-version", Takes::Value),
    ("token-type", Takes::Value),
];

pub(super) fn list(
    arguments: &[String],
    console: &mut Console<'_>,
    kind: Kind,
) -> Result<u8, Failure> {
    let flags = Flags::parse(arguments, &[])?;
    flags.exactly::<0>()?;
    let answer =
        Api::new(&flags)?.get(kind.api).map_err(doing(&format!("Error listing {}s", kind.word)))?;
    let empty = Map::new();
    let mounts = answer.data().unwrap_or(&empty);
    match Format::of(&flags)? {
        Format::Table | Format::Raw if mounts.is_empty() => {
            return Err(Failure::remote(format!("No {}s are enabled.", kind.word)));
        }
        Format::Table | Format::Raw => console.say(&table(mounts, kind, flags.is_on("detailed"))),
        format => output::structured(console, format, &json!(mounts)),
    }
    Ok(0)
}

fn table(mounts: &Map<String, Value>, kind: Kind, detailed: bool) -> String {
    let mut columns = vec![
        ("Path", ""),
        ("Type", "type"),
        ("Accessor", "accessor"),
        ("Description", "description"),
    ];
    if kind.api == AUDIT.api {
        columns.remove(2);
    }
    if detailed && kind.api != AUDIT.api {
        columns = vec![
            ("Path", ""),
            ("Plugin", "type"),
            ("Accessor", "accessor"),
            ("Default TTL", "config/default_lease_ttl"),
            ("Max TTL", "config/max_lease_ttl"),
            ("Options", "options"),
            ("Description", "description"),
            ("UUID", "uuid"),
        ];
    }
    let mut rows = vec![
        columns.iter().map(|(title, _)| (*title).to_owned()).collect::<Vec<_>>(),
        columns.iter().map(|(title, _)| "-".repeat(title.len())).collect(),
    ];
    for (path, mount) in mounts {
        let cell = |(_, key): &(&str, &str)| {
            if key.is_empty() {
                return path.clone();
            }
            match mount.pointer(&format!("/{key}")) {
                None | Some(Value::Null) => "map[]".to_owned(),
                Some(Value::String(text)) if text.is_empty() => "n/a".to_owned(),
                Some(Value::Number(number)) if number.as_u64() == Some(0) => "system".to_owned(),
                Some(value) => output::plain(value),
            }
        };
        rows.push(columns.iter().map(cell).collect());
    }
    output::table(&rows)
}

/// Settings that flags give, for `enable` and `tune`.
fn config(flags: &Flags) -> Map<String, Value> {
    let mut config = Map::new();
    for (flag, key) in [
        ("default-lease-ttl", "default_lease_ttl"),
        ("max-lease-ttl", "max_lease_ttl"),
        ("listing-visibility", "listing_visibility"),
        ("token-type", "token_type"),
    ] {
        if let Some(value) = flags.value(flag) {
            config.insert(key.to_owned(), json!(value));
        }
    }
    for (flag, key) in [
        ("audit-non-hmac-request-keys", "audit_non_hmac_request_keys"),
        ("audit-non-hmac-response-keys", "audit_non_hmac_response_keys"),
        ("passthrough-request-headers", "passthrough_request_headers"),
        ("allowed-response-headers", "allowed_response_headers"),
    ] {
        let values: Vec<&str> =
            flags.values(flag).iter().flat_map(|text| text.split(',')).collect();
        if !values.is_empty() {
            config.insert(key.to_owned(), json!(values));
        }
    }
    if flags.is_on("force-no-cache") {
        config.insert("force_no_cache".to_owned(), json!(true));
    }
    config
}

fn options(flags: &Flags) -> Result<Map<String, Value>, Failure> {
    let mut options = Map::new();
    for pair in flags.values("options") {
        let (key, value) = pair.split_once('=').ok_or_else(|| {
            Failure::local(format!("invalid value {pair:?} for flag -options: expected key=value"))
        })?;
        options.insert(key.to_owned(), json!(value));
    }
    if let Some(version) = flags.value("version") {
        options.insert("version".to_owned(), json!(version));
    }
    Ok(options)
}

pub(super) fn enable(
    arguments: &[String],
    console: &mut Console<'_>,
    kind: Kind,
) -> Result<u8, Failure> {
    let flags = Flags::parse(arguments, FLAGS)?;
    let [engine] = flags.exactly()?;
    let path = flags.value("path").map_or(engine, clean);
    let mut body = json!({
        "type": engine,
        "description": flags.value("description").unwrap_or_default(),
        "local": flags.is_on("local"),
        "seal_wrap": flags.is_on("seal-wrap"),
        "external_entropy_access": flags.is_on("external-entropy-access"),
        "config": config(&flags),
    });
    let options = options(&flags)?;
    if let (Value::Object(body), false) = (&mut body, options.is_empty()) {
        body.insert("options".to_owned(), Value::Object(options));
    }
    Api::new(&flags)?
        .put(&format!("{}/{path}", kind.api), body)
        .map_err(doing(&format!("Error enabling {}", kind.word)))?;
    let place = if path == engine { String::new() } else { format!(" at: {path}/") };
    if place.is_empty() {
        console.say(&format!("Success! Enabled the {engine} {} at: {path}/", kind.word));
    } else {
        console.say(&format!("Success! Enabled the {engine} {}{place}", kind.word));
    }
    Ok(0)
}

pub(super) fn disable(
    arguments: &[String],
    console: &mut Console<'_>,
    kind: Kind,
) -> Result<u8, Failure> {
    let flags = Flags::parse(arguments, &[])?;
    let [path] = flags.exactly()?;
    let path = clean(path);
    Api::new(&flags)?
        .ask("DELETE", &format!("{}/{path}", kind.api), None)
        .map_err(doing(&format!("Error disabling {} at {path}/", kind.word)))?;
    console.say(&format!("Success! Disabled the {} (if it existed) at: {path}/", kind.word));
    Ok(0)
}

pub(super) fn tune(
    arguments: &[String],
    console: &mut Console<'_>,
    kind: Kind,
) -> Result<u8, Failure> {
    let flags = Flags::parse(arguments, FLAGS)?;
    let [path] = flags.exactly()?;
    let path = clean(path);
    let mut body = config(&flags);
    if let Some(description) = flags.value("description") {
        body.insert("description".to_owned(), json!(description));
    }
    let options = options(&flags)?;
    if !options.is_empty() {
        body.insert("options".to_owned(), Value::Object(options));
    }
    Api::new(&flags)?
        .put(&format!("{}/{path}/tune", kind.api), Value::Object(body))
        .map_err(doing(&format!("Error tuning {} {path}", kind.word)))?;
    console.say(&format!("Success! Tuned the {} at: {path}/", kind.word));
    Ok(0)
}

pub(super) fn relocate(
    arguments: &[String],
    console: &mut Console<'_>,
    kind: Kind,
    prefix: &str,
) -> Result<u8, Failure> {
    let flags = Flags::parse(arguments, &[])?;
    let [from, to] = flags.exactly()?;
    let (from, to) = (clean(from), clean(to));
    let body = json!({ "from": format!("{prefix}{from}"), "to": format!("{prefix}{to}") });
    Api::new(&flags)?
        .put("sys/remount", body)
        .map_err(doing(&format!("Error moving {} {from}/ to {to}/", kind.word)))?;
    console.say(&format!("Success! Finished moving {} {from}/ to {to}/", kind.word));
    Ok(0)
}

fn list_secrets(arguments: &[String], console: &mut Console<'_>) -> Result<u8, Failure> {
    list(arguments, console, SECRETS)
}

fn enable_secrets(arguments: &[String], console: &mut Console<'_>) -> Result<u8, Failure> {
    enable(arguments, console, SECRETS)
}

fn disable_secrets(arguments: &[String], console: &mut Console<'_>) -> Result<u8, Failure> {
    disable(arguments, console, SECRETS)
}

fn tune_secrets(arguments: &[String], console: &mut Console<'_>) -> Result<u8, Failure> {
    tune(arguments, console, SECRETS)
}

fn move_secrets(arguments: &[String], console: &mut Console<'_>) -> Result<u8, Failure> {
    relocate(arguments, console, SECRETS, "")
}

fn list_audit(arguments: &[String], console: &mut Console<'_>) -> Result<u8, Failure> {
    list(arguments, console, AUDIT)
}

/// `audit enable TYPE key=value...`: the settings are arguments.
fn enable_audit(arguments: &[String], console: &mut Console<'_>) -> Result<u8, Failure> {
    let flags = Flags::parse(arguments, FLAGS)?;
    let (kind, rest) = flags.first()?;
    let path = flags.value("path").map_or(kind, clean);
    let body = json!({
        "type": kind,
        "description": flags.value("description").unwrap_or_default(),
        "local": flags.is_on("local"),
        "options": data::gather(rest, console)?,
    });
    Api::new(&flags)?
        .put(&format!("{}/{path}", AUDIT.api), body)
        .map_err(doing("Error enabling audit device"))?;
    console.say(&format!("Success! Enabled the {kind} audit device at: {path}/"));
    Ok(0)
}

fn disable_audit(arguments: &[String], console: &mut Console<'_>) -> Result<u8, Failure> {
    disable(arguments, console, AUDIT)
}
