//! The script format.

use anyhow::{Result, bail};

/// A parsed script.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Script {
    pub(super) steps: Vec<Step>,
    /// Names and contents.
    pub(super) files: Vec<(String, String)>,
}

/// A command and where it stands.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Step {
    /// Counted from 1.
    pub(super) line: usize,
    /// Written with a leading `!`.
    pub(super) negated: bool,
    pub(super) words: Vec<String>,
}

/// Parses a script; says the line of what it cannot read.
pub(super) fn parse(text: &str) -> Result<Script> {
    let mut script = Script { steps: Vec::new(), files: Vec::new() };
    for (index, line) in text.lines().enumerate() {
        if let Some(name) = file_marker(line) {
            script.files.push((name.to_owned(), String::new()));
        } else if let Some((_, content)) = script.files.last_mut() {
            content.push_str(line);
            content.push('\n');
        } else if let Some(step) = step(index + 1, line)? {
            script.steps.push(step);
        }
    }
    if script.steps.is_empty() {
        bail!("the script has no commands");
    }
    Ok(script)
}

fn file_marker(line: &str) -> Option<&str> {
    let name = line.strip_prefix("-- ")?.strip_suffix(" --")?.trim();
    (!name.is_empty()).then_some(name)
}

fn step(line: usize, text: &str) -> Result<Option<Step>> {
    let text = text.trim();
    if text.is_empty() || text.starts_with('#') {
        return Ok(None);
    }
    let (negated, text) = match text.strip_prefix("! ") {
        Some(rest) => (true, rest),
        None => (false, text),
    };
    Ok(Some(Step { line, negated, words: words(line, text)? }))
}

fn words(line: usize, text: &str) -> Result<Vec<String>> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut quoted = false;
    let mut rest = text.chars().peekable();
    while let Some(character) = rest.next() {
        match character {
            '\'' if quoted && rest.peek() == Some(&'\'') => {
                rest.next();
                word.get_or_insert_default().push('\'');
            }
            '\'' => {
                quoted = !quoted;
                word.get_or_insert_default();
            }
            blank if blank.is_whitespace() && !quoted => words.extend(word.take()),
            other => word.get_or_insert_default().push(other),
        }
    }
    if quoted {
        bail!("line {line}: a single quote is not closed");
    }
    words.extend(word);
    Ok(words)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parses_commands_and_files() {
        let script =
            parse("# why\n\nexec sh -c 'echo it''s' ''\n! stdout x\n-- a.txt --\none\n\n-- b --\n")
                .unwrap();
        let words = |list: &[&str]| list.iter().map(|word| (*word).to_owned()).collect();
        assert_eq!(
            script.steps,
            [
                Step {
                    line: 3,
                    negated: false,
                    words: words(&["exec", "sh", "-c", "echo it's", ""])
                },
                Step { line: 4, negated: true, words: words(&["stdout", "x"]) },
            ]
        );
        assert_eq!(
            script.files,
            [("a.txt".to_owned(), "one\n\n".to_owned()), ("b".to_owned(), String::new())]
        );
    }

    #[test]
    fn refuses_what_would_show_nothing() {
        assert!(parse("# only words\n").is_err());
        let error = parse("exec a\nexec 'b\n").unwrap_err().to_string();
        assert_eq!(error, "line 2: a single quote is not closed");
    }
}
