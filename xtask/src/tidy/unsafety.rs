//! Where unsafe code may live: three crates, the experiments, which nothing ships, and one allowance in the
//! image's assembler crate.

use std::fs;

use anyhow::{Context, Result};

use super::{Finding, TextFile};
use crate::workspace::{Metadata, relative};

/// Crates that may hold unsafe code.
const UNSAFE_CRATES: &[&str] = &["enclave-rt", "sgx-emu", "enclave-host", EXPERIMENTS];
/// Experiments behind decisions; beside the crates, not among them.
const EXPERIMENTS: &str = "spikes";
/// The crate with one allowance, for the entry symbol.
const ASSEMBLER: &str = "enclave";

const FORBID: &str = "#![forbid(unsafe_code)]";
const ALLOW_CRATE: &str = "#![allow(unsafe_code, reason =";

pub(super) fn check(metadata: &Metadata, files: &[TextFile]) -> Result<Vec<Finding>> {
    let mut findings = Vec::new();
    for package in metadata.members() {
        let roots = package.targets.iter().filter(|target| {
            target.kind.iter().any(|kind| matches!(&**kind, "lib" | "bin" | "proc-macro"))
        });
        for target in roots {
            let path = relative(&target.src_path);
            let text =
                fs::read_to_string(&target.src_path).with_context(|| format!("read {path}"))?;
            findings.extend(crate_root(&package.name, &path, &text));
        }
    }
    for file in files {
        findings.extend(allowances(&file.path, &file.text));
    }
    Ok(findings)
}

/// The attribute that the root of a crate must carry.
fn crate_root(name: &str, path: &str, text: &str) -> Option<Finding> {
    let wanted = if name == ASSEMBLER || name == EXPERIMENTS {
        return None;
    } else if UNSAFE_CRATES.contains(&name) {
        ALLOW_CRATE
    } else {
        FORBID
    };
    // rustfmt may break a long attribute over lines.
    let dense = |text: &str| text.split_whitespace().collect::<String>();
    let found = text.lines().any(|line| line.starts_with(wanted))
        || (wanted == ALLOW_CRATE && dense(text).contains(&dense(wanted)));
    (!found).then(|| Finding::new(path, format!("lacks {wanted}")))
}

/// Allowances outside the crates that may have them.
fn allowances(path: &str, text: &str) -> Vec<Finding> {
    if !path.ends_with(".rs") || UNSAFE_CRATES.iter().any(|name| is_in(path, name)) {
        return Vec::new();
    }
    let found: Vec<usize> = text
        .lines()
        .enumerate()
        .filter(|(_, line)| {
            let line = line.trim_start();
            line.starts_with("#") && line.contains("unsafe_code") && !line.starts_with(FORBID)
        })
        .map(|(index, _)| index + 1)
        .collect();
    let granted = usize::from(is_in(path, ASSEMBLER) && path.ends_with("/main.rs"));
    let excess = found.into_iter().skip(granted);
    excess
        .map(|line| {
            let message = format!("unsafe code belongs in {}", UNSAFE_CRATES.join(", "));
            Finding::at(path, line, message)
        })
        .collect()
}

fn is_in(path: &str, name: &str) -> bool {
    let inside = if name == EXPERIMENTS { Some(path) } else { path.strip_prefix("crates/") };
    inside.and_then(|rest| rest.strip_prefix(name)).is_some_and(|rest| rest.starts_with('/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wants_every_other_crate_to_forbid_unsafe_code() {
        let root = |name, text| crate_root(name, "lib.rs", text).map(|found| found.message);
        assert_eq!(root("libos", "//! Linux.\n#![forbid(unsafe_code)]\n"), None);
        assert_eq!(root("libos", "").unwrap(), "lacks #![forbid(unsafe_code)]");
        // A comment is not an attribute.
        assert!(root("libos", "// #![forbid(unsafe_code)]\n").is_some());
        assert_eq!(root("sgx-emu", "#![allow(unsafe_code, reason = \"x\")]\n"), None);
        assert_eq!(root("sgx-emu", "#![allow(\n    unsafe_code,\n    reason = \"x\"\n)]\n"), None);
        assert!(root("sgx-emu", "#![allow(unsafe_code)]\n").is_some());
        assert_eq!(root("enclave", ""), None);
    }

    #[test]
    fn finds_allowances_elsewhere() {
        let allow = "#[allow(unsafe_code)]\n";
        assert_eq!(allowances("crates/sgx-emu/src/a.rs", allow), []);
        assert_eq!(allowances("crates/libos/src/a.rs", allow).len(), 1);
        assert_eq!(allowances("crates/libos/src/a.rs", "#![forbid(unsafe_code)]\n"), []);
        assert_eq!(allowances("crates/enclave/src/main.rs", allow), []);
        assert_eq!(allowances("crates/enclave/src/main.rs", &allow.repeat(2)).len(), 1);
        // No prefix of a name is the name.
        assert_eq!(allowances("crates/sgx-emu-tools/src/a.rs", allow).len(), 1);
    }
}
