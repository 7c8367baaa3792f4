//! Development signatures of earlier runs.
//!
//! A cache and nothing more: what is found is checked as if a stranger had written it, and what
//! cannot be kept is made again.

use std::fs;
use std::path::PathBuf;

use sgx_types::{Sigstruct, known_signer, signing};

/// Signatures kept; with more, all are dropped.
const LIMIT: usize = 256;

/// The signature that completes `unsigned`, if an earlier run made it.
pub(super) fn find(unsigned: &Sigstruct) -> Option<Sigstruct> {
    let found = Sigstruct::from_slice(&fs::read(path(unsigned)?).ok()?).ok()?;
    let same = found.signed_bytes() == unsigned.signed_bytes();
    let signer = known_signer(&found.mrsigner())?;
    (same && signer.key_is_public && signing::verify(&found).is_ok()).then_some(found)
}

/// Keeps a signature for later runs, if it can.
pub(super) fn keep(signed: &Sigstruct) {
    let Some(path) = path(signed) else { return };
    let Some(directory) = path.parent() else { return };
    if fs::create_dir_all(directory).is_err() {
        return;
    }
    let kept = || fs::read_dir(directory).into_iter().flatten().flatten();
    if kept().count() >= LIMIT {
        for old in kept() {
            let _ = fs::remove_file(old.path());
        }
    }
    // Whole or not at all: other runs may be reading.
    let draft = directory.join(format!(".{}", std::process::id()));
    if fs::write(&draft, signed.to_bytes()).is_ok() {
        let _ = fs::rename(draft, path);
    }
}

fn path(sigstruct: &Sigstruct) -> Option<PathBuf> {
    let absolute = |path: PathBuf| path.is_absolute().then_some(path);
    let cache = std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from).and_then(absolute);
    let cache = cache.or_else(|| Some(std::env::home_dir()?.join(".cache")))?;
    // Equal measurements can differ in what is signed besides.
    let name = crate::text::to_hex(&crypto::sha256(&sigstruct.signed_bytes()));
    Some(cache.join("casemate").join("development").join(format!("{name}.sig")))
}
