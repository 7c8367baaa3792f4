//! What is to be signed, and its measurement.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use manifest::Compiled;
use sgx_types::{Mrenclave, sgxs};

use crate::{compile, files, image, text};

/// A measured enclave, wherever the measurement came from. Whoever adds a way to describe an
/// enclave adds an argument below and makes one of these.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Measured {
    /// Its measurement.
    pub(crate) mrenclave: Mrenclave,
    /// What its manifest says about it, if it has one.
    pub(crate) enclave: Option<manifest::Enclave>,
}

/// How the enclave is described.
#[derive(Debug, clap::Args)]
#[group(id = "source")]
pub(crate) struct Args {
    #[command(flatten)]
    described: Described,
    /// The enclave image that the manifest is run with; beside this program, or $CASEMATE_IMAGE, if not given.
    #[arg(long, value_name = "FILE", requires = "manifest")]
    image: Option<PathBuf>,
}

#[derive(Debug, clap::Args)]
#[group(id = "enclave", required = true, multiple = false)]
struct Described {
    /// A compiled manifest: it says product, versions and attributes too.
    #[arg(long, value_name = "FILE")]
    manifest: Option<PathBuf>,
    /// An enclave stream in SGXS format.
    #[arg(long, value_name = "FILE")]
    sgxs: Option<PathBuf>,
    /// A measurement made elsewhere, 64 hexadecimal digits.
    #[arg(long, value_name = "HEX", value_parser = text::from_hex::<32>)]
    mrenclave: Option<[u8; 32]>,
}

impl Args {
    /// Measures the enclave.
    pub(crate) fn measured(&self) -> Result<Measured> {
        let Described { manifest, sgxs, mrenclave } = &self.described;
        let mrenclave = match (manifest, sgxs, mrenclave) {
            (Some(path), ..) => return self.of_manifest(path),
            (None, Some(path), _) => sgxs::measure(&files::read(path)?)
                .with_context(|| format!("measure {}", path.display()))?,
            (None, None, Some(digest)) => Mrenclave(*digest),
            (None, None, None) => {
                bail!("no enclave to sign: give --manifest, --sgxs or --mrenclave")
            }
        };
        Ok(Measured { mrenclave, enclave: None })
    }

    fn of_manifest(&self, path: &Path) -> Result<Measured> {
        let bytes = files::read(path)?;
        let compiled = Compiled::from_bytes(&bytes).with_context(|| {
            format!("read {}: expected what `casemate compile` wrote", path.display())
        })?;
        let image = image::load(self.image.as_deref())?;
        let mrenclave = compile::measure(&image, &compiled, &bytes)?;
        Ok(Measured { mrenclave, enclave: Some(compiled.enclave) })
    }
}
