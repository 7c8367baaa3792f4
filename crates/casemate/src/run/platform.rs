//! The emulated platform of a run, its log and its figures.

use anyhow::Result;
use enclave_host::ocalls::{LogSink, Session};
use enclave_host::platform::emulated::{Emulated, Quoter, Settings};
use sgx_emu::exec::Strict;
use sgx_types::{Report, TargetInfo};

use crate::quote::{Location, Service};

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
pub(super) fn emulated(
    location: &Location,
    strict: Strictness,
    transition_cycles: u64,
) -> Result<Emulated> {
    let settings = Settings { strict: strict.into(), transition_cycles };
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
    for (name, count) in by_name {
        eprintln!("casemate: {count:>10} {name}");
    }
}
