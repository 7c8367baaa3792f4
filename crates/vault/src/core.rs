//! The core: sealed or active, and the way from one to the other.
//!
//! [`Core::handle`] serves requests; [`Core::tick`] does what is due. Neither knows HTTP, and both may be called from
//! any thread. A call waits for the store on the caller's thread.

pub(crate) mod active;
pub(crate) mod batch;
pub(crate) mod handle;
pub(crate) mod issue;
pub(crate) mod native;
pub(crate) mod operator;
pub(crate) mod renew;
mod status;
mod sweep;
mod trail;

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use crypto::Secret;
use storage::{Backend as Store, wait};
use vault_sdk::time::Seconds;
use vault_sdk::{MountClass, Outbound};

use crate::Error;
use crate::barrier::{Barrier, Freshness, SEAL};
use crate::seal::{self, AutoSeal, Config};
use crate::time::HostClock;
use active::Active;
use operator::Operator;
pub use status::{Health, SealStatus};

/// Makes an engine from the options of its mount; `None` if they are not its own. Each mount has one.
pub type EngineMaker =
    Box<dyn Fn(&BTreeMap<String, String>) -> Option<Arc<dyn vault_sdk::Backend>> + Send + Sync>;

/// The engines that can be mounted, by class and name (`kv`, `approle`). The server fills it; `system`,
/// `token` and `identity` are the core's own.
#[derive(Default)]
pub struct Engines(HashMap<(&'static str, String), EngineMaker>);

impl Engines {
    /// Adds an engine.
    pub fn add(
        &mut self,
        class: MountClass,
        kind: &str,
        make: impl Fn(&BTreeMap<String, String>) -> Option<Arc<dyn vault_sdk::Backend>>
        + Send
        + Sync
        + 'static,
    ) {
        self.0.insert((class_name(class), kind.to_owned()), Box::new(make));
    }

    pub(crate) fn make(
        &self,
        class: MountClass,
        kind: &str,
        options: &BTreeMap<String, String>,
    ) -> Option<Arc<dyn vault_sdk::Backend>> {
        self.0.get(&(class_name(class), kind.to_owned())).and_then(|make| make(options))
    }

    /// Names of the engines of a class.
    pub fn kinds(&self, class: MountClass) -> Vec<&str> {
        let of_class = self.0.keys().filter(|(name, _)| *name == class_name(class));
        let mut kinds: Vec<&str> = of_class.map(|(_, kind)| kind.as_str()).collect();
        kinds.sort_unstable();
        kinds
    }
}

impl std::fmt::Debug for Engines {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

fn class_name(class: MountClass) -> &'static str {
    match class {
        MountClass::Secret => "secret",
        MountClass::Auth => "auth",
    }
}

/// What the server configures.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Of tokens and leases without another.
    pub default_lease_ttl: Seconds,
    /// Of tokens and leases without another.
    pub max_lease_ttl: Seconds,
    /// Shown to clients as the version of Vault that is spoken.
    pub version: String,
    /// When that version was built, RFC 3339.
    pub build_date: String,
    /// Shown by `sys/health`.
    pub cluster_name: String,
    /// Shown by `sys/leader`.
    pub api_addr: String,
    /// Shown by `sys/leader`.
    pub cluster_addr: String,
    /// The configuration as `sys/config/state/sanitized` shows it: without secrets.
    pub sanitized: vault_sdk::Data,
    /// Whether `sys/rekey` and `sys/generate-root` may be used without a token, as Vault before
    /// they were found dangerous (CVE-2025-4656). Never in an enclave.
    pub unauthenticated_rekey: bool,
    /// Whether audit devices may have a prefix, which can make a log a program (CVE-2025-6000).
    pub audit_prefix: bool,
    /// Whether audit devices may show secrets.
    pub audit_raw: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            default_lease_ttl: Seconds(2_764_800),
            max_lease_ttl: Seconds(2_764_800),
            version: "1.19.0".to_owned(),
            build_date: "2025-03-04T12:36:40Z".to_owned(),
            cluster_name: String::new(),
            api_addr: String::new(),
            cluster_addr: String::new(),
            sanitized: vault_sdk::Data::new(),
            unauthenticated_rekey: false,
            audit_prefix: false,
            audit_raw: true,
        }
    }
}

/// All that a core is made of.
pub struct Setup {
    /// The untrusted store.
    pub store: Arc<dyn Store>,
    /// What knows whether the store is the newest one.
    pub freshness: Arc<dyn Freshness>,
    /// Seals that open without a person.
    pub seals: Vec<Arc<dyn AutoSeal>>,
    /// What can be mounted.
    pub engines: Engines,
    /// The host's clocks.
    pub clock: Arc<dyn HostClock>,
    /// Calls of engines to other systems.
    pub outbound: Arc<dyn Outbound>,
    /// The rest.
    pub settings: Settings,
}

impl std::fmt::Debug for Setup {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Setup").field("store", &self.store).finish_non_exhaustive()
    }
}

/// The secrets server without its transport. Clones are the same server.
#[derive(Clone, Debug)]
pub struct Core(Arc<Inner>);

#[derive(Debug)]
pub(crate) struct Inner {
    pub(crate) setup: Setup,
    active: RwLock<Option<Arc<Active>>>,
    operator: Mutex<Operator>,
    /// Why automatic seals did not open, for `seal-status`.
    seal_errors: Mutex<Vec<String>>,
}

/// What [`Core::initialise`] gives, once.
#[derive(Debug)]
pub struct Initialised {
    /// The shares of the Shamir slot, in Vault's format.
    pub shares: Vec<Secret<Vec<u8>>>,
    /// The first root token.
    pub root_token: Secret<String>,
}

impl Core {
    /// Makes a core over a store, and unseals it if a seal opens without a person.
    ///
    /// # Errors
    ///
    /// If the store cannot be read.
    pub fn new(setup: Setup) -> Result<Self, Error> {
        let core = Core(Arc::new(Inner {
            setup,
            active: RwLock::new(None),
            operator: Mutex::default(),
            seal_errors: Mutex::default(),
        }));
        core.0.unseal_automatically()?;
        Ok(core)
    }

    /// Whether the store has been initialised.
    ///
    /// # Errors
    ///
    /// If the store cannot be read.
    pub fn is_initialised(&self) -> Result<bool, Error> {
        Ok(self.0.seal_config()?.is_some())
    }

    /// Whether nothing can be served until somebody unseals it.
    pub fn is_sealed(&self) -> bool {
        self.0.active().is_none()
    }

    /// Initialises the store: makes root key, shares and first root token. With an automatic seal the
    /// server is active afterwards; without, it is sealed.
    ///
    /// # Errors
    ///
    /// `Invalid` if it is initialised already; `Seal` for impossible shares.
    pub fn initialise(&self, threshold: u8, shares: u8) -> Result<Initialised, Error> {
        self.0.initialise(threshold, shares)
    }

    /// Forgets all keys.
    pub fn seal(&self) {
        self.0.seal();
    }

    /// Writes a snapshot of the store, for [`crate::snapshot::restore`].
    ///
    /// # Errors
    ///
    /// If the server is sealed, or the store or `out` fails.
    pub fn write_snapshot(
        &self,
        out: &mut dyn std::io::Write,
    ) -> Result<(), crate::snapshot::SnapshotError> {
        let active = self.0.active().ok_or(crate::snapshot::SnapshotError::Sealed)?;
        crate::snapshot::write(&active.barrier, out)
    }

    /// Opens audit files anew, after somebody moved them away (SIGHUP).
    pub fn reopen_audit(&self) {
        if let Some(active) = self.0.active() {
            active.audit.reopen(active.now());
        }
    }

    /// Does what is due: expiry, sweeps, rotation of keys, engines' own work. The server calls it about once a second.
    pub fn tick(&self) {
        if let Some(active) = self.0.active() {
            active.tick();
        }
    }
}

impl Inner {
    pub(crate) fn active(&self) -> Option<Arc<Active>> {
        self.active.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) fn operator(&self) -> MutexGuard<'_, Operator> {
        self.operator.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The seal configuration as stored; nobody vouches for it yet.
    pub(crate) fn seal_config(&self) -> Result<Option<Config>, Error> {
        let snapshot = wait(self.setup.store.snapshot()).map_err(crate::barrier::Error::from)?;
        let row = wait(snapshot.get(SEAL.as_bytes())).map_err(crate::barrier::Error::from)?;
        Ok(row.map(|row| Config::parse(&row.value)).transpose()?)
    }

    fn unseal_automatically(&self) -> Result<(), Error> {
        let Some(config) = self.seal_config()? else { return Ok(()) };
        let (root_key, errors) = config.open_automatically(&self.setup.seals);
        *self.seal_errors.lock().unwrap_or_else(PoisonError::into_inner) =
            errors.iter().map(ToString::to_string).collect();
        match root_key {
            Some(root_key) => self.activate(root_key),
            None => Ok(()),
        }
    }

    pub(crate) fn seal_errors(&self) -> Vec<String> {
        self.seal_errors.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn initialise(&self, threshold: u8, shares: u8) -> Result<Initialised, Error> {
        if self.seal_config()?.is_some() {
            return Err(Error::invalid("Vault is already initialized"));
        }
        let store = *crate::random::bytes::<16>().expose();
        let made = seal::make(store, 1, (threshold, shares), &self.setup.seals)?;
        let barrier = Barrier::create(
            Arc::clone(&self.setup.store),
            Arc::clone(&self.setup.freshness),
            store,
            &made.root_key,
            &made.config.encode(),
            self.setup.clock.wall_ms(),
        )?;
        let active = Active::found(barrier, made.root_key, &self.setup)?;
        let root_token = active.make_root_token()?;
        if !self.setup.seals.is_empty() {
            *self.active.write().unwrap_or_else(PoisonError::into_inner) = Some(Arc::new(active));
        }
        Ok(Initialised { shares: made.shares, root_token })
    }

    /// Opens the store with its root key and serves.
    pub(crate) fn activate(&self, root_key: Secret<[u8; 32]>) -> Result<(), Error> {
        let barrier = Barrier::open(
            Arc::clone(&self.setup.store),
            Arc::clone(&self.setup.freshness),
            &root_key,
        )?;
        let mut active = Active::open(barrier, root_key, &self.setup)?;
        if crate::snapshot::is_restored(&*self.setup.store)? {
            active.begin_anew()?;
            crate::snapshot::settle(&*self.setup.store)?;
        }
        *self.active.write().unwrap_or_else(PoisonError::into_inner) = Some(Arc::new(active));
        Ok(())
    }

    pub(crate) fn seal(&self) {
        *self.active.write().unwrap_or_else(PoisonError::into_inner) = None;
        *self.operator() = Operator::default();
    }
}
