//! The development path: a manifest made on the spot, signed with a key that everybody has.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use crypto::rsa3072::PrivateKey;
use enclave_host::identity;
use manifest::{Compiled, Cwd, Enclave, Entry, EnvRule, EnvValue, FileMap, Kind, Pattern, Program};
use sgx_types::{Mrenclave, Sigstruct, SigstructDate, signing};

use super::cache;
use crate::compile::freeze;

/// Publicly known on purpose: a policy that does not name its MRSIGNER refuses what it signs.
const KEY: &str = include_str!("development.pem");

/// BCD date of development signatures; it means nothing.
const DATE: SigstructDate = SigstructDate(0x2026_0101);

/// Finds the program as a shell does.
pub(crate) fn program(name: &OsStr) -> Result<PathBuf> {
    let found = if name.as_bytes().contains(&b'/') {
        Some(PathBuf::from(name))
    } else {
        let path = std::env::var_os("PATH").unwrap_or_default();
        std::env::split_paths(&path).map(|dir| dir.join(name)).find(|file| is_executable(file))
    };
    let found = found.with_context(|| format!("find {} in PATH", name.display()))?;
    fs::canonicalize(&found).with_context(|| format!("find the program {}", found.display()))
}

fn is_executable(file: &Path) -> bool {
    fs::metadata(file).is_ok_and(|data| data.is_file() && data.permissions().mode() & 0o111 != 0)
}

/// The manifest of a development run: the program is trusted as it is now, the host's files pass through.
pub(super) fn manifest(program: &Path) -> Result<Compiled> {
    let path = program.as_os_str().as_bytes().to_vec();
    let root = Entry {
        path: b"/".to_vec(),
        kind: Kind::Passthrough { host: b"/".to_vec(), writable: true, record: true },
    };
    let files = FileMap::new(vec![
        root,
        Entry {
            path: path.clone(),
            kind: freeze::trusted(&path, &path, program, None)?.entry.kind,
        },
    ])?;
    let any = |name: &str| EnvRule {
        name: Pattern::new(name.as_bytes()),
        value: EnvValue::Host(Pattern::any()),
    };
    Ok(Compiled {
        enclave: Enclave {
            elrange_size: 1 << 37,
            threads: 32,
            heap_initial: 2 << 20,
            edmm: true,
            debug: true,
            dev: true,
            isvprodid: 0,
            isvsvn: 0,
            xfrm_max: u64::MAX,
        },
        program: Program {
            entrypoint: path,
            args: Vec::new(),
            host_args: vec![Pattern::any()],
            env: vec![any("*")],
            cwd: Cwd::Host,
        },
        files,
    })
}

/// Signs with the development key. Signing takes longer than starting, so signatures are kept.
pub(super) fn sign(enclave: &Enclave, mrenclave: Mrenclave) -> Result<Sigstruct> {
    let unsigned = identity::unsigned_sigstruct(enclave, mrenclave, DATE);
    if let Some(signed) = cache::find(&unsigned) {
        return Ok(signed);
    }
    let key = PrivateKey::from_pem(KEY).context("read the development key")?;
    let signed = signing::sign(&unsigned, &key, &mut crypto::os_rng())?;
    cache::keep(&signed);
    Ok(signed)
}
