//! What is wrong with a manifest.

use alloc::{
    format,
    string::{String, ToString},
    vec::Vec,
};
use core::fmt;

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mistake {
    /// Its line, from 1.
    pub line: usize,
    /// What is wrong and what was expected.
    pub message: String,
}

/// Everything that is wrong with one manifest, by line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mistakes {
    /// Offset of the first byte of every line but the first.
    line_starts: Vec<usize>,
    mistakes: Vec<Mistake>,
}

impl Mistakes {
    pub(super) fn new(text: &str) -> Self {
        let line_starts = text.match_indices('\n').map(|(at, _)| at.saturating_add(1)).collect();
        Self { line_starts, mistakes: Vec::new() }
    }

    /// The line of a byte, from 1.
    pub(super) fn line(&self, at: usize) -> usize {
        self.line_starts.partition_point(|start| *start <= at).saturating_add(1)
    }

    pub(super) fn at(&mut self, line: usize, message: impl Into<String>) {
        self.mistakes.push(Mistake { line, message: message.into() });
        self.mistakes.sort_by_key(|mistake| mistake.line);
    }

    /// Whether nothing is wrong.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.mistakes.is_empty()
    }

    /// The mistakes by line.
    pub fn iter(&self) -> impl Iterator<Item = &Mistake> {
        self.mistakes.iter()
    }
}

impl fmt::Display for Mistakes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, Mistake { line, message }) in self.mistakes.iter().enumerate() {
            let separator = if index == 0 { "" } else { "\n" };
            write!(f, "{separator}line {line}: {message}")?;
        }
        Ok(())
    }
}

impl core::error::Error for Mistakes {}

/// "; did you mean ..." when one of the words is close to what was written, else the choice there is.
pub(super) fn suggestion<'w>(found: &str, words: impl Iterator<Item = &'w str> + Clone) -> String {
    let limit = (found.chars().count() / 3).max(1);
    let near = |word: &&str| {
        let distance = distance(&found.to_lowercase(), word);
        (distance <= limit).then_some(distance)
    };
    match words.clone().filter_map(|word| Some((near(&word)?, word))).min() {
        Some((_, word)) => format!("; did you mean {word}?"),
        None => {
            let all: Vec<String> = words.map(ToString::to_string).collect();
            format!("; expected one of {}", all.join(", "))
        }
    }
}

/// Letters to insert, remove, replace or swap with their neighbour (optimal string alignment).
fn distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let mut before: Vec<usize> = Vec::new();
    let mut above: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.iter().enumerate() {
        let mut row = Vec::with_capacity(above.len());
        row.push(i.saturating_add(1));
        for (j, y) in b.iter().enumerate() {
            let cell = |row: &[usize], at: usize| row.get(at).copied().unwrap_or(usize::MAX);
            let j1 = j.saturating_add(1);
            let mut best = cell(&above, j).saturating_add(usize::from(x != y));
            best = best.min(cell(&above, j1).saturating_add(1));
            best = best.min(cell(&row, j).saturating_add(1));
            let swapped = i > 0
                && j > 0
                && a.get(i.wrapping_sub(1)) == Some(y)
                && b.get(j.wrapping_sub(1)) == Some(x);
            if swapped {
                best = best.min(cell(&before, j.wrapping_sub(1)).saturating_add(1));
            }
            row.push(best);
        }
        before = core::mem::replace(&mut above, row);
    }
    above.last().copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances_count_the_four_slips() {
        for (a, b, want) in [
            ("size", "size", 0),
            ("sice", "size", 1),
            ("siz", "size", 1),
            ("sizze", "size", 1),
            ("szie", "size", 1),
            ("", "abc", 3),
            ("threads", "heap", 4),
        ] {
            assert_eq!(distance(a, b), want, "{a} {b}");
        }
    }

    #[test]
    fn a_near_word_is_suggested_and_without_one_all_are_named() {
        let words = ["entrypoint", "args", "cwd"];
        assert_eq!(suggestion("entry_point", words.into_iter()), "; did you mean entrypoint?");
        assert_eq!(suggestion("arg", words.into_iter()), "; did you mean args?");
        assert_eq!(
            suggestion("umask", words.into_iter()),
            "; expected one of entrypoint, args, cwd"
        );
    }
}
