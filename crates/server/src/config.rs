//! Vault's configuration files: HCL or JSON, old stanzas included.
//!
//! Keys that mean nothing here are accepted, with a warning each, so that a file that starts a Vault
//! also starts this server; keys whose meaning cannot be honoured in safety are errors.

mod listener;
mod size;

use std::path::{Path, PathBuf};

use hcl::{Body, Value};
use vault_sdk::time::Seconds;

pub use listener::{Address, Limits, Listener, TlsSettings};

/// The whole configuration.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Config {
    /// Where to serve.
    pub listeners: Vec<Listener>,
    /// Where rows are kept.
    pub storage: Option<Storage>,
    /// How the root key is found without people, beside the recovery shares.
    pub seals: Vec<Seal>,
    /// What clients are told to come to.
    pub api_addr: String,
    /// Shown in `seal-status`.
    pub cluster_name: String,
    /// Zero for the built-in one, 768 h.
    pub default_lease_ttl: Seconds,
    /// Zero for the built-in one, 768 h.
    pub max_lease_ttl: Seconds,
    /// `trace`, `debug`, `info`, `warn` or `error`.
    pub log_level: String,
    /// `standard` or `json`.
    pub log_format: String,
    /// Written at the start, removed at the end.
    pub pid_file: Option<PathBuf>,
    /// Whether `sys/raw` is there.
    pub raw_storage_endpoint: bool,
    /// Whether unauthenticated callers learn no version.
    pub ui: bool,
    /// Keys that were accepted and mean nothing here.
    pub warnings: Vec<String>,
}

/// Where rows are kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Storage {
    /// In memory; gone at the end.
    Memory,
    /// In one file below a folder.
    File(PathBuf),
}

/// A way to the root key that needs no person.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seal {
    /// `static`, `transit`, `sgx`.
    pub kind: String,
    /// Its settings, as texts.
    pub settings: std::collections::BTreeMap<String, String>,
}

/// Why a configuration is refused.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("cannot read the configuration {path}")]
    Read {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// Neither HCL nor JSON.
    #[error("configuration {path}")]
    Syntax {
        /// Which.
        path: PathBuf,
        /// Where.
        #[source]
        source: hcl::Error,
    },
    /// A value that is not what its key needs.
    #[error("configuration: {key} must be {expected}")]
    Value {
        /// The key.
        key: String,
        /// What it needs.
        expected: &'static str,
    },
    /// Something that this server does not do.
    #[error("configuration: {0}")]
    Unsupported(String),
}

/// Keys that Vault has and that mean nothing here.
const IGNORED: &[&str] = &[
    "disable_mlock",
    "disable_cache",
    "cache_size",
    "cluster_addr",
    "disable_clustering",
    "disable_performance_standby",
    "disable_sealwrap",
    "disable_indexing",
    "enable_response_header_hostname",
    "enable_response_header_raft_node_id",
    "enable_post_unseal_trace",
    "experiments",
    "administrative_namespace_path",
    "license_path",
    "log_requests_level",
    "log_file",
    "log_rotate_bytes",
    "log_rotate_duration",
    "log_rotate_max_files",
    "plugin_directory",
    "plugin_tmpdir",
    "plugin_file_uid",
    "plugin_file_permissions",
    "disable_printable_check",
    "default_max_request_duration",
    "detect_deadlocks",
    "imprecise_lease_role_tracking",
    "introspection_endpoint",
    "service_registration",
    "telemetry",
    "user_lockout",
    "entropy",
    "reporting",
    "request_limiter",
    "allow_audit_log_prefixing",
    "unsafe_allow_api_audit_creation",
];

impl Config {
    /// Reads files and folders; a folder stands for its `.hcl` and `.json` files in order of their names.
    /// Later files win, listeners add up.
    ///
    /// # Errors
    /// If something cannot be read or is not a configuration.
    pub fn load(paths: &[PathBuf]) -> Result<Self, ConfigError> {
        let mut config = Self::default();
        for path in paths {
            for file in files(path)? {
                let text = std::fs::read_to_string(&file)
                    .map_err(|source| ConfigError::Read { path: file.clone(), source })?;
                let body = hcl::parse(&text)
                    .map_err(|source| ConfigError::Syntax { path: file.clone(), source })?;
                config.add(&body)?;
            }
        }
        Ok(config)
    }

    /// Reads one text.
    ///
    /// # Errors
    /// As [`load`](Self::load).
    pub fn parse(text: &str) -> Result<Self, ConfigError> {
        let mut config = Self::default();
        let path = PathBuf::from("text");
        let body = hcl::parse(text).map_err(|source| ConfigError::Syntax { path, source })?;
        config.add(&body)?;
        Ok(config)
    }

    fn add(&mut self, body: &Body) -> Result<(), ConfigError> {
        for item in &body.items {
            let key = item.keys.first().map(String::as_str).unwrap_or_default();
            match key {
                "listener" | "storage" | "backend" | "ha_storage" | "ha_backend" | "seal" => {}
                "api_addr" | "redirect_addr" => self.api_addr = text(key, &item.value)?,
                "cluster_name" => self.cluster_name = text(key, &item.value)?,
                "default_lease_ttl" => self.default_lease_ttl = duration(key, &item.value)?,
                "max_lease_ttl" => self.max_lease_ttl = duration(key, &item.value)?,
                "log_level" => self.log_level = text(key, &item.value)?.to_lowercase(),
                "log_format" => self.log_format = text(key, &item.value)?.to_lowercase(),
                "pid_file" => self.pid_file = Some(text(key, &item.value)?.into()),
                "raw_storage_endpoint" => self.raw_storage_endpoint = boolean(key, &item.value)?,
                "ui" => self.ui = boolean(key, &item.value)?,
                known if IGNORED.contains(&known) => {}
                other => self
                    .warnings
                    .push(format!("unknown or unsupported field {other} found in configuration")),
            }
        }
        for block in blocks(body, "listener")? {
            self.listeners.push(Listener::read(&block, &mut self.warnings)?);
        }
        for name in ["storage", "backend"] {
            for block in blocks(body, name)? {
                self.storage = Some(storage(&block)?);
            }
        }
        for name in ["ha_storage", "ha_backend"] {
            if !body.objects(name).is_empty() {
                self.warnings
                    .push(format!("{name} is ignored: this server has no standby nodes yet"));
            }
        }
        for block in blocks(body, "seal")? {
            self.seals.push(seal(&block)?);
        }
        Ok(())
    }
}

fn files(path: &Path) -> Result<Vec<PathBuf>, ConfigError> {
    if !path.is_dir() {
        return Ok(vec![path.to_owned()]);
    }
    let failed = |source| ConfigError::Read { path: path.to_owned(), source };
    let mut files = Vec::new();
    for entry in std::fs::read_dir(path).map_err(failed)? {
        let file = entry.map_err(failed)?.path();
        if file.extension().is_some_and(|extension| extension == "hcl" || extension == "json") {
            files.push(file);
        }
    }
    files.sort();
    Ok(files)
}

/// Blocks with one label, as `listener "tcp" { ... }`.
fn blocks<'a>(body: &'a Body, key: &'static str) -> Result<Vec<hcl::Block<'a>>, ConfigError> {
    body.blocks(key).map_err(|line| {
        ConfigError::Unsupported(format!("{key} on line {line} is not a block with a type"))
    })
}

fn text(key: &str, value: &Value) -> Result<String, ConfigError> {
    let wrong = || ConfigError::Value { key: key.to_owned(), expected: "a text" };
    value.as_text().map(str::to_owned).ok_or_else(wrong)
}

fn boolean(key: &str, value: &Value) -> Result<bool, ConfigError> {
    let wrong = || ConfigError::Value { key: key.to_owned(), expected: "true or false" };
    value.as_bool().ok_or_else(wrong)
}

fn duration(key: &str, value: &Value) -> Result<Seconds, ConfigError> {
    Seconds::from_json(&value.to_json())
        .map_err(|_| ConfigError::Value { key: key.to_owned(), expected: "a duration" })
}

fn storage(block: &hcl::Block<'_>) -> Result<Storage, ConfigError> {
    let kind = block.labels.first().copied().unwrap_or_default();
    match kind {
        "inmem" | "inmem_ha" | "inmem_transactional" | "inmem_transactional_ha" => {
            Ok(Storage::Memory)
        }
        // Whatever the name, rows are in one file below this folder.
        "file" | "raft" | "casemate" => {
            let path = block.body.attribute("path").and_then(Value::as_text);
            let path = path.filter(|path| !path.is_empty()).ok_or(ConfigError::Value {
                key: format!("path of storage {kind:?}"),
                expected: "a folder",
            })?;
            Ok(Storage::File(path.into()))
        }
        other => Err(ConfigError::Unsupported(format!(
            "storage {other:?} is not supported; this server has \"inmem\", \"file\" and \"raft\" \
             (one node)"
        ))),
    }
}

fn seal(block: &hcl::Block<'_>) -> Result<Seal, ConfigError> {
    let kind = block.labels.first().copied().unwrap_or_default();
    if !["static", "transit", "sgx", "shamir"].contains(&kind) {
        return Err(ConfigError::Unsupported(format!(
            "seal {kind:?} is not supported; this server has \"shamir\", \"static\", \"transit\" and \
             \"sgx\""
        )));
    }
    let settings = block.body.to_json().into_iter().map(|(key, value)| {
        let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        (key, text)
    });
    Ok(Seal { kind: kind.to_owned(), settings: settings.collect() })
}

#[cfg(test)]
mod tests;
