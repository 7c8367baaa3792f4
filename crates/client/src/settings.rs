//! Where the server is and who asks: flags, then the environment, then the token file.

use std::path::PathBuf;

use zeroize::Zeroizing;

use crate::flags::Flags;

/// Settings of one call.
pub(crate) struct Settings {
    pub(crate) address: String,
    pub(crate) token: Option<Zeroizing<String>>,
    pub(crate) ca_cert: Option<PathBuf>,
    pub(crate) client_cert: Option<PathBuf>,
    pub(crate) client_key: Option<PathBuf>,
    pub(crate) skip_verify: bool,
    pub(crate) namespace: String,
    pub(crate) wrap_ttl: String,
    pub(crate) headers: Vec<(String, String)>,
    /// Seconds.
    pub(crate) timeout: u64,
}

/// The value of an environment variable that is set and not empty.
pub(crate) fn environment(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// The file that keeps the token between calls.
pub(crate) fn token_file() -> Option<PathBuf> {
    environment("HOME").map(|home| PathBuf::from(home).join(".vault-token"))
}

impl Settings {
    pub(crate) fn new(flags: &Flags) -> Self {
        let text = |flag: &str, variable: &str| {
            flags.value(flag).map(str::to_owned).or_else(|| environment(variable))
        };
        let is_true =
            |value: String| matches!(value.as_str(), "1" | "t" | "T" | "true" | "TRUE" | "True");
        let address =
            text("address", "VAULT_ADDR").unwrap_or_else(|| "https://127.0.0.1:8200".to_owned());
        let namespace = flags.value("ns").map(str::to_owned);
        Self {
            address: address.trim_end_matches('/').to_owned(),
            token: token(),
            ca_cert: text("ca-cert", "VAULT_CACERT").map(PathBuf::from),
            client_cert: text("client-cert", "VAULT_CLIENT_CERT").map(PathBuf::from),
            client_key: text("client-key", "VAULT_CLIENT_KEY").map(PathBuf::from),
            skip_verify: flags.is_on("tls-skip-verify")
                || environment("VAULT_SKIP_VERIFY").is_some_and(is_true),
            namespace: namespace
                .or_else(|| text("namespace", "VAULT_NAMESPACE"))
                .unwrap_or_default(),
            wrap_ttl: text("wrap-ttl", "VAULT_WRAP_TTL").unwrap_or_default(),
            headers: headers(flags),
            timeout: environment("VAULT_CLIENT_TIMEOUT")
                .and_then(|text| vault_sdk::time::Seconds::parse(&text).ok())
                .map_or(60, |seconds| seconds.0.max(1)),
        }
    }
}

fn headers(flags: &Flags) -> Vec<(String, String)> {
    let pair = |text: &String| {
        let (name, value) = text.split_once('=')?;
        Some((name.to_owned(), value.to_owned()))
    };
    flags.values("header").iter().filter_map(pair).collect()
}

fn token() -> Option<Zeroizing<String>> {
    if let Some(token) = environment("VAULT_TOKEN") {
        return Some(Zeroizing::new(token));
    }
    let text = Zeroizing::new(std::fs::read_to_string(token_file()?).ok()?);
    let token = text.trim();
    (!token.is_empty()).then(|| Zeroizing::new(token.to_owned()))
}
