//! What is to be signed, and its measurement.

use std::path::PathBuf;

use anyhow::{Context as _, Result, bail};
use sgx_types::{Mrenclave, sgxs};

use crate::{files, text};

/// A measured enclave, wherever the measurement came from. Whoever adds a way to describe an
/// enclave adds an argument below and makes one of these.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Measured {
    /// Its measurement.
    pub(crate) mrenclave: Mrenclave,
}

/// How the enclave is described.
#[derive(Debug, clap::Args)]
#[group(id = "enclave", required = true, multiple = false)]
pub(crate) struct Args {
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
        let mrenclave = match (&self.sgxs, self.mrenclave) {
            (Some(path), _) => sgxs::measure(&files::read(path)?)
                .with_context(|| format!("measure {}", path.display()))?,
            (None, Some(digest)) => Mrenclave(digest),
            (None, None) => bail!("no enclave to sign: give --sgxs or --mrenclave"),
        };
        Ok(Measured { mrenclave })
    }
}
