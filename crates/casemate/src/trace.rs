//! `casemate trace`: runs a program once and writes the manifest it needs.

mod environment;
mod record;
mod write;

use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt as _;
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context as _, Result, bail};

use self::record::Record;
use crate::exit::Exit;
use crate::files;
use crate::quote::Location;
use crate::run::{self, development};

/// Run a program once and write a manifest with what it used.
///
/// The program runs in a development enclave that lets the host's files pass through. What it read becomes
/// trusted, what a container expects from outside becomes an input, and its arguments become fixed. Read the
/// manifest before you sign what comes of it: it can only know what this one run did.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Where to write the manifest; it must not exist.
    #[arg(short, long, value_name = "FILE", default_value = "manifest.toml")]
    output: PathBuf,
    /// The enclave image; beside this program, or $CASEMATE_IMAGE, if not given.
    #[arg(long, value_name = "FILE")]
    image: Option<PathBuf>,
    /// Directory of emulated platforms.
    #[command(flatten)]
    location: Location,
    /// The program and its arguments.
    #[arg(last = true, required = true, value_name = "PROGRAM")]
    command: Vec<OsString>,
}

impl Args {
    pub(crate) fn run(self) -> Result<Exit> {
        if self.output.exists() {
            bail!(
                "write manifest {}: it exists; choose another with --output",
                self.output.display()
            );
        }
        let program = development::program(&self.command[0])?;
        let record = Arc::new(Record::default());
        let ended = run::traced(&self.command, self.image.as_deref(), &self.location, {
            let record = Arc::clone(&record);
            Box::new(move |touch| record.note(touch))
        })?;
        let used = record.sorted();
        let cwd = std::env::current_dir().context("find the working directory")?;
        let manifest = write::Manifest {
            entrypoint: program.as_os_str().as_bytes(),
            args: self.command.get(1..).unwrap_or_default(),
            cwd: cwd.as_os_str().as_bytes(),
            environment: &environment::used(&used),
            used: &used,
        };
        files::write(&self.output, manifest.to_toml().as_bytes())?;
        eprintln!("casemate: the program ended with {ended}; wrote {}", self.output.display());
        eprintln!(
            "casemate: read it, then: casemate compile {0} && casemate sign --manifest ...",
            self.output.display()
        );
        Ok(Exit::Success)
    }
}
