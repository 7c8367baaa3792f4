//! `casemate collateral fetch`: asks a PCS or PCCS for what a quote needs.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use dcap::{
    CollateralBundle, CollateralMemory, Need, Quote, Reason, Refusal, Time, UpdateChannel,
    Verifier,
    pcs::{self, CollateralService, Evaluation},
};

use super::service::Service;
use super::{http, sources};
use crate::{clock, exit::Exit, files};

/// Fetch the collateral a quote needs, verify it, and add it to a bundle.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The quote.
    quote: PathBuf,
    #[command(flatten)]
    service: Service,
    /// Take new evaluations at once instead of after their grace period.
    #[arg(long)]
    early: bool,
    /// Ask for exactly this TCB evaluation data number.
    #[arg(long, value_name = "NUMBER", conflicts_with = "early")]
    evaluation: Option<u32>,
    /// The bundle to add it to; made if it does not exist.
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,
    /// File that remembers the newest collateral; older one is refused. Made if it does not exist.
    #[arg(long, value_name = "FILE")]
    memory: Option<PathBuf>,
    /// Also accept this emulated root (certificate, DER or PEM).
    #[arg(long, value_name = "FILE")]
    emulator_root: Option<PathBuf>,
    /// Verify at this time instead of the present: YYYY-MM-DDThh:mm:ssZ or seconds since 1970.
    #[arg(long, value_name = "TIME", value_parser = clock::parse)]
    at: Option<Time>,
}

impl Args {
    pub(crate) fn run(self) -> Result<Exit> {
        let quote = files::read(&self.quote)?;
        let now = self.at.map_or_else(clock::present, Ok)?;
        let verifier = sources::verifier(self.emulator_root.as_deref())?;
        let mut memory = self.read_memory()?;
        match self.fetch(&quote, &verifier, &mut memory, now) {
            Ok(collateral) => {
                self.store(collateral, &memory)?;
                Ok(Exit::Success)
            }
            Err(refusal) => {
                eprintln!("casemate: {refusal}\n  {}", refusal.reason().action());
                Ok(Exit::Evidence(refusal.blame()))
            }
        }
    }

    fn fetch(
        &self,
        quote: &[u8],
        verifier: &Verifier,
        memory: &mut CollateralMemory,
        now: Time,
    ) -> Result<dcap::Collateral, Refusal> {
        let service = self.service.open();
        let (need, pck_chain) = platform(&service, quote)?;
        let channel = if self.early { UpdateChannel::Early } else { UpdateChannel::Standard };
        let evaluation = self.evaluation.map_or(Evaluation::Channel(channel), Evaluation::Number);
        let requests = service.requests(&need, evaluation);
        let [tcb, qe, pck, root] = &requests;
        let responses = [http::get(tcb)?, http::get(qe)?, http::get(pck)?, http::get(root)?];
        let mut collateral = pcs::assemble(&requests, &responses)?;
        collateral.pck_certificate_chain = pck_chain;
        let verified = verifier.verify_collateral(&collateral, now)?;
        memory.advance(&verified, channel)?;
        for (what, at) in verified.expiring_within(now, 7 * 86_400) {
            eprintln!("casemate: warning: {what} expires at {at}");
        }
        eprintln!(
            "casemate: collateral for {need}: evaluation {}, valid to {}",
            verified.tcb_info().tcb_evaluation_data_number,
            verified.earliest_expiration()
        );
        Ok(collateral)
    }

    fn read_memory(&self) -> Result<CollateralMemory> {
        match &self.memory {
            Some(path) if path.exists() => CollateralMemory::from_json(&files::read(path)?)
                .with_context(|| format!("read the anti-downgrade memory {}", path.display())),
            _ => Ok(CollateralMemory::new()),
        }
    }

    /// The memory is written first: collateral that is stored but not remembered could be replaced
    /// by older.
    fn store(&self, collateral: dcap::Collateral, memory: &CollateralMemory) -> Result<()> {
        if let Some(path) = &self.memory {
            files::write(path, memory.to_json()?.as_bytes())?;
        }
        let mut bundle = read_bundle(&self.output)?;
        bundle.insert(collateral);
        files::write(&self.output, bundle.to_json()?.as_bytes())
    }
}

/// What a quote needs, and the PCK chain if the quote has none: fetched at the TCB that it names, or
/// else found among those at every TCB.
fn platform(service: &CollateralService, quote: &[u8]) -> Result<(Need, Option<String>), Refusal> {
    match Need::of_quote(quote) {
        Err(refusal) if refusal.reason() == Reason::PckUnavailable => {}
        known => return Ok((known?, None)),
    }
    let quote = Quote::parse(quote)?;
    let request = service.pck_certificate_request(&quote)?;
    let chain = match pcs::pck_chain(&request, &http::get(&request)?) {
        Err(refusal) if refusal.reason() == Reason::CollateralMissing => {
            let request = service.pck_certificates_request(&quote)?;
            let answer = http::get(&request)?;
            pcs::pck_chain_of_list(dcap::crypto::DEFAULT, &quote, &request, &answer)?
        }
        found => found?,
    };
    let need = Need::of_pck_chain(quote.tee(), &chain)?;
    eprintln!("casemate: fetched the PCK certificate that the quote names by PPID");
    Ok((need, Some(chain)))
}

fn read_bundle(path: &Path) -> Result<CollateralBundle> {
    if path.exists() { sources::load(&[path.to_owned()]) } else { Ok(CollateralBundle::default()) }
}
