//! `casemate sign`: makes the SIGSTRUCT of an enclave.
//!
//! In one step with a key in a file, or in two (`digest`, `attach`) for a key in an HSM or on another
//! machine. The result is the same bytes either way, and the same bytes every time.

mod attach;
mod digest;
mod identity;
mod keygen;
mod output;
mod source;

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use clap::Subcommand;
use crypto::rsa3072::PrivateKey;
use sgx_types::signing;

use crate::exit::Exit;
use crate::files;

/// Sign an enclave: measure it and make its SIGSTRUCT.
#[derive(Debug, clap::Args)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub(crate) struct Args {
    #[command(subcommand)]
    step: Option<Step>,
    #[command(flatten)]
    whole: Whole,
}

#[derive(Debug, Subcommand)]
enum Step {
    Digest(digest::Args),
    Attach(attach::Args),
    Keygen(keygen::Args),
}

/// Signing in one step. What is required is an `Option`, because the two steps do without it.
#[derive(Debug, clap::Args)]
struct Whole {
    #[command(flatten)]
    source: source::Args,
    #[command(flatten)]
    identity: identity::Args,
    /// RSA-3072 private key with exponent 3: unencrypted PEM, PKCS#8 or PKCS#1, mode 0600 or 0400.
    #[arg(long, value_name = "PEM", required = true)]
    key: Option<PathBuf>,
    /// Where to write the SIGSTRUCT.
    #[arg(short, long, value_name = "FILE", required = true)]
    output: Option<PathBuf>,
    /// Print the result as JSON.
    #[arg(long)]
    json: bool,
}

impl Args {
    pub(crate) fn run(self) -> Result<Exit> {
        match self.step {
            Some(Step::Digest(args)) => args.run(),
            Some(Step::Attach(args)) => args.run(),
            Some(Step::Keygen(args)) => args.run(),
            None => self.whole.run(),
        }
    }
}

impl Whole {
    fn run(self) -> Result<Exit> {
        let (key_path, output) =
            (self.key.context("no --key")?, self.output.context("no --output")?);
        let unsigned = self.identity.sigstruct(self.source.measured()?)?;
        let key = read_key(&key_path)?;
        let signed = signing::sign(&unsigned, &key, &mut crypto::os_rng())
            .with_context(|| format!("sign with key file {}", key_path.display()))?;
        files::write(&output, &signed.to_bytes())?;
        output::signed(&signed, &output, self.json);
        Ok(Exit::Success)
    }
}

fn read_key(path: &Path) -> Result<PrivateKey> {
    let pem = files::read_private(path)?;
    PrivateKey::from_pem(pem.expose()).with_context(|| format!("key file {}", path.display()))
}
