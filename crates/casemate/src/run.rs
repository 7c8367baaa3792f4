//! `casemate run`: a program in an enclave.

mod cache;
pub(crate) mod development;
mod platform;
mod prepare;
mod signed;

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context as _, Result, bail};
use enclave_abi::boot::Boot;
use enclave_host::identity;
use enclave_host::image::Image;
use enclave_host::ocalls::{Ended, Session, Trace};
use enclave_host::platform::Platform;
use enclave_host::stream::PageStream;

use crate::exit::Exit;
use crate::image;
use crate::quote::Location;

pub(crate) use platform::{Choice, Strictness};

/// Run a program in an enclave.
///
/// Needs a compiled and signed manifest: the one of --manifest, of $CASEMATE_MANIFEST, or
/// /etc/casemate/manifest.toml, in this order. The compiled form lies beside the manifest with the ending
/// .casemate, the signature with .sig. No key is needed.
///
/// Exits with the program's status, or 128 plus the number of the signal that ended it.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The manifest.
    #[arg(long, value_name = "FILE")]
    manifest: Option<PathBuf>,
    /// The signature; beside the compiled manifest if not given.
    #[arg(long, value_name = "FILE")]
    sigstruct: Option<PathBuf>,
    /// Development path: signs with a key that everybody knows. Without --manifest the host's files pass
    /// through; with it, a manifest that is not compiled or signed will do. Also CASEMATE_DEV=1.
    #[arg(long)]
    dev: bool,
    /// Run a manifest that makes a debug enclave, whose memory anybody on this machine can read.
    #[arg(long)]
    allow_debug: bool,
    /// The enclave image; beside this program, or $CASEMATE_IMAGE, if not given.
    #[arg(long, value_name = "FILE")]
    image: Option<PathBuf>,
    /// Where the enclave runs: on SGX hardware, on the emulator, or on hardware where there is any.
    #[arg(long, value_enum, value_name = "PLATFORM", default_value = "auto")]
    platform: Choice,
    /// How strictly the emulator imitates hardware.
    #[arg(long, value_enum, value_name = "MODE", default_value = "off", num_args = 0..=1, default_missing_value = "closed", require_equals = true)]
    strict: Strictness,
    /// Time-stamp-counter cycles that an entry and its exit take together on the emulator.
    #[arg(long, value_name = "CYCLES", default_value_t = 0)]
    emu_transition_cycles: u64,
    /// Protected memory (EPC) of the emulated machine in MiB; without a limit if not given.
    #[arg(long, value_name = "MIB", value_parser = clap::value_parser!(u64).range(1..1 << 24))]
    emu_epc_mib: Option<u64>,
    /// Print enclave exits and ocalls when the program has ended.
    #[arg(long)]
    stats: bool,
    /// Directory of emulated platforms.
    #[command(flatten)]
    location: Location,
    /// The program and its arguments; by default the manifest's program without arguments.
    #[arg(last = true, value_name = "PROGRAM")]
    command: Vec<OsString>,
}

impl Args {
    pub(crate) fn run(self) -> Result<Exit> {
        let prepared = prepare::prepare(&self)?;
        let image = image::load(self.image.as_deref())?;
        let stream = stream(&prepared, &image)?;
        let platform = platform::choose(&self, &image, &stream)?;
        if platform.name() == "emulated" {
            eprintln!(
                "casemate: {}emulated enclave: it protects nothing from this machine",
                prepared.remark()
            );
        }
        let boot = boot(&prepared, self.command)?;
        let mut session = session(&prepared, &stream, platform)?;
        // Relative host paths of the manifest start at its directory.
        if let Some(directory) = &prepared.directory {
            std::env::set_current_dir(directory)
                .with_context(|| format!("go to {}", directory.display()))?;
        }
        session.count = self.stats;
        let session = Arc::new(session);
        enclave_host::title::set(&boot.args);
        let ended = session.run(&boot)?;
        if self.stats {
            platform::print_stats(&session);
        }
        // The process ends now; giving every page back first would only take time.
        std::mem::forget(session);
        Ok(exit_of(ended))
    }

    fn is_development(&self) -> bool {
        self.dev || std::env::var_os("CASEMATE_DEV").is_some_and(|value| value == "1")
    }
}

/// Runs a program on the development path and tells `trace` what it touches. Says how it ended.
pub(crate) fn traced(
    command: &[OsString],
    image: Option<&Path>,
    location: &Location,
    trace: Trace,
) -> Result<String> {
    let prepared = prepare::without_manifest(command)?;
    let image = image::load(image)?;
    let stream = stream(&prepared, &image)?;
    let emulated =
        platform::emulated(location, enclave_host::platform::emulated::Settings::default())?;
    let platform = Arc::new(emulated.with_image(&image, &stream));
    let boot = boot(&prepared, command.to_vec())?;
    let mut session = session(&prepared, &stream, platform)?;
    session.trace = Some(trace);
    Ok(match Arc::new(session).run(&boot)? {
        Ended::Exited(status) => format!("status {status}"),
        Ended::Killed(signal) => format!("signal {signal}"),
        Ended::Aborted(reason) => bail!("{reason}"),
    })
}

fn stream<'i>(prepared: &prepare::Prepared, image: &'i Image) -> Result<PageStream<'i>> {
    PageStream::new(image, &prepared.compiled.enclave, &prepared.bytes)
        .context("make the enclave that the manifest describes (section [enclave])")
}

/// Loads the enclave.
fn session(
    prepared: &prepare::Prepared,
    stream: &PageStream<'_>,
    platform: Arc<dyn Platform>,
) -> Result<Session> {
    let enclave = &prepared.compiled.enclave;
    let secs = identity::secs(enclave, &platform.capabilities(), platform.name())?;
    let sigstruct = match &prepared.sigstruct {
        Some(sigstruct) => *sigstruct,
        None => development::sign(enclave, identity::mrenclave(stream))?,
    };
    let loaded = enclave_host::load(&*platform, stream, &secs, &sigstruct)?;
    Ok(Session::new(loaded, platform, *stream.layout(), platform::log_sink()))
}

/// What the host asks for: refused here as the enclave would refuse it, but in words.
fn boot(prepared: &prepare::Prepared, command: Vec<OsString>) -> Result<Boot> {
    // argv[0] is what the user wrote, as a shell has it: programs with several names tell them apart by it.
    let args: Vec<Vec<u8>> = command.into_iter().map(OsString::into_vec).collect();
    let env: Vec<Vec<u8>> = std::env::vars_os()
        .map(|(name, value)| [name.into_vec(), b"=".to_vec(), value.into_vec()].concat())
        .collect();
    let cwd = std::env::current_dir().context("find the working directory")?;
    let cwd = cwd.into_os_string().into_vec();
    prepared.compiled.resolve(&args, &env, &cwd).context("start the program")?;
    let path = |path: &Path| path.as_os_str().to_owned().into_vec();
    let trees = prepared.trees.as_deref().map(path).unwrap_or_default();
    Ok(Boot { args, env, cwd, trees, ..Boot::default() })
}

fn exit_of(ended: Ended) -> Exit {
    match ended {
        Ended::Exited(status) => Exit::Program(status),
        Ended::Killed(signal) => Exit::Program(128_u8.saturating_add(signal)),
        Ended::Aborted(reason) => {
            eprintln!("casemate: {reason}");
            Exit::NotRun
        }
    }
}
