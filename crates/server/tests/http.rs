//! The binary over real sockets: what a client sees on the wire.
#![allow(missing_docs, clippy::unwrap_used, reason = "tests")]
#![allow(clippy::disallowed_methods, reason = "tests start the program they test")]

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use serde_json::{Value, json};

const BINARY: &str = env!("CARGO_BIN_EXE_casemate-server");

/// A server of its own on a port of its own, ended with the test.
struct Server {
    child: Child,
    url: String,
    _home: tempfile::TempDir,
}

impl Server {
    fn start(arguments: &[&str], config: Option<&str>) -> Self {
        let home = tempfile::tempdir().unwrap();
        let mut command = Command::new(BINARY);
        command.arg("server").args(arguments).env("HOME", home.path()).env("VAULT_TOKEN", "");
        if let Some(config) = config {
            let file = home.path().join("config.hcl");
            std::fs::write(&file, config).unwrap();
            command.arg(format!("-config={}", file.display()));
        }
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut url = String::new();
        for line in lines.by_ref() {
            let line = line.unwrap();
            if let Some(found) = line.trim().strip_prefix("Listener 1: ") {
                url = found.to_owned();
            }
            if line.contains("server started") {
                break;
            }
        }
        std::thread::spawn(move || lines.for_each(drop));
        assert!(!url.is_empty(), "the server did not start");
        Self { child, url, _home: home }
    }

    fn dev() -> Self {
        Self::start(&["-dev", "-dev-root-token-id=root", "-dev-listen-address=127.0.0.1:0"], None)
    }

    fn ask(&self, method: &str, path: &str, body: Option<Value>) -> (u16, Value) {
        self.ask_as("root", method, path, body)
    }

    fn ask_as(&self, token: &str, method: &str, path: &str, body: Option<Value>) -> (u16, Value) {
        let agent = agent(ureq::tls::TlsConfig::builder().build());
        call(&agent, &self.url, token, method, path, body)
    }

    /// Sends bytes as they are, and returns the status line's code and the rest.
    fn raw(&self, request: &[u8]) -> (u16, String) {
        let mut stream = TcpStream::connect(self.url.trim_start_matches("http://")).unwrap();
        stream.write_all(request).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        (answer.split(' ').nth(1).unwrap().parse().unwrap(), answer)
    }

    fn verb(&self, arguments: &[&str]) -> (i32, String, String) {
        let mut command = Command::new(BINARY);
        command.args(arguments).env("VAULT_ADDR", &self.url).env("VAULT_TOKEN", "root");
        let output = command.stdin(Stdio::null()).output().unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn agent(tls: ureq::tls::TlsConfig) -> ureq::Agent {
    let config = ureq::Agent::config_builder()
        .http_status_as_error(false)
        .allow_non_standard_methods(true)
        .tls_config(tls)
        .build();
    ureq::Agent::new_with_config(config)
}

fn call(
    agent: &ureq::Agent,
    url: &str,
    token: &str,
    method: &str,
    path: &str,
    body: Option<Value>,
) -> (u16, Value) {
    let kind = if method == "PATCH" { "application/merge-patch+json" } else { "application/json" };
    let builder = ureq::http::Request::builder()
        .method(method)
        .uri(format!("{url}/v1/{path}"))
        .header("X-Vault-Token", token)
        .header("Content-Type", kind);
    let mut answer = match body {
        Some(body) => agent.run(builder.body(body.to_string()).unwrap()).unwrap(),
        None => agent.run(builder.body(()).unwrap()).unwrap(),
    };
    let status = answer.status().as_u16();
    let text = answer.body_mut().read_to_string().unwrap();
    (status, serde_json::from_str(&text).unwrap_or(Value::Null))
}

#[test]
fn secrets_and_logins_work_over_http() {
    let server = Server::dev();
    let (status, _) = server.ask("POST", "secret/data/a", Some(json!({ "data": { "x": 1 } })));
    assert_eq!(status, 200);
    let (_, read) = server.ask("GET", "secret/data/a", None);
    assert_eq!(read["data"]["data"], json!({ "x": 1 }));
    assert_eq!(read["auth"], Value::Null);
    for (method, path) in [("LIST", "secret/metadata"), ("GET", "secret/metadata/?list=true")] {
        assert_eq!(server.ask(method, path, None).1["data"]["keys"], json!(["a"]), "{method}");
    }
    assert_eq!(server.ask("GET", "secret/data/none", None), (404, json!({ "errors": [] })));

    let policy = json!({ "policy": "path \"secret/data/a\" { capabilities = [\"read\"] }" });
    assert_eq!(server.ask("PUT", "sys/policies/acl/p", Some(policy)).0, 204);
    for (mount, kind) in [("userpass", "userpass"), ("approle", "approle")] {
        let body = json!({ "type": kind, "description": null });
        assert_eq!(server.ask("POST", &format!("sys/auth/{mount}"), Some(body)).0, 204);
    }
    let user = json!({ "password": "pw", "token_policies": "p" });
    assert_eq!(server.ask("POST", "auth/userpass/users/ann", Some(user)).0, 204);
    let login = |password: &str| {
        server.ask_as("", "POST", "auth/userpass/login/ann", Some(json!({ "password": password })))
    };
    assert_eq!(login("wrong"), (400, json!({ "errors": ["invalid username or password"] })));
    let token = login("pw").1["auth"]["client_token"].as_str().unwrap().to_owned();
    assert!(token.starts_with("hvs.") && token.len() >= 28, "{}", token.len());
    assert_eq!(server.ask_as(&token, "GET", "secret/data/a", None).0, 200);
    for (token, method, path) in [
        (token.as_str(), "GET", "secret/data/b"),
        (&token, "POST", "secret/data/a"),
        ("", "GET", "secret/data/a"),
        ("hvs.wrong", "GET", "secret/data/a"),
        (&token, "GET", "sys/mounts"),
    ] {
        let body = (method == "POST").then(|| json!({ "data": {} }));
        assert_eq!(server.ask_as(token, method, path, body).0, 403, "{method} {path}");
    }

    server.ask("POST", "auth/approle/role/r", Some(json!({ "token_policies": "p" })));
    let role = server.ask("GET", "auth/approle/role/r/role-id", None).1["data"]["role_id"].clone();
    let secret = server.ask("POST", "auth/approle/role/r/secret-id", Some(json!({}))).1;
    let body = json!({ "role_id": role, "secret_id": secret["data"]["secret_id"] });
    let auth = server.ask_as("", "POST", "auth/approle/login", Some(body)).1["auth"].clone();
    assert_eq!(auth["policies"], json!(["default", "p"]));
    assert_eq!(auth["metadata"]["role_name"], "r");
}

/// CVE-2026-3605: what is not canonical is refused before routing; nothing is redirected or normalised.
#[test]
fn odd_paths_are_refused() {
    let server = Server::dev();
    for path in [
        "/v1/secret/../sys/mounts",
        "/v1/secret//data/a",
        "/v1/secret/%2e%2e/sys/mounts",
        "/v1/secret/data%2fa",
        "/v1/secret/data/a%00",
        "/v1/./sys/mounts",
    ] {
        let request = format!(
            "GET {path} HTTP/1.1\r\nHost: x\r\nX-Vault-Token: root\r\nConnection: close\r\n\r\n"
        );
        assert_eq!(server.raw(request.as_bytes()).0, 400, "{path}");
    }
    assert_eq!(server.raw(b"GET /ui/ HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").0, 404);
}

/// CVE-2023-6337, CVE-2025-6203: bounds hold before a token is even looked at, and errors do not echo.
#[test]
fn bodies_are_bounded_before_they_are_parsed() {
    let config = "listener \"tcp\" { address = \"127.0.0.1:0\" tls_disable = 1 max_request_size = 4096 }\n\
                  storage \"inmem\" {}";
    let server = Server::start(&[], Some(config));
    let post = |body: &str| {
        let request = format!(
            "POST /v1/sys/unseal HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        server.raw(request.as_bytes())
    };
    assert_eq!(post(&format!("{{\"key\":\"{}\"}}", "x".repeat(4096))).0, 413);
    assert_eq!(post(&"[".repeat(1000)).0, 400);
    let (status, text) = post("{\"key\": \"canary\" canary}");
    assert_eq!(status, 400);
    assert!(text.contains("failed to parse JSON input") && !text.contains("canary"), "{text}");
    let (status, _) = server.raw(
        b"GET /v1/sys/seal-status HTTP/1.1\r\nHost: x\r\nX-Vault-Namespace: team\r\nConnection: close\r\n\r\n",
    );
    assert_eq!(status, 400);
}

#[test]
fn health_tells_its_state_by_the_status_code() {
    let config =
        "listener \"tcp\" { address = \"127.0.0.1:0\" tls_disable = 1 }\nstorage \"inmem\" {}";
    let server = Server::start(&[], Some(config));
    assert_eq!(server.ask("GET", "sys/health", None).0, 501);
    assert_eq!(server.ask("GET", "sys/health?uninitcode=200", None).0, 200);
    let made =
        server.ask("PUT", "sys/init", Some(json!({ "secret_shares": 3, "secret_threshold": 2 })));
    assert_eq!((made.0, made.1["keys"].as_array().unwrap().len()), (200, 3));
    assert_eq!(server.ask("GET", "sys/health", None).0, 503);
    assert_eq!(
        server.ask("GET", "secret/a", None),
        (503, json!({ "errors": ["Vault is sealed"] }))
    );
    for key in made.1["keys"].as_array().unwrap().iter().take(2) {
        server.ask("PUT", "sys/unseal", Some(json!({ "key": key })));
    }
    let (status, health) = server.ask("GET", "sys/health", None);
    assert_eq!(
        (status, &health["sealed"], &health["performance_standby"]),
        (200, &json!(false), &json!(false))
    );
    assert_eq!(
        server.raw(b"HEAD /v1/sys/health HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").0,
        200
    );
}

fn tls_file(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/vault/tls").join(name)
}

fn trusting_our_ca() -> ureq::tls::TlsConfig {
    let pem = std::fs::read(tls_file("ca.pem")).unwrap();
    let certificate = ureq::tls::Certificate::from_pem(&pem).unwrap();
    let roots = ureq::tls::RootCerts::from(vec![certificate]);
    ureq::tls::TlsConfig::builder().root_certs(roots).build()
}

#[test]
fn tls_is_served_and_its_certificate_replaced_on_sighup() {
    let folder = tempfile::tempdir().unwrap();
    let place = |name: &str| {
        std::fs::copy(tls_file(&format!("{name}.pem")), folder.path().join("cert.pem")).unwrap();
        std::fs::copy(tls_file(&format!("{name}-key.pem")), folder.path().join("key.pem")).unwrap();
    };
    place("server");
    let config = format!(
        "storage \"inmem\" {{}}\nlistener \"tcp\" {{ address = \"127.0.0.1:0\" tls_cert_file = {:?} tls_key_file = {:?} }}",
        folder.path().join("cert.pem"),
        folder.path().join("key.pem"),
    );
    let server = Server::start(&[], Some(&config));
    assert!(server.url.starts_with("https://"), "{}", server.url);
    let status =
        || call(&agent(trusting_our_ca()), &server.url, "", "GET", "sys/seal-status", None).0;
    assert_eq!(status(), 200);
    let stranger = agent(ureq::tls::TlsConfig::builder().build());
    assert!(stranger.get(format!("{}/v1/sys/seal-status", server.url)).call().is_err());
    place("other");
    let pid = server.child.id().to_string();
    assert!(Command::new("kill").args(["-HUP", &pid]).status().unwrap().success());
    assert_eq!(status(), 200);
    // Half a certificate must not take the server down.
    std::fs::write(folder.path().join("cert.pem"), "nothing").unwrap();
    assert!(Command::new("kill").args(["-HUP", &pid]).status().unwrap().success());
    assert_eq!(status(), 200);
}

#[test]
fn verbs_exit_and_print_as_vaults() {
    let server = Server::dev();
    let (code, out, _) = server.verb(&["kv", "put", "secret/a", "x=1"]);
    assert_eq!(code, 0);
    assert!(out.starts_with("== Secret Path ==\nsecret/data/a\n"), "{out}");
    assert_eq!(
        server.verb(&["kv", "get", "-field=x", "secret/a"]),
        (0, "1".to_owned(), String::new())
    );
    let (code, out, _) = server.verb(&["read", "-format=json", "secret/data/a"]);
    let value: Value = serde_json::from_str(&out).unwrap();
    assert_eq!((code, &value["data"]["data"]["x"]), (0, &json!("1")));
    let (code, _, err) = server.verb(&["kv", "get", "secret/none"]);
    assert_eq!((code, err.as_str()), (2, "No value found at secret/data/none\n"));
    assert_eq!(server.verb(&["status"]).0, 0);
    assert_eq!(server.verb(&["read"]).0, 1);
    assert_eq!(server.verb(&["nonsense"]).0, 127);
    let (code, out, _) = server.verb(&["version"]);
    assert!(code == 0 && out.starts_with("Vault v1.19.0 ("), "{out}");
    assert_eq!(server.verb(&["operator", "seal"]).0, 0);
    assert_eq!(server.verb(&["status"]).0, 2);
}

#[test]
fn a_store_on_disk_survives_being_killed() {
    let folder = tempfile::tempdir().unwrap();
    let config = format!(
        "storage \"file\" {{ path = {:?} }}\nlistener \"tcp\" {{ address = \"127.0.0.1:0\" tls_disable = 1 }}",
        folder.path()
    );
    let server = Server::start(&[], Some(&config));
    let made =
        server.ask("PUT", "sys/init", Some(json!({ "secret_shares": 1, "secret_threshold": 1 }))).1;
    let (key, token) = (made["keys"][0].clone(), made["root_token"].as_str().unwrap().to_owned());
    server.ask("PUT", "sys/unseal", Some(json!({ "key": key })));
    let mount = json!({ "type": "kv", "options": { "version": "2" } });
    assert_eq!(server.ask_as(&token, "POST", "sys/mounts/kv", Some(mount)).0, 204);
    let secret = json!({ "data": { "x": "y" } });
    assert_eq!(server.ask_as(&token, "POST", "kv/data/a", Some(secret)).0, 200);
    // Drop kills it.
    drop(server);
    let server = Server::start(&[], Some(&config));
    assert_eq!(server.ask_as(&token, "GET", "kv/data/a", None).0, 503);
    server.ask("PUT", "sys/unseal", Some(json!({ "key": key })));
    assert_eq!(server.ask_as(&token, "GET", "kv/data/a", None).1["data"]["data"]["x"], "y");
}
