//! What else is below `sys/`: tools, versions, OpenAPI, settings that are only kept.

use serde_json::{Value, json};
use vault_sdk::table::{Call, Field, Path, Paths as _};
use vault_sdk::time::Seconds;
use vault_sdk::{Data, Engine as _, MountClass, Operation, Response};

use super::System;
use crate::barrier::Transaction;
use crate::core::native::done;
use crate::core::renew::instant;
use crate::identity::IdentityEngine;
use crate::policy::Query;
use crate::token::TokenEngine;
use crate::{Error, hex, random};

const SETTINGS: &str = "sys/setting/";

pub(super) fn paths() -> Vec<Path<System>> {
    let mut paths = vec![
        Path::new("tools/random")
            .help("Random bytes.", "")
            .fields([
                Field::integer("bytes", "How many."),
                Field::string("format", "base64 or hex."),
            ])
            .on(Operation::Update, |_: &System, call| {
                done(random_bytes(call, call.integer("bytes")))
            }),
        Path::new("tools/random/{urlbytes}")
            .help("Random bytes.", "")
            .field(Field::string("format", "base64 or hex."))
            .on(Operation::Update, |_: &System, call| {
                done(random_bytes(call, call.text("urlbytes").parse().unwrap_or(0)))
            }),
        hash_path("tools/hash"),
        hash_path("tools/hash/{urlalgorithm}"),
        Path::new("version-history")
            .help("Versions that have opened this store.", "")
            .sudo()
            .on(Operation::List, |system: &System, _| done(Ok(system.versions()))),
        Path::new("ha-status")
            .help("Servers of this cluster.", "")
            .on(Operation::Read, |system: &System, _| done(Ok(system.ha_status()))),
        Path::new("replication/status")
            .help("Replication, which there is none of.", "")
            .unauthenticated()
            .on(Operation::Read, |_: &System, _| {
                done(Ok(Response::json(
                    json!({ "dr": { "mode": "disabled" }, "performance": { "mode": "disabled" } }),
                )))
            }),
        Path::new("config/state/sanitized")
            .help("The configuration, without secrets.", "")
            .sudo()
            .on(Operation::Read, |system: &System, _| {
                done(Ok(Response::data(system.0.core.setup.settings.sanitized.clone())))
            }),
        Path::new("config/time")
            .help("Believes the host's clock, if it is ahead.", "")
            .sudo()
            .on(Operation::Read, |system: &System, _| done(Ok(system.time())))
            .on(Operation::Update, |system: &System, _| done(system.accept_time())),
        Path::new("internal/specs/openapi")
            .help("OpenAPI of all mounts.", "")
            .on(Operation::Read, |system: &System, _| done(Ok(system.openapi())))
            .on(Operation::Update, |system: &System, _| done(Ok(system.openapi()))),
        Path::new("leases/count")
            .help("Numbers of leases by mount.", "")
            .field(Field::string("type", "irrevocable: those that cannot be ended."))
            .on(Operation::Read, |system: &System, call| done(system.count_leases(call))),
        Path::new("plugins/catalog")
            .help("Engines that can be mounted.", "")
            .on(Operation::Read, |system: &System, _| done(Ok(system.catalog())))
            .on(Operation::List, |system: &System, _| done(Ok(system.catalog()))),
        Path::new("policies/explain")
            .help("Which rule decides about a request, and why.", "")
            .fields([
                Field::string("path", "The path."),
                Field::string("operation", "read, create, update, patch, delete, list."),
                Field::string("token", "Whose; the caller's if absent.").sensitive(),
                Field::map("data", "The request's body."),
                Field::seconds("wrap_ttl", "The request's wrapping."),
            ])
            .on(Operation::Update, |system: &System, call| done(system.explain(call))),
    ];
    // Kept and shown, as clients read them back; the server asks for what it obeys.
    for pattern in
        ["config/cors", "config/ui/headers/{header}", "config/auditing/request-headers/{header}"]
    {
        paths.push(setting(pattern));
    }
    for pattern in ["config/ui/headers", "config/auditing/request-headers"] {
        paths.push(
            Path::new(pattern)
                .help("All settings of this kind.", "")
                .sudo()
                .on(Operation::Read, |system: &System, call| {
                    done(system.list_settings(&call.request.path))
                })
                .on(Operation::List, |system: &System, call| {
                    done(system.list_settings(&call.request.path))
                }),
        );
    }
    paths
}

fn setting(pattern: &'static str) -> Path<System> {
    Path::new(pattern)
        .help("A setting that is kept.", "")
        .sudo()
        .any_key()
        .on(Operation::Read, |system: &System, call| done(system.read_setting(&call.request.path)))
        .on(Operation::Update, |system: &System, call| done(system.write_setting(call)))
        .on(Operation::Delete, |system: &System, call| {
            done(system.delete_setting(&call.request.path))
        })
}

fn hash_path(pattern: &'static str) -> Path<System> {
    Path::new(pattern)
        .help("The hash of data.", "")
        .fields([
            Field::string("input", "Base64."),
            Field::string("algorithm", "sha2-256, sha2-384 or sha2-512."),
            Field::string("format", "hex or base64."),
        ])
        .on(Operation::Update, |_: &System, call| done(hash(call)))
}

fn encoded(bytes: &[u8], format: &str) -> Result<String, Error> {
    use base64::Engine as _;
    match format {
        "hex" => Ok(hex::encode(bytes)),
        "base64" => Ok(base64::engine::general_purpose::STANDARD.encode(bytes)),
        other => Err(Error::Invalid(format!(
            "unsupported encoding format {other}; must be \"hex\" or \"base64\""
        ))),
    }
}

fn random_bytes(call: &Call<'_>, count: i64) -> Result<Response, Error> {
    let count = if count == 0 { 32 } else { count };
    let count = usize::try_from(count).ok().filter(|count| (1..=128 << 10).contains(count));
    let count = count.ok_or_else(|| Error::invalid("\"bytes\" must be 1 to 131072"))?;
    let mut bytes = vec![0; count];
    random::fill(&mut bytes);
    let format = call.text_if_given("format").unwrap_or("base64");
    Ok(Response::json(json!({ "random_bytes": encoded(&bytes, format)? })))
}

fn hash(call: &Call<'_>) -> Result<Response, Error> {
    use base64::Engine as _;
    let input = base64::engine::general_purpose::STANDARD.decode(call.text("input"));
    let input = input.map_err(|_| Error::invalid("unable to decode input as base64"))?;
    let algorithm = match call.request.path.strip_prefix("tools/hash/") {
        Some(algorithm) => algorithm,
        None => call.text_if_given("algorithm").unwrap_or("sha2-256"),
    };
    let sum = match algorithm {
        "sha2-256" => crypto::sha256(&input).to_vec(),
        "sha2-384" => crypto::sha384(&input).to_vec(),
        "sha2-512" => crypto::sha512(&input).to_vec(),
        other => return Err(Error::Invalid(format!("unsupported algorithm {other:?}"))),
    };
    let format = call.text_if_given("format").unwrap_or("hex");
    Ok(Response::json(json!({ "sum": encoded(&sum, format)? })))
}

impl System {
    fn versions(&self) -> Response {
        let version = &self.0.core.setup.settings.version;
        let mut info = Data::new();
        let about = json!({
            "build_date": self.0.core.setup.settings.build_date,
            "previous_version": Value::Null,
            "timestamp_installed": self.0.core.setup.settings.build_date,
        });
        info.insert(version.clone(), about);
        Response::list_with_info(vec![version.clone()], info)
    }

    fn ha_status(&self) -> Response {
        let settings = &self.0.core.setup.settings;
        Response::json(json!({ "nodes": [{
            "hostname": "",
            "api_address": settings.api_addr,
            "cluster_address": settings.cluster_addr,
            "active_node": true,
            "last_echo": Value::Null,
            "version": settings.version,
        }] }))
    }

    fn time(&self) -> Response {
        let (now, state) = self.0.active.clock();
        let state = format!("{state:?}").to_lowercase();
        Response::json(json!({ "time": instant(now).to_rfc3339(), "state": state }))
    }

    fn accept_time(&self) -> Result<Response, Error> {
        let active = &self.0.active;
        active.clock();
        if !active.time.accept(self.0.core.setup.clock.wall_ms()) {
            return Err(Error::invalid("the host's clock is behind; time cannot be turned back"));
        }
        Ok(self.time())
    }

    fn openapi(&self) -> Response {
        let mut paths = Data::new();
        let active = &self.0.active;
        for entry in active.mounts().iter() {
            let tag = if entry.class == MountClass::Auth { "auth" } else { "secrets" };
            let items = match (&active.engine(entry), &*entry.kind) {
                (Some(engine), _) => engine.paths().openapi(&entry.path, tag),
                (None, "system") => System::table().openapi(&entry.path, "system"),
                (None, "token") => TokenEngine::table().openapi(&entry.path, tag),
                (None, "identity") => IdentityEngine::table().openapi(&entry.path, "identity"),
                (None, _) => continue,
            };
            paths.extend(items);
        }
        Response::json(json!({
            "openapi": "3.0.2",
            "info": {
                "title": "Casemate secrets server",
                "description": "HTTP API that speaks HashiCorp Vault's. All requests begin with /v1.",
                "version": self.0.core.setup.settings.version,
                "license": { "name": "Apache-2.0", "url": "https://www.apache.org/licenses/LICENSE-2.0" },
            },
            "paths": paths,
        }))
    }

    /// Counts what is valid now.
    fn count_leases(&self, call: &Call<'_>) -> Result<Response, Error> {
        let active = &self.0.active;
        let mut counts: std::collections::BTreeMap<String, u64> = std::collections::BTreeMap::new();
        let mut total = 0;
        if call.text("type") != "irrevocable" {
            let (now, mounts) = (active.now(), active.mounts());
            let mut from = String::new();
            loop {
                let keys = active.leases.all(&from, 1000)?;
                let Some(last) = keys.last() else { break };
                from = format!("{}{}\0", crate::lease::PREFIX, last.to_hex());
                for key in keys {
                    let Some(held) = active.leases.find(key, now, &**active)? else { continue };
                    let Some(mount) = mounts.by_accessor(&held.profile.mount) else { continue };
                    *counts.entry(mount.accessor.clone()).or_default() += 1;
                    total += 1;
                }
            }
        }
        Ok(Response::json(json!({ "lease_count": total, "counts": counts })))
    }

    fn catalog(&self) -> Response {
        let engines = &self.0.core.setup.engines;
        let (auth, secret) = (engines.kinds(MountClass::Auth), engines.kinds(MountClass::Secret));
        let about = |name: &&str, kind: &str| json!({ "builtin": true, "deprecation_status": "supported", "name": name, "type": kind, "version": "v1.19.0+builtin.vault" });
        let mut detailed: Vec<Value> = auth.iter().map(|name| about(name, "auth")).collect();
        detailed.extend(secret.iter().map(|name| about(name, "secret")));
        Response::json(
            json!({ "auth": auth, "secret": secret, "database": [], "detailed": detailed }),
        )
    }

    fn explain(&self, call: &Call<'_>) -> Result<Response, Error> {
        let active = &self.0.active;
        let acl = match call.text("token") {
            "" => active.acl(self.0.caller()?)?,
            token => active
                .acl(&active.find_token(token)?.ok_or_else(|| Error::invalid("invalid token"))?)?,
        };
        let operation = call.text_if_given("operation").unwrap_or("read");
        let operation = Operation::DECLARED.into_iter().find(|known| known.name() == operation);
        let operation = operation.ok_or_else(|| Error::invalid("unknown operation"))?;
        let data = call.map("data").cloned().unwrap_or_default();
        let wrap_ttl: Seconds = call.seconds("wrap_ttl");
        let query = Query { path: call.text("path"), operation, data: &data, wrap_ttl };
        let explanation = serde_json::to_value(acl.explain(&query)).unwrap_or_default();
        Ok(Response::json(explanation))
    }

    fn setting_key(path: &str) -> String {
        format!("{SETTINGS}{}", path.trim_end_matches('/'))
    }

    fn read_setting(&self, path: &str) -> Result<Response, Error> {
        let row = self.0.active.barrier.get(&Self::setting_key(path))?;
        let data: Option<Data> = row.and_then(|row| serde_json::from_slice(&row.content).ok());
        match (path, data) {
            (_, Some(data)) => Ok(Response::data(data)),
            ("config/cors", None) => Ok(Response::json(json!({ "enabled": false }))),
            (_, None) => Err(vault_sdk::Error::NotFound.into()),
        }
    }

    fn write_setting(&self, call: &Call<'_>) -> Result<Response, Error> {
        let mut data = call.request.data.clone();
        if call.request.path == "config/cors" {
            data.insert("enabled".into(), true.into());
        }
        let mut transaction = Transaction::new();
        let bytes = serde_json::to_vec(&data).unwrap_or_default();
        transaction.put(Self::setting_key(&call.request.path), bytes);
        self.0.active.barrier.commit(transaction)?;
        Ok(Response::empty())
    }

    fn delete_setting(&self, path: &str) -> Result<Response, Error> {
        let mut transaction = Transaction::new();
        transaction.delete(Self::setting_key(path));
        self.0.active.barrier.commit(transaction)?;
        Ok(Response::empty())
    }

    fn list_settings(&self, path: &str) -> Result<Response, Error> {
        let prefix = format!("{}/", Self::setting_key(path));
        let keys = self.0.active.barrier.keys(&prefix, "", usize::MAX)?;
        let names = keys.iter().filter_map(|key| key.strip_prefix(&prefix));
        if path.starts_with("config/auditing") {
            let mut headers = Data::new();
            for name in names {
                let response =
                    self.read_setting(&format!("config/auditing/request-headers/{name}"))?;
                if let vault_sdk::Body::Data(data) = &response.body {
                    headers.insert(name.to_owned(), Value::Object(data.clone()));
                }
            }
            return Ok(Response::json(json!({ "headers": headers })));
        }
        Ok(Response::list(names.map(str::to_owned).collect()))
    }
}
