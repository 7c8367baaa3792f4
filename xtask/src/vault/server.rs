//! A development server, and a client that speaks to it.

use std::collections::BTreeMap;
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use serde_json::Value;

use super::script::{Request, fill, plain};

/// How long a server may take to answer for the first time, on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);
const ROOT: &str = "root";

/// A running server, ended when it is dropped.
pub(super) struct Server {
    child: Child,
    address: String,
}

impl Server {
    /// Starts `PROGRAM server -dev` on a free port and waits until it is ready.
    pub(super) fn start(program: &Path) -> Result<Self> {
        let free = TcpListener::bind("127.0.0.1:0").context("find a free port")?;
        let address = free.local_addr().context("find a free port")?.to_string();
        drop(free);
        let child = Command::new(program)
            .args(["server", "-dev", "-dev-no-store-token"])
            .arg(format!("-dev-root-token-id={ROOT}"))
            .arg(format!("-dev-listen-address={address}"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .with_context(|| format!("start {}", program.display()))?;
        let mut server = Self { child, address };
        server.wait(program)?;
        Ok(server)
    }

    fn wait(&mut self, program: &Path) -> Result<()> {
        let start = Instant::now();
        while start.elapsed() < PATIENCE {
            if let Some(status) = self.child.try_wait().context("wait for a server")? {
                bail!("{} ended at its start: {status}", program.display());
            }
            let url = format!("http://{}/v1/sys/health", self.address);
            if agent().get(&url).call().is_ok_and(|answer| answer.status() == 200) {
                return Ok(());
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        bail!("{} was not ready after {} s", program.display(), PATIENCE.as_secs())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What a server answered.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Answer {
    pub(super) status: u16,
    /// Null when there is no body or one that is not JSON.
    pub(super) body: Value,
    /// The token it was asked with and all that was saved, so that they can be told in the body.
    pub(super) known: BTreeMap<String, String>,
}

/// A client of one server: who it is, and what it has kept.
pub(super) struct Session<'a> {
    server: &'a Server,
    token: Option<String>,
    headers: Vec<(String, String)>,
    values: BTreeMap<String, String>,
    last: Value,
}

impl<'a> Session<'a> {
    pub(super) fn new(server: &'a Server) -> Self {
        let token = Some(ROOT.to_owned());
        Self { server, token, headers: Vec::new(), values: BTreeMap::new(), last: Value::Null }
    }

    pub(super) fn speak_as(&mut self, who: &str) -> Result<()> {
        self.token = match who {
            "root" => Some(ROOT.to_owned()),
            "nobody" => None,
            name => Some(
                self.values
                    .get(name)
                    .with_context(|| format!("no token {name} was saved"))?
                    .clone(),
            ),
        };
        Ok(())
    }

    pub(super) fn header(&mut self, name: &str, value: &str) {
        self.headers.push((name.to_owned(), fill(value, &self.values)));
    }

    pub(super) fn save(&mut self, name: &str, pointer: &str) -> Result<()> {
        let value = self.last.pointer(pointer).filter(|value| !value.is_null());
        let value = value.with_context(|| format!("nothing at {pointer} in {}", self.last))?;
        self.values.insert(name.to_owned(), plain(value));
        Ok(())
    }

    pub(super) fn save_text(&mut self, name: &str, value: &str) {
        self.values.insert(name.to_owned(), value.to_owned());
    }

    pub(super) fn send(&mut self, request: &Request) -> Result<Answer> {
        let url = format!("http://{}{}", self.server.address, fill(&request.path, &self.values));
        let mut builder = ureq::http::Request::builder().method(request.method.as_str()).uri(&url);
        if let Some(token) = &self.token {
            builder = builder.header("X-Vault-Token", token);
        }
        for (name, value) in self.headers.drain(..) {
            builder = builder.header(name, value);
        }
        let body = request.body.as_deref().map(|body| fill(body, &self.values)).unwrap_or_default();
        let sent = || format!("{} {}", request.method, request.path);
        let built = builder.body(body).with_context(sent)?;
        let agent = agent();
        let built = agent.configure_request(built).allow_non_standard_methods(true).build();
        let mut answer = agent.run(built).with_context(sent)?;
        let status = answer.status().as_u16();
        let text = answer.body_mut().read_to_string().with_context(sent)?;
        self.last = serde_json::from_str(&text).unwrap_or(Value::Null);
        Ok(Answer { status, body: self.last.clone(), known: self.values.clone() })
    }
}

fn agent() -> ureq::Agent {
    ureq::Agent::config_builder()
        .http_status_as_error(false)
        .max_redirects(0)
        .max_redirects_will_error(false)
        .timeout_global(Some(PATIENCE))
        .build()
        .into()
}
