//! `read`, `write`, `patch`, `delete`, `list`, `unwrap`, `path-help`.

use serde_json::{Value, json};

use super::Verb;
use crate::api::Api;
use crate::flags::{Flags, Takes};
use crate::output::{self, Format};
use crate::{Console, Failure, data, secret};

pub(super) const VERBS: &[Verb] = &[
    Verb { name: "read", help: "Reads data.", run: read },
    Verb { name: "write", help: "Writes data.", run: write },
    Verb { name: "patch", help: "Changes part of the data.", run: patch },
    Verb { name: "delete", help: "Deletes data.", run: delete },
    Verb { name: "list", help: "Lists names.", run: list },
    Verb { name: "scan", help: "Lists names of all levels.", run: scan },
    Verb { name: "unwrap", help: "Unwraps a wrapped answer.", run: unwrap },
    Verb { name: "path-help", help: "Describes a path.", run: path_help },
];

/// A path as users write it: slashes at the ends do not matter.
pub(super) fn clean(path: &str) -> &str {
    path.trim().trim_matches('/')
}

/// Puts an operation before what went wrong.
pub(super) fn doing(what: &str) -> impl Fn(Failure) -> Failure + '_ {
    move |failure| match failure {
        Failure::Remote(text) => Failure::Remote(format!("{what}: {text}")),
        local @ Failure::Local(_) => local,
    }
}

fn read(arguments: &[String], console: &mut Console<'_>) -> Result<u8, Failure> {
    let flags = Flags::parse(arguments, &[])?;
    let (path, rest) = flags.first()?;
    let path = clean(path);
    let query = data::gather(rest, console)?;
    let mut target = path.to_owned();
    for (number, (key, value)) in query.iter().enumerate() {
        target.push(if number == 0 { '?' } else { '&' });
        target.push_str(&format!("{}={}", encode(key), encode(&output::plain(value))));
    }
    let answer = Api::new(&flags)?.get(&target).map_err(doing(&format!("Error reading {path}")))?;
    if answer.is_missing() {
        return Err(Failure::remote(format!("No value found at {path}")));
    }
    secret::show(console, &flags, &answer)?;
    Ok(0)
}

/// Percent-encodes a part of a query.
fn encode(text: &str) -> String {
    let encode = |byte: u8| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
            char::from(byte).to_string()
        }
        other => format!("%{other:02X}"),
    };
    text.bytes().map(encode).collect()
}

fn send(arguments: &[String], console: &mut Console<'_>, method: &str) -> Result<u8, Failure> {
    let flags = Flags::parse(arguments, &[("f", Takes::Switch), ("force", Takes::Switch)])?;
    let (path, rest) = flags.first()?;
    let path = clean(path);
    if rest.is_empty() && !flags.is_on("f") && !flags.is_on("force") {
        return Err(Failure::local("Must supply data or use -force"));
    }
    let body = Value::Object(data::gather(rest, console)?);
    let answer = Api::new(&flags)?
        .ask(method, path, Some(&body))
        .map_err(doing(&format!("Error writing data to {path}")))?;
    written(console, &flags, &answer, &format!("Success! Data written to: {path}"))
}

/// Shows what a write answered, or that it succeeded.
pub(super) fn written(
    console: &mut Console<'_>,
    flags: &Flags,
    answer: &crate::api::Answer,
    success: &str,
) -> Result<u8, Failure> {
    if answer.status == 404 {
        return Err(Failure::remote("No value found"));
    }
    if answer.body.is_null() {
        if Format::of(flags)? == Format::Table && flags.value("field").is_none() {
            console.say(success);
        }
        return Ok(0);
    }
    secret::show(console, flags, answer)?;
    Ok(0)
}

fn write(arguments: &[String], console: &mut Console<'_>) -> Result<u8, Failure> {
    send(arguments, console, "PUT")
}

fn patch(arguments: &[String], console: &mut Console<'_>) -> Result<u8, Failure> {
    send(arguments, console, "PATCH")
}

fn delete(arguments: &[String], console: &mut Console<'_>) -> Result<u8, Failure> {
    let flags = Flags::parse(arguments, &[])?;
    let [path] = flags.exactly()?;
    let path = clean(path);
    let answer = Api::new(&flags)?
        .ask("DELETE", path, None)
        .map_err(doing(&format!("Error deleting {path}")))?;
    written(console, &flags, &answer, &format!("Success! Data deleted (if it existed) at: {path}"))
}

fn list(arguments: &[String], console: &mut Console<'_>) -> Result<u8, Failure> {
    names(arguments, console, "LIST")
}

fn scan(arguments: &[String], console: &mut Console<'_>) -> Result<u8, Failure> {
    names(arguments, console, "SCAN")
}

fn names(arguments: &[String], console: &mut Console<'_>, verb: &str) -> Result<u8, Failure> {
    let flags = Flags::parse(arguments, &[])?;
    let [path] = flags.exactly()?;
    let path = format!("{}/", clean(path));
    let answer = Api::new(&flags)?
        .ask(verb, &path, None)
        .map_err(doing(&format!("Error listing {path}")))?;
    secret::show_list(console, &flags, &path, &answer)?;
    Ok(0)
}

fn unwrap(arguments: &[String], console: &mut Console<'_>) -> Result<u8, Failure> {
    let flags = Flags::parse(arguments, &[])?;
    let mut api = Api::new(&flags)?;
    if let [token] = flags.arguments.as_slice() {
        // Asking with the wrapping token itself needs no other.
        api.settings.token = Some(zeroize::Zeroizing::new(token.clone()));
    }
    let answer = api.put("sys/wrapping/unwrap", json!({})).map_err(doing("Error unwrapping"))?;
    if answer.is_missing() {
        return Err(Failure::remote("Could not find wrapped response"));
    }
    secret::show(console, &flags, &answer)?;
    Ok(0)
}

fn path_help(arguments: &[String], console: &mut Console<'_>) -> Result<u8, Failure> {
    let flags = Flags::parse(arguments, &[])?;
    let [path] = flags.exactly()?;
    let trimmed = path.trim().trim_start_matches('/');
    let answer = Api::new(&flags)?
        .get(&format!("{trimmed}?help=1"))
        .map_err(doing("Error retrieving help"))?;
    let help = answer.body.get("help").and_then(Value::as_str);
    let help = help.ok_or_else(|| Failure::remote(format!("No help found for {path}")))?;
    match Format::of(&flags)? {
        Format::Table | Format::Raw => console.say(help.trim_end()),
        format => output::structured(console, format, &answer.body),
    }
    Ok(0)
}
