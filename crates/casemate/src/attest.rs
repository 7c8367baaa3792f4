//! `casemate attest`: says in plain words what evidence proves, and shows every field of it.

mod check;
mod evidence;
mod expectations;
mod explain;
mod show;

use anyhow::Result;
use clap::Subcommand;

use crate::exit::Exit;

/// Checks attestation evidence: SGX and TDX quotes, SEV-SNP reports, RA-TLS certificates.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    Check(Box<check::Args>),
    Show(show::Args),
}

impl Args {
    pub(crate) fn run(self) -> Result<Exit> {
        match self.what {
            What::Check(args) => args.run(),
            What::Show(args) => args.run(),
        }
    }
}
