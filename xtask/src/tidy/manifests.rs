//! Manifests: every member inherits the lints, every third-party crate says what it buys.

use std::fs;

use anyhow::{Context, Result};

use super::Finding;
use crate::workspace::{self, Metadata};

pub(super) fn check(metadata: &Metadata) -> Result<Vec<Finding>> {
    let mut findings = Vec::new();
    for package in metadata.members() {
        let manifest = package.manifest();
        let text = fs::read_to_string(&package.manifest_path)
            .with_context(|| format!("read {manifest}"))?;
        findings.extend(member(&manifest, &text));
        if package.manifest_path.parent().and_then(|folder| folder.file_name())
            != Some(package.name.as_ref())
        {
            findings.push(Finding::new(manifest, "the folder is not named as the crate"));
        }
    }
    let root = fs::read_to_string(workspace::root().join("Cargo.toml"))
        .context("read the root Cargo.toml")?;
    findings.extend(comments("Cargo.toml", &root));
    Ok(findings)
}

/// What the manifest of a member must have, and what belongs in the root instead.
fn member(path: &str, text: &str) -> Vec<Finding> {
    let mut findings = Vec::new();
    let sections: Vec<(usize, &str, &str)> = entries(text).collect();
    let lints = sections.iter().any(|(_, section, entry)| {
        *section == "lints" && entry.replace(' ', "") == "workspace=true"
    });
    if !lints {
        findings.push(Finding::new(path, "lacks [lints] workspace = true"));
    }
    for (line, section, entry) in sections {
        // A crate may depend on itself, to test with its features on.
        let inherits = ["workspace = true", ".workspace=true", "path = \".\""];
        let inherits = inherits.iter().any(|wanted| entry.contains(wanted));
        if section.ends_with("dependencies") && !inherits {
            let message = format!("`{entry}` is not from [workspace.dependencies]");
            findings.push(Finding::at(path, line, message));
        }
    }
    findings
}

/// Above the third-party entries of `[workspace.dependencies]` stands a comment that begins with
/// their names, `# NAME, NAME: `; entries without a blank line between them may share one.
fn comments(path: &str, text: &str) -> Vec<Finding> {
    let lines: Vec<&str> = text.lines().collect();
    let mut findings = Vec::new();
    for (line, section, entry) in entries(text) {
        let Some((name, value)) = entry.split_once('=') else { continue };
        if section != "workspace.dependencies" || value.contains("path =") {
            continue;
        }
        let is_comment = |line: &&&str| line.starts_with('#');
        let above = lines[..line - 1].iter().rev();
        let mut block = above.skip_while(|line| !is_comment(line) && !line.is_empty());
        let name = name.trim().split('.').next().unwrap_or_default();
        let says = |line: &&str| names(line).is_some_and(|mut names| names.any(|n| n == name));
        if !block.by_ref().take_while(|line| is_comment(line)).any(says) {
            let message = format!("no comment above says what {name} buys (`# {name}: ...`)");
            findings.push(Finding::at(path, line, message));
        }
    }
    findings
}

/// The names that a comment `# NAME, NAME: ...` begins with.
fn names(comment: &str) -> Option<impl Iterator<Item = &str>> {
    let (names, _) = comment.strip_prefix("# ")?.split_once(": ")?;
    Some(names.split(", "))
}

/// Line number, section and text of every `key = value` line.
fn entries(text: &str) -> impl Iterator<Item = (usize, &str, &str)> {
    let mut section = "";
    text.lines().enumerate().filter_map(move |(index, line)| {
        if let Some(header) = line.strip_prefix('[') {
            section = header.split(']').next().unwrap_or_default().trim_start_matches('[');
            return None;
        }
        let is_entry = line.starts_with(|c: char| c.is_ascii_alphanumeric()) && line.contains('=');
        is_entry.then_some((index + 1, section, line.trim()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wants_inherited_lints_and_dependencies() {
        let good = "[package]\nname = \"a\"\n[lints]\nworkspace = true\n[dependencies]\n\
                    crypto.workspace = true\nclap = { workspace = true, features = [\"std\"] }\n";
        assert_eq!(member("a/Cargo.toml", good), []);
        let found = member("a/Cargo.toml", "[dev-dependencies]\nrand = \"0.9\"\n");
        let messages: Vec<String> = found.iter().map(ToString::to_string).collect();
        assert_eq!(
            messages,
            [
                "a/Cargo.toml: lacks [lints] workspace = true",
                "a/Cargo.toml:2: `rand = \"0.9\"` is not from [workspace.dependencies]",
            ]
        );
    }

    #[test]
    fn wants_a_comment_above_every_third_party_crate() {
        let text = "[workspace.dependencies]\nours = { path = \"crates/ours\" }\n\
                    # good: buys\n# something.\ngood = \"1\"\n\
                    # one, two: both.\none = \"1\"\ntwo.version = \"1\"\n\
                    # other: no\nbad = \"1\"\n\nworse = \"1\"\n";
        let lines: Vec<_> = comments("Cargo.toml", text).iter().map(|found| found.line).collect();
        assert_eq!(lines, [Some(10), Some(12)]);
    }
}
