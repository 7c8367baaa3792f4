//! `casemate sign attach`: the second of two steps, with the signature and no key.

use std::path::PathBuf;

use anyhow::{Context as _, Result};
use crypto::rsa3072::{PublicKey, SIZE};
use sgx_types::{Sigstruct, signing};

use super::output;
use crate::exit::Exit;
use crate::files;

/// Second of two steps: check a signature made elsewhere and complete the SIGSTRUCT.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The unsigned SIGSTRUCT that `casemate sign digest` wrote.
    #[arg(long, value_name = "FILE")]
    sigstruct: PathBuf,
    /// The signature: RSASSA-PKCS1-v1_5 with SHA-256, 384 bytes, big-endian.
    #[arg(long, value_name = "FILE")]
    signature: PathBuf,
    /// The public key: PEM, SubjectPublicKeyInfo or PKCS#1.
    #[arg(long, value_name = "PEM")]
    public_key: PathBuf,
    /// Where to write the SIGSTRUCT.
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,
    /// Print the result as JSON.
    #[arg(long)]
    json: bool,
}

impl Args {
    pub(crate) fn run(self) -> Result<Exit> {
        let unsigned = Sigstruct::from_slice(&files::read(&self.sigstruct)?)
            .with_context(|| format!("read unsigned SIGSTRUCT {}", self.sigstruct.display()))?;
        let signed = signing::attach(&unsigned, &self.read_public_key()?, &self.read_signature()?)
            .with_context(|| {
                format!(
                    "attach signature {} to {}",
                    self.signature.display(),
                    self.sigstruct.display()
                )
            })?;
        files::write(&self.output, &signed.to_bytes())?;
        output::signed(&signed, &self.output, self.json);
        Ok(Exit::Success)
    }

    fn read_public_key(&self) -> Result<PublicKey> {
        let name = self.public_key.display();
        let pem = String::from_utf8(files::read(&self.public_key)?)
            .with_context(|| format!("public key {name} is not text; expected PEM"))?;
        PublicKey::from_pem(&pem).with_context(|| format!("public key {name}"))
    }

    fn read_signature(&self) -> Result<[u8; SIZE]> {
        let bytes = files::read(&self.signature)?;
        let found = bytes.len();
        bytes.try_into().ok().with_context(|| {
            format!("signature {}: expected {SIZE} bytes, found {found}", self.signature.display())
        })
    }
}
