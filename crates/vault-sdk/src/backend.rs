//! The contract between the core and an engine.

use crate::table::{PathTable, Paths};
use crate::time::{Instant, Seconds};
use crate::{Auth, Boxed, Data, Error, Lease, Outbound, Request, Response, Storage};

/// Whether a mount keeps secrets or lets callers in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum MountClass {
    /// A secrets engine, below `sys/mounts`.
    Secret,
    /// An auth method, below `sys/auth`.
    Auth,
}

/// Where an engine is mounted, and how it is tuned.
#[derive(Clone, Debug)]
pub struct Mount {
    /// With a slash at the end, as `secret/` or `auth/approle/`.
    pub path: String,
    /// The name of the engine, as `kv`.
    pub kind: String,
    /// Secrets or auth.
    pub class: MountClass,
    /// The public handle, as `kv_1a2b3c4d`.
    pub accessor: String,
    /// Changes whenever the path is mounted anew.
    pub uuid: String,
    /// `options` of the mount, as `version = "2"`.
    pub options: std::collections::BTreeMap<String, String>,
    /// In force, after mount and system.
    pub default_ttl: Seconds,
    /// In force, after mount and system.
    pub max_ttl: Seconds,
}

/// What surrounds an engine.
pub trait System: Send + Sync {
    /// The trusted time.
    fn now(&self) -> Instant;

    /// Fills a buffer with cryptographically strong random bytes.
    fn random(&self, bytes: &mut [u8]);

    /// Makes a password under a password policy; `None` for Vault's default one.
    fn password<'a>(&'a self, policy: Option<&'a str>) -> Boxed<'a, Result<String, Error>>;

    /// The name and the metadata of an entity; `None` if there is none.
    fn entity<'a>(&'a self, id: &'a str) -> Boxed<'a, Result<Option<Data>, Error>>;

    /// Calls to other systems.
    fn outbound(&self) -> &dyn Outbound;
}

/// All that an engine has while it serves one request.
#[derive(Clone, Copy)]
pub struct Context<'a> {
    /// The engine's own entries.
    pub storage: &'a dyn Storage,
    /// Where it is mounted.
    pub mount: &'a Mount,
    /// Time, randomness, other systems.
    pub system: &'a dyn System,
}

impl Context<'_> {
    /// The trusted time.
    #[must_use]
    pub fn now(&self) -> Instant {
        self.system.now()
    }

    /// Random bytes.
    #[must_use]
    pub fn random<const N: usize>(&self) -> [u8; N] {
        let mut bytes = [0; N];
        self.system.random(&mut bytes);
        bytes
    }

    /// A random UUID (RFC 9562, version 4).
    #[must_use]
    pub fn uuid(&self) -> String {
        let mut bytes: [u8; 16] = self.random();
        bytes[6] = bytes[6] & 0x0f | 0x40;
        bytes[8] = bytes[8] & 0x3f | 0x80;
        let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        let parts = [&hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]];
        parts.join("-")
    }
}

impl std::fmt::Debug for Context<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Context").field("mount", &self.mount.path).finish_non_exhaustive()
    }
}

/// One mounted engine, as the core sees it. Engines implement [`Engine`], which is a `Backend`.
pub trait Backend: Send + Sync {
    /// The declared paths: routing facts, help, OpenAPI.
    fn paths(&self) -> &dyn Paths;

    /// Whether what a write names is there already, which makes it an update. `None` if the path
    /// does not distinguish.
    fn exists<'a>(
        &'a self,
        request: &'a Request,
        context: Context<'a>,
    ) -> Boxed<'a, Result<Option<bool>, Error>>;

    /// Serves a request that is authenticated and authorised.
    fn handle<'a>(
        &'a self,
        request: &'a Request,
        context: Context<'a>,
    ) -> Boxed<'a, Result<Response, Error>>;

    /// The alias under which a login would log in, normalised as the login itself does, without
    /// proof: user lockout counts by it. `None` for paths that are no logins.
    fn login_alias(&self, request: &Request) -> Option<String>;

    /// The role that a login names, for quotas by role.
    fn login_role(&self, request: &Request) -> Option<String>;

    /// Looks at a login again before its token is renewed: an error ends the token's renewals. The
    /// request carries the connection of who renews.
    fn renew_login<'a>(
        &'a self,
        auth: &'a Auth,
        request: &'a Request,
        context: Context<'a>,
    ) -> Boxed<'a, Result<Auth, Error>>;

    /// Extends a secret at its source.
    fn renew<'a>(
        &'a self,
        lease: &'a Lease,
        context: Context<'a>,
    ) -> Boxed<'a, Result<Lease, Error>>;

    /// Ends a secret at its source. Succeeds if it is gone already.
    fn revoke<'a>(&'a self, lease: &'a Lease, context: Context<'a>)
    -> Boxed<'a, Result<(), Error>>;

    /// Work that is due now and then, once a minute or less: tidying, rotation.
    fn tick<'a>(&'a self, context: Context<'a>) -> Boxed<'a, Result<(), Error>>;

    /// The token with this identifier is gone; what belonged to it alone goes too.
    fn forget_token<'a>(
        &'a self,
        token_id: &'a str,
        context: Context<'a>,
    ) -> Boxed<'a, Result<(), Error>>;
}

/// An engine: a table of paths, and hooks that most engines leave as they are.
pub trait Engine: Send + Sync + Sized + 'static {
    /// The paths, built once.
    fn table() -> &'static PathTable<Self>;

    /// As [`Backend::login_alias`].
    fn login_alias(&self, _request: &Request) -> Option<String> {
        None
    }

    /// As [`Backend::login_role`].
    fn login_role(&self, _request: &Request) -> Option<String> {
        None
    }

    /// As [`Backend::renew_login`]; keeps the login as it is.
    fn renew_login<'a>(
        &'a self,
        auth: &'a Auth,
        _request: &'a Request,
        _context: Context<'a>,
    ) -> Boxed<'a, Result<Auth, Error>> {
        Box::pin(async { Ok(auth.clone()) })
    }

    /// As [`Backend::renew`]; keeps the lease as it is.
    fn renew<'a>(
        &'a self,
        lease: &'a Lease,
        _context: Context<'a>,
    ) -> Boxed<'a, Result<Lease, Error>> {
        Box::pin(async { Ok(lease.clone()) })
    }

    /// As [`Backend::revoke`]; nothing lives outside.
    fn revoke<'a>(
        &'a self,
        _lease: &'a Lease,
        _context: Context<'a>,
    ) -> Boxed<'a, Result<(), Error>> {
        Box::pin(async { Ok(()) })
    }

    /// As [`Backend::tick`]; nothing is due.
    fn tick<'a>(&'a self, _context: Context<'a>) -> Boxed<'a, Result<(), Error>> {
        Box::pin(async { Ok(()) })
    }

    /// As [`Backend::forget_token`]; nothing belongs to a token.
    fn forget_token<'a>(
        &'a self,
        _token_id: &'a str,
        _context: Context<'a>,
    ) -> Boxed<'a, Result<(), Error>> {
        Box::pin(async { Ok(()) })
    }
}

impl<E: Engine> Backend for E {
    fn paths(&self) -> &dyn Paths {
        E::table()
    }

    fn exists<'a>(
        &'a self,
        request: &'a Request,
        context: Context<'a>,
    ) -> Boxed<'a, Result<Option<bool>, Error>> {
        E::table().exists(self, request, context)
    }

    fn handle<'a>(
        &'a self,
        request: &'a Request,
        context: Context<'a>,
    ) -> Boxed<'a, Result<Response, Error>> {
        E::table().handle(self, request, context)
    }

    fn login_alias(&self, request: &Request) -> Option<String> {
        Engine::login_alias(self, request)
    }

    fn login_role(&self, request: &Request) -> Option<String> {
        Engine::login_role(self, request)
    }

    fn renew_login<'a>(
        &'a self,
        auth: &'a Auth,
        request: &'a Request,
        context: Context<'a>,
    ) -> Boxed<'a, Result<Auth, Error>> {
        Engine::renew_login(self, auth, request, context)
    }

    fn renew<'a>(
        &'a self,
        lease: &'a Lease,
        context: Context<'a>,
    ) -> Boxed<'a, Result<Lease, Error>> {
        Engine::renew(self, lease, context)
    }

    fn revoke<'a>(
        &'a self,
        lease: &'a Lease,
        context: Context<'a>,
    ) -> Boxed<'a, Result<(), Error>> {
        Engine::revoke(self, lease, context)
    }

    fn tick<'a>(&'a self, context: Context<'a>) -> Boxed<'a, Result<(), Error>> {
        Engine::tick(self, context)
    }

    fn forget_token<'a>(
        &'a self,
        token_id: &'a str,
        context: Context<'a>,
    ) -> Boxed<'a, Result<(), Error>> {
        Engine::forget_token(self, token_id, context)
    }
}
