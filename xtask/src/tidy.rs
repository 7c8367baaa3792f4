//! `cargo xtask tidy`: the house rules that no compiler checks. One module per family of rules;
//! each rule is a function from text or metadata to findings, and has tests.

mod dependencies;
mod documents;
mod fuzz;
mod layers;
mod manifests;
mod report;
mod text;
mod unsafety;

use std::fmt;
use std::fs;

use anyhow::{Context, Result, bail};

use crate::workspace::{self, Metadata};

/// Options of `cargo xtask tidy`.
#[derive(clap::Args, Default)]
pub(crate) struct Args {
    /// Print the ten largest files and the ten longest functions instead
    #[arg(long)]
    report: bool,
}

/// Something that breaks a house rule.
#[derive(Debug, PartialEq, Eq)]
struct Finding {
    path: String,
    /// Counted from 1.
    line: Option<usize>,
    message: String,
}

impl Finding {
    fn new(path: impl Into<String>, message: impl Into<String>) -> Self {
        Self { path: path.into(), line: None, message: message.into() }
    }

    fn at(path: &str, line: usize, message: impl Into<String>) -> Self {
        Self { path: path.to_owned(), line: Some(line), message: message.into() }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            Some(line) => write!(f, "{}:{line}: {}", self.path, self.message),
            None => write!(f, "{}: {}", self.path, self.message),
        }
    }
}

/// A tracked file that is text.
struct TextFile {
    /// Relative to the workspace root.
    path: String,
    text: String,
}

/// Checks every rule and fails if one is broken.
pub(crate) fn run(args: &Args) -> Result<()> {
    let files = text_files()?;
    if args.report {
        report::print(&files);
        return Ok(());
    }
    let metadata = Metadata::load()?;
    let mut findings = Vec::new();
    findings.extend(layers::check(&metadata));
    findings.extend(manifests::check(&metadata)?);
    findings.extend(unsafety::check(&metadata, &files)?);
    findings.extend(dependencies::check(&metadata, &files)?);
    findings.extend(documents::check(&files));
    findings.extend(fuzz::check()?);
    findings.extend(files.iter().flat_map(text::check));
    for finding in &findings {
        println!("{finding}");
    }
    if !findings.is_empty() {
        bail!("tidy: {} findings", findings.len());
    }
    println!("tidy: {} files, {} crates", files.len(), metadata.members().count());
    Ok(())
}

/// All tracked files but binary ones and links.
fn text_files() -> Result<Vec<TextFile>> {
    let mut files = Vec::new();
    for path in workspace::files()? {
        let full = workspace::root().join(&path);
        if !full.symlink_metadata().is_ok_and(|metadata| metadata.is_file()) {
            continue;
        }
        let bytes = fs::read(&full).with_context(|| format!("read {}", path.display()))?;
        if let Ok(text) = String::from_utf8(bytes)
            && !text.contains('\0')
        {
            files.push(TextFile { path: path.display().to_string(), text });
        }
    }
    Ok(files)
}
