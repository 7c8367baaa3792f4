//! `listener` stanzas.

use std::path::PathBuf;
use std::time::Duration;

use hcl::Block;

use super::{ConfigError, boolean, duration, size, text};

/// One listener.
#[derive(Clone, Debug, PartialEq)]
pub struct Listener {
    /// Where it listens.
    pub address: Address,
    /// `None` for plain HTTP.
    pub tls: Option<TlsSettings>,
    /// What a request may have.
    pub limits: Limits,
    /// Whether `sys/metrics` needs no token.
    pub unauthenticated_metrics: bool,
    /// Headers of every answer; configured per status, those for `default` are kept.
    pub response_headers: Vec<(String, String)>,
}

/// Where to listen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Address {
    /// Host and port.
    Tcp(String),
    /// A socket in the file system, with its mode.
    Unix {
        /// The file.
        path: PathBuf,
        /// As `0660`; `None` for the process's own.
        mode: Option<u32>,
    },
}

/// Certificates and versions.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TlsSettings {
    /// Chain, leaf first, in PEM.
    pub cert_file: PathBuf,
    /// Key, in PEM.
    pub key_file: PathBuf,
    /// Client certificates must be signed by one of these; `None` accepts any, unverified.
    pub client_ca_file: Option<PathBuf>,
    /// Whether a client without a certificate is turned away.
    pub require_client_cert: bool,
    /// Whether no client certificate is asked for.
    pub disable_client_certs: bool,
    /// Whether TLS 1.2 is refused.
    pub only_tls13: bool,
}

/// What a request may have. Checked before anything is parsed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of the body.
    pub request_size: usize,
    /// From its first byte to the last of the answer.
    pub request_duration: Duration,
    /// Nesting of JSON.
    pub json_depth: usize,
    /// Entries of one object, elements of one list.
    pub json_entries: usize,
    /// All values of a body together.
    pub json_values: usize,
    /// Bytes of one string.
    pub json_string: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            request_size: 32 << 20,
            request_duration: Duration::from_secs(90),
            json_depth: 100,
            json_entries: 10_000,
            json_values: 100_000,
            json_string: 1 << 20,
        }
    }
}

/// Keys of Vault's that mean nothing here.
const IGNORED: &[&str] = &[
    "cluster_address",
    "purpose",
    "http_idle_timeout",
    "http_read_header_timeout",
    "http_read_timeout",
    "http_write_timeout",
    "proxy_protocol_behavior",
    "proxy_protocol_authorized_addrs",
    "tls_prefer_server_cipher_suites",
    "tls_cipher_suites",
    "tls_max_version",
    "profiling",
    "inflight_requests_logging",
    "chroot_namespace",
    "redact_addresses",
    "redact_cluster_name",
    "redact_version",
    "disable_replication_status_endpoints",
    "disable_request_limiter",
    "disable_unauthed_rekey_endpoints",
    "disable_unauthed_generate_root_endpoints",
    "agent_api",
    "role",
    "socket_user",
    "socket_group",
];

impl Listener {
    pub(super) fn read(block: &Block<'_>, warnings: &mut Vec<String>) -> Result<Self, ConfigError> {
        let is_unix = match block.labels.first().copied() {
            Some("tcp") => false,
            Some("unix") => true,
            other => {
                return Err(ConfigError::Unsupported(format!(
                    "listener {:?} is not supported; there is \"tcp\" and \"unix\"",
                    other.unwrap_or_default()
                )));
            }
        };
        let mut listener = Self {
            address: Address::Tcp("127.0.0.1:8200".to_owned()),
            tls: None,
            limits: Limits::default(),
            unauthenticated_metrics: false,
            response_headers: Vec::new(),
        };
        let (mut tls, mut tls_disabled, mut address, mut mode) =
            (TlsSettings::default(), is_unix, String::new(), None);
        for item in &block.body.items {
            let (key, value) =
                (item.keys.first().map(String::as_str).unwrap_or_default(), &item.value);
            match key {
                "address" => address = text(key, value)?,
                "socket_mode" => mode = Some(octal(&text(key, value)?)?),
                "tls_disable" => tls_disabled |= boolean(key, value)?,
                "tls_cert_file" => tls.cert_file = text(key, value)?.into(),
                "tls_key_file" => tls.key_file = text(key, value)?.into(),
                "tls_client_ca_file" => tls.client_ca_file = Some(text(key, value)?.into()),
                "tls_require_and_verify_client_cert" => {
                    tls.require_client_cert = boolean(key, value)?
                }
                "tls_disable_client_certs" => tls.disable_client_certs = boolean(key, value)?,
                "tls_min_version" => tls.only_tls13 = min_version(&text(key, value)?)?,
                "max_request_size" => listener.limits.request_size = size::count(key, value)?,
                "max_request_duration" => {
                    listener.limits.request_duration = Duration::from_secs(duration(key, value)?.0);
                }
                // serde_json gives up at 128.
                "max_json_depth" => listener.limits.json_depth = size::count(key, value)?.min(120),
                "max_json_object_entry_count" | "max_json_array_element_count" => {
                    listener.limits.json_entries = size::count(key, value)?;
                }
                "max_json_string_value_length" => {
                    listener.limits.json_string = size::count(key, value)?
                }
                "telemetry" => {
                    let access = value
                        .as_object()
                        .and_then(|t| t.attribute("unauthenticated_metrics_access"));
                    listener.unauthenticated_metrics =
                        access.and_then(hcl::Value::as_bool) == Some(true);
                }
                "custom_response_headers" => listener.response_headers = headers(value),
                other if other.starts_with("x_forwarded_for_") => {
                    // Believing a proxy wrongly would undo every bound on networks.
                    warnings
                        .push(format!("{other} is not honoured: the peer's own address counts"));
                }
                other if IGNORED.contains(&other) => {}
                other => warnings.push(format!(
                    "unknown or unsupported field {other} found in a listener's configuration"
                )),
            }
        }
        if !tls_disabled {
            if tls.cert_file.as_os_str().is_empty() || tls.key_file.as_os_str().is_empty() {
                return Err(ConfigError::Unsupported(
                    "listener: 'tls_cert_file' and 'tls_key_file' must be set, or 'tls_disable'"
                        .to_owned(),
                ));
            }
            listener.tls = Some(tls);
        }
        if is_unix {
            if address.is_empty() {
                return Err(ConfigError::Value {
                    key: "address of a unix listener".to_owned(),
                    expected: "a path",
                });
            }
            listener.address = Address::Unix { path: address.into(), mode };
        } else if !address.is_empty() {
            listener.address = Address::Tcp(with_host(address));
        }
        Ok(listener)
    }
}

/// `:8200` listens everywhere, as in Go.
fn with_host(address: String) -> String {
    if address.starts_with(':') { format!("0.0.0.0{address}") } else { address }
}

fn octal(text: &str) -> Result<u32, ConfigError> {
    let wrong = || ConfigError::Value { key: "socket_mode".to_owned(), expected: "an octal mode" };
    u32::from_str_radix(text, 8).ok().filter(|mode| *mode <= 0o777).ok_or_else(wrong)
}

fn min_version(text: &str) -> Result<bool, ConfigError> {
    match text {
        "tls13" => Ok(true),
        // Older ones are not offered at all.
        "tls10" | "tls11" | "tls12" | "" => Ok(false),
        _ => Err(ConfigError::Value {
            key: "tls_min_version".to_owned(),
            expected: "\"tls12\" or \"tls13\"",
        }),
    }
}

fn headers(value: &hcl::Value) -> Vec<(String, String)> {
    let Some(body) = value.as_object() else { return vec![] };
    let Some(default) = body.attribute("default").and_then(hcl::Value::as_object) else {
        return vec![];
    };
    let pairs = default
        .items
        .iter()
        .filter_map(|item| Some((item.keys.first()?.clone(), item.value.as_texts()?.join("; "))));
    pairs.collect()
}
