//! Reading and writing files: size limits, private modes, errors that name the file.

use std::fs::{File, OpenOptions};
use std::io::{Read as _, Write as _};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::Path;

use anyhow::{Context as _, Result, bail, ensure};
use crypto::Secret;

/// The largest file any verb reads whole, in bytes: well above any enclave stream.
const LARGEST: u64 = 1 << 32;
/// The largest key file, in bytes.
const LARGEST_KEY: u64 = 1 << 16;
/// Mode bits through which somebody else than the owner could use a file.
const OTHERS: u32 = 0o077;

/// Reads a whole file.
pub(crate) fn read(path: &Path) -> Result<Vec<u8>> {
    let file = File::open(path).with_context(|| format!("open {}", path.display()))?;
    read_open(file, path, LARGEST)
}

/// Reads a private key file. Refuses one that group or others could read.
pub(crate) fn read_private(path: &Path) -> Result<Secret<String>> {
    let name = path.display();
    let file = File::open(path).with_context(|| format!("open key file {name}"))?;
    let metadata = file.metadata().with_context(|| format!("stat key file {name}"))?;
    let mode = metadata.permissions().mode() & 0o7777;
    ensure!(metadata.is_file(), "key file {name} is not a regular file");
    ensure!(
        mode & OTHERS == 0,
        "key file {name} is open to group or others (mode {mode:04o}, expected 0600 or 0400); run: \
         chmod 600 {name}"
    );
    let bytes = read_open(file, path, LARGEST_KEY)?;
    match String::from_utf8(bytes) {
        Ok(text) => Ok(Secret::new(text)),
        Err(error) => {
            drop(Secret::new(error.into_bytes()));
            bail!("key file {name} is not text; expected PEM")
        }
    }
}

fn read_open(file: File, path: &Path, largest: u64) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    file.take(largest + 1)
        .read_to_end(&mut bytes)
        .with_context(|| format!("read {}", path.display()))?;
    ensure!(bytes.len() as u64 <= largest, "{} is larger than {largest} bytes", path.display());
    Ok(bytes)
}

/// Writes a public file, replacing what was there.
pub(crate) fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    std::fs::write(path, bytes).with_context(|| format!("write {}", path.display()))
}

/// Makes a new file with mode 0600. Never replaces one.
pub(crate) fn create_private(path: &Path, bytes: &[u8]) -> Result<()> {
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
        .with_context(|| format!("create key file {} (it must not exist)", path.display()))?;
    file.write_all(bytes).with_context(|| format!("write key file {}", path.display()))
}
