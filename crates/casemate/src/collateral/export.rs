//! `casemate collateral export`: one file for verifying offline.

use std::path::PathBuf;

use anyhow::Result;

use super::sources;
use crate::{exit::Exit, files};

/// Put collateral of many platform families into one file, for verifying offline.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Files, bundles or directories. Of two for the same platforms the later one is taken.
    #[arg(required = true)]
    paths: Vec<PathBuf>,
    /// Where to write the bundle.
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,
}

impl Args {
    pub(crate) fn run(self) -> Result<Exit> {
        let bundle = sources::load(&self.paths)?;
        files::write(&self.output, bundle.to_json()?.as_bytes())?;
        eprintln!("casemate: {} entries in {}", bundle.entries().len(), self.output.display());
        Ok(Exit::Success)
    }
}
