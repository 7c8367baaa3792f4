//! A server in memory with a clock that tests move, and two small engines.
#![allow(
    clippy::unwrap_used,
    dead_code,
    clippy::missing_panics_doc,
    reason = "shared by tests, which panic to fail"
)]

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use serde_json::{Value, json};
use storage::Memory;
use vault::barrier::NoFreshness;
use vault::time::HostClock;
use vault::{Core, Engines, Error, Inbound, Reply, Settings, Setup};
use vault_sdk::table::{Call, Field, Path, PathTable};
use vault_sdk::time::Seconds;
use vault_sdk::{Auth, Body, Boxed, Data, Engine, Lease, MountClass, Operation, Response};
use zeroize::Zeroizing;

/// A clock that tests move, and set back.
#[derive(Debug)]
pub(crate) struct Clock {
    monotonic: AtomicU64,
    /// What the wall clock is behind.
    behind: AtomicU64,
}

impl Clock {
    pub(crate) fn new(now_ms: u64) -> Self {
        Clock { monotonic: AtomicU64::new(now_ms), behind: AtomicU64::new(0) }
    }

    pub(crate) fn pass(&self, seconds: u64) {
        self.monotonic.fetch_add(seconds * 1000, Ordering::SeqCst);
    }

    /// Puts the wall clock this much behind the time that has passed.
    pub(crate) fn set_behind(&self, seconds: u64) {
        self.behind.store(seconds * 1000, Ordering::SeqCst);
    }
}

impl HostClock for Clock {
    fn wall_ms(&self) -> u64 {
        self.monotonic_ms() - self.behind.load(Ordering::SeqCst)
    }
    fn monotonic_ms(&self) -> u64 {
        self.monotonic.load(Ordering::SeqCst)
    }
}

/// Keeps what is written; reading `lease/...` gives a secret that ends.
pub(crate) struct Keeper;

async fn write(_: &Keeper, call: &Call<'_>) -> Result<Response, vault_sdk::Error> {
    let bytes = serde_json::to_vec(&call.request.data).unwrap();
    let batch = vault_sdk::Batch::default().put(call.text("path"), bytes);
    call.context.storage.commit(batch).await?;
    Ok(Response::empty())
}

async fn read(_: &Keeper, call: &Call<'_>) -> Result<Response, vault_sdk::Error> {
    let entry = call.context.storage.get(call.text("path")).await?;
    let entry = entry.ok_or(vault_sdk::Error::NotFound)?;
    Ok(Response::data(serde_json::from_slice(&entry.value).unwrap()))
}

async fn delete(_: &Keeper, call: &Call<'_>) -> Result<Response, vault_sdk::Error> {
    call.context.storage.delete(call.text("path")).await?;
    Ok(Response::empty())
}

async fn list(_: &Keeper, call: &Call<'_>) -> Result<Response, vault_sdk::Error> {
    Ok(Response::list(call.context.storage.list_all(call.text("path")).await?))
}

async fn lease(_: &Keeper, call: &Call<'_>) -> Result<Response, vault_sdk::Error> {
    let ttl = Seconds(3600);
    let lease = Lease { kind: "made".into(), ttl, renewable: true, ..Lease::default() };
    let body = Response::json(json!({ "secret": call.text("name") }));
    Ok(Response { lease: Some(lease), ..body })
}

impl Engine for Keeper {
    fn table() -> &'static PathTable<Self> {
        static TABLE: OnceLock<PathTable<Keeper>> = OnceLock::new();
        TABLE.get_or_init(|| {
            let paths = vec![
                Path::new("lease/{name}")
                    .on(Operation::Read, |engine: &Keeper, call| Box::pin(lease(engine, call))),
                Path::new("{path...?}")
                    .any_key()
                    .on_write(|engine, call| Box::pin(write(engine, call)))
                    .on(Operation::Read, |engine, call| Box::pin(read(engine, call)))
                    .on(Operation::List, |engine, call| Box::pin(list(engine, call)))
                    .on(Operation::Delete, |engine, call| Box::pin(delete(engine, call))),
            ];
            PathTable::new("Keeps.", paths)
        })
    }

    fn revoke<'a>(
        &'a self,
        _lease: &'a Lease,
        context: vault_sdk::Context<'a>,
    ) -> Boxed<'a, Result<(), vault_sdk::Error>> {
        Box::pin(async move {
            if context.storage.get("unreachable").await?.is_some() {
                return Err(vault_sdk::Error::Upstream("nobody answers".to_owned()));
            }
            let batch = vault_sdk::Batch::default().put("revoked", b"{\"done\":true}".to_vec());
            Ok(context.storage.commit(batch).await?)
        })
    }
}

/// Lets everybody in who names a role, with the policies of that name.
pub(crate) struct Open;

impl Engine for Open {
    fn table() -> &'static PathTable<Self> {
        static TABLE: OnceLock<PathTable<Open>> = OnceLock::new();
        TABLE.get_or_init(|| {
            let login = Path::new("login")
                .unauthenticated()
                .field(Field::string("role", ""))
                .field(Field::string("name", ""))
                .field(Field::seconds("ttl", ""))
                .field(Field::list("groups", ""))
                .on(Operation::Update, |_: &Open, call| {
                    let role = call.text("role").to_owned();
                    let auth = Auth {
                        policies: vec![role.clone()],
                        ttl: call.seconds("ttl"),
                        renewable: true,
                        display_name: call.text("name").to_owned(),
                        alias: (!call.text("name").is_empty()).then(|| vault_sdk::Alias {
                            name: call.text("name").to_owned(),
                            ..vault_sdk::Alias::default()
                        }),
                        group_aliases: call.list("groups"),
                        role,
                        ..Auth::default()
                    };
                    Box::pin(std::future::ready(Ok(Response::auth(auth))))
                });
            PathTable::new("Open.", vec![login])
        })
    }
}

/// A server with its store, clock and keys.
pub(crate) struct Server {
    pub(crate) core: Core,
    pub(crate) store: Memory,
    pub(crate) clock: Arc<Clock>,
    pub(crate) shares: Vec<String>,
    pub(crate) root: String,
}

pub(crate) fn setup(store: Arc<dyn storage::Backend>, clock: Arc<Clock>) -> Setup {
    let mut engines = Engines::default();
    engines.add(MountClass::Secret, "kv", |_| Some(Arc::new(Keeper)));
    engines.add(MountClass::Auth, "open", |_| Some(Arc::new(Open)));
    Setup {
        store,
        freshness: Arc::new(NoFreshness),
        seals: Vec::new(),
        engines,
        clock,
        outbound: Arc::new(vault_sdk::memory::Memory::new("x/", MountClass::Secret)),
        settings: Settings::default(),
    }
}

impl Server {
    /// Initialised with three shares of which two unseal, and unsealed.
    pub(crate) fn new() -> Self {
        let store = Memory::new();
        let clock = Arc::new(Clock::new(1_700_000_000_000));
        let core = Core::new(setup(Arc::new(store.clone()), Arc::clone(&clock))).unwrap();
        let mut server = Server { core, store, clock, shares: Vec::new(), root: String::new() };
        let init = json!({ "secret_shares": 3, "secret_threshold": 2 });
        let data = server.data(Operation::Update, "sys/init", "", init).unwrap();
        server.shares = strings(&data["keys"]);
        server.root = data["root_token"].as_str().unwrap().to_owned();
        server.unseal();
        server
    }

    /// Another server over the same store, unsealed.
    pub(crate) fn reopen(&mut self) {
        self.core =
            Core::new(setup(Arc::new(self.store.clone()), Arc::clone(&self.clock))).unwrap();
        self.unseal();
    }

    pub(crate) fn unseal(&self) {
        for share in &self.shares[1..] {
            self.data(Operation::Update, "sys/unseal", "", json!({ "key": share })).unwrap();
        }
        assert!(!self.core.is_sealed());
    }

    pub(crate) fn call(
        &self,
        operation: Operation,
        path: &str,
        token: &str,
        data: Value,
    ) -> Result<Reply, Error> {
        let Value::Object(data) = data else { panic!("data is an object") };
        self.core.handle(Inbound {
            operation,
            path: path.to_owned(),
            data,
            token: (!token.is_empty()).then(|| Zeroizing::new(token.to_owned())),
            ..Inbound::default()
        })
    }

    pub(crate) fn data(
        &self,
        operation: Operation,
        path: &str,
        token: &str,
        data: Value,
    ) -> Result<Data, Error> {
        let reply = self.call(operation, path, token, data)?;
        Ok(match &reply.body {
            Body::Data(data) | Body::Status(_, data) => data.clone(),
            Body::Empty | Body::Raw { .. } => Data::new(),
        })
    }

    /// As root.
    pub(crate) fn write(&self, path: &str, data: Value) -> Data {
        self.data(Operation::Update, path, &self.root, data).unwrap()
    }

    pub(crate) fn read(&self, path: &str, token: &str) -> Result<Data, Error> {
        self.data(Operation::Read, path, token, json!({}))
    }

    /// A token of the auth method at `open/`, with the policy of this name.
    pub(crate) fn login(&self, role: &str, ttl: u64) -> String {
        let data = json!({ "role": role, "ttl": ttl });
        let reply = self.call(Operation::Update, "auth/open/login", "", data).unwrap();
        reply.auth.unwrap().client_token.to_string()
    }

    /// As somebody with a name, and so with an entity.
    pub(crate) fn login_as(&self, name: &str, groups: &[&str]) -> vault::IssuedAuth {
        let data = json!({ "role": "nothing", "name": name, "groups": groups, "ttl": 3600 });
        self.call(Operation::Update, "auth/open/login", "", data).unwrap().auth.unwrap()
    }

    /// Mounts both engines, and lets `reader` read below `secret/`.
    pub(crate) fn furnish(&self) {
        self.write("sys/mounts/secret", json!({ "type": "kv" }));
        self.write("sys/auth/open", json!({ "type": "open" }));
        let policy = r#"path "secret/*" { capabilities = ["read", "list"] }"#;
        self.write("sys/policies/acl/reader", json!({ "policy": policy }));
        self.write("secret/a", json!({ "value": "kept" }));
    }
}

pub(crate) fn strings(value: &Value) -> Vec<String> {
    value.as_array().unwrap().iter().map(|text| text.as_str().unwrap().to_owned()).collect()
}
