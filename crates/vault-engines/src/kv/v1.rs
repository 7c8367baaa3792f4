//! Version 1: one value per path, overwritten in place.

use std::sync::LazyLock;

use serde_json::Value;
use vault_sdk::table::{Call, Field, Path, PathTable};
use vault_sdk::time::Seconds;
use vault_sdk::{Data, Engine, Error, Expect, Operation, Response};

use super::secret_path;
use crate::page;

/// The engine.
#[derive(Debug)]
pub struct Kv1;

static TABLE: LazyLock<PathTable<Kv1>> = LazyLock::new(|| {
    PathTable::new(
        "The key/value engine, version 1, keeps arbitrary secrets. A write replaces what was there.",
        vec![
            Path::new("{path...?}")
                .help(
                    "Pass-through secret storage.",
                    "Every key of the body is kept as it is. The key \"ttl\" is only a hint to \
                     readers, who get it as the duration of the lease.",
                )
                .any_key()
                .field(Field::string("path", "Location of the secret."))
                .fields(page::fields())
                .exists(|_, call| Box::pin(exists(call)))
                .on(Operation::Read, |_, call| Box::pin(read(call)))
                .on_write(|_, call| Box::pin(write(call)))
                .on(Operation::Delete, |_, call| Box::pin(delete(call)))
                .on(Operation::List, |_, call| Box::pin(list(call)))
                .on(Operation::Scan, |_, call| Box::pin(scan(call))),
        ],
    )
});

impl Engine for Kv1 {
    fn table() -> &'static PathTable<Self> {
        &TABLE
    }
}

fn key(call: &Call<'_>) -> Result<String, Error> {
    secret_path(call.text("path")).map(|path| format!("k/{path}"))
}

async fn exists(call: &Call<'_>) -> Result<bool, Error> {
    Ok(call.context.storage.get(&key(call)?).await?.is_some())
}

async fn read(call: &Call<'_>) -> Result<Response, Error> {
    let Ok(key) = key(call) else { return Err(Error::NotFound) };
    let (data, _) = call.context.storage.read::<Data>(&key).await?.ok_or(Error::NotFound)?;
    let hint = data.get("ttl").or_else(|| data.get("lease"));
    let hint = hint.and_then(|value| Seconds::from_json(value).ok()).unwrap_or_default();
    let lease_duration = hint.or(call.context.mount.default_ttl);
    Ok(Response { lease_duration, ..Response::data(data) })
}

async fn write(call: &Call<'_>) -> Result<Response, Error> {
    if call.request.data.is_empty() {
        return Err(Error::invalid("missing data fields"));
    }
    let key = key(call)?;
    call.context.storage.put(&key, Expect::Anything, &call.request.data).await?;
    let ttl = call.request.data.get("ttl").filter(|value| !matches!(value, Value::Null));
    match ttl.map(Seconds::from_json) {
        Some(Err(_)) => Ok(Response::empty().warn("the value of \"ttl\" is not a duration")),
        _ => Ok(Response::empty()),
    }
}

async fn delete(call: &Call<'_>) -> Result<Response, Error> {
    call.context.storage.delete(&key(call)?).await?;
    Ok(Response::empty())
}

async fn list(call: &Call<'_>) -> Result<Response, Error> {
    page::list(call, &page::prefix("k/", call.text("path"))).await
}

async fn scan(call: &Call<'_>) -> Result<Response, Error> {
    let prefix = page::prefix("k/", call.text("path"));
    let storage = call.context.storage;
    Ok(Response::list(storage.scan(&prefix, call.text("after"), page::limit(call)).await?))
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use vault_sdk::MountClass;

    use super::*;
    use crate::testing::{Bench, data};

    fn bench() -> Bench<Kv1> {
        Bench::new(Kv1, "secret/", MountClass::Secret)
    }

    #[test]
    fn keeps_what_was_written_and_shows_its_ttl() {
        let bench = bench();
        let secret = json!({ "a": [1, { "b": null }], "ttl": "1h" });
        bench.ask(Operation::Create, "x/y", secret.clone()).unwrap();
        let answer = bench.ask(Operation::Read, "x/y", json!({})).unwrap();
        assert_eq!(json!(data(&answer)), secret);
        assert_eq!(answer.lease_duration, Seconds(3600));
        assert!(answer.lease.is_none());
        bench.ask(Operation::Update, "x/y", json!({ "a": 2 })).unwrap();
        let answer = bench.ask(Operation::Read, "x/y", json!({})).unwrap();
        assert_eq!(json!(data(&answer)), json!({ "a": 2 }));
        assert_eq!(answer.lease_duration, bench.memory.mount.default_ttl);
    }

    #[test]
    fn lists_one_level_in_pages_and_scans_all() {
        let bench = bench();
        for path in ["a", "a/b", "a/c/d", "e"] {
            bench.ask(Operation::Create, path, json!({ "x": 1 })).unwrap();
        }
        let keys = |operation, path, input| bench.get(operation, path, input)["keys"].clone();
        assert_eq!(keys(Operation::List, "", json!({})), json!(["a", "a/", "e"]));
        assert_eq!(keys(Operation::List, "a/", json!({})), json!(["b", "c/"]));
        assert_eq!(keys(Operation::List, "a", json!({})), json!(["b", "c/"]));
        assert_eq!(keys(Operation::List, "", json!({ "after": "a", "limit": "1" })), json!(["a/"]));
        assert_eq!(keys(Operation::Scan, "", json!({})), json!(["a", "a/b", "a/c/d", "e"]));
        assert!(bench.get(Operation::List, "none/", json!({})).is_empty());
    }

    #[test]
    fn refuses_empty_secrets_and_paths_of_folders() {
        let bench = bench();
        assert_eq!(bench.refusal(Operation::Create, "a", json!({})), "missing data fields");
        assert!(bench.ask(Operation::Create, "a/", json!({ "x": 1 })).is_err());
        assert!(matches!(bench.ask(Operation::Read, "a/", json!({})), Err(Error::NotFound)));
        bench.ask(Operation::Delete, "none", json!({})).unwrap();
    }
}
