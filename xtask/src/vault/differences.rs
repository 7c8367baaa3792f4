//! The differences that are meant: `tests/vault/differences.txt`.
//!
//! A line is `SCRIPT: METHOD PATH POINTER :: REASON`; `*` stands for any run of characters. A line that
//! explains nothing any more is a failure, or only a remark where its reason says that something was
//! missing: that is good news, and may come with a change that knows nothing of this file.

use std::fs;

use anyhow::{Context, Result, bail, ensure};

use super::compare::Difference;
use crate::workspace;

/// How the reason of a line begins that waits for a change of ours.
const OPEN: &str = "open:";

/// The lines, and which of them were needed.
#[derive(Debug, Default)]
pub(super) struct Differences {
    known: Vec<Known>,
}

#[derive(Debug)]
struct Known {
    pattern: String,
    /// Something of ours is missing, and not meant to.
    open: bool,
    used: bool,
}

impl Differences {
    pub(super) fn load() -> Result<Self> {
        let path = workspace::root().join("tests").join("vault").join("differences.txt");
        let text = fs::read_to_string(&path).with_context(|| format!("read {}", path.display()))?;
        Self::parse(&text).with_context(|| format!("{}", path.display()))
    }

    fn parse(text: &str) -> Result<Self> {
        let mut known = Vec::new();
        for line in text.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
            let Some((pattern, reason)) = line.split_once(" :: ") else {
                bail!("expected PLACE :: REASON, found {line:?}");
            };
            ensure!(!reason.trim().is_empty(), "{pattern} has no reason");
            let open = reason.starts_with(OPEN);
            known.push(Known { pattern: pattern.trim().to_owned(), open, used: false });
        }
        Ok(Self { known })
    }

    /// Those of `found` that no line explains.
    pub(super) fn unexplained(&mut self, found: Vec<Difference>) -> Vec<String> {
        let mut rest = Vec::new();
        for Difference { place, what } in found {
            let mut explained = false;
            for known in self.known.iter_mut().filter(|known| matches(&known.pattern, &place)) {
                known.used = true;
                explained = true;
            }
            if !explained {
                rest.push(format!("{place}: {what}"));
            }
        }
        rest
    }

    /// Fails if a line that was meant explains nothing any more.
    pub(super) fn check_used(&self) -> Result<()> {
        let unused = |open| {
            let lines = self.known.iter().filter(move |known| !known.used && known.open == open);
            lines.map(|known| known.pattern.as_str()).collect::<Vec<_>>()
        };
        for line in unused(true) {
            println!("no longer open, take it out of tests/vault/differences.txt: {line}");
        }
        let meant = unused(false);
        ensure!(
            meant.is_empty(),
            "these differences are gone; take them out of tests/vault/differences.txt:\n  {}",
            meant.join("\n  ")
        );
        Ok(())
    }
}

/// Whether the whole text is what the pattern says.
fn matches(pattern: &str, text: &str) -> bool {
    let mut parts = pattern.split('*');
    let Some(mut rest) = parts.next().and_then(|first| text.strip_prefix(first)) else {
        return false;
    };
    let parts: Vec<&str> = parts.collect();
    let Some((last, middle)) = parts.split_last() else { return rest.is_empty() };
    for part in middle {
        match rest.find(part) {
            Some(at) => rest = &rest[at + part.len()..],
            None => return false,
        }
    }
    rest.ends_with(last)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_must_be_needed() {
        let text = "# why\nsys: GET /v1/sys/health /version :: our own\nkv2: * status :: none\na: b :: open: c\n";
        let mut differences = Differences::parse(text).unwrap();
        let difference = |place: &str| Difference { place: place.into(), what: "x".into() };
        let found =
            vec![difference("sys: GET /v1/sys/health /version"), difference("sys: GET /v1/b /c")];
        assert_eq!(differences.unexplained(found), ["sys: GET /v1/b /c: x"]);
        let error = differences.check_used().unwrap_err().to_string();
        assert!(
            error.contains("kv2: * status") && !error.contains("health") && !error.contains("a: b"),
            "{error}"
        );
        assert!(Differences::parse("sys: GET /v1/x").is_err());
        assert!(Differences::parse("sys: GET /v1/x :: ").is_err());
    }

    #[test]
    fn stars_match_any_run() {
        assert!(matches("a*c*", "abcd") && matches("*", "") && matches("ab", "ab"));
        assert!(!matches("a*d", "abc") && !matches("ab", "abc") && !matches("a*b*a", "ab"));
    }
}
