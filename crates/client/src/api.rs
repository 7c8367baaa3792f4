//! Calls to the server.

use std::time::Duration;

use serde_json::{Map, Value};
use ureq::tls::{Certificate, ClientCert, PrivateKey, RootCerts, TlsConfig};
use zeroize::Zeroizing;

use crate::Failure;
use crate::flags::Flags;
use crate::settings::Settings;

/// Largest answer that is read, in bytes.
const ANSWER_MAX: u64 = 256 << 20;

/// A server, and who asks it.
pub(crate) struct Api {
    agent: ureq::Agent,
    pub(crate) settings: Settings,
}

/// An answer with a status below 400, or 404.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// Null if there is no body or it is not JSON.
    pub(crate) body: Value,
    pub(crate) text: Zeroizing<String>,
}

impl Api {
    pub(crate) fn new(flags: &Flags) -> Result<Self, Failure> {
        let settings = Settings::new(flags);
        let config = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .allow_non_standard_methods(true)
            .max_redirects(3)
            .timeout_global(Some(Duration::from_secs(settings.timeout)))
            .tls_config(tls(&settings)?)
            .build();
        Ok(Self { agent: ureq::Agent::new_with_config(config), settings })
    }

    pub(crate) fn get(&self, path: &str) -> Result<Answer, Failure> {
        self.ask("GET", path, None)
    }

    pub(crate) fn put(&self, path: &str, body: Value) -> Result<Answer, Failure> {
        self.ask("PUT", path, Some(&body))
    }

    /// Sends a request. A refusal is an error that shows what the server said.
    pub(crate) fn ask(
        &self,
        method: &str,
        path: &str,
        body: Option<&Value>,
    ) -> Result<Answer, Failure> {
        let answer = self.ask_any(method, path, body)?;
        let has_errors = answer.errors().is_some_and(|errors| !errors.is_empty());
        if answer.status >= 400 && (answer.status != 404 || has_errors) {
            return Err(self.refusal(method, path, &answer));
        }
        Ok(answer)
    }

    /// Sends a request and takes any answer.
    pub(crate) fn ask_any(
        &self,
        method: &str,
        path: &str,
        body: Option<&Value>,
    ) -> Result<Answer, Failure> {
        let url = self.url(path);
        let failed = |error: &dyn std::fmt::Display| {
            Failure::remote(format!("{} {url:?}: {error}", capitalised(method)))
        };
        let mut builder = ureq::http::Request::builder().method(method).uri(&url);
        builder = builder.header("X-Vault-Request", "true");
        if let Some(token) = &self.settings.token {
            builder = builder.header("X-Vault-Token", token.as_str());
        }
        for (name, value) in [
            ("X-Vault-Namespace", &self.settings.namespace),
            ("X-Vault-Wrap-TTL", &self.settings.wrap_ttl),
        ] {
            if !value.is_empty() {
                builder = builder.header(name, value);
            }
        }
        for (name, value) in &self.settings.headers {
            builder = builder.header(name, value);
        }
        let bytes =
            body.map(|body| Zeroizing::new(body.to_string().into_bytes())).unwrap_or_default();
        if body.is_some() {
            let kind =
                if method == "PATCH" { "application/merge-patch+json" } else { "application/json" };
            builder = builder.header("Content-Type", kind);
        }
        let sent = if body.is_some() {
            self.agent.run(builder.body(bytes.as_slice()).map_err(|error| failed(&error))?)
        } else {
            self.agent.run(builder.body(()).map_err(|error| failed(&error))?)
        };
        let mut response = sent.map_err(|error| failed(&error))?;
        let status = response.status().as_u16();
        let text = response.body_mut().with_config().limit(ANSWER_MAX).read_to_string();
        let text = Zeroizing::new(text.map_err(|error| failed(&error))?);
        let body = serde_json::from_str(&text).unwrap_or(Value::Null);
        Ok(Answer { status, body, text })
    }

    /// The URL of an API path, percent-encoded.
    pub(crate) fn url(&self, path: &str) -> String {
        let (path, query) = path.split_once('?').map_or((path, None), |(p, q)| (p, Some(q)));
        let mut url = format!("{}/v1/", self.settings.address);
        for byte in path.trim_start_matches('/').bytes() {
            if byte.is_ascii_alphanumeric() || b"-._~/!$&'()*+,;=:@".contains(&byte) {
                url.push(char::from(byte));
            } else {
                url.push_str(&format!("%{byte:02X}"));
            }
        }
        if let Some(query) = query {
            url.push('?');
            url.push_str(query);
        }
        url
    }

    fn refusal(&self, method: &str, path: &str, answer: &Answer) -> Failure {
        let url = self.url(path);
        let mut text = format!(
            "Error making API request.\n\nURL: {method} {url}\nCode: {}. Errors:\n",
            answer.status
        );
        for error in answer.errors().unwrap_or_default() {
            text.push_str(&format!("\n* {error}"));
        }
        Failure::remote(text)
    }
}

impl Answer {
    /// Texts of the errors, if the answer has any list of them.
    fn errors(&self) -> Option<Vec<&str>> {
        let errors = self.body.get("errors")?.as_array()?;
        Some(errors.iter().filter_map(Value::as_str).collect())
    }

    /// Whether there is nothing there.
    pub(crate) fn is_missing(&self) -> bool {
        self.status == 404
            && self.body.get("data").is_none_or(Value::is_null)
            && self.body.get("warnings").is_none_or(Value::is_null)
    }

    /// The object under `data`.
    pub(crate) fn data(&self) -> Option<&Map<String, Value>> {
        self.body.get("data")?.as_object()
    }
}

/// `GET` as Go's client writes it in errors.
fn capitalised(method: &str) -> String {
    let mut text = method.to_lowercase();
    if let Some(first) = text.get_mut(..1) {
        first.make_ascii_uppercase();
    }
    text
}

fn tls(settings: &Settings) -> Result<TlsConfig, Failure> {
    let read = |path: &std::path::Path| {
        let bytes = std::fs::read(path);
        bytes.map_err(|error| Failure::local(format!("read {}: {error}", path.display())))
    };
    let wrong = |path: &std::path::Path| Failure::local(format!("{} is not PEM", path.display()));
    let certificates = |path: &std::path::Path| -> Result<Vec<Certificate<'static>>, Failure> {
        let mut certificates = Vec::new();
        for item in ureq::tls::parse_pem(&read(path)?) {
            if let ureq::tls::PemItem::Certificate(certificate) = item.map_err(|_| wrong(path))? {
                certificates.push(certificate);
            }
        }
        if certificates.is_empty() { Err(wrong(path)) } else { Ok(certificates) }
    };
    let mut builder = TlsConfig::builder().disable_verification(settings.skip_verify);
    if let Some(path) = &settings.ca_cert {
        builder = builder.root_certs(RootCerts::from(certificates(path)?));
    }
    if let (Some(certificate), Some(key)) = (&settings.client_cert, &settings.client_key) {
        let private = PrivateKey::from_pem(&read(key)?).map_err(|_| wrong(key))?;
        let chain = certificates(certificate)?;
        builder = builder.client_cert(Some(ClientCert::new_with_certs(&chain, private)));
    }
    Ok(builder.build())
}
