//! Log lines for the operator. They leave the enclave: paths, call names and numbers only, never data.

use alloc::{collections::BTreeSet, format, string::String};
use core::fmt::Display;

pub(crate) use enclave_rt::host::Level;
use enclave_rt::sync::Mutex;

static SAID: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());
/// Distinct once-only lines that are remembered; beyond that they are dropped.
const SAID_MAX: usize = 4096;

/// Logs a line.
pub(crate) fn line(level: Level, text: &str) {
    enclave_rt::host::log(level, text);
}

/// Logs a line unless the same one was logged before.
pub(crate) fn once(level: Level, text: String) {
    if remember(&text) {
        line(level, &text);
    }
}

/// Whether a line is said for the first time.
fn remember(text: &str) -> bool {
    let mut said = SAID.lock();
    said.len() < SAID_MAX && said.insert(text.into())
}

/// The host answered a call with something impossible.
pub(crate) fn lie(call: &str) {
    once(Level::Error, format!("host answered {call} with an impossible value; treated as EIO"));
}

/// The host's answer to a call was well-formed but cannot be true.
pub(crate) fn implausible(call: &str, what: impl Display) {
    once(Level::Error, format!("host answered {call} implausibly: {what}; treated as EIO"));
}

/// A path that the manifest does not name. Programs look for much that exists nowhere, so what the host does not
/// have either is only said at a higher level.
pub(crate) fn not_in_manifest(path: &[u8], exists_on_host: impl FnOnce() -> bool) {
    let path = String::from_utf8_lossy(path);
    let text = format!(
        "{path}: not in the manifest; to trust it as it is on the host, add [[files]] path = \"{path}\""
    );
    if remember(&text) {
        let level = if exists_on_host() { Level::Warn } else { Level::Info };
        line(level, &text);
    }
}

/// A file whose content the host can change, which the program wants to run.
pub(crate) fn untrusted_code(path: &[u8]) {
    let path = String::from_utf8_lossy(path);
    once(
        Level::Error,
        format!(
            "{path} is not trusted and does not run; to trust it, add [[files]] path = \"{path}\""
        ),
    );
}

/// The program wants more address space than is free in ELRANGE.
pub(crate) fn address_space_full(length: u64, elrange_size: u64) {
    let text = format!(
        "no room for {length} bytes of address space; `enclave.size` in the manifest sets how much there is (now {}G)",
        elrange_size >> 30
    );
    once(Level::Warn, text);
}
