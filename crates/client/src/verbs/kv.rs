//! `kv`: the same verbs for both versions; which one a path has is asked of the server.

use serde_json::{Map, Value, json};

use super::Verb;
use super::basic::{clean, doing, written};
use crate::api::{Answer, Api};
use crate::flags::{Flags, Table, Takes};
use crate::output::{self, Format};
use crate::{Console, Failure, data, secret};

pub(super) const VERBS: &[Verb] = &[
    Verb { name: "kv put", help: "Writes a secret.", run: put },
    Verb { name: "kv get", help: "Reads a secret.", run: get },
    Verb { name: "kv patch", help: "Changes part of a secret.", run: patch },
    Verb { name: "kv delete", help: "Deletes a secret or versions of it.", run: delete },
    Verb { name: "kv undelete", help: "Brings versions back.", run: undelete },
    Verb { name: "kv destroy", help: "Removes versions for good.", run: destroy },
    Verb { name: "kv rollback", help: "Writes an old version anew.", run: rollback },
    Verb { name: "kv list", help: "Lists secrets.", run: list },
    Verb { name: "kv metadata get", help: "Reads about a secret.", run: metadata_get },
    Verb { name: "kv metadata put", help: "Sets options of a secret.", run: metadata_put },
    Verb { name: "kv metadata patch", help: "Changes options of a secret.", run: metadata_patch },
    Verb {
        name: "kv metadata delete",
        help: "Removes a secret and all versions.",
        run: metadata_delete,
    },
    Verb {
        name: "kv enable-versioning",
        help: "Upgrades a mount to version 2.",
        run: enable_versioning,
    },
];

const FLAGS: Table = &[
    ("mount", Takes::Value),
    ("cas", Takes::Value),
    ("version", Takes::Value),
    ("versions", Takes::Values),
    ("method", Takes::Value),
    ("max-versions", Takes::Value),
    ("cas-required", Takes::Value),
    ("delete-version-after", Takes::Value),
    ("custom-metadata", Takes::Values),
    ("remove-custom-metadata", Takes::Values),
    ("remove-data", Takes::Values),
];

/// A secret's place: its mount and its path within.
struct Place {
    mount: String,
    path: String,
    is_v2: bool,
}

impl Place {
    /// Asks the server which mount a path is on.
    fn find(api: &Api, flags: &Flags, path: &str) -> Result<Self, Failure> {
        let path = clean(path);
        let mount = flags.value("mount").map(clean);
        let whole = mount.map_or_else(|| path.to_owned(), |mount| format!("{mount}/{path}"));
        let answer = api.ask_any("GET", &format!("sys/internal/ui/mounts/{whole}"), None)?;
        let is_old_server = answer.status == 404;
        let data = answer.data();
        if answer.status >= 400 && !is_old_server {
            let errors = answer.body.get("errors").and_then(Value::as_array);
            let text = errors.and_then(|e| e.first()).map(output::plain).unwrap_or_default();
            let url = api.url(&format!("sys/internal/ui/mounts/{whole}"));
            return Err(Failure::remote(format!(
                "Error making API request.\n\nURL: GET {url}\nCode: {}. Errors:\n\n* {text}",
                answer.status
            )));
        }
        let found = data.and_then(|data| data.get("path")).and_then(Value::as_str).map(clean);
        let is_v2 =
            data.and_then(|data| data.get("options")?.get("version")?.as_str()) == Some("2");
        let fallback = whole.split('/').next().unwrap_or_default().to_owned();
        let mount = found.map_or(fallback, str::to_owned);
        let path = whole.strip_prefix(&mount).unwrap_or(&whole).trim_matches('/').to_owned();
        Ok(Self { mount, path, is_v2 })
    }

    /// The API path below one of version 2's prefixes.
    fn v2(&self, prefix: &str) -> String {
        format!("{}/{prefix}/{}", self.mount, self.path).trim_end_matches('/').to_owned()
    }

    fn v1(&self) -> String {
        format!("{}/{}", self.mount, self.path).trim_end_matches('/').to_owned()
    }

    fn data(&self) -> String {
        if self.is_v2 { self.v2("data") } else { self.v1() }
    }

    fn must_be_v2(&self, verb: &str) -> Result<(), Failure> {
        if self.is_v2 {
            return Ok(());
        }
        Err(Failure::local(format!("{verb} not supported on KV Version 1")))
    }
}

/// Parses flags, and finds the place of the first argument.
fn start(arguments: &[String]) -> Result<(Flags, Api, Place), Failure> {
    let flags = Flags::parse(arguments, FLAGS)?;
    let api = Api::new(&flags)?;
    let (path, _) = flags.first()?;
    let place = Place::find(&api, &flags, path)?;
    Ok((flags, api, place))
}

fn rest<'a>(flags: &'a Flags, console: &mut Console<'_>) -> Result<Map<String, Value>, Failure> {
    let (_, rest): (_, &'a [String]) = flags.first()?;
    data::gather(rest, console)
}

fn none_at(path: &str) -> Failure {
    Failure::remote(format!("No value found at {path}"))
}

fn number(flags: &Flags, name: &str) -> Result<Option<i64>, Failure> {
    let Some(text) = flags.value(name) else { return Ok(None) };
    let wrong =
        || Failure::local(format!("invalid value {text:?} for flag -{name}: expected a number"));
    text.parse().map(Some).map_err(|_| wrong())
}

/// Shows the version that a write made.
fn made(
    console: &mut Console<'_>,
    flags: &Flags,
    place: &Place,
    answer: &Answer,
) -> Result<u8, Failure> {
    let is_table = Format::of(flags)? == Format::Table && flags.value("field").is_none();
    match answer.data().filter(|_| place.is_v2 && is_table) {
        Some(data) => {
            secret::warnings(console, &answer.body);
            secret_path(console, place);
            table(console, "Metadata", data);
            Ok(0)
        }
        None => {
            written(console, flags, answer, &format!("Success! Data written to: {}", place.data()))
        }
    }
}

fn secret_path(console: &mut Console<'_>, place: &Place) {
    let path = place.data();
    console.say(&format!("{}\n{path}\n", output::headline("Secret Path", path.len())));
}

fn table(console: &mut Console<'_>, title: &str, data: &Map<String, Value>) {
    console.say(&output::headline_for(title, data));
    let rows: Vec<_> =
        data.iter().map(|(key, value)| (key.clone(), output::plain(value))).collect();
    console.say(&output::key_value(&rows));
}

fn put(arguments: &[String], console: &mut Console<'_>) -> Result<u8, Failure> {
    let (flags, api, place) = start(arguments)?;
    let data = rest(&flags, console)?;
    if data.is_empty() {
        return Err(Failure::local("Must supply data"));
    }
    let body = if place.is_v2 {
        let mut options = Map::new();
        if let Some(cas) = number(&flags, "cas")?.filter(|cas| *cas >= 0) {
            options.insert("cas".to_owned(), json!(cas));
        }
        json!({ "data": data, "options": options })
    } else {
        Value::Object(data)
    };
    let path = place.data();
    let answer = api.put(&path, body).map_err(doing(&format!("Error writing data to {path}")))?;
    made(console, &flags, &place, &answer)
}

fn get(arguments: &[String], console: &mut Console<'_>) -> Result<u8, Failure> {
    let (flags, api, place) = start(arguments)?;
    let mut path = place.data();
    if let Some(version) = number(&flags, "version")?.filter(|version| place.is_v2 && *version > 0)
    {
        path.push_str(&format!("?version={version}"));
    }
    let shown = place.data();
    let answer = api.get(&path).map_err(doing(&format!("Error reading {shown}")))?;
    if answer.is_missing() {
        return Err(none_at(&shown));
    }
    let format = Format::of(&flags)?;
    if !place.is_v2 {
        if format == Format::Table && flags.value("field").is_none() {
            table(console, "Data", answer.data().unwrap_or(&Map::new()));
        } else {
            secret::show(console, &flags, &answer)?;
        }
        return Ok(0);
    }
    show_v2(console, &flags, &place, &answer, format)
}

fn show_v2(
    console: &mut Console<'_>,
    flags: &Flags,
    place: &Place,
    answer: &Answer,
    format: Format,
) -> Result<u8, Failure> {
    let empty = Map::new();
    let inner = answer.data().and_then(|data| data.get("data")?.as_object());
    if let Some(name) = flags.value("field") {
        let value = match (name, inner) {
            ("data", Some(data)) => Some(Value::Object(data.clone())),
            (name, Some(data)) => data.get(name).cloned(),
            (_, None) => None,
        };
        let value =
            value.ok_or_else(|| Failure::local(format!("Field {name:?} not present in secret")))?;
        output::field(console, format, &value);
        return Ok(0);
    }
    if format != Format::Table {
        secret::show(console, flags, answer)?;
        return Ok(0);
    }
    secret::warnings(console, &answer.body);
    secret_path(console, place);
    let metadata = answer.data().and_then(|data| data.get("metadata")?.as_object());
    table(console, "Metadata", metadata.unwrap_or(&empty));
    if let Some(data) = inner {
        console.say("");
        table(console, "Data", data);
    }
    // A deleted version is shown, and is no error.
    Ok(0)
}

fn patch(arguments: &[String], console: &mut Console<'_>) -> Result<u8, Failure> {
    let (flags, api, place) = start(arguments)?;
    place.must_be_v2("Patch")?;
    let mut data = rest(&flags, console)?;
    for key in flags.values("remove-data") {
        data.insert(key.clone(), Value::Null);
    }
    if data.is_empty() {
        return Err(Failure::local("Must supply data"));
    }
    let path = place.v2("data");
    let wrong = format!("Error writing data to {path}");
    let mut options = Map::new();
    if let Some(cas) = number(&flags, "cas")?.filter(|cas| *cas > 0) {
        options.insert("cas".to_owned(), json!(cas));
    }
    let answer = if flags.value("method") == Some("rw") {
        let now = api.get(&path).map_err(doing(&wrong))?;
        let (Some(mut old), Some(version)) = (inner(&now), version(&now)) else {
            return Err(none_at(&path));
        };
        for (key, value) in data {
            if value.is_null() {
                old.remove(&key)
            } else {
                old.insert(key, value)
            };
        }
        api.put(&path, json!({ "data": old, "options": { "cas": version } }))
    } else {
        let body = json!({ "data": data, "options": options });
        api.ask("PATCH", &path, Some(&body))
    };
    let answer = answer.map_err(doing(&wrong))?;
    if answer.status == 404 {
        return Err(none_at(&path));
    }
    made(console, &flags, &place, &answer)
}

fn inner(answer: &Answer) -> Option<Map<String, Value>> {
    answer.data()?.get("data")?.as_object().cloned()
}

fn version(answer: &Answer) -> Option<u64> {
    answer.data()?.get("metadata")?.get("version")?.as_u64()
}

/// Numbers of the flag `-versions`, which may hold several with commas.
fn versions(flags: &Flags) -> Result<Vec<String>, Failure> {
    let numbers: Vec<String> = flags
        .values("versions")
        .iter()
        .flat_map(|text| text.split(','))
        .map(|text| text.trim().to_owned())
        .filter(|text| !text.is_empty())
        .collect();
    Ok(numbers)
}

fn delete(arguments: &[String], console: &mut Console<'_>) -> Result<u8, Failure> {
    let (flags, api, place) = start(arguments)?;
    let versions = versions(&flags)?;
    let path = place.data();
    let wrong = format!("Error deleting {path}");
    let answer = if place.is_v2 && !versions.is_empty() {
        api.put(&place.v2("delete"), json!({ "versions": versions }))
    } else {
        api.ask("DELETE", &path, None)
    };
    let answer = answer.map_err(doing(&wrong))?;
    written(console, &flags, &answer, &format!("Success! Data deleted (if it existed) at: {path}"))
}

fn on_versions(arguments: &[String], console: &mut Console<'_>, verb: &str) -> Result<u8, Failure> {
    let (flags, api, place) = start(arguments)?;
    let versions = versions(&flags)?;
    if versions.is_empty() {
        return Err(Failure::local(
            "No versions provided, use the \"-versions\" flag to specify the version to change.",
        ));
    }
    let mut title = verb.to_owned();
    title.get_mut(..1).map(str::make_ascii_uppercase);
    place.must_be_v2(&title)?;
    let path = place.v2(verb);
    let answer = api
        .put(&path, json!({ "versions": versions }))
        .map_err(doing(&format!("Error writing data to {path}")))?;
    written(console, &flags, &answer, &format!("Success! Data written to: {path}"))
}

fn undelete(arguments: &[String], console: &mut Console<'_>) -> Result<u8, Failure> {
    on_versions(arguments, console, "undelete")
}

fn destroy(arguments: &[String], console: &mut Console<'_>) -> Result<u8, Failure> {
    on_versions(arguments, console, "destroy")
}

fn rollback(arguments: &[String], console: &mut Console<'_>) -> Result<u8, Failure> {
    let (flags, api, place) = start(arguments)?;
    place.must_be_v2("Rollback")?;
    let wanted = number(&flags, "version")?.filter(|version| *version > 0);
    let wanted =
        wanted.ok_or_else(|| Failure::local("Missing or invalid version, use -version"))?;
    let path = place.v2("data");
    let newest = api.get(&path).map_err(doing(&format!("Error reading {path}")))?;
    let cas = version(&newest).ok_or_else(|| none_at(&path))?;
    let old = api
        .get(&format!("{path}?version={wanted}"))
        .map_err(doing(&format!("Error reading {path}")))?;
    let data = inner(&old)
        .ok_or_else(|| Failure::remote(format!("Version {wanted} of {path} has no data")))?;
    let body = json!({ "data": data, "options": { "cas": cas } });
    let answer = api.put(&path, body).map_err(doing(&format!("Error writing data to {path}")))?;
    made(console, &flags, &place, &answer)
}

fn list(arguments: &[String], console: &mut Console<'_>) -> Result<u8, Failure> {
    let (flags, api, place) = start(arguments)?;
    let path = if place.is_v2 { place.v2("metadata") } else { place.v1() };
    let answer = api
        .ask("LIST", &format!("{path}/"), None)
        .map_err(doing(&format!("Error listing {path}")))?;
    secret::show_list(console, &flags, &path, &answer)?;
    Ok(0)
}

fn metadata_get(arguments: &[String], console: &mut Console<'_>) -> Result<u8, Failure> {
    let (flags, api, place) = start(arguments)?;
    place.must_be_v2("Metadata")?;
    let path = place.v2("metadata");
    let answer = api.get(&path).map_err(doing(&format!("Error reading {path}")))?;
    let Some(data) = answer.data() else { return Err(none_at(&path)) };
    if Format::of(&flags)? != Format::Table || flags.value("field").is_some() {
        secret::show(console, &flags, &answer)?;
        return Ok(0);
    }
    let mut top = data.clone();
    let versions = top.remove("versions").unwrap_or_default();
    console.say(&format!("{}\n{path}\n", output::headline("Metadata Path", path.len())));
    table(console, "Metadata", &top);
    let mut numbers: Vec<(u64, &Value)> = versions
        .as_object()
        .into_iter()
        .flatten()
        .filter_map(|(number, version)| Some((number.parse().ok()?, version)))
        .collect();
    numbers.sort_by_key(|(number, _)| *number);
    for (number, version) in numbers {
        console.say("");
        table(console, &format!("Version {number}"), version.as_object().unwrap_or(&Map::new()));
    }
    Ok(0)
}

fn settings(flags: &Flags) -> Result<Map<String, Value>, Failure> {
    let mut body = Map::new();
    if let Some(number) = number(flags, "max-versions")? {
        body.insert("max_versions".to_owned(), json!(number));
    }
    if let Some(text) = flags.value("cas-required") {
        body.insert("cas_required".to_owned(), json!(text == "true"));
    }
    if let Some(text) = flags.value("delete-version-after") {
        body.insert("delete_version_after".to_owned(), json!(text));
    }
    let mut custom = Map::new();
    for pair in flags.values("custom-metadata") {
        let (key, value) = pair.split_once('=').ok_or_else(|| {
            Failure::local(format!(
                "invalid value {pair:?} for flag -custom-metadata: expected key=value"
            ))
        })?;
        custom.insert(key.to_owned(), json!(value));
    }
    for key in flags.values("remove-custom-metadata") {
        custom.insert(key.clone(), Value::Null);
    }
    if !custom.is_empty() {
        body.insert("custom_metadata".to_owned(), Value::Object(custom));
    }
    Ok(body)
}

fn metadata_write(
    arguments: &[String],
    console: &mut Console<'_>,
    method: &str,
) -> Result<u8, Failure> {
    let (flags, api, place) = start(arguments)?;
    place.must_be_v2("Metadata")?;
    let path = place.v2("metadata");
    let body = Value::Object(settings(&flags)?);
    let answer = api
        .ask(method, &path, Some(&body))
        .map_err(doing(&format!("Error writing data to {path}")))?;
    if answer.status == 404 {
        return Err(none_at(&path));
    }
    written(console, &flags, &answer, &format!("Success! Data written to: {path}"))
}

fn metadata_put(arguments: &[String], console: &mut Console<'_>) -> Result<u8, Failure> {
    metadata_write(arguments, console, "PUT")
}

fn metadata_patch(arguments: &[String], console: &mut Console<'_>) -> Result<u8, Failure> {
    metadata_write(arguments, console, "PATCH")
}

fn metadata_delete(arguments: &[String], console: &mut Console<'_>) -> Result<u8, Failure> {
    let (flags, api, place) = start(arguments)?;
    place.must_be_v2("Metadata")?;
    let path = place.v2("metadata");
    let answer =
        api.ask("DELETE", &path, None).map_err(doing(&format!("Error deleting {path}")))?;
    written(console, &flags, &answer, &format!("Success! Data deleted (if it existed) at: {path}"))
}

fn enable_versioning(arguments: &[String], console: &mut Console<'_>) -> Result<u8, Failure> {
    let flags = Flags::parse(arguments, FLAGS)?;
    let [mount] = flags.exactly()?;
    let mount = clean(mount);
    let body = json!({ "options": { "version": "2" } });
    Api::new(&flags)?
        .put(&format!("sys/mounts/{mount}/tune"), body)
        .map_err(doing(&format!("Error tuning secrets engine {mount}")))?;
    console.say(&format!("Success! Tuned the secrets engine at: {mount}/"));
    Ok(0)
}
