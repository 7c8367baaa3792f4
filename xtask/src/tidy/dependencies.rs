//! Third-party crates: the rules of `deny.toml` that need no database, and those of the image.
//!
//! cargo-deny holds the same file to more; it takes long to build, so not every machine has it.

mod licence;

use std::collections::BTreeMap;
use std::fs;

use anyhow::{Context, Result};
use serde::Deserialize;

use super::{Finding, TextFile};
use crate::tcb;
use crate::workspace::{self, Metadata, Package};

const DENY: &str = "deny.toml";
const CRATES_IO: &str = "registry+https://github.com/rust-lang/crates.io-index";

/// `deny.toml`, as far as these rules ask.
#[derive(Deserialize)]
struct Deny {
    licenses: Licenses,
    bans: Bans,
}

#[derive(Deserialize)]
struct Licenses {
    allow: Vec<String>,
}

#[derive(Deserialize)]
struct Bans {
    deny: Vec<Ban>,
}

/// A crate that only its wrappers may depend on.
#[derive(Deserialize)]
struct Ban {
    name: String,
    #[serde(default)]
    wrappers: Vec<String>,
    reason: String,
}

pub(super) fn check(metadata: &Metadata, files: &[TextFile]) -> Result<Vec<Finding>> {
    let text = fs::read_to_string(workspace::root().join(DENY)).context("read deny.toml")?;
    let deny: Deny = toml::from_str(&text).context("parse deny.toml")?;
    let mut findings = Vec::new();
    for package in &metadata.packages {
        findings.extend(licence(package, &deny.licenses.allow));
        findings.extend(source(package));
    }
    for package in metadata.members() {
        findings.extend(bans(package, &deny.bans.deny));
    }
    findings.extend(image(&tcb::linked()?, files));
    Ok(findings)
}

fn licence(package: &Package, allowed: &[String]) -> Option<Finding> {
    let expression = package.license.as_deref().unwrap_or_default();
    let verdict = licence::satisfied(expression, allowed);
    (verdict != Some(true)).then(|| {
        let Package { name, version, .. } = package;
        Finding::new(DENY, format!("{name} {version} has licence {expression:?}, not in `allow`"))
    })
}

fn source(package: &Package) -> Option<Finding> {
    let source = package.source.as_deref()?;
    (source != CRATES_IO).then(|| {
        let Package { name, version, .. } = package;
        Finding::new("Cargo.lock", format!("{name} {version} is from {source}, expected crates.io"))
    })
}

/// Members' direct edges, development dependencies aside.
fn bans(package: &Package, bans: &[Ban]) -> Vec<Finding> {
    let uses = |ban: &&Ban| {
        let mut edges = package.dependencies.iter();
        edges.any(|edge| edge.kind.as_deref() != Some("dev") && edge.name == ban.name)
    };
    let broken = bans.iter().filter(uses).filter(|ban| !ban.wrappers.contains(&package.name));
    broken
        .map(|ban| {
            let message =
                format!("{} may not depend on {}: {}", package.name, ban.name, ban.reason);
            Finding::new(package.manifest(), message)
        })
        .collect()
}

/// Crates linked into the image are named in an ADR, and there is one version of each.
fn image(linked: &[tcb::Linked], files: &[TextFile]) -> Vec<Finding> {
    let mut versions: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for third_party in linked.iter().filter(|linked| !linked.is_member) {
        versions.entry(&third_party.name).or_default().push(&third_party.version);
    }
    let adrs: Vec<&TextFile> =
        files.iter().filter(|file| file.path.starts_with("docs/adr/")).collect();
    let mut findings = Vec::new();
    for (name, versions) in versions {
        if versions.len() > 1 {
            let message = format!("the image links {name} in versions {}", versions.join(", "));
            findings.push(Finding::new("Cargo.lock", message));
        }
        let mention = format!("`{name}`");
        if !adrs.iter().any(|adr| adr.text.contains(&mention)) {
            let message = format!("the image links {name}, but no ADR names {mention}");
            findings.push(Finding::new("docs/adr", message));
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    fn linked(name: &str, version: &str) -> tcb::Linked {
        tcb::Linked { name: name.into(), version: version.into(), is_member: false }
    }

    #[test]
    fn wants_an_adr_for_every_crate_of_the_image() {
        let adr = TextFile { path: "docs/adr/0001-x.md".into(), text: "We use `sha2`.".into() };
        let code = TextFile { path: "crates/a/src/lib.rs".into(), text: "`rand`".into() };
        let found = image(&[linked("rand", "0.9.0"), linked("sha2", "0.11.0")], &[adr, code]);
        let messages: Vec<&str> = found.iter().map(|finding| &*finding.message).collect();
        assert_eq!(messages, ["the image links rand, but no ADR names `rand`"]);
    }

    #[test]
    fn refuses_two_versions_of_a_crate_in_the_image() {
        let adr = TextFile { path: "docs/adr/0001-x.md".into(), text: "`sha2`".into() };
        let found = image(&[linked("sha2", "0.10.0"), linked("sha2", "0.11.0")], &[adr]);
        assert_eq!(found[0].message, "the image links sha2 in versions 0.10.0, 0.11.0");
    }

    #[test]
    fn reads_the_deny_file_of_this_workspace() {
        let text = fs::read_to_string(workspace::root().join(DENY)).unwrap();
        let deny: Deny = toml::from_str(&text).unwrap();
        assert!(deny.licenses.allow.contains(&"Apache-2.0".to_owned()));
        assert!(deny.bans.deny.iter().any(|ban| ban.name == "axum"));
    }
}
