//! Which environment variables a program is likely to use.
//!
//! A program reads its environment without a call. But it has to hold a variable's name: the names that stand
//! as words of their own in the files it read are those it may ask for.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;

use super::record::Used;

/// Bytes of each file that are searched.
const SEARCHED: usize = 64 << 20;

/// Variables whose values say nothing that must stay out of a manifest.
const PLAIN: [&str; 7] = ["HOME", "LANG", "LANGUAGE", "PATH", "TERM", "TZ", "USER"];

/// A variable that the program may use.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Variable {
    pub(super) name: String,
    /// Its value, if that can stand in a manifest.
    pub(super) value: Option<String>,
}

/// The variables of this process that the files a program read name.
pub(super) fn used(used: &Used) -> Vec<Variable> {
    let variables: Vec<(String, String)> = std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .filter(|(name, _)| !name.is_empty() && name.bytes().all(is_word))
        .collect();
    let mut found = BTreeSet::new();
    for path in &used.trusted {
        let Ok(content) = std::fs::read(OsStr::from_bytes(path)) else { continue };
        let content = content.get(..SEARCHED).unwrap_or(&content);
        for (name, _) in &variables {
            if !found.contains(name) && holds_word(content, name.as_bytes()) {
                found.insert(name.clone());
            }
        }
    }
    let plain = |name: &str| PLAIN.contains(&name) || name.starts_with("LC_");
    variables
        .into_iter()
        .filter(|(name, _)| found.contains(name))
        .map(|(name, value)| Variable { value: plain(&name).then_some(value), name })
        .collect()
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

/// Whether `word` stands in `content` with no letter, digit or underscore beside it.
fn holds_word(content: &[u8], word: &[u8]) -> bool {
    let Some(first) = word.first() else { return false };
    let mut from = 0;
    while let Some(at) = content.get(from..).and_then(|rest| rest.iter().position(|b| b == first)) {
        let start = from + at;
        let end = start + word.len();
        let alone = |at: Option<usize>| {
            at.and_then(|at| content.get(at)).is_none_or(|byte| !is_word(*byte))
        };
        if content.get(start..end) == Some(word) && alone(start.checked_sub(1)) && alone(Some(end))
        {
            return true;
        }
        from = start + 1;
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_found_as_words() {
        assert!(holds_word(b"\0PATH\0", b"PATH"));
        assert!(holds_word(b"PATH", b"PATH"));
        assert!(holds_word(b"LD_PATH getenv(\"PATH\")", b"PATH"));
        assert!(!holds_word(b"LD_PATH PATHS", b"PATH"));
        assert!(!holds_word(b"PAT", b"PATH"));
    }
}
