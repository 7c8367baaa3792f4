//! Starting, serving and stopping.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;
use vault::barrier::NoFreshness;
use vault::{Core, Settings, Setup};
use vault_sdk::Data;

use crate::clock::MachineClock;
use crate::config::{Config, Listener, Storage};
use crate::http::App;
use crate::in_flight::InFlight;
use crate::listen::Bound;
use crate::metrics::Metrics;
use crate::options::Options;
use crate::outbound::Http;
use crate::tls::Reloadable;
use crate::{dev, engines, log};

/// Runs `server` until it is told to stop.
///
/// # Errors
/// If it cannot start.
pub fn server(options: &Options, banner: &mut dyn std::io::Write) -> Result<()> {
    let config = configuration(options)?;
    let level =
        [&options.log_level, &config.log_level].into_iter().find_map(|l| log::Level::parse(l));
    let is_json =
        [&options.log_format, &config.log_format].into_iter().any(|format| format == "json");
    log::configure(level.unwrap_or(log::Level::Info), is_json);
    for warning in &config.warnings {
        log::warn("config", warning, &[]);
    }
    let threads = std::thread::available_parallelism().map_or(2, |threads| threads.get().min(8));
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(threads)
        .max_blocking_threads(256)
        .enable_all()
        .build()
        .context("start the runtime")?;
    let result = runtime.block_on(serve(options, &config, banner));
    runtime.shutdown_timeout(Duration::from_secs(5));
    result
}

fn configuration(options: &Options) -> Result<Config> {
    let mut config = Config::load(&options.config)?;
    if options.dev {
        dev::configure(&mut config, options)?;
    }
    if config.storage.is_none() {
        bail!("a storage backend must be specified");
    }
    if config.listeners.is_empty() {
        bail!("at least one listener must be specified");
    }
    Ok(config)
}

async fn serve(options: &Options, config: &Config, banner: &mut dyn std::io::Write) -> Result<()> {
    // Before anybody can know that this process is there: a signal that comes early must not kill it.
    let signals = Signals::new()?;
    let mut bound = Vec::new();
    for listener in &config.listeners {
        bound.push(Bound::new(listener).await?);
    }
    let urls: Vec<String> = bound.iter().map(Bound::url).collect();
    let core = core(config, urls.first().map_or("", String::as_str))?;
    if options.test_config {
        return Ok(());
    }
    let development = if options.dev { Some(dev::prepare(&core, options)?) } else { None };
    if let Some(file) = &config.pid_file {
        std::fs::write(file, std::process::id().to_string())
            .with_context(|| format!("write {}", file.display()))?;
    }
    let app = Arc::new(App {
        core: core.clone(),
        metrics: Metrics::default(),
        in_flight: InFlight::default(),
    });
    let certificates: Vec<Arc<Reloadable>> = bound.iter().filter_map(Bound::certificate).collect();
    let (stop, stopped) = watch::channel(false);
    let mut serving = tokio::task::JoinSet::new();
    for listener in bound {
        serving.spawn(listener.serve(Arc::clone(&app), stopped.clone()));
    }
    let ticking = tokio::spawn(tick(core.clone()));
    announce(config, &urls, development.as_ref(), banner)?;
    signals.wait_to_stop(&certificates).await;
    log::info("core", "shutdown triggered", &[]);
    let _ = stop.send(true);
    while serving.join_next().await.is_some() {}
    ticking.abort();
    core.seal();
    if let Some(file) = &config.pid_file {
        let _ = std::fs::remove_file(file);
    }
    log::info("core", "stopped", &[]);
    Ok(())
}

fn core(config: &Config, url: &str) -> Result<Core> {
    let store: Arc<dyn storage::Backend> = match &config.storage {
        Some(Storage::File(folder)) => Arc::new(embedded(folder)?),
        Some(Storage::Memory) | None => Arc::new(storage::Memory::new()),
    };
    if let Some(seal) = config.seals.iter().find(|seal| seal.kind != "shamir") {
        bail!("seal {:?} cannot be configured yet; the recovery shares unseal", seal.kind);
    }
    let usual = Settings::default();
    let settings = Settings {
        default_lease_ttl: config.default_lease_ttl.or(usual.default_lease_ttl),
        max_lease_ttl: config.max_lease_ttl.or(usual.max_lease_ttl),
        cluster_name: config.cluster_name.clone(),
        api_addr: if config.api_addr.is_empty() { url.to_owned() } else { config.api_addr.clone() },
        sanitized: sanitized(config),
        ..usual
    };
    let setup = Setup {
        store,
        freshness: Arc::new(NoFreshness),
        seals: Vec::new(),
        engines: engines::all(),
        clock: Arc::new(MachineClock),
        outbound: Arc::new(Http),
        settings,
    };
    Core::new(setup).context("open the store")
}

fn embedded(folder: &Path) -> Result<storage::Embedded> {
    std::fs::create_dir_all(folder)
        .with_context(|| format!("make the folder {}", folder.display()))?;
    let file = folder.join("casemate.redb");
    storage::Embedded::open(&file, &storage::Options::default())
        .with_context(|| format!("open the store {}", file.display()))
}

/// The configuration as clients may see it.
fn sanitized(config: &Config) -> Data {
    let listener = |listener: &Listener| {
        serde_json::json!({
            "type": match listener.address {
                crate::config::Address::Tcp(_) => "tcp",
                crate::config::Address::Unix { .. } => "unix",
            },
            "config": { "tls_disable": listener.tls.is_none() },
        })
    };
    let storage = match &config.storage {
        Some(Storage::File(_)) => "file",
        Some(Storage::Memory) | None => "inmem",
    };
    let value = serde_json::json!({
        "api_addr": config.api_addr,
        "cluster_name": config.cluster_name,
        "default_lease_ttl": config.default_lease_ttl.0,
        "max_lease_ttl": config.max_lease_ttl.0,
        "disable_mlock": true,
        "enable_ui": config.ui,
        "log_level": config.log_level,
        "log_format": config.log_format,
        "raw_storage_endpoint": config.raw_storage_endpoint,
        "listeners": config.listeners.iter().map(listener).collect::<Vec<_>>(),
        "storage": { "type": storage },
    });
    value.as_object().cloned().unwrap_or_default()
}

/// Expiry and everything else that is due, once a second.
async fn tick(core: Core) {
    let mut interval = tokio::time::interval(Duration::from_secs(1));
    interval.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        interval.tick().await;
        let core = core.clone();
        let _ = tokio::task::spawn_blocking(move || core.tick()).await;
    }
}

fn announce(
    config: &Config,
    urls: &[String],
    development: Option<&dev::Prepared>,
    banner: &mut dyn std::io::Write,
) -> Result<()> {
    let storage = match &config.storage {
        Some(Storage::File(folder)) => format!("file ({})", folder.display()),
        Some(Storage::Memory) | None => "inmem".to_owned(),
    };
    writeln!(banner, "==> Vault server configuration:\n")?;
    let address = if config.api_addr.is_empty() { urls.first() } else { Some(&config.api_addr) };
    writeln!(banner, "             Api Address: {}", address.map_or("", String::as_str))?;
    for (number, url) in urls.iter().enumerate() {
        writeln!(banner, "              Listener {}: {url}", number + 1)?;
    }
    writeln!(banner, "                 Storage: {storage}")?;
    writeln!(
        banner,
        "                 Version: Casemate {} (speaks Vault v{})",
        env!("CARGO_PKG_VERSION"),
        Settings::default().version
    )?;
    writeln!(banner, "\n==> Vault server started! Log data will stream in below:\n")?;
    if let Some(development) = development {
        development.announce(urls.first().map_or("", String::as_str), banner)?;
    }
    banner.flush()?;
    Ok(())
}

/// The signals that the server handles, from when this is made.
struct Signals {
    hangup: Signal,
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    fn new() -> Result<Self> {
        Ok(Self {
            hangup: signal(SignalKind::hangup()).context("handle SIGHUP")?,
            terminate: signal(SignalKind::terminate()).context("handle SIGTERM")?,
            interrupt: signal(SignalKind::interrupt()).context("handle SIGINT")?,
        })
    }

    /// Waits for the signal to stop; SIGHUP reads certificates again.
    async fn wait_to_stop(mut self, certificates: &[Arc<Reloadable>]) {
        loop {
            tokio::select! {
                _ = self.terminate.recv() => return,
                _ = self.interrupt.recv() => return,
                _ = self.hangup.recv() => reload(certificates),
            }
        }
    }
}

fn reload(certificates: &[Arc<Reloadable>]) {
    log::info("core", "reload triggered", &[]);
    for certificate in certificates {
        if let Err(error) = certificate.reload() {
            let text = format!("{error:#}");
            log::error("core", "the old certificate stays in use", &[("error", &text)]);
        }
    }
}
