//! `casemate collateral`: fetches, shows, bundles and verifies collateral for quotes.

mod evaluations;
mod export;
mod fetch;
mod http;
mod service;
mod show;
pub(crate) mod sources;
mod verify;

use anyhow::Result;
use clap::Subcommand;

use crate::exit::Exit;

/// Collateral for SGX and TDX quotes: what Intel says about platforms and revoked certificates.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    Fetch(Box<fetch::Args>),
    Evaluations(evaluations::Args),
    Show(show::Args),
    Export(export::Args),
    Verify(verify::Args),
}

impl Args {
    pub(crate) fn run(self) -> Result<Exit> {
        match self.what {
            What::Fetch(args) => args.run(),
            What::Evaluations(args) => args.run(),
            What::Show(args) => args.run(),
            What::Export(args) => args.run(),
            What::Verify(args) => args.run(),
        }
    }
}
