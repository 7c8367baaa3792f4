//! `casemate inspect`: says in plain words what a file is and what is wrong with it.
//!
//! A kind of file is one module with a function from bytes to [`Description`]; printing is the same
//! for all. To add a kind: its module, and a row in each `match` of `kind.rs`.

mod description;
mod keyrequest;
mod kind;
mod manifest;
mod quote;
mod report;
mod sgxs;
mod sigstruct;

use std::path::PathBuf;

use anyhow::{Context as _, Result};

use self::kind::Kind;
use crate::exit::Exit;
use crate::files;

/// Print every field of an SGX file in plain words, with warnings.
///
/// Recognises SIGSTRUCT, REPORT, TARGETINFO, KEYREQUEST, SGXS streams, quotes and compiled manifests.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The file to look at.
    file: PathBuf,
    /// What the file is, when it cannot be recognised.
    #[arg(long = "as", value_name = "KIND")]
    kind: Option<Kind>,
    /// The enclave image that a manifest is measured with; beside this program, or $CASEMATE_IMAGE, if not given.
    #[arg(long, value_name = "FILE")]
    image: Option<PathBuf>,
    /// Print JSON.
    #[arg(long)]
    json: bool,
    /// Exit with code 3 when there is a warning.
    #[arg(long)]
    deny_warnings: bool,
}

impl Args {
    pub(crate) fn run(self) -> Result<Exit> {
        let bytes = files::read(&self.file)?;
        let kind = match self.kind {
            Some(kind) => kind,
            None => Kind::of(&bytes)
                .with_context(|| format!("recognise {}: {}", self.file.display(), kind::HINT))?,
        };
        let description = kind.describe(&bytes, self.image.as_deref());
        if self.json {
            println!("{}", description.json());
        } else {
            print!("{}", description.text());
        }
        let refused = description.is_refused() || self.deny_warnings && description.has_warnings();
        Ok(if refused { Exit::Refused } else { Exit::Success })
    }
}
