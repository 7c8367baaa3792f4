//! The way of a request: path, token, policies, engine, and what its answer becomes.

use std::sync::Arc;

use storage::{Task, wait};
use vault_sdk::time::Seconds;
use vault_sdk::{
    Body, Boxed, Caller, Context, Error as SdkError, MountClass, Operation, Request, Response,
};
use zeroize::Zeroizing;

use super::active::Active;
use super::native::{Native, Outcome};
use super::trail::Trail;
use super::{Core, Inner};
use crate::identity::IdentityEngine;
use crate::lease::{Held, Kind};
use crate::mount::MountEntry;
use crate::policy::{Acl, Query};
use crate::reply::{Inbound, Reply};
use crate::{Error, path, random, system, token};

impl Core {
    /// Serves a request.
    ///
    /// # Errors
    ///
    /// Whatever keeps it from being served. Texts are for the client; sources are for the log.
    pub fn handle(&self, inbound: Inbound) -> Result<Reply, Error> {
        let path = canonical(&inbound)?;
        if let Some(body) = self.0.status_request(&path, &inbound)? {
            return Ok(Reply { mount_kind: "status".to_owned(), body, ..Reply::default() });
        }
        let active = self.0.active().ok_or(Error::Sealed)?;
        let way = Way { core: &self.0, active, path, id: random::uuid(), inbound };
        way.go()
    }
}

/// The decoded path; a list's ends with a slash.
fn canonical(inbound: &Inbound) -> Result<String, Error> {
    let mut path = path::decode(&inbound.path)?;
    let is_list = matches!(inbound.operation, Operation::List | Operation::Scan);
    if is_list && !path.ends_with('/') {
        path.push('/');
    }
    Ok(path)
}

impl Inner {
    /// Serves the paths that work while sealed. Their answer is the whole document, without an envelope.
    fn status_request(&self, path: &str, inbound: &Inbound) -> Result<Option<Body>, Error> {
        let to_data = |value: serde_json::Value| match value {
            serde_json::Value::Object(data) => Body::Data(data),
            _ => Body::Empty,
        };
        let seal_status = || -> Result<Body, Error> {
            Ok(to_data(serde_json::to_value(self.seal_status()?).unwrap_or_default()))
        };
        Ok(Some(match (path, inbound.operation) {
            ("sys/init", Operation::Read) => {
                to_data(serde_json::json!({ "initialized": self.seal_config()?.is_some() }))
            }
            ("sys/init", Operation::Update) => Body::Data(self.init_request(&inbound.data)?),
            ("sys/seal-status", Operation::Read) => seal_status()?,
            ("sys/unseal", Operation::Update) => {
                self.unseal_request(&inbound.data)?;
                seal_status()?
            }
            ("sys/health", Operation::Read) => {
                to_data(serde_json::to_value(self.health()?).unwrap_or_default())
            }
            ("sys/leader", Operation::Read) => Body::Data(self.leader()),
            _ => return Ok(None),
        }))
    }
}

/// One request on its way.
pub(super) struct Way<'a> {
    core: &'a Arc<Inner>,
    active: Arc<Active>,
    pub(super) path: String,
    pub(super) id: String,
    pub(super) inbound: Inbound,
}

/// Whom a request is for.
enum Engine {
    Mounted(Arc<dyn vault_sdk::Backend>),
    System(Box<system::System>),
    Token(Box<token::TokenEngine>),
    Identity(Box<IdentityEngine>),
}

impl Engine {
    fn backend(&self) -> &dyn vault_sdk::Backend {
        match self {
            Engine::Mounted(engine) => &**engine,
            Engine::System(engine) => &**engine,
            Engine::Token(engine) => &**engine,
            Engine::Identity(engine) => &**engine,
        }
    }
}

impl Way<'_> {
    /// Serves the request and logs it, whatever becomes of it.
    fn go(mut self) -> Result<Reply, Error> {
        let mut trail = Trail::begin(&self);
        let outcome = self.serve(&mut trail);
        trail.end(&self.active, outcome)
    }

    fn serve(&mut self, trail: &mut Trail) -> Result<Reply, Error> {
        let mounts = self.active.mounts();
        let Some(mount) = mounts.route(&self.path) else {
            self.authenticate()?;
            let text = format!("no handler for route {:?}. route entry not found.", self.path);
            return Err(SdkError::Status { status: 404, text }.into());
        };
        trail.mounted(mount);
        let rest = self.path[mount.path.len()..].to_owned();
        let mounted = self.active.engine(mount);
        let is_open = self.is_unauthenticated(mount, mounted.as_ref(), &rest);
        let remote = self.inbound.connection.remote;
        let login = mounted.as_ref().filter(|_| is_open && mount.class == MountClass::Auth);
        let login = login.map(|engine| {
            let request = self.request(mount, rest.clone(), None);
            (engine.login_alias(&request), engine.login_role(&request))
        });
        let (alias, role) = login.unwrap_or_default();
        let now = self.active.now();
        self.active.quotas.admit(&self.path, &mount.path, role.as_deref(), remote, now)?;
        if let Some(alias) = &alias
            && self.active.lockout.is_locked(&mount.accessor, alias, now)
        {
            return Err(Error::Denied);
        }
        let token = if is_open { None } else { Some(Arc::new(self.authenticate()?)) };
        if let Some(token) = &token {
            trail.authenticated(&self.active, token);
        }
        let native = Native::new(
            Arc::clone(self.core),
            Arc::clone(&self.active),
            token.clone(),
            self.inbound.token.take(),
        );
        let engine = match (mounted, &*mount.kind) {
            (Some(engine), _) => Engine::Mounted(engine),
            (None, "system") => Engine::System(Box::new(system::System(native.clone()))),
            (None, "token") => Engine::Token(Box::new(token::TokenEngine(native.clone()))),
            (None, "identity") => Engine::Identity(Box::new(IdentityEngine(native.clone()))),
            (None, kind) => {
                let text = format!("the engine {kind:?} of this mount is not available");
                return Err(SdkError::Status { status: 404, text }.into());
            }
        };
        let mut request = self.request(mount, rest, token.as_deref());
        let storage = self.active.storage(mount);
        let view = mount.view(self.active.system_ttls);
        let context = Context { storage: &storage, mount: &view, system: &*self.active };
        let engine = engine.backend();
        if request.operation == Operation::Update
            && engine_wait(engine.exists(&request, context))? == Some(false)
        {
            request.operation = Operation::Create;
        }
        trail.operation(request.operation);
        if let Some(token) = &token {
            let acl = self.active.acl(token)?;
            self.authorise(&acl, engine, &request)?;
        }
        if request.operation == Operation::Help {
            let help = engine.paths().help(&mount.path, &request.path);
            let body = help.map(Body::Data).ok_or(SdkError::UnsupportedPath)?;
            return Ok(Reply { mount_kind: "status".to_owned(), body, ..Reply::default() });
        }
        trail.log_request(&self.active, "")?;
        let answer = engine_wait(engine.handle(&request, context));
        if let Some(alias) = &alias {
            match &answer {
                Ok(_) => self.active.lockout.forget(&mount.accessor, alias),
                Err(SdkError::BadCredentials(_)) => {
                    self.active.lockout.fail(&mount.accessor, alias, now);
                }
                Err(_) => {}
            }
        }
        let reply = answer.map_err(Error::from).and_then(|response| {
            self.finish(mount, &request, token.as_deref(), response, native.take())
        });
        if let Some(token) = &token {
            self.active.after_use(token)?;
        }
        reply
    }

    fn is_unauthenticated(
        &self,
        mount: &MountEntry,
        engine: Option<&Arc<dyn vault_sdk::Backend>>,
        rest: &str,
    ) -> bool {
        use vault_sdk::Engine as _;
        use vault_sdk::table::Paths as _;
        let info = match (engine, &*mount.kind) {
            (Some(engine), _) => engine.paths().find(rest),
            (None, "system") => system::System::table().find(rest),
            (None, "token") => token::TokenEngine::table().find(rest),
            (None, "identity") => IdentityEngine::table().find(rest),
            _ => None,
        };
        let is_older_form = self.core.setup.settings.unauthenticated_rekey
            && mount.kind == "system"
            && ["rekey/", "rekey-recovery-key/", "generate-root/"]
                .iter()
                .any(|p| rest.starts_with(p));
        let is_beginning =
            self.active.is_restored && mount.kind == "system" && rest.starts_with("generate-root/");
        is_older_form || is_beginning || info.is_some_and(|info| info.unauthenticated)
    }

    /// Finds the token of the request, and counts its use.
    fn authenticate(&self) -> Result<Held, Error> {
        let presented = self.inbound.token.as_ref().filter(|token| !token.is_empty());
        let presented = presented.ok_or(Error::Denied)?;
        self.active.authenticate(presented, self.inbound.connection.remote)
    }

    fn request(&self, mount: &MountEntry, rest: String, token: Option<&Held>) -> Request {
        let mut request = Request::new(self.inbound.operation, rest, self.inbound.data.clone());
        request.id.clone_from(&self.id);
        request.connection = self.inbound.connection.clone();
        request.caller = token.map(|token| self.active.caller(token));
        let passes = |name: &str| {
            let listed = &mount.config.passthrough_request_headers;
            listed.iter().any(|header| header.eq_ignore_ascii_case(name))
        };
        let headers = self.inbound.headers.iter().filter(|(name, _)| passes(name));
        request.headers = headers.map(|(name, values)| (name.clone(), values.clone())).collect();
        request
    }

    fn authorise(
        &self,
        acl: &Acl,
        engine: &dyn vault_sdk::Backend,
        request: &Request,
    ) -> Result<(), Error> {
        let query = Query {
            path: &self.path,
            operation: request.operation,
            data: &request.data,
            wrap_ttl: self.inbound.wrap_ttl,
        };
        let decision = acl.decide(&query);
        let needs_sudo = engine.paths().find(&request.path).is_some_and(|info| info.sudo);
        if decision.allowed && (decision.sudo || !needs_sudo) { Ok(()) } else { Err(Error::Denied) }
    }

    /// Makes the reply: issues what the engine described, and wraps it if asked.
    fn finish(
        &self,
        mount: &MountEntry,
        request: &Request,
        token: Option<&Held>,
        mut response: Response,
        outcome: Outcome,
    ) -> Result<Reply, Error> {
        let mut reply = Reply {
            request_id: self.id.clone(),
            mount_kind: if is_bare(&self.path) { "status".to_owned() } else { mount.kind.clone() },
            warnings: std::mem::take(&mut response.warnings),
            headers: std::mem::take(&mut response.headers),
            lease_duration: response.lease_duration,
            ..Reply::default()
        };
        match outcome {
            Outcome::Nothing => {}
            Outcome::Auth(auth) => reply.auth = Some(auth),
            Outcome::Lease(lease) => reply.lease = Some(lease),
            Outcome::Whole(whole) => {
                let request_id = std::mem::take(&mut reply.request_id);
                return Ok(Reply { request_id, ..*whole });
            }
        }
        if let Some(auth) = response.auth.take() {
            if mount.class != MountClass::Auth {
                return Err(SdkError::Bug("a secrets engine answered a login").into());
            }
            let (issued, warnings) = self.active.issue_login(mount, &self.path, auth)?;
            reply.warnings.extend(warnings);
            reply.auth = Some(issued);
        }
        if let Some(lease) = response.lease.take() {
            let (issued, warnings) = self.active.issue_lease(mount, &self.path, token, lease)?;
            reply.warnings.extend(warnings);
            reply.lease = Some(issued);
        }
        reply.body = std::mem::take(&mut response.body);
        let asked = self.inbound.wrap_ttl;
        let wanted = response.wrap.as_ref().map_or(asked, |wrap| {
            if asked.is_zero() { wrap.ttl } else { asked.bounded_by(wrap.ttl) }
        });
        if wanted.is_zero() || request.operation == Operation::List && is_not_found(&reply) {
            return Ok(reply);
        }
        self.active.wrap(reply, wanted, &self.path)
    }
}

/// Paths whose answer is the whole document, as they were once served without a token.
fn is_bare(path: &str) -> bool {
    let bare = [
        "sys/rekey/",
        "sys/rekey-recovery-key/",
        "sys/generate-root/",
        "sys/internal/specs/openapi",
    ];
    let is_backup = path.ends_with("backup");
    bare.iter().any(|prefix| path.starts_with(prefix)) && !is_backup
}

fn is_not_found(reply: &Reply) -> bool {
    matches!(&reply.body, Body::Data(data) if data.is_empty())
}

/// Waits for an engine on this thread.
pub(crate) fn engine_wait<T: Unpin>(future: Boxed<'_, T>) -> T {
    wait(Task::waiting(future))
}

impl Active {
    /// Finds a token, checks that it may be used from here, and counts the use.
    pub(crate) fn authenticate(
        &self,
        presented: &Zeroizing<String>,
        remote: Option<std::net::IpAddr>,
    ) -> Result<Held, Error> {
        let held = self.find_token(presented)?.ok_or(Error::Denied)?;
        if !vault_sdk::cidr::allowed(&held.profile.bound_cidrs, remote) {
            return Err(Error::Denied);
        }
        if held.record.uses != 0 && !self.leases.spend(&held)? {
            return Err(Error::Denied);
        }
        Ok(held)
    }

    /// The token with this text, if it is valid.
    pub(crate) fn find_token(&self, presented: &str) -> Result<Option<Held>, Error> {
        if presented.starts_with(super::batch::PREFIX) {
            let Some(held) = self.open_batch(presented) else { return Ok(None) };
            let is_valid = self.leases.is_valid(&held, self.now(), self)?;
            return Ok(is_valid.then_some(held));
        }
        let key = self.leases.keys.key(presented);
        let held = self.leases.find(key, self.now(), self)?;
        Ok(held.filter(|held| held.record.kind == Kind::Token))
    }

    /// Revokes a token whose last use this was.
    fn after_use(&self, token: &Held) -> Result<(), Error> {
        if token.record.uses == 1 { self.revoke(token.key) } else { Ok(()) }
    }

    /// The public handle of a token; empty for batch tokens.
    pub(crate) fn accessor(&self, token: &Held) -> String {
        if token.is_batch() { String::new() } else { self.leases.keys.accessor(token.key) }
    }

    pub(crate) fn caller(&self, token: &Held) -> Caller {
        let mounts = self.mounts();
        Caller {
            token_id: token.key.to_hex(),
            accessor: self.accessor(token),
            display_name: token.profile.display_name.clone(),
            entity_id: token.profile.entity.clone(),
            policies: self.policies_of(token).0,
            metadata: token.profile.metadata.clone(),
            is_root: token.profile.is_root(),
            mount_path: mounts
                .by_accessor(&token.profile.mount)
                .map_or_else(String::new, |mount| mount.path.clone()),
        }
    }
}

/// Seconds in milliseconds; saturates.
pub(crate) fn millis(seconds: Seconds) -> u64 {
    seconds.0.saturating_mul(1000)
}
