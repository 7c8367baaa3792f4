//! The platform of a run, its log and its figures.

use std::sync::Arc;

use anyhow::{Context as _, Result};
use enclave_host::image::Image;
use enclave_host::ocalls::{LogSink, Session};
use enclave_host::platform::Platform;
use enclave_host::platform::emulated::{Emulated, Quoter, Settings};
use enclave_host::platform::hardware::Hardware;
use enclave_host::stream::PageStream;
use sgx_emu::exec::Strict;
use sgx_types::{Report, TargetInfo};

use super::Args;
use crate::quote::{Location, Service};

/// Where the enclave runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Choice {
    /// On SGX hardware if this machine has it, else on the emulator.
    Auto,
    /// On the emulator.
    Emulated,
    /// On SGX hardware.
    Hardware,
}

/// The platform that the command line asks for.
pub(super) fn choose(
    args: &Args,
    image: &Image,
    stream: &PageStream<'_>,
) -> Result<Arc<dyn Platform>> {
    match args.platform {
        Choice::Hardware => Ok(Arc::new(
            Hardware::new()
                .context("run on SGX hardware; `casemate doctor` says what this machine lacks")?,
        )),
        Choice::Auto if let Ok(hardware) = Hardware::new() => Ok(Arc::new(hardware)),
        Choice::Auto | Choice::Emulated => {
            let settings = Settings {
                strict: args.strict.into(),
                transition_cycles: args.emu_transition_cycles,
                epc_bytes: args.emu_epc_mib.map(|mib| mib << 20),
            };
            let emulated = emulated(&args.location, settings)?;
            Ok(Arc::new(emulated.with_image(image, stream)))
        }
    }
}

/// How strictly the emulator imitates hardware.
#[derive(Debug, Clone, Copy, clap::ValueEnum)]
pub(crate) enum Strictness {
    /// As fast as it goes.
    Off,
    /// The enclave's memory is inaccessible while no thread is inside.
    Closed,
    /// As closed, and every instruction is looked at before it runs.
    Step,
    /// As step, with an interrupt at every instruction of the runtime image.
    Storm,
}

impl From<Strictness> for Strict {
    fn from(strictness: Strictness) -> Self {
        match strictness {
            Strictness::Off => Self::Off,
            Strictness::Closed => Self::Closed,
            Strictness::Step => Self::Step,
            Strictness::Storm => Self::StepAndInterrupt,
        }
    }
}

struct EmulatedQuoter(Service);

impl Quoter for EmulatedQuoter {
    fn target(&self) -> TargetInfo {
        self.0.target_info()
    }

    fn quote(&self, report: &Report) -> Result<Vec<u8>, String> {
        self.0.quote(report).map_err(|error| error.to_string())
    }
}

/// The emulated machine, with its quoting service.
pub(super) fn emulated(location: &Location, settings: Settings) -> Result<Emulated> {
    let quoter = EmulatedQuoter(location.service()?);
    Ok(Emulated::new(location.platform()?, settings, Some(Box::new(quoter)))?)
}

/// Prints the enclave's log lines up to the level in $CASEMATE_LOG (1 error to 5 trace; 2 if not given).
pub(super) fn log_sink() -> LogSink {
    let limit =
        std::env::var("CASEMATE_LOG").ok().and_then(|level| level.parse().ok()).unwrap_or(2);
    Box::new(move |level, text| {
        if level <= limit {
            eprintln!("casemate: enclave: {text}");
        }
    })
}

/// Prints what `--stats` asks for.
pub(super) fn print_stats(session: &Session) {
    let (ocalls, by_name) = session.ocalls();
    let ways = session.enclave().transitions();
    eprintln!(
        "casemate: {ocalls} ocalls; {} entries, {} exits, {} exceptions, {} interrupts",
        ways.entries, ways.exits, ways.exceptions, ways.interrupts
    );
    let calls = session.calls();
    eprintln!(
        "casemate: {} system calls: {} rewritten, {} trapped",
        calls.rewritten.saturating_add(calls.trapped),
        calls.rewritten,
        calls.trapped
    );
    for (name, count) in by_name {
        eprintln!("casemate: {count:>10} {name}");
    }
}
