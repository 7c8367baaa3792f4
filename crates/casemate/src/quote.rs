//! `casemate quote`: the quoting service of an emulated platform.
//!
//! On SGX hardware quotes and collateral come from Intel's quoting enclave and services; this verb
//! is about platforms of the emulator, whose evidence no production policy accepts.

mod serve;
mod service;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, Result};
use clap::Subcommand;
use quoting::{Condition, UnixTime, certificate, store};
use serde_json::{Value, json};

use crate::exit::Exit;
use crate::files;
use crate::text::to_hex;

pub(crate) use service::{Location, Service};

/// Quotes of an emulated platform, and what verifies them.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    what: What,
    #[command(flatten)]
    location: Location,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Quote a REPORT that an enclave on this platform made for the quoting enclave.
    Make {
        /// The REPORT, 432 bytes.
        report: PathBuf,
        /// Where to write the quote.
        #[arg(short, long, value_name = "FILE")]
        output: PathBuf,
    },
    /// Print collateral for this platform's quotes as JSON.
    Collateral {
        /// The time it is for, in seconds since 1970-01-01 UTC; the present if not given.
        #[arg(long, value_name = "SECONDS")]
        at: Option<u64>,
    },
    /// Print the emulated root's certificate as PEM.
    Root {
        /// Print its fingerprint instead: SHA-256 of the public key, as policies name the root.
        #[arg(long)]
        fingerprint: bool,
    },
    /// Print the identity of platform and quoting enclave as JSON.
    Identity,
    /// Serve certificates and collateral of all platforms of the directory, as Intel's certification
    /// service (PCS version 4) does, over HTTP, until it is ended.
    Serve {
        /// Where to listen; port 0 takes a free one. The address is printed.
        #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8081")]
        listen: SocketAddr,
    },
    /// Put the platform into conditions on purpose; without any, back into order.
    Condition {
        /// Such as tcb=OutOfDate, revoked-pck, expired-collateral or evaluation=3.
        conditions: Vec<Condition>,
    },
}

impl Args {
    pub(crate) fn run(self) -> Result<Exit> {
        let location = &self.location;
        match self.what {
            What::Make { report, output } => make(&location.service()?, &report, &output)?,
            What::Collateral { at } => {
                let now = at.map_or_else(present, |seconds| Ok(UnixTime(seconds)))?;
                println!("{}", location.service()?.collateral(now).to_json());
            }
            What::Root { fingerprint: true } => {
                println!("{}", location.service()?.root_fingerprint());
            }
            What::Root { fingerprint: false } => {
                print!("{}", certificate::to_pem(&location.service()?.root_certificate()));
            }
            What::Identity => println!("{:#}", identity(&location.service()?)),
            What::Serve { listen } => serve::run(location, listen)?,
            What::Condition { conditions } => {
                let platform = location.platform()?;
                store::set_conditions(
                    location.directory()?.as_path(),
                    platform.name(),
                    &conditions,
                )?;
            }
        }
        Ok(Exit::Success)
    }
}

fn make(service: &Service, report: &Path, output: &Path) -> Result<()> {
    let bytes = files::read(report)?;
    let quote = service.quote_bytes(&bytes).with_context(|| format!("{}", report.display()))?;
    files::write(output, &quote)
}

fn identity(service: &Service) -> Value {
    let platform = service.platform();
    let qe = service.quoting_enclave();
    json!({
        "emulated": true,
        "root_fingerprint": service.root_fingerprint(),
        "platform": {
            "cpusvn": to_hex(&platform.cpusvn),
            "pcesvn": platform.pcesvn,
            "pceid": format!("{:04x}", platform.pceid),
            "fmspc": to_hex(&platform.fmspc),
            "ppid": to_hex(&platform.ppid),
            "platform_instance_id": to_hex(&platform.platform_instance_id),
            "qe_id": to_hex(&platform.qe_id),
        },
        "quoting_enclave": {
            "mrenclave": qe.mrenclave.to_string(),
            "mrsigner": qe.mrsigner.to_string(),
            "isvprodid": qe.isvprodid,
            "isvsvn": qe.isvsvn,
            "target_info": to_hex(&service.target_info().to_bytes()),
        },
    })
}

#[allow(clippy::disallowed_methods, reason = "the command line is where the clock is read")]
fn present() -> Result<UnixTime> {
    let since_1970 = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .context("read the clock: it is before 1970")?;
    Ok(UnixTime(since_1970.as_secs()))
}
