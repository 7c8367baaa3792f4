//! Reads a script of requests.

use anyhow::{Result, bail, ensure};
use serde_json::Value;

/// What a script does, in order.
#[derive(Debug, PartialEq)]
pub(super) struct Script {
    pub(super) steps: Vec<Step>,
}

/// One line.
#[derive(Debug, PartialEq)]
pub(super) enum Step {
    As(String),
    Header(String, String),
    Save(String, String),
    Request(Request),
}

/// A request as it is written, variables not yet replaced.
#[derive(Debug, PartialEq)]
pub(super) struct Request {
    pub(super) method: String,
    pub(super) path: String,
    /// JSON, or anything else where the test is about what is no JSON.
    pub(super) body: Option<String>,
}

impl Script {
    pub(super) fn parse(text: &str) -> Result<Self> {
        let mut steps = Vec::new();
        for (index, line) in text.lines().enumerate() {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let words: Vec<&str> = line.splitn(3, ' ').collect();
            steps.push(match words[..] {
                ["as", who] => Step::As(who.to_owned()),
                ["header", name, value] => Step::Header(name.to_owned(), value.to_owned()),
                ["save", name, pointer] => Step::Save(name.to_owned(), pointer.to_owned()),
                [method, path, ref body @ ..] if is_method(method) => Step::Request(Request {
                    method: method.to_owned(),
                    path: path.to_owned(),
                    body: body.first().map(|body| (*body).to_owned()),
                }),
                _ => bail!("line {}: not understood: {line}", index + 1),
            });
        }
        ensure!(!steps.is_empty(), "the script has no steps");
        Ok(Self { steps })
    }

    pub(super) fn requests(&self) -> u64 {
        self.steps.iter().map(|step| u64::from(matches!(step, Step::Request(_)))).sum()
    }
}

fn is_method(word: &str) -> bool {
    ["GET", "HEAD", "LIST", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"].contains(&word)
}

/// Replaces `$NAME` by values; a name that is not known stays.
pub(super) fn fill(text: &str, values: &std::collections::BTreeMap<String, String>) -> String {
    let mut names: Vec<&String> = values.keys().collect();
    // `$role_id` before `$role`.
    names.sort_by_key(|name| std::cmp::Reverse(name.len()));
    names
        .into_iter()
        .fold(text.to_owned(), |text, name| text.replace(&format!("${name}"), &values[name]))
}

/// A value as it is put into a path or a body.
pub(super) fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_steps() {
        let text = "# why\nas root\n\nPOST /v1/secret/data/a {\"data\":{\"k\": \"v w\"}}\nsave version /data/version\nLIST /v1/x\n";
        let script = Script::parse(text).unwrap();
        assert_eq!(script.requests(), 2);
        let Step::Request(first) = &script.steps[1] else { panic!("{script:?}") };
        assert_eq!(first.body.as_deref(), Some("{\"data\":{\"k\": \"v w\"}}"));
        assert_eq!(script.steps[2], Step::Save("version".into(), "/data/version".into()));
        for bad in ["", "fetch /v1/x", "save name"] {
            assert!(Script::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn longer_names_are_replaced_first() {
        let values = [("role", "r"), ("role_id", "i")].map(|(n, v)| (n.into(), v.into())).into();
        assert_eq!(fill("/a/$role_id/$role/$other", &values), "/a/i/r/$other");
    }
}
