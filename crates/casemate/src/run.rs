//! `casemate run`: a program in an enclave.

mod development;
mod image;
mod platform;

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt as _;
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context as _, Result, bail};
use enclave_abi::boot::Boot;
use enclave_host::identity;
use enclave_host::ocalls::{Ended, Session};
use enclave_host::platform::Platform as _;
use enclave_host::stream::PageStream;

use crate::exit::Exit;
use crate::quote::Location;

pub(crate) use platform::Strictness;

/// Run a program in an enclave.
///
/// Exits with the program's status, or 128 plus the number of the signal that ended it.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Development path: no manifest; the host's files pass through, the enclave is signed with a key that
    /// everybody knows. Also CASEMATE_DEV=1.
    #[arg(long)]
    dev: bool,
    /// The enclave image; beside this program, or $CASEMATE_IMAGE, if not given.
    #[arg(long, value_name = "FILE")]
    image: Option<PathBuf>,
    /// How strictly the emulator imitates hardware.
    #[arg(long, value_enum, value_name = "MODE", default_value = "off", num_args = 0..=1, default_missing_value = "closed", require_equals = true)]
    strict: Strictness,
    /// Time-stamp-counter cycles that an entry and its exit take together on the emulator.
    #[arg(long, value_name = "CYCLES", default_value_t = 0)]
    emu_transition_cycles: u64,
    /// Print enclave exits and ocalls when the program has ended.
    #[arg(long)]
    stats: bool,
    /// Directory of emulated platforms.
    #[command(flatten)]
    location: Location,
    /// The program and its arguments.
    #[arg(last = true, required = true, value_name = "PROGRAM")]
    command: Vec<OsString>,
}

impl Args {
    pub(crate) fn run(self) -> Result<Exit> {
        if !self.dev && std::env::var_os("CASEMATE_DEV").is_none_or(|value| value != "1") {
            bail!(
                "no manifest: signed manifests are planned; `casemate run --dev` is the development path"
            );
        }
        eprintln!(
            "casemate: development run: emulated enclave, host files pass through, signed with a key everybody has"
        );
        let image = image::load(self.image.as_deref())?;
        let program = development::program(&self.command[0])?;
        let compiled = development::manifest(&program)?;
        let bytes = compiled.to_bytes();
        let stream = PageStream::new(&image, &compiled.enclave, &bytes)?;
        let platform = platform::emulated(&self.location, self.strict, self.emu_transition_cycles)?
            .with_image(&image, &stream);
        let platform = Arc::new(platform);
        let secs = identity::secs(&compiled.enclave, &platform.capabilities(), platform.name())?;
        let sigstruct = development::sign(&compiled.enclave, identity::mrenclave(&stream))?;
        let enclave = enclave_host::load(&*platform, &stream, &secs, &sigstruct)?;
        let mut session = Session::new(enclave, platform, *stream.layout(), platform::log_sink());
        session.count = self.stats;
        let session = Arc::new(session);
        let ended = session.run(&boot(&self.command)?)?;
        if self.stats {
            platform::print_stats(&session);
        }
        Ok(exit_of(ended))
    }
}

fn boot(command: &[OsString]) -> Result<Boot> {
    // argv[0] is what the user wrote, as a shell has it: programs with several names tell them apart by it.
    let args = command.iter().map(|arg| arg.clone().into_vec()).collect();
    let env = std::env::vars_os()
        .map(|(name, value)| [name.into_vec(), b"=".to_vec(), value.into_vec()].concat())
        .collect();
    let cwd = std::env::current_dir().context("find the working directory")?;
    Ok(Boot { args, env, cwd: cwd.into_os_string().into_vec(), ..Boot::default() })
}

fn exit_of(ended: Ended) -> Exit {
    match ended {
        Ended::Exited(status) => Exit::Program(status),
        Ended::Killed(signal) => Exit::Program(128_u8.saturating_add(signal)),
        Ended::Aborted(reason) => {
            eprintln!("casemate: {reason}");
            Exit::Program(125)
        }
    }
}
