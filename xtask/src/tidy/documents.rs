//! Documents: ADRs are numbered without gaps and listed, links lead somewhere, names are plain.

use std::path::{Component, Path};

use super::{Finding, TextFile};
use crate::workspace;

const ADR: &str = "docs/adr/";
const INDEX: &str = "docs/adr/README.md";

pub(super) fn check(files: &[TextFile]) -> Vec<Finding> {
    let paths: Vec<&str> = files.iter().map(|file| &*file.path).collect();
    let index = files.iter().find(|file| file.path == INDEX).map_or("", |file| &file.text);
    let mut findings = adrs(&paths, index);
    findings.extend(paths.iter().filter_map(|path| name(path)));
    for file in files.iter().filter(|file| file.path.ends_with(".md")) {
        let broken = links(&file.text).filter(|(_, link)| {
            !resolve(&file.path, link).is_some_and(|path| workspace::root().join(path).exists())
        });
        findings.extend(broken.map(|(line, link)| {
            Finding::at(&file.path, line, format!("link {link} leads nowhere"))
        }));
    }
    findings
}

/// Line numbers and targets of the links of a Markdown page that lead into the repository.
fn links(text: &str) -> impl Iterator<Item = (usize, &str)> {
    text.lines().enumerate().flat_map(|(index, line)| {
        let targets = line.split("](").skip(1).filter_map(|rest| rest.split(')').next());
        let inside = targets.filter(|target| !target.contains("://") && !target.starts_with('#'));
        inside.map(move |target| (index + 1, target.split('#').next().unwrap_or_default()))
    })
}

/// A link of a page as a path from the root of the repository; `None` if it leads out of it.
fn resolve(page: &str, link: &str) -> Option<String> {
    let mut parts: Vec<&str> = page.split('/').collect();
    parts.pop();
    for component in Path::new(link).components() {
        match component {
            Component::Normal(name) => parts.push(name.to_str()?),
            Component::ParentDir => {
                parts.pop()?;
            }
            Component::CurDir => {}
            Component::RootDir | Component::Prefix(_) => return None,
        }
    }
    Some(parts.join("/"))
}

/// `docs/adr/NNNN-title.md`, each number once, from 0001 on, each in the index.
fn adrs(paths: &[&str], index: &str) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut expected = 1;
    let mut names: Vec<&str> = paths.iter().filter_map(|path| path.strip_prefix(ADR)).collect();
    names.retain(|name| *name != "README.md");
    names.sort_unstable();
    for name in names {
        let path = format!("{ADR}{name}");
        let number = name.split_once('-').and_then(|(number, _)| {
            number.parse::<u32>().ok().filter(|_| number.len() == 4 && name.ends_with(".md"))
        });
        match number {
            None => findings.push(Finding::new(path, "not named NNNN-title.md")),
            Some(number) => {
                if number != expected {
                    let message = format!("number {number:04}, expected {expected:04}");
                    findings.push(Finding::new(&path, message));
                }
                expected = number + 1;
                if !index.contains(&format!("]({name})")) {
                    findings.push(Finding::new(path, format!("not listed in {INDEX}")));
                }
            }
        }
    }
    findings
}

/// File names are readable on any machine; Rust modules are in snake case.
fn name(path: &str) -> Option<Finding> {
    let file = path.rsplit('/').next().unwrap_or(path);
    let plain = path.chars().all(|c| c.is_ascii_alphanumeric() || "-_./+".contains(c));
    if !plain {
        return Some(Finding::new(path, "file names use letters, digits, `-`, `_`, `.` and `+`"));
    }
    let stem = file.strip_suffix(".rs")?;
    let snake = stem.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_');
    (!snake).then(|| Finding::new(path, "Rust files are in snake case"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wants_adrs_numbered_and_listed() {
        let index = "[one](0001-one.md) [two](0002-two.md) [four](0004-four.md)";
        let paths = |names: &[&str]| -> Vec<String> {
            names.iter().map(|name| format!("{ADR}{name}")).collect()
        };
        let messages = |names: &[&str]| -> Vec<String> {
            let paths = paths(names);
            let paths: Vec<&str> = paths.iter().map(String::as_str).collect();
            adrs(&paths, index).into_iter().map(|finding| finding.message).collect()
        };
        assert_eq!(messages(&["README.md", "0001-one.md", "0002-two.md"]), [""; 0]);
        assert_eq!(messages(&["0001-one.md", "0004-four.md"]), ["number 0004, expected 0002"]);
        assert_eq!(messages(&["one.md"]), ["not named NNNN-title.md"]);
        assert_eq!(messages(&["0001-other.md"]), ["not listed in docs/adr/README.md"]);
    }

    #[test]
    fn follows_links() {
        let text = "[a](b.md) and [c](../d.md#e)\n[f](https://g/h) [i](#j)\n";
        assert_eq!(links(text).collect::<Vec<_>>(), [(1, "b.md"), (1, "../d.md")]);
        assert_eq!(resolve("docs/adr/x.md", "y.md").as_deref(), Some("docs/adr/y.md"));
        assert_eq!(resolve("docs/adr/x.md", "../../README.md").as_deref(), Some("README.md"));
        assert_eq!(resolve("README.md", "../out.md"), None);
        assert_eq!(resolve("README.md", "/etc"), None);
    }

    #[test]
    fn wants_plain_names() {
        assert!(name("crates/a/src/some_module.rs").is_none());
        assert!(name("crates/a/src/someModule.rs").is_some());
        assert!(name("docs/a b.md").is_some());
    }
}
