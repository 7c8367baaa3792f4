//! Whether the manifest holds what its program needs to start at all.

use std::fs::File;
use std::os::unix::fs::FileExt as _;
use std::path::Path;

use anyhow::{Context as _, Result, bail};
use manifest::{Compiled, Entry, Kind};

use super::walk::on_host;

/// Offsets and sizes in an ELF header of 64 bits (System V ABI, "ELF Header", "Program Header").
const PHOFF: usize = 32;
const PHENTSIZE: usize = 54;
const PHNUM: usize = 56;
const PT_INTERP: u32 = 3;
const PATH_MAX: u64 = 4096;

/// Refuses an entrypoint that cannot run; returns what it will miss.
pub(super) fn check(compiled: &Compiled, directory: &Path) -> Result<Vec<String>> {
    let shown = |path: &[u8]| String::from_utf8_lossy(path).into_owned();
    let entry = compiled.files.follow(&compiled.program.entrypoint);
    let path = entry.map_or(&compiled.program.entrypoint, |entry| &entry.path);
    let Some(Entry { kind: Kind::Trusted { host, mode, .. }, .. }) = entry else {
        let path = shown(path);
        bail!("{path} is no trusted file of the manifest; add\n[[files]]\npath = \"{path}\"");
    };
    if mode & 0o111 == 0 {
        bail!("{} is not executable (mode {mode:04o}); add mode = 0o755", shown(path));
    }
    let file = on_host(directory, host);
    let interpreter = interpreter(&file).with_context(|| format!("read {}", file.display()))?;
    let mut warnings = Vec::new();
    if let Some(interpreter) = interpreter
        && !matches!(
            compiled.files.follow(&interpreter),
            Some(Entry { kind: Kind::Trusted { .. }, .. })
        )
    {
        let (program, needed) = (shown(path), shown(&interpreter));
        warnings.push(format!(
            "{program} needs {needed}, which the manifest does not trust; add [[files]] path = \"{needed}\""
        ));
    }
    Ok(warnings)
}

/// The interpreter that an ELF program or a script names; what is neither names none.
fn interpreter(file: &Path) -> std::io::Result<Option<Vec<u8>>> {
    let file = File::open(file)?;
    let mut head = [0; 256];
    let got = file.read_at(&mut head, 0)?;
    if let Some(line) = head[..got].strip_prefix(b"#!") {
        let line = line.split(|byte| *byte == b'\n').next().unwrap_or_default();
        let mut words = line.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty());
        return Ok(words.next().map(<[u8]>::to_vec));
    }
    if got < 64 || !head.starts_with(b"\x7fELF\x02\x01") {
        return Ok(None);
    }
    let number = |bytes: &[u8], at: usize, len: usize| {
        let mut wide = [0; 8];
        wide[..len].copy_from_slice(&bytes[at..at + len]);
        u64::from_le_bytes(wide)
    };
    let (offset, size) = (number(&head, PHOFF, 8), number(&head, PHENTSIZE, 2));
    for index in 0..number(&head, PHNUM, 2) {
        let mut header = [0; 56];
        let at = offset.saturating_add(index.saturating_mul(size));
        if file.read_exact_at(&mut header, at).is_err() {
            return Ok(None);
        }
        if number(&header, 0, 4) == u64::from(PT_INTERP) {
            let len = number(&header, 32, 8).min(PATH_MAX);
            let mut path = vec![0; usize::try_from(len).unwrap_or(0)];
            file.read_exact_at(&mut path, number(&header, 8, 8))?;
            path.truncate(path.iter().position(|byte| *byte == 0).unwrap_or(path.len()));
            return Ok(Some(path));
        }
    }
    Ok(None)
}
