//! Version 2: every write is a version, old ones stay readable until they are deleted or destroyed.
//!
//! In storage: `m/PATH` is the [`Metadata`], `d/NUMBER/PATH` a value, `config` the settings of the mount.
//! Metadata and value are written in one batch whose precondition is the metadata's version, so that
//! check-and-set needs no lock and no reader sees one without the other.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use serde_json::{Value, json};
use vault_sdk::table::{Call, Field, Path, PathTable};
use vault_sdk::{Batch, Body, Data, Engine, Error, Expect, Operation, Response, StorageError};

use super::metadata::{Config, DeleteAfter, Metadata, check_custom};
use super::secret_path;
use crate::page;

/// The engine.
#[derive(Debug)]
pub struct Kv2;

/// Keys of a batch at most, one of them the metadata.
const BATCH: usize = 100;

/// How often a write is tried again when others write the same secret.
const TRIES: usize = 32;

static TABLE: LazyLock<PathTable<Kv2>> = LazyLock::new(|| {
    PathTable::new(
        "The key/value engine, version 2, keeps arbitrary secrets with their past versions.",
        vec![
            config_path(),
            data_path(),
            versions_path("delete/{path...}", "Marks versions as deleted.", |_, call| {
                Box::pin(delete_versions(call))
            }),
            versions_path(
                "undelete/{path...}",
                "Makes deleted versions readable again.",
                |_, call| Box::pin(undelete_versions(call)),
            ),
            versions_path(
                "destroy/{path...}",
                "Removes the values of versions for good.",
                |_, call| Box::pin(destroy_versions(call)),
            ),
            metadata_path(),
            Path::new("subkeys/{path...}")
                .help("Reads the structure of a secret without its values.", "")
                .field(Field::string("path", "Location of the secret."))
                .field(Field::integer("version", "Which version; zero for the newest."))
                .field(Field::integer("depth", "How deep to look; zero for all levels."))
                .on(Operation::Read, |_, call| Box::pin(subkeys(call))),
            Path::new("detailed-metadata/{path...?}")
                .help("Lists secrets with their metadata.", "")
                .field(Field::string("path", "Location of the secrets."))
                .fields(page::fields())
                .on(Operation::List, |_, call| Box::pin(list_detailed(call)))
                .on(Operation::Scan, |_, call| Box::pin(list_detailed(call))),
            Path::new("{path...?}")
                .help("Not a path of this version.", "")
                .any_key()
                .on(Operation::Read, |_, _| Box::pin(invalid_path()))
                .on(Operation::Update, |_, _| Box::pin(invalid_path()))
                .on(Operation::Delete, |_, _| Box::pin(invalid_path()))
                .on(Operation::List, |_, _| Box::pin(invalid_path())),
        ],
    )
});

impl Engine for Kv2 {
    fn table() -> &'static PathTable<Self> {
        &TABLE
    }
}

fn config_path() -> Path<Kv2> {
    Path::new("config")
        .help("Settings of this mount.", "")
        .field(Field::integer("max_versions", "Versions kept of each secret; 10 if zero."))
        .field(Field::bool("cas_required", "Whether every write must use check-and-set."))
        .field(Field::any(
            "delete_version_after",
            "How long after it was written a version deletes itself; negative for never.",
        ))
        .on(Operation::Read, |_, call| Box::pin(read_config(call)))
        .on(Operation::Update, |_, call| Box::pin(write_config(call)))
}

fn data_path() -> Path<Kv2> {
    Path::new("data/{path...}")
        .help("Writes, patches, reads and deletes secrets.", "")
        .field(Field::string("path", "Location of the secret."))
        .field(Field::integer("version", "Which version to read; zero for the newest."))
        .field(Field::map("options", "\"cas\": the version that must be the newest."))
        .field(Field::map("data", "The secret."))
        .exists(|_, call| Box::pin(exists(call)))
        .on_write(|_, call| Box::pin(write_data(call)))
        .on(Operation::Patch, |_, call| Box::pin(patch_data(call)))
        .on(Operation::Read, |_, call| Box::pin(read_data(call)))
        .on(Operation::Delete, |_, call| Box::pin(delete_newest(call)))
}

fn versions_path(
    pattern: &'static str,
    synopsis: &'static str,
    handler: for<'a> fn(&'a Kv2, &'a Call<'a>) -> vault_sdk::Boxed<'a, Result<Response, Error>>,
) -> Path<Kv2> {
    Path::new(pattern)
        .help(synopsis, "")
        .field(Field::string("path", "Location of the secret."))
        .field(Field::integer_list("versions", "Numbers of the versions."))
        .on_write(handler)
}

fn metadata_path() -> Path<Kv2> {
    Path::new("metadata/{path...?}")
        .help("Settings and versions of a secret.", "")
        .field(Field::string("path", "Location of the secret."))
        .field(Field::integer("max_versions", "Versions kept; the mount's if zero."))
        .field(Field::bool("cas_required", "Whether every write must use check-and-set."))
        .field(Field::any(
            "delete_version_after",
            "How long after it was written a version deletes itself.",
        ))
        .field(Field::map("custom_metadata", "Texts that users keep beside the secret."))
        .fields(page::fields())
        .exists(|_, call| Box::pin(exists(call)))
        .on_write(|_, call| Box::pin(write_metadata(call)))
        .on(Operation::Patch, |_, call| Box::pin(patch_metadata(call)))
        .on(Operation::Read, |_, call| Box::pin(read_metadata(call)))
        .on(Operation::Delete, |_, call| Box::pin(delete_metadata(call)))
        .on(Operation::List, |_, call| Box::pin(list(call)))
        .on(Operation::Scan, |_, call| Box::pin(scan(call)))
}

async fn invalid_path() -> Result<Response, Error> {
    let body = Body::Status(404, Data::new());
    Ok(Response { body, ..Response::default() }.warn(
        "Invalid path for a versioned K/V secrets engine. See the API docs for the appropriate API \
         endpoints to use. If using the Vault CLI, use 'vault kv get' for this operation.",
    ))
}

// --- storage

fn metadata_key(path: &str) -> String {
    format!("m/{path}")
}

fn data_key(path: &str, version: u64) -> String {
    format!("d/{version}/{path}")
}

async fn config(call: &Call<'_>) -> Result<Config, Error> {
    Ok(call.context.storage.read("config").await?.map(|(config, _)| config).unwrap_or_default())
}

/// The metadata of the call's secret, and the precondition that it has not changed since.
async fn load(call: &Call<'_>) -> Result<(Option<Metadata>, Expect), Error> {
    let path = secret_path(call.text("path"))?;
    Ok(match call.context.storage.read(&metadata_key(path)).await? {
        Some((metadata, version)) => (Some(metadata), Expect::Version(version)),
        None => (None, Expect::Absent),
    })
}

/// Writes metadata and whatever else a change needs, if the metadata is as it was read. Says whether it was.
async fn store(
    call: &Call<'_>,
    metadata: &Metadata,
    expect: Expect,
    mut batch: Batch,
    mut doomed: Vec<u64>,
) -> Result<bool, Error> {
    let path = call.text("path");
    let later = doomed.split_off(doomed.len().min(BATCH));
    batch = batch.record(metadata_key(path), expect, metadata)?;
    for version in doomed {
        batch = batch.delete(data_key(path, version));
    }
    match call.context.storage.commit(batch).await {
        Ok(()) => {}
        Err(StorageError::Conflict { .. }) => return Ok(false),
        Err(error) => return Err(error.into()),
    }
    for chunk in later.chunks(BATCH) {
        let delete = |batch: Batch, version: &u64| batch.delete(data_key(path, *version));
        call.context.storage.commit(chunk.iter().fold(Batch::default(), delete)).await?;
    }
    Ok(true)
}

/// Changes the metadata of a secret that is there; does nothing if it is not. `change` returns the versions
/// whose values go.
async fn change(
    call: &Call<'_>,
    change: impl Fn(&mut Metadata) -> Vec<u64>,
) -> Result<bool, Error> {
    for _ in 0..TRIES {
        let (Some(mut metadata), expect) = load(call).await? else { return Ok(false) };
        let doomed = change(&mut metadata);
        if store(call, &metadata, expect, Batch::default(), doomed).await? {
            return Ok(true);
        }
    }
    Err(busy())
}

fn busy() -> Error {
    Error::Precondition("the secret is being written by many at once; try again".to_owned())
}

async fn exists(call: &Call<'_>) -> Result<bool, Error> {
    Ok(load(call).await?.0.is_some())
}

// --- config

async fn read_config(call: &Call<'_>) -> Result<Response, Error> {
    let config = config(call).await?;
    Ok(Response::json(json!({
        "max_versions": config.max_versions,
        "cas_required": config.cas_required,
        "delete_version_after": config.delete_version_after.show(),
    })))
}

async fn write_config(call: &Call<'_>) -> Result<Response, Error> {
    let mut config = config(call).await?;
    if call.given("max_versions") {
        config.max_versions = call.count("max_versions")?;
    }
    if call.given("cas_required") {
        config.cas_required = call.bool("cas_required");
    }
    if let Some(after) = DeleteAfter::read(call, "delete_version_after")? {
        config.delete_version_after = after;
    }
    call.context.storage.put("config", Expect::Anything, &config).await?;
    Ok(Response::empty())
}

// --- data

/// The version that a read asks for; zero or nothing is the newest.
fn wanted(call: &Call<'_>, metadata: &Metadata) -> Result<u64, Error> {
    match call.count("version")? {
        0 => Ok(metadata.current_version),
        version => Ok(version),
    }
}

/// A version's value, if it can be read, and its metadata for the answer.
async fn version(call: &Call<'_>) -> Result<(Option<Data>, Data), Error> {
    let Ok((Some(metadata), _)) = load(call).await else { return Err(Error::NotFound) };
    let number = wanted(call, &metadata)?;
    let mut version = metadata.versions.get(&number).ok_or(Error::NotFound)?.clone();
    let mut value = None;
    if version.is_readable(call.context.now()) {
        let key = data_key(call.text("path"), number);
        value = call.context.storage.read::<Data>(&key).await?.map(|(value, _)| value);
        // The value goes before its metadata does when a secret is removed.
        version.destroyed |= value.is_none();
    }
    Ok((value, version.show(number, metadata.custom_metadata.as_ref())))
}

async fn read_data(call: &Call<'_>) -> Result<Response, Error> {
    let (value, metadata) = version(call).await?;
    let is_there = value.is_some();
    let body = json!({ "data": value, "metadata": metadata });
    let Value::Object(body) = body else { return Err(Error::Bug("json! made no object")) };
    let body = if is_there { Body::Data(body) } else { Body::Status(404, body) };
    Ok(Response { body, ..Response::default() })
}

/// The version that must be the newest, if the call names one.
fn cas(call: &Call<'_>) -> Result<Option<i64>, Error> {
    let Some(cas) = call.map("options").and_then(|options| options.get("cas")) else {
        return Ok(None);
    };
    let number = match cas {
        Value::Null => return Ok(None),
        Value::Number(number) => number.as_i64(),
        Value::String(text) => text.parse().ok(),
        _ => None,
    };
    let number = number.ok_or_else(|| Error::invalid("error parsing check-and-set parameter"))?;
    Ok(Some(number))
}

fn check_cas(cas: Option<i64>, metadata: &Metadata, config: &Config) -> Result<(), Error> {
    match cas {
        None if metadata.needs_cas(config) => {
            Err(Error::invalid("check-and-set parameter required for this call"))
        }
        Some(cas) if u64::try_from(cas) != Ok(metadata.current_version) => {
            Err(Error::invalid("check-and-set parameter did not match the current version"))
        }
        _ => Ok(()),
    }
}

/// Writes a value as the newest version of a secret.
async fn add_version(
    call: &Call<'_>,
    config: &Config,
    mut metadata: Metadata,
    expect: Expect,
    value: &Data,
) -> Result<Option<Response>, Error> {
    let (number, forgotten) = metadata.add_version(config, call.context.now());
    let key = data_key(call.text("path"), number);
    let batch = Batch::default().record(key, Expect::Anything, value)?;
    if !store(call, &metadata, expect, batch, forgotten).await? {
        return Ok(None);
    }
    let version = metadata.versions.get(&number).ok_or(Error::Bug("the version just added"))?;
    Ok(Some(Response::data(version.show(number, metadata.custom_metadata.as_ref()))))
}

async fn write_data(call: &Call<'_>) -> Result<Response, Error> {
    let value = call.map("data").ok_or_else(|| Error::invalid("no data provided"))?;
    let (cas, config) = (cas(call)?, config(call).await?);
    for _ in 0..TRIES {
        let (metadata, expect) = load(call).await?;
        let metadata = metadata.unwrap_or_default();
        check_cas(cas, &metadata, &config)?;
        if let Some(response) = add_version(call, &config, metadata, expect, value).await? {
            return Ok(response);
        }
    }
    Err(busy())
}

async fn patch_data(call: &Call<'_>) -> Result<Response, Error> {
    let patch = call.map("data").ok_or_else(|| Error::invalid("no data provided"))?;
    let (cas, config) = (cas(call)?, config(call).await?);
    for _ in 0..TRIES {
        let (metadata, expect) = load(call).await?;
        let metadata = metadata.ok_or(Error::NotFound)?;
        check_cas(cas, &metadata, &config)?;
        let newest = metadata.versions.get(&metadata.current_version).ok_or(Error::NotFound)?;
        let key = data_key(call.text("path"), metadata.current_version);
        let value = match newest.is_readable(call.context.now()) {
            true => call.context.storage.read::<Data>(&key).await?,
            false => None,
        };
        let Some((mut value, _)) = value else {
            let shown = newest.show(metadata.current_version, metadata.custom_metadata.as_ref());
            let body = json!({ "data": null, "metadata": shown });
            let Value::Object(body) = body else { return Err(Error::Bug("json! made no object")) };
            return Ok(Response { body: Body::Status(404, body), ..Response::default() });
        };
        merge(&mut value, patch);
        let response = add_version(call, &config, metadata, expect, &value).await?;
        vault_sdk::wipe(&mut value);
        if let Some(response) = response {
            return Ok(response);
        }
    }
    Err(busy())
}

/// JSON merge patch (RFC 7396) of one object by another.
fn merge(target: &mut Data, patch: &Data) {
    for (key, value) in patch {
        match value {
            Value::Null => {
                target.remove(key);
            }
            Value::Object(patch) => {
                let slot = target.entry(key.clone()).or_insert(Value::Null);
                if !slot.is_object() {
                    *slot = Value::Object(Data::new());
                }
                if let Value::Object(target) = slot {
                    merge(target, patch);
                }
            }
            other => {
                target.insert(key.clone(), other.clone());
            }
        }
    }
}

async fn subkeys(call: &Call<'_>) -> Result<Response, Error> {
    let depth = call.count("depth")?;
    let (value, metadata) = version(call).await?;
    let is_there = value.is_some();
    let subkeys = value.map(|value| structure(&value, depth, 1));
    let body = json!({ "subkeys": subkeys, "metadata": metadata });
    let Value::Object(body) = body else { return Err(Error::Bug("json! made no object")) };
    let body = if is_there { Body::Data(body) } else { Body::Status(404, body) };
    Ok(Response { body, ..Response::default() })
}

/// The keys of an object, with null for each value that is no object or too deep.
fn structure(value: &Data, depth: u64, level: u64) -> Data {
    let inner = |value: &Value| match value {
        Value::Object(value) if !value.is_empty() && (depth == 0 || level < depth) => {
            Value::Object(structure(value, depth, level + 1))
        }
        _ => Value::Null,
    };
    value.iter().map(|(key, value)| (key.clone(), inner(value))).collect()
}

// --- versions

fn versions(call: &Call<'_>) -> Result<Vec<u64>, Error> {
    let numbers: Vec<u64> =
        call.integers("versions").into_iter().filter_map(|n| u64::try_from(n).ok()).collect();
    if numbers.is_empty() {
        return Err(Error::invalid("no version number provided"));
    }
    Ok(numbers)
}

/// Marks versions as deleted from now on.
async fn mark_deleted(call: &Call<'_>, numbers: Option<&[u64]>) -> Result<Response, Error> {
    let now = call.context.now();
    change(call, |metadata| {
        let newest = [metadata.current_version];
        for number in numbers.unwrap_or(&newest) {
            if let Some(version) = metadata.versions.get_mut(number)
                && version.is_readable(now)
            {
                version.deletion = now;
            }
        }
        vec![]
    })
    .await?;
    Ok(Response::empty())
}

async fn delete_newest(call: &Call<'_>) -> Result<Response, Error> {
    mark_deleted(call, None).await
}

async fn delete_versions(call: &Call<'_>) -> Result<Response, Error> {
    mark_deleted(call, Some(&versions(call)?)).await
}

async fn undelete_versions(call: &Call<'_>) -> Result<Response, Error> {
    let numbers = versions(call)?;
    change(call, |metadata| {
        for number in &numbers {
            if let Some(version) = metadata.versions.get_mut(number)
                && !version.destroyed
            {
                version.deletion = vault_sdk::time::Instant::ZERO;
            }
        }
        vec![]
    })
    .await?;
    Ok(Response::empty())
}

async fn destroy_versions(call: &Call<'_>) -> Result<Response, Error> {
    let numbers = versions(call)?;
    change(call, |metadata| {
        let mut doomed = Vec::new();
        for number in &numbers {
            if let Some(version) = metadata.versions.get_mut(number) {
                version.destroyed = true;
                doomed.push(*number);
            }
        }
        doomed
    })
    .await?;
    Ok(Response::empty())
}

// --- metadata

async fn read_metadata(call: &Call<'_>) -> Result<Response, Error> {
    let Ok((Some(metadata), _)) = load(call).await else { return Err(Error::NotFound) };
    Ok(Response::data(metadata.show()))
}

/// Puts the settings that the call gives into the metadata.
fn apply(call: &Call<'_>, metadata: &mut Metadata) -> Result<(), Error> {
    if call.given("max_versions") {
        metadata.max_versions = call.count("max_versions")?;
    }
    if call.given("cas_required") {
        metadata.cas_required = call.bool("cas_required");
    }
    if let Some(after) = DeleteAfter::read(call, "delete_version_after")? {
        metadata.delete_version_after = after;
    }
    let now = call.context.now();
    metadata.updated = now;
    if metadata.created.is_zero() {
        metadata.created = now;
    }
    Ok(())
}

async fn write_metadata(call: &Call<'_>) -> Result<Response, Error> {
    for _ in 0..TRIES {
        let (metadata, expect) = load(call).await?;
        let mut metadata = metadata.unwrap_or_default();
        apply(call, &mut metadata)?;
        if let Some(given) = call.map("custom_metadata") {
            let custom = custom(given, BTreeMap::new())?;
            metadata.custom_metadata = Some(custom).filter(|custom| !custom.is_empty());
        }
        if store(call, &metadata, expect, Batch::default(), vec![]).await? {
            return Ok(Response::empty());
        }
    }
    Err(busy())
}

async fn patch_metadata(call: &Call<'_>) -> Result<Response, Error> {
    for _ in 0..TRIES {
        let (Some(mut metadata), expect) = load(call).await? else { return Err(Error::NotFound) };
        apply(call, &mut metadata)?;
        reset_nulls(call, &mut metadata);
        if let Some(given) = call.map("custom_metadata") {
            let custom = custom(given, metadata.custom_metadata.take().unwrap_or_default())?;
            metadata.custom_metadata = Some(custom).filter(|custom| !custom.is_empty());
        }
        if store(call, &metadata, expect, Batch::default(), vec![]).await? {
            return Ok(Response::empty());
        }
    }
    Err(busy())
}

/// In a patch, null resets a setting.
fn reset_nulls(call: &Call<'_>, metadata: &mut Metadata) {
    let is_null = |name: &str| call.request.data.get(name).is_some_and(Value::is_null);
    if is_null("max_versions") {
        metadata.max_versions = 0;
    }
    if is_null("cas_required") {
        metadata.cas_required = false;
    }
    if is_null("delete_version_after") {
        metadata.delete_version_after = DeleteAfter::Unset;
    }
    if is_null("custom_metadata") {
        metadata.custom_metadata = None;
    }
}

/// Custom metadata on top of what is there; null removes a key.
fn custom(
    given: &Data,
    mut custom: BTreeMap<String, String>,
) -> Result<BTreeMap<String, String>, Error> {
    for (key, value) in given {
        match value {
            Value::Null => {
                custom.remove(key);
            }
            Value::String(text) => {
                custom.insert(key.clone(), text.clone());
            }
            _ => {
                return Err(Error::Invalid(format!(
                    "custom_metadata validation failed: the value of key {key:?} is not a string"
                )));
            }
        }
    }
    check_custom(&custom)?;
    Ok(custom)
}

/// Values go first and the metadata last, so that nothing is left behind that no metadata names.
async fn delete_metadata(call: &Call<'_>) -> Result<Response, Error> {
    let path = secret_path(call.text("path"))?;
    for _ in 0..TRIES {
        let (Some(metadata), expect) = load(call).await? else { return Ok(Response::empty()) };
        let numbers: Vec<u64> = metadata.versions.into_keys().collect();
        let (last, first) = numbers.split_at(numbers.len().min(BATCH));
        let delete = |batch: Batch, version: &u64| batch.delete(data_key(path, *version));
        for chunk in first.chunks(BATCH) {
            call.context.storage.commit(chunk.iter().fold(Batch::default(), delete)).await?;
        }
        let batch = last.iter().fold(Batch::default(), delete);
        match call.context.storage.commit(batch.delete_if(metadata_key(path), expect)).await {
            Ok(()) => return Ok(Response::empty()),
            Err(StorageError::Conflict { .. }) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Err(busy())
}

async fn list(call: &Call<'_>) -> Result<Response, Error> {
    page::list(call, &page::prefix("m/", call.text("path"))).await
}

async fn scan(call: &Call<'_>) -> Result<Response, Error> {
    let prefix = page::prefix("m/", call.text("path"));
    let storage = call.context.storage;
    Ok(Response::list(storage.scan(&prefix, call.text("after"), page::limit(call)).await?))
}

async fn list_detailed(call: &Call<'_>) -> Result<Response, Error> {
    let prefix = page::prefix("m/", call.text("path"));
    let storage = call.context.storage;
    let names = match call.request.operation {
        Operation::Scan => storage.scan(&prefix, call.text("after"), page::limit(call)).await?,
        _ => page::names(call, &prefix).await?,
    };
    let mut info = Data::new();
    for name in names.iter().filter(|name| !name.ends_with('/')) {
        if let Some((metadata, _)) = storage.read::<Metadata>(&format!("{prefix}{name}")).await? {
            info.insert(name.clone(), Value::Object(metadata.show()));
        }
    }
    Ok(Response::list_with_info(names, info))
}

#[cfg(test)]
mod tests;
