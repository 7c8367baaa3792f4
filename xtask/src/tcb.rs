//! `cargo xtask tcb`: what is linked into the enclave image, in lines and crates.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};

use crate::workspace::{self, Metadata};
use crate::{image, process};

/// A crate linked into the image. Procedural macros and build scripts only run at build time.
pub(crate) struct Linked {
    pub(crate) name: String,
    pub(crate) version: String,
    pub(crate) is_member: bool,
}

/// Prints the table.
pub(crate) fn run() -> Result<()> {
    let linked = linked()?;
    let metadata = Metadata::load()?;
    println!("{:<24} {:>10} {:>8}  Linked into the enclave image", "Crate", "Version", "Lines");
    let mut totals = [(0, 0); 2];
    for found in &linked {
        let package = metadata
            .packages
            .iter()
            .find(|package| package.name == found.name && package.version == found.version)
            .with_context(|| format!("`cargo metadata` does not know {}", found.name))?;
        let folder = package.manifest_path.parent().context("a manifest has no folder")?;
        let lines = lines(&folder.join("src"))?;
        println!("{:<24} {:>10} {lines:>8}", found.name, found.version);
        let (crates, sum) = &mut totals[usize::from(found.is_member)];
        *crates += 1;
        *sum += lines;
    }
    let [(theirs, their_lines), (ours, our_lines)] = totals;
    println!(
        "\nours: {ours} crates, {our_lines} lines; third-party: {theirs} crates, {their_lines} lines"
    );
    println!("(lines with code, inline tests included; core and alloc are not counted)");
    Ok(())
}

/// The crates of the image, ours first.
pub(crate) fn linked() -> Result<Vec<Linked>> {
    let mut cargo = process::cargo();
    cargo.args(["tree", "--locked", "--package", "enclave", "--target", image::TARGET]);
    cargo.args(["--edges", "normal,no-proc-macro", "--prefix", "none", "--no-dedupe"]);
    let tree =
        String::from_utf8(process::stdout(&mut cargo)?).context("`cargo tree`: not UTF-8")?;
    let mut linked: Vec<Linked> = tree.lines().filter_map(parse).collect();
    linked.sort_by(|a, b| {
        (!a.is_member, &a.name, &a.version).cmp(&(!b.is_member, &b.name, &b.version))
    });
    linked.dedup_by(|a, b| a.name == b.name && a.version == b.version);
    Ok(linked)
}

/// Reads `name v1.2.3` or `name v1.2.3 (/path/of/a/member)`.
fn parse(line: &str) -> Option<Linked> {
    let mut words = line.split_whitespace();
    let (name, version) = (words.next()?, words.next()?.strip_prefix('v')?);
    let is_member = words.next().is_some_and(|path| path.contains('/'));
    Some(Linked { name: name.to_owned(), version: version.to_owned(), is_member })
}

/// Lines of Rust under a folder that are neither blank nor comment.
fn lines(folder: &Path) -> Result<usize> {
    let mut sum = 0;
    for entry in fs::read_dir(folder).with_context(|| format!("list {}", folder.display()))? {
        let path = entry.with_context(|| format!("list {}", folder.display()))?.path();
        let name = path.file_name().unwrap_or_default();
        if path.is_dir() {
            sum += lines(&path)?;
        } else if path.extension().is_some_and(|extension| extension == "rs") && name != "tests.rs"
        {
            let text = fs::read_to_string(&path)
                .with_context(|| format!("read {}", workspace::relative(&path)))?;
            sum += text.lines().filter(|line| is_code(line)).count();
        }
    }
    Ok(sum)
}

fn is_code(line: &str) -> bool {
    let line = line.trim_start();
    !line.is_empty() && !line.starts_with("//")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_cargo_tree() {
        let ours = parse("enclave v0.1.0 (/somewhere/crates/enclave)").unwrap();
        assert!(ours.is_member);
        let theirs = parse("sha2 v0.11.0").unwrap();
        assert_eq!((&*theirs.name, &*theirs.version, theirs.is_member), ("sha2", "0.11.0", false));
        assert!(parse("").is_none());
    }

    #[test]
    fn counts_lines_of_code() {
        assert!(is_code("    let x = 1; // one"));
        assert!(!is_code("    // one"));
        assert!(!is_code("  "));
    }
}
