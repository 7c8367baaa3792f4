//! `casemate sign digest`: the first of two steps, without the key.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use anyhow::Result;
use serde_json::json;

use super::{identity, source};
use crate::exit::Exit;
use crate::{files, text};

/// First of two steps: write the bytes to be signed with a key that is elsewhere.
///
/// Writes three files: FILE with the 256 bytes to sign, FILE.sha256 with their SHA-256 digest (32
/// bytes, for tools that sign a digest), and FILE.sigstruct with the SIGSTRUCT still without key and
/// signature, which `casemate sign attach` needs.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    source: source::Args,
    #[command(flatten)]
    identity: identity::Args,
    /// Where to write the bytes to sign.
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,
    /// Print the result as JSON.
    #[arg(long)]
    json: bool,
}

impl Args {
    pub(crate) fn run(self) -> Result<Exit> {
        let unsigned = self.identity.sigstruct(self.source.measured()?)?;
        let to_sign = unsigned.signed_bytes();
        let digest = crypto::sha256(&to_sign);
        let digest_path = beside(&self.output, ".sha256");
        let sigstruct_path = beside(&self.output, ".sigstruct");
        files::write(&self.output, &to_sign)?;
        files::write(&digest_path, &digest)?;
        files::write(&sigstruct_path, &unsigned.to_bytes())?;
        if self.json {
            println!(
                "{}",
                json!({
                    "mrenclave": unsigned.enclavehash.to_string(),
                    "sha256": text::to_hex(&digest),
                    "to_sign": self.output,
                    "digest": digest_path,
                    "sigstruct": sigstruct_path,
                })
            );
        } else {
            println!("MRENCLAVE           {}", unsigned.enclavehash);
            println!("SHA-256 to sign     {}", text::to_hex(&digest));
            println!("bytes to sign       {}", self.output.display());
            println!("digest              {}", digest_path.display());
            println!("unsigned SIGSTRUCT  {}", sigstruct_path.display());
        }
        Ok(Exit::Success)
    }
}

fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(suffix);
    name.into()
}
