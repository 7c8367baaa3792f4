//! `casemate collateral evaluations`: which TCB evaluations a service offers.

use std::path::PathBuf;

use anyhow::Result;
use dcap::{EvaluationNumbers, Refusal, Tee, Time, Verifier, pcs};

use super::service::Service;
use super::{http, sources};
use crate::{clock, exit::Exit};

/// List the TCB evaluation data numbers on offer, verified: what `fetch --evaluation` takes.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    service: Service,
    /// For TDX instead of SGX.
    #[arg(long)]
    tdx: bool,
    /// Print JSON.
    #[arg(long)]
    json: bool,
    /// Also accept this emulated root (certificate, DER or PEM).
    #[arg(long, value_name = "FILE")]
    emulator_root: Option<PathBuf>,
    /// Verify at this time instead of the present: YYYY-MM-DDThh:mm:ssZ or seconds since 1970.
    #[arg(long, value_name = "TIME", value_parser = clock::parse)]
    at: Option<Time>,
}

impl Args {
    pub(crate) fn run(self) -> Result<Exit> {
        let now = self.at.map_or_else(clock::present, Ok)?;
        let verifier = sources::verifier(self.emulator_root.as_deref())?;
        match self.fetch(&verifier, now) {
            Ok(list) => {
                self.print(&list)?;
                Ok(Exit::Success)
            }
            Err(refusal) => {
                eprintln!("casemate: {refusal}\n  {}", refusal.reason().action());
                Ok(Exit::Evidence(refusal.blame()))
            }
        }
    }

    fn fetch(&self, verifier: &Verifier, now: Time) -> Result<EvaluationNumbers, Refusal> {
        let service = self.service.open();
        let tee = if self.tdx { Tee::Tdx } else { Tee::Sgx };
        let (asked, asked_root) = (service.evaluations_request(tee), service.root_crl_request());
        let list = pcs::evaluations(&asked, &http::get(&asked)?)?;
        let root_crl = pcs::root_crl(&asked_root, &http::get(&asked_root)?)?;
        verifier.verify_evaluations(&list, &root_crl, now)
    }

    fn print(&self, list: &EvaluationNumbers) -> Result<()> {
        if self.json {
            println!("{}", serde_json::to_string_pretty(list)?);
            return Ok(());
        }
        for one in &list.numbers {
            println!(
                "{}  recovery of {}, patches up to {}",
                one.number, one.recovery_date, one.tcb_date
            );
        }
        Ok(())
    }
}
