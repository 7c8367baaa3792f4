//! What no tracked text may contain.

use super::{Finding, TextFile};

/// Directories that exist on one machine only. Split, so that this file does not hold them.
const MACHINE_PATHS: &[&str] =
    &[concat!("/wo", "rk/"), concat!("/ro", "ot/."), concat!("/ho", "me/")];

/// Hosts that packages come from: a build asks for a package by name, the machine knows from where.
const REGISTRY_HOSTS: &[&str] = &[
    concat!("index.", "crates.io"),
    concat!("static.", "crates.io"),
    concat!("deb.", "debian.org"),
    concat!("archive.", "ubuntu.com"),
    concat!("pypi", ".org"),
    concat!("files.", "pythonhosted.org"),
    concat!("registry.", "npmjs.org"),
    concat!("proxy.", "golang.org"),
    concat!("artifact", "ory"),
];

pub(super) fn check(file: &TextFile) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (index, line) in file.text.lines().enumerate() {
        let mut found =
            |message: String| findings.push(Finding::at(&file.path, index + 1, message));
        for path in MACHINE_PATHS.iter().filter(|path| names_machine_path(line, path)) {
            found(format!("names a path of one machine, {path}"));
        }
        for host in REGISTRY_HOSTS.iter().filter(|host| line.contains(**host)) {
            found(format!("names a registry host, {host}"));
        }
        if unnumbered_todo(line) {
            found(format!("{} without the number of an issue, (#N)", concat!("TO", "DO")));
        }
        if is_prose_or_code(&file.path) && line.ends_with([' ', '\t']) {
            found("white space at the end of the line".to_owned());
        }
    }
    if is_prose_or_code(&file.path) && !file.text.is_empty() && !file.text.ends_with('\n') {
        findings.push(Finding::new(&file.path, "no newline at the end of the file"));
    }
    findings
}

/// A path of a machine begins a word; `tests/work/` is one of the repository.
fn names_machine_path(line: &str, path: &str) -> bool {
    line.match_indices(path).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        before.is_none_or(|c| !c.is_alphanumeric() && !"._-}$*".contains(c))
    })
}

fn unnumbered_todo(line: &str) -> bool {
    [concat!("TO", "DO"), concat!("FIX", "ME"), concat!("XX", "X:")].iter().any(|word| {
        line.match_indices(word).any(|(at, _)| {
            let (before, after) = (line[..at].chars().next_back(), &line[at + word.len()..]);
            let numbered = after
                .strip_prefix("(#")
                .is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()));
            before.is_none_or(|c| !c.is_alphanumeric() && c != '_')
                && !after.starts_with(|c: char| c.is_alphanumeric() || c == '_')
                && !numbered
        })
    })
}

fn is_prose_or_code(path: &str) -> bool {
    let extension = path.rsplit_once('.').map(|(_, extension)| extension);
    matches!(extension, Some("rs" | "md" | "toml" | "sh" | "s" | "c" | "go"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(path: &str, text: &str) -> usize {
        check(&TextFile { path: path.to_owned(), text: text.to_owned() }).len()
    }

    #[test]
    fn finds_machine_paths_and_registry_hosts() {
        assert_eq!(found("a.md", &format!("see {}wt/x\n", MACHINE_PATHS[0])), 1);
        assert_eq!(found("a.md", &format!("in tests{}x\n", MACHINE_PATHS[0])), 0);
        assert_eq!(found("a.md", &format!("from https://{}/x\n", REGISTRY_HOSTS[0])), 1);
    }

    #[test]
    fn wants_an_issue_behind_every_todo() {
        let word = concat!("TO", "DO");
        assert_eq!(found("a.rs", &format!("// {word}: later\n")), 1);
        assert_eq!(found("a.rs", &format!("// {word}(#12): later\n")), 0);
        assert_eq!(found("a.rs", &format!("// {word}(me): later\n")), 1);
        assert_eq!(found("a.rs", &format!("const {word}S: u8 = 0;\n")), 0);
    }

    #[test]
    fn finds_trailing_white_space() {
        assert_eq!(found("a.rs", "fn a() {} \n"), 1);
        assert_eq!(found("a.rs", "fn a() {}"), 1);
        // Data is as it is.
        assert_eq!(found("a.txt", "x "), 0);
    }
}
