//! `casemate compile`: freezes a manifest into what is measured.

pub(crate) mod freeze;
mod program;
mod walk;

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, anyhow, ensure};
use enclave_host::identity;
use enclave_host::stream::PageStream;
use manifest::Kind;
use manifest::source::Source;
use serde_json::json;
use sgx_types::Mrenclave;

use self::freeze::Frozen;
use crate::exit::Exit;
use crate::{files, image};

/// Ending of a compiled manifest.
pub(crate) const COMPILED: &str = "casemate";
/// Ending of the file with the trusted files' leaf hashes.
pub(crate) const TREES: &str = "trees";

/// Freeze a manifest: hash the files it trusts, and measure the enclave.
///
/// Writes FILE, which is measured, and beside it FILE with the ending .trees: hashes of the trusted
/// files, which the enclave checks when it opens them. Equal inputs give equal bytes and an equal MRENCLAVE,
/// whatever the directory or the machine.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The manifest, TOML.
    manifest: PathBuf,
    /// Where to write the compiled manifest; by default beside the manifest, with the ending .casemate.
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// The enclave image; beside this program, or $CASEMATE_IMAGE, if not given.
    #[arg(long, value_name = "FILE")]
    image: Option<PathBuf>,
    /// Print the result as JSON.
    #[arg(long)]
    json: bool,
}

impl Args {
    pub(crate) fn run(self) -> Result<Exit> {
        let output = self.output.unwrap_or_else(|| self.manifest.with_extension(COMPILED));
        let trees = output.with_extension(TREES);
        for written in [&output, &trees] {
            ensure!(*written != self.manifest, "--output would overwrite {}", written.display());
        }
        let frozen = from_source(&self.manifest)?;
        let bytes = frozen.compiled.to_bytes();
        let image = image::load(self.image.as_deref())?;
        let mrenclave = measure(&image, &frozen.compiled, &bytes)?;
        files::write(&output, &bytes)?;
        files::write(&trees, &frozen.trees)?;
        for warning in warnings(&self.manifest, &output, &frozen) {
            eprintln!("casemate: warning: {warning}");
        }
        if self.json {
            println!(
                "{}",
                json!({
                    "mrenclave": mrenclave.to_string(),
                    "manifest": output,
                    "trees": trees,
                    "trusted_files": frozen.trusted_files(),
                    "trusted_bytes": frozen.trusted_bytes(),
                })
            );
        } else {
            println!("MRENCLAVE  {mrenclave}");
            println!(
                "trusted    {} files, {} bytes",
                frozen.trusted_files(),
                frozen.trusted_bytes()
            );
            println!("manifest   {} ({} bytes)", output.display(), bytes.len());
            println!("trees      {} ({} bytes)", trees.display(), frozen.trees.len());
        }
        Ok(Exit::Success)
    }
}

/// Reads and freezes a manifest.
pub(crate) fn from_source(path: &Path) -> Result<Frozen> {
    let text = files::read(path)?;
    let text = std::str::from_utf8(&text)
        .with_context(|| format!("read manifest {}: it is not UTF-8", path.display()))?;
    let source = Source::parse(text).map_err(|mistakes| {
        let lines: Vec<String> = mistakes
            .iter()
            .map(|mistake| format!("{}:{}: {}", path.display(), mistake.line, mistake.message))
            .collect();
        anyhow!("read manifest {}:\n{}", path.display(), lines.join("\n"))
    })?;
    freeze::freeze(&source, path)
}

/// Measures the enclave that a compiled manifest describes.
pub(crate) fn measure(
    image: &enclave_host::image::Image,
    compiled: &manifest::Compiled,
    bytes: &[u8],
) -> Result<Mrenclave> {
    let stream = PageStream::new(image, &compiled.enclave, bytes)?;
    Ok(identity::mrenclave(&stream))
}

/// What a careful reader of the manifest should know.
fn warnings(source: &Path, output: &Path, frozen: &Frozen) -> Vec<String> {
    let mut warnings = frozen.warnings.clone();
    if frozen.compiled.enclave.debug {
        warnings.push("enclave.debug: whoever runs the enclave can read all its memory".into());
    }
    let mut relative = false;
    for entry in frozen.compiled.files.entries() {
        let path = String::from_utf8_lossy(&entry.path);
        match &entry.kind {
            Kind::Passthrough { host, writable, .. } => {
                relative |= !host.starts_with(b"/");
                let can = if *writable { "read and changed" } else { "read" };
                warnings.push(format!("{path} is not protected: what the program finds there can be {can} and made up by the host"));
            }
            Kind::Trusted { host, .. } | Kind::HostInput { host, .. } => {
                relative |= !host.starts_with(b"/");
            }
            _ => {}
        }
    }
    let directory = |path: &Path| {
        let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
        std::fs::canonicalize(parent.unwrap_or(Path::new(".")))
    };
    if relative && directory(source).ok() != directory(output).ok() {
        warnings.push(format!(
            "the manifest has relative host paths; the enclave looks for them beside {}",
            output.display()
        ));
    }
    warnings
}
