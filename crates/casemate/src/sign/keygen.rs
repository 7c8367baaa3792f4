//! `casemate sign keygen`: makes a signing key.

use std::path::PathBuf;

use anyhow::{Context as _, Result};
use crypto::rsa3072::PrivateKey;
use serde_json::json;
use sgx_types::Mrsigner;

use crate::exit::Exit;
use crate::files;

/// Make a new signing key: RSA-3072 with exponent 3, PKCS#8 PEM, mode 0600.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Where to write the private key; the file must not exist.
    #[arg(short, long, value_name = "PEM")]
    output: PathBuf,
    /// Where to write the public key as well.
    #[arg(long, value_name = "PEM")]
    public_key: Option<PathBuf>,
    /// Print the result as JSON.
    #[arg(long)]
    json: bool,
}

impl Args {
    pub(crate) fn run(self) -> Result<Exit> {
        let key = PrivateKey::generate(&mut crypto::os_rng()).context("make signing key")?;
        let pem = key.to_pem().context("make signing key")?;
        files::create_private(&self.output, pem.expose().as_bytes())?;
        if let Some(path) = &self.public_key {
            files::write(path, key.public_key().to_pem().context("make signing key")?.as_bytes())?;
        }
        let mrsigner = mrsigner(&key);
        if self.json {
            println!("{}", json!({ "mrsigner": mrsigner.to_string(), "key": self.output }));
        } else {
            println!("MRSIGNER  {mrsigner}");
            println!("key       {}", self.output.display());
        }
        Ok(Exit::Success)
    }
}

fn mrsigner(key: &PrivateKey) -> Mrsigner {
    let mut modulus = key.public_key().modulus();
    modulus.reverse();
    Mrsigner(crypto::sha256(&modulus))
}
