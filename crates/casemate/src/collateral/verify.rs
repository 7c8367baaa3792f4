//! `casemate collateral verify`: checks every signature, CRL and date, and warns before expiry.

use std::path::PathBuf;

use anyhow::Result;
use dcap::Time;

use super::sources;
use crate::{clock, exit::Exit};

/// Check every signature, CRL and date of collateral, and warn of what expires soon.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Files, bundles or directories.
    #[arg(required = true)]
    paths: Vec<PathBuf>,
    /// Verify at this time instead of the present: YYYY-MM-DDThh:mm:ssZ or seconds since 1970.
    #[arg(long, value_name = "TIME", value_parser = clock::parse)]
    at: Option<Time>,
    /// Also accept this emulated root (certificate, DER or PEM).
    #[arg(long, value_name = "FILE")]
    emulator_root: Option<PathBuf>,
    /// Warn of what expires within this many days.
    #[arg(long, value_name = "DAYS", default_value_t = 7)]
    warn_days: u32,
}

/// Seconds of a day.
const DAY: u64 = 86_400;

impl Args {
    pub(crate) fn run(self) -> Result<Exit> {
        let now = self.at.map_or_else(clock::present, Ok)?;
        let verifier = sources::verifier(self.emulator_root.as_deref())?;
        let bundle = sources::load(&self.paths)?;
        let mut worst = Exit::Success;
        for collateral in bundle.entries() {
            match verifier.verify_collateral(collateral, now) {
                Ok(verified) => {
                    let info = verified.tcb_info();
                    let (root, pck) = verified.crl_numbers();
                    println!(
                        "{:?} FMSPC {}: verified under {}, evaluation {}, CRL numbers {root} and {pck}, valid to {}",
                        info.tee,
                        info.fmspc,
                        verified.anchor().name(),
                        info.tcb_evaluation_data_number,
                        verified.earliest_expiration()
                    );
                    let horizon = u64::from(self.warn_days) * DAY;
                    for (what, at) in verified.expiring_within(now, horizon) {
                        eprintln!("casemate: warning: {what} expires at {at}");
                    }
                }
                Err(refusal) => {
                    println!("refused: {refusal}");
                    worst = Exit::Evidence(refusal.blame());
                }
            }
        }
        Ok(worst)
    }
}
