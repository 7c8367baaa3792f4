//! `sys/mounts`, `sys/auth`, `sys/remount`, `sys/internal/ui`: what is mounted where.

use std::sync::PoisonError;

use serde_json::{Value, json};
use vault_sdk::table::{Call, Field, Path};
use vault_sdk::time::Seconds;
use vault_sdk::{Data, MountClass, Operation, Response};

use super::System;
use crate::Error;
use crate::barrier::Transaction;
use crate::core::active::is_built_in;
use crate::core::native::done;
use crate::lease::{Revocation, RevocationKind};
use crate::mount::{MountConfig, MountEntry, MountTable, canonical_kind};

pub(super) fn paths() -> Vec<Path<System>> {
    let mut paths = vec![
        Path::new("mounts")
            .help("All secrets engines.", "")
            .on(Operation::Read, |system: &System, _| done(Ok(system.list(MountClass::Secret)))),
        Path::new("auth")
            .help("All auth methods.", "")
            .on(Operation::Read, |system: &System, _| done(Ok(system.list(MountClass::Auth)))),
        // Before the paths of one mount, whose name may have slashes.
        Path::new("internal/ui/mounts")
            .help("The mounts that the caller may see.", "")
            .on(Operation::Read, |system: &System, _| done(system.visible_mounts())),
        Path::new("internal/ui/mounts/{path...}")
            .help("One mount, if the caller may see it.", "")
            .on(Operation::Read, |system: &System, call| {
                done(system.visible_mount(call.text("path")))
            }),
        Path::new("internal/ui/resultant-acl")
            .help("What the caller may do where.", "")
            .on(Operation::Read, |system: &System, _| done(system.resultant_acl())),
        Path::new("remount")
            .help("Moves a mount to another path.", "")
            .sudo()
            .fields([
                Field::string("from", "The present path."),
                Field::string("to", "The new path."),
            ])
            .on(Operation::Update, |system: &System, call| done(system.remount(call))),
        Path::new("remount/status/{migration_id}")
            .help("How far a move is.", "")
            .on(Operation::Read, |_, call| done(Ok(remount_status(call.text("migration_id"))))),
    ];
    paths.push(mount_path("mounts/{path...}", MountClass::Secret));
    paths.push(mount_path("auth/{path...}", MountClass::Auth));
    paths
}

/// A mount and its tuning: `tune` at the end is told apart by hand, for a mount's path may have
/// slashes.
fn mount_path(pattern: &'static str, class: MountClass) -> Path<System> {
    let path = Path::new(pattern)
        .help("One mount: enable, disable, read; with /tune at the end, its tuning.", "")
        .fields([
            Field::string("type", "The engine."),
            Field::string("description", "In words."),
            Field::map("config", "How it is tuned."),
            Field::text_map("options", "The engine's own options."),
            Field::bool("local", "Not replicated."),
            Field::bool("seal_wrap", "Accepted; every row is encrypted."),
            Field::bool("external_entropy_access", "Accepted."),
            Field::string("plugin_name", "Older form of type."),
            Field::string("plugin_version", "Must be empty."),
            Field::seconds("default_lease_ttl", "At tune: default life time."),
            Field::seconds("max_lease_ttl", "At tune: longest life time."),
            Field::string("token_type", "At tune: kind of token."),
            Field::string("listing_visibility", "At tune: unauth, hidden or empty."),
            Field::list("audit_non_hmac_request_keys", "At tune: keys not hashed."),
            Field::list("audit_non_hmac_response_keys", "At tune: keys not hashed."),
            Field::list("passthrough_request_headers", "At tune: headers for the engine."),
            Field::list("allowed_response_headers", "At tune: headers that the engine may set."),
            Field::map("user_lockout_config", "At tune: lockout of users."),
        ]);
    match class {
        MountClass::Secret => path
            .on(Operation::Read, |system: &System, call| {
                done(system.read(MountClass::Secret, call))
            })
            .on(Operation::Update, |system: &System, call| {
                done(system.write(MountClass::Secret, call))
            })
            .on(Operation::Delete, |system: &System, call| {
                done(system.disable(MountClass::Secret, call))
            }),
        MountClass::Auth => path
            .sudo()
            .on(Operation::Read, |system: &System, call| done(system.read(MountClass::Auth, call)))
            .on(Operation::Update, |system: &System, call| {
                done(system.write(MountClass::Auth, call))
            })
            .on(Operation::Delete, |system: &System, call| {
                done(system.disable(MountClass::Auth, call))
            }),
    }
}

/// The full path of a mount as the table has it.
fn full(class: MountClass, path: &str) -> String {
    let path = path.trim_end_matches('/');
    match class {
        MountClass::Secret => format!("{path}/"),
        MountClass::Auth => format!("auth/{path}/"),
    }
}

fn shown_path(entry: &MountEntry) -> &str {
    entry
        .path
        .strip_prefix("auth/")
        .filter(|_| entry.class == MountClass::Auth)
        .unwrap_or(&entry.path)
}

fn config(entry: &MountEntry) -> Value {
    let config = &entry.config;
    let mut data = json!({
        "default_lease_ttl": config.default_lease_ttl.0,
        "force_no_cache": config.force_no_cache,
        "max_lease_ttl": config.max_lease_ttl.0,
    });
    if let Value::Object(data) = &mut data {
        add_optional(data, entry);
        if entry.class == MountClass::Auth {
            data.insert("token_type".into(), token_type(config).into());
        }
    }
    data
}

fn token_type(config: &MountConfig) -> &str {
    if config.token_type.is_empty() { "default-service" } else { &config.token_type }
}

/// The parts of a mount's tuning that are shown only if they are set.
fn add_optional(data: &mut Data, entry: &MountEntry) {
    let config = &entry.config;
    for (name, list) in [
        ("audit_non_hmac_request_keys", &config.audit_non_hmac_request_keys),
        ("audit_non_hmac_response_keys", &config.audit_non_hmac_response_keys),
        ("passthrough_request_headers", &config.passthrough_request_headers),
        ("allowed_response_headers", &config.allowed_response_headers),
    ] {
        if !list.is_empty() {
            data.insert(name.into(), list.clone().into());
        }
    }
    if !config.listing_visibility.is_empty() {
        data.insert("listing_visibility".into(), config.listing_visibility.clone().into());
    }
    if !config.user_lockout.is_empty() {
        data.insert("user_lockout_config".into(), json!(config.user_lockout));
    }
}

fn describe(entry: &MountEntry) -> Data {
    let options = if entry.options.is_empty() { Value::Null } else { json!(entry.options) };
    let value = json!({
        "accessor": entry.accessor,
        "config": config(entry),
        "deprecation_status": "supported",
        "description": entry.description,
        "external_entropy_access": entry.external_entropy_access,
        "local": entry.local,
        "options": options,
        "plugin_version": "",
        "running_plugin_version": "v1.19.0+builtin.vault",
        "running_sha256": "",
        "seal_wrap": entry.seal_wrap,
        "type": entry.kind,
        "uuid": entry.uuid,
    });
    match value {
        Value::Object(data) => data,
        _ => Data::new(),
    }
}

impl System {
    fn list(&self, class: MountClass) -> Response {
        let mounts = self.0.active.mounts();
        let of_class = mounts.iter().filter(|entry| entry.class == class);
        Response::data(
            of_class.map(|entry| (shown_path(entry).to_owned(), describe(entry).into())).collect(),
        )
    }

    fn read(&self, class: MountClass, call: &Call<'_>) -> Result<Response, Error> {
        let path = call.text("path");
        if let Some(path) = path.strip_suffix("/tune") {
            return self.read_tuning(class, path);
        }
        let mounts = self.0.active.mounts();
        let entry = mounts.at(&full(class, path)).filter(|entry| entry.class == class);
        let entry = entry.ok_or_else(|| missing(class, path))?;
        Ok(Response::data(describe(entry)))
    }

    fn read_tuning(&self, class: MountClass, path: &str) -> Result<Response, Error> {
        let mounts = self.0.active.mounts();
        let entry = mounts.at(&full(class, path)).ok_or_else(|| missing(class, path))?;
        let (default, max) = entry.ttls(self.0.active.system_ttls);
        let mut data = Data::new();
        data.insert("default_lease_ttl".into(), default.0.into());
        data.insert("description".into(), entry.description.clone().into());
        data.insert("force_no_cache".into(), entry.config.force_no_cache.into());
        data.insert("max_lease_ttl".into(), max.0.into());
        add_optional(&mut data, entry);
        if !entry.options.is_empty() {
            data.insert("options".into(), json!(entry.options));
        }
        if class == MountClass::Auth {
            data.insert("token_type".into(), token_type(&entry.config).into());
        }
        Ok(Response::data(data))
    }

    fn write(&self, class: MountClass, call: &Call<'_>) -> Result<Response, Error> {
        let path = call.text("path");
        match path.strip_suffix("/tune") {
            Some(path) => self.tune(class, path, call),
            None => self.enable(class, path, call),
        }
    }

    fn enable(&self, class: MountClass, path: &str, call: &Call<'_>) -> Result<Response, Error> {
        let path = full(class, path);
        let mut kind = call.text("type");
        if kind.is_empty() || kind == "plugin" {
            kind = call.text("plugin_name");
        }
        if kind.is_empty() {
            return Err(Error::invalid("backend type must be specified as a string"));
        }
        let (kind, version) = canonical_kind(kind);
        if is_built_in(class, kind) {
            return Err(Error::Invalid(format!("cannot mount engine {kind:?} a second time")));
        }
        if !call.text("plugin_version").is_empty() {
            return Err(Error::invalid("plugin_version must be empty: engines are built in"));
        }
        if !self.0.core.setup.engines.kinds(class).contains(&kind) {
            let what = if class == MountClass::Auth { "auth method" } else { "secrets engine" };
            return Err(Error::Invalid(format!(
                "plugin not found in the catalog: no {what} {kind:?}"
            )));
        }
        let active = &self.0.active;
        let mut entry = MountEntry::new(&path, class, kind, active.barrier.next_sequence());
        entry.description = call.text("description").to_owned();
        entry.options = call.text_map("options");
        if let Some(version) = version {
            entry.options.insert("version".to_owned(), version.to_owned());
        }
        entry.local = call.bool("local");
        entry.seal_wrap = call.bool("seal_wrap");
        entry.external_entropy_access = call.bool("external_entropy_access");
        if let Some(config) = call.map("config") {
            configure(&mut entry, config, active.system_ttls)?;
        }
        self.change(|mounts| {
            if let Some(other) = mounts.conflict(&path) {
                return Err(Error::Invalid(format!("path is already in use at {}", other.path)));
            }
            mounts.insert(entry);
            Ok(Transaction::new())
        })?;
        Ok(Response::empty())
    }

    fn tune(&self, class: MountClass, path: &str, call: &Call<'_>) -> Result<Response, Error> {
        let full_path = full(class, path);
        let ttls = self.0.active.system_ttls;
        self.change(|mounts| {
            let entry = mounts.at(&full_path).ok_or_else(|| missing(class, path))?;
            let mut entry = (**entry).clone();
            configure(&mut entry, &call.request.data, ttls)?;
            if call.given("description") {
                entry.description = call.text("description").to_owned();
            }
            if call.given("options") {
                let options = call.text_map("options");
                let downgrades = entry.options.get("version").is_some_and(|version| version == "2")
                    && options.get("version").is_some_and(|version| version == "1");
                if downgrades {
                    return Err(Error::invalid("cannot downgrade mount from version 2"));
                }
                entry.options.extend(options);
            }
            mounts.insert(entry);
            Ok(Transaction::new())
        })?;
        Ok(Response::empty())
    }

    /// Takes a mount away. Its leases are invalid from then on, for its generation is gone.
    fn disable(&self, class: MountClass, call: &Call<'_>) -> Result<Response, Error> {
        let path = full(class, call.text("path"));
        let mut gone = None;
        self.change(|mounts| {
            if let Some(entry) = mounts.at(&path) {
                if is_built_in(entry.class, &entry.kind) {
                    return Err(Error::Invalid(format!("cannot unmount {path:?}")));
                }
                gone = mounts.remove(&path);
            }
            Ok(Transaction::new())
        })?;
        if let Some(entry) = gone {
            self.0.active.forget_mount(&entry)?;
        }
        Ok(Response::empty())
    }

    /// Changes the mount table: in the store first, then in memory.
    fn change(
        &self,
        change: impl FnOnce(&mut MountTable) -> Result<Transaction, Error>,
    ) -> Result<(), Error> {
        let active = &self.0.active;
        let _mounting = active.mounting.lock().unwrap_or_else(PoisonError::into_inner);
        let mut mounts = (*active.mounts()).clone();
        let mut transaction = change(&mut mounts)?;
        mounts.store(&mut transaction);
        active.barrier.commit(transaction)?;
        active.set_mounts(mounts, &self.0.core.setup.engines);
        Ok(())
    }

    /// Moves a mount. Leases that were issued under the old path are revoked, as in Vault.
    fn remount(&self, call: &Call<'_>) -> Result<Response, Error> {
        let clean = |name: &str| format!("{}/", call.text(name).trim_matches('/'));
        let (from, to) = (clean("from"), clean("to"));
        self.change(|mounts| {
            let entry = mounts
                .at(&from)
                .ok_or_else(|| Error::Invalid(format!("no matching mount at {from:?}")))?;
            if is_built_in(entry.class, &entry.kind) {
                return Err(Error::Invalid(format!("cannot remount {from:?}")));
            }
            if from.starts_with("auth/") != to.starts_with("auth/") {
                return Err(Error::invalid(
                    "cannot move an auth method to a secrets engine's path, or back",
                ));
            }
            let mut entry = (**entry).clone();
            mounts.remove(&from);
            if let Some(other) = mounts.conflict(&to) {
                return Err(Error::Invalid(format!("path is already in use at {}", other.path)));
            }
            entry.path.clone_from(&to);
            entry.generation = self.0.active.barrier.next_sequence();
            mounts.insert(entry);
            Ok(Transaction::new())
        })?;
        let id = crate::random::uuid();
        Ok(Response::json(json!({ "migration_id": id })))
    }

    fn visible_mounts(&self) -> Result<Response, Error> {
        let acl = self.0.active.acl(self.0.caller()?)?;
        let mounts = self.0.active.mounts();
        let (mut secret, mut auth) = (Data::new(), Data::new());
        for entry in mounts.iter().filter(|entry| acl.sees_mount(&entry.path)) {
            let group = if entry.class == MountClass::Auth { &mut auth } else { &mut secret };
            group.insert(shown_path(entry).to_owned(), describe(entry).into());
        }
        Ok(Response::json(json!({ "auth": auth, "secret": secret })))
    }

    fn visible_mount(&self, path: &str) -> Result<Response, Error> {
        let acl = self.0.active.acl(self.0.caller()?)?;
        let mounts = self.0.active.mounts();
        let path = if path.ends_with('/') { path.to_owned() } else { format!("{path}/") };
        let entry = mounts.route(&path).filter(|entry| acl.sees_mount(&entry.path));
        let entry = entry.ok_or_else(|| {
            // Whether there is such a mount is not for everybody.
            vault_sdk::Error::Forbidden(format!(
                "preflight capability check returned 403, please ensure client's policies grant access to path {path:?}"
            ))
        })?;
        let mut data = describe(entry);
        data.insert("path".into(), entry.path.clone().into());
        Ok(Response::data(data))
    }

    fn resultant_acl(&self) -> Result<Response, Error> {
        Ok(Response::data(self.0.active.acl(self.0.caller()?)?.resultant()))
    }
}

fn remount_status(id: &str) -> Response {
    Response::json(json!({
        "migration_id": id,
        "migration_info": { "source_mount": "", "target_mount": "", "status": "success" },
    }))
}

fn missing(class: MountClass, path: &str) -> Error {
    match class {
        MountClass::Secret => Error::Invalid(format!("No secret engine mount at {path}/")),
        MountClass::Auth => Error::Invalid(format!("No auth engine at {path}/")),
    }
}

/// Takes the fields of `config` or of a tuning.
fn configure(entry: &mut MountEntry, data: &Data, system: (Seconds, Seconds)) -> Result<(), Error> {
    let config = &mut entry.config;
    let given = |name: &str| data.get(name).filter(|value| !value.is_null());
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let list = |value: &Value| match value {
        Value::String(text) => {
            text.split(',').filter(|item| !item.is_empty()).map(str::to_owned).collect()
        }
        Value::Array(items) => items.iter().filter_map(Value::as_str).map(str::to_owned).collect(),
        _ => Vec::new(),
    };
    for (name, target) in [
        ("default_lease_ttl", &mut config.default_lease_ttl),
        ("max_lease_ttl", &mut config.max_lease_ttl),
    ] {
        match given(name) {
            Some(Value::String(text)) if matches!(text.as_str(), "" | "system") => {
                *target = Seconds::ZERO
            }
            Some(value) => {
                *target = Seconds::from_json(value)
                    .map_err(|error| Error::Invalid(format!("{name}: {error}")))?;
            }
            None => {}
        }
    }
    let (default, max) = (config.default_lease_ttl, config.max_lease_ttl.or(system.1));
    if default > max {
        return Err(Error::Invalid(format!(
            "backend default lease TTL greater than backend max lease TTL of {}",
            max.to_go()
        )));
    }
    if let Some(value) = given("force_no_cache") {
        config.force_no_cache = value.as_bool().unwrap_or_default();
    }
    if let Some(value) = given("token_type") {
        let name = text(value);
        let known = ["", "default-service", "default-batch", "service", "batch"];
        if !known.contains(&name.as_str()) {
            return Err(Error::Invalid(format!("invalid value for 'token_type': {name}")));
        }
        config.token_type = name;
    }
    if let Some(value) = given("listing_visibility") {
        let name = text(value);
        if !["", "unauth", "hidden"].contains(&name.as_str()) {
            return Err(Error::Invalid(format!("invalid listing_visibility: {name}")));
        }
        config.listing_visibility = name;
    }
    for (name, target) in [
        ("audit_non_hmac_request_keys", &mut config.audit_non_hmac_request_keys),
        ("audit_non_hmac_response_keys", &mut config.audit_non_hmac_response_keys),
        ("passthrough_request_headers", &mut config.passthrough_request_headers),
        ("allowed_response_headers", &mut config.allowed_response_headers),
    ] {
        if let Some(value) = given(name) {
            *target = list(value);
        }
    }
    if let Some(Value::Object(lockout)) = given("user_lockout_config") {
        config
            .user_lockout
            .extend(lockout.iter().map(|(name, value)| (name.clone(), value.clone())));
    }
    Ok(())
}

impl crate::core::active::Active {
    /// Cleans up after a mount that is gone: its leases, which are invalid already, and its rows.
    fn forget_mount(&self, entry: &MountEntry) -> Result<(), Error> {
        self.leases.revoke(Revocation {
            kind: RevocationKind::Mount,
            target: entry.accessor.clone(),
            below: self.barrier.next_sequence(),
            started_ms: self.now(),
            force: true,
        })?;
        let prefix = entry.storage_prefix();
        loop {
            let keys = self.barrier.keys(&prefix, "", 50)?;
            if keys.is_empty() {
                return Ok(());
            }
            let mut transaction = Transaction::new();
            for key in keys {
                transaction.delete(key);
            }
            self.barrier.commit(transaction)?;
        }
    }
}
