//! Finding the rule that decides for a path.

use std::cmp::Reverse;
use std::collections::HashMap;

use super::rule::Permissions;

/// Rules for one path or pattern, merged, with where they come from.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Entry {
    pub(super) permissions: Permissions,
    /// The pattern after templates were filled.
    pub(super) pattern: String,
    /// Policies and the patterns as written there.
    pub(super) sources: Vec<(String, String)>,
}

/// Greater wins: the module's order, field by field.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Priority<'a> {
    first_wildcard: usize,
    exact_end: bool,
    pluses: Reverse<usize>,
    length: usize,
    text: &'a str,
}

/// A pattern with `+`.
#[derive(Clone, Debug)]
struct Wildcard {
    /// Without the `*` at the end.
    text: String,
    segments: Vec<Option<String>>,
    /// Where the first `+` segment begins.
    first_wildcard: usize,
    is_prefix: bool,
    entry: usize,
}

/// All rules of one caller.
#[derive(Clone, Debug, Default)]
pub(super) struct Index {
    entries: Vec<Entry>,
    exact: HashMap<String, usize>,
    prefixes: Prefixes,
    wildcards: Vec<Wildcard>,
}

/// Prefixes in byte order. Each knows its longest proper prefix among them, so that the longest prefix of
/// a path is found by one binary search and a walk up.
#[derive(Clone, Debug, Default)]
struct Prefixes {
    sorted: Vec<Prefix>,
}

#[derive(Clone, Debug)]
struct Prefix {
    text: String,
    parent: Option<usize>,
    entry: usize,
}

/// Whether a pattern has a segment that is `+`.
pub(super) fn has_plus(pattern: &str) -> bool {
    pattern.split('/').any(|segment| segment == "+")
}

impl Index {
    /// Builds an index from entries with distinct patterns.
    pub(super) fn new(entries: Vec<Entry>) -> Self {
        let mut index = Self::default();
        let mut prefixes = Vec::new();
        for (number, entry) in entries.iter().enumerate() {
            let pattern = entry.pattern.as_str();
            if has_plus(pattern) {
                index.wildcards.push(Wildcard::new(pattern, number));
            } else if let Some(prefix) = pattern.strip_suffix('*') {
                prefixes.push((prefix.to_owned(), number));
            } else {
                index.exact.insert(pattern.to_owned(), number);
            }
        }
        index.prefixes = Prefixes::new(prefixes);
        index.entries = entries;
        index
    }

    /// The deciding entry.
    pub(super) fn find(&self, path: &str, is_list: bool) -> Option<&Entry> {
        let trimmed = if is_list { path.strip_suffix('/') } else { None };
        let exact = self.exact.get(path).or_else(|| self.exact.get(trimmed?));
        let number = match exact {
            Some(number) => Some(*number),
            None if self.wildcards.is_empty() => {
                let prefix = self.prefixes.longest(path);
                prefix.map(|prefix| prefix.entry)
            }
            None => {
                let both = self.candidates(path).into_iter();
                let both =
                    both.chain(trimmed.map(|path| self.candidates(path)).unwrap_or_default());
                both.max_by_key(|(priority, _)| *priority).map(|(_, number)| number)
            }
        };
        self.entries.get(number?)
    }

    /// Every entry whose pattern matches, the deciding one first.
    pub(super) fn find_all(&self, path: &str, is_list: bool) -> Vec<&Entry> {
        let trimmed = if is_list { path.strip_suffix('/') } else { None };
        let forms: Vec<&str> = [Some(path), trimmed].into_iter().flatten().collect();
        let mut numbers: Vec<usize> =
            forms.iter().filter_map(|form| self.exact.get(*form).copied()).collect();
        let mut others: Vec<(Priority<'_>, usize)> =
            forms.iter().flat_map(|form| self.candidates(form)).collect();
        for prefix in &self.prefixes.sorted {
            if forms.iter().any(|form| form.starts_with(&prefix.text)) {
                others.push((prefix.priority(), prefix.entry));
            }
        }
        others.sort_by_key(|(priority, _)| Reverse(*priority));
        numbers.extend(others.into_iter().map(|(_, number)| number));
        let mut seen = std::collections::HashSet::new();
        numbers.retain(|number| seen.insert(*number));
        numbers.into_iter().filter_map(|number| self.entries.get(number)).collect()
    }

    /// The longest prefix and every matching wildcard.
    fn candidates(&self, path: &str) -> Vec<(Priority<'_>, usize)> {
        let wildcards = self.wildcards.iter().filter(|wildcard| wildcard.matches(path));
        let wildcards = wildcards.map(|wildcard| (wildcard.priority(), wildcard.entry));
        let prefix = self.prefixes.longest(path);
        wildcards.chain(prefix.map(|prefix| (prefix.priority(), prefix.entry))).collect()
    }

    pub(super) fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// Whether an entry that grants something could match a path at or below a mount.
    pub(super) fn reaches_below(&self, mount: &str) -> bool {
        self.entries.iter().any(|entry| {
            !entry.permissions.capabilities.grants_nothing() && reaches(&entry.pattern, mount)
        })
    }
}

/// Whether a pattern could match some path that begins with a mount's.
fn reaches(pattern: &str, mount: &str) -> bool {
    let (literal, is_prefix) = match pattern.strip_suffix('*') {
        Some(literal) => (literal, true),
        None => (pattern, false),
    };
    let mut wanted = mount.trim_end_matches('/').split('/');
    let mut segments = literal.split('/').peekable();
    loop {
        let Some(want) = wanted.next() else { return is_prefix || segments.peek().is_some() };
        let Some(segment) = segments.next() else { return false };
        let is_last = segments.peek().is_none();
        if is_prefix && is_last && want.starts_with(segment) {
            return true;
        }
        if segment != "+" && segment != want {
            return false;
        }
    }
}

impl Prefixes {
    fn new(mut prefixes: Vec<(String, usize)>) -> Self {
        prefixes.sort();
        let mut sorted: Vec<Prefix> = Vec::with_capacity(prefixes.len());
        for (text, entry) in prefixes {
            let mut parent = sorted.len().checked_sub(1);
            while let Some(candidate) = parent.and_then(|number| sorted.get(number)) {
                if text.starts_with(&candidate.text) {
                    break;
                }
                parent = candidate.parent;
            }
            sorted.push(Prefix { text, parent, entry });
        }
        Self { sorted }
    }

    fn longest(&self, path: &str) -> Option<&Prefix> {
        let after = self.sorted.partition_point(|prefix| prefix.text.as_str() <= path);
        let mut candidate = self.sorted.get(after.checked_sub(1)?)?;
        while !path.starts_with(&candidate.text) {
            candidate = self.sorted.get(candidate.parent?)?;
        }
        Some(candidate)
    }
}

impl Prefix {
    fn priority(&self) -> Priority<'_> {
        Priority {
            first_wildcard: self.text.len(),
            exact_end: false,
            pluses: Reverse(0),
            length: self.text.len(),
            text: &self.text,
        }
    }
}

impl Wildcard {
    fn new(pattern: &str, entry: usize) -> Self {
        let (text, is_prefix) = match pattern.strip_suffix('*') {
            Some(text) => (text, true),
            None => (pattern, false),
        };
        let literal = |segment: &str| (segment != "+").then(|| segment.to_owned());
        let before = text.split('/').take_while(|segment| *segment != "+");
        let first_wildcard = before.map(|segment| segment.len() + 1).sum();
        let segments = text.split('/').map(literal).collect();
        Self { text: text.to_owned(), segments, first_wildcard, is_prefix, entry }
    }

    fn matches(&self, path: &str) -> bool {
        let mut parts = path.split('/');
        let last = self.segments.len().saturating_sub(1);
        for (number, segment) in self.segments.iter().enumerate() {
            let Some(part) = parts.next() else { return false };
            let fits = match segment {
                None => true,
                Some(text) if self.is_prefix && number == last => part.starts_with(text.as_str()),
                Some(text) => part == text,
            };
            if !fits {
                return false;
            }
        }
        self.is_prefix || parts.next().is_none()
    }

    fn priority(&self) -> Priority<'_> {
        Priority {
            first_wildcard: self.first_wildcard,
            exact_end: !self.is_prefix,
            pluses: Reverse(self.segments.iter().filter(|segment| segment.is_none()).count()),
            length: self.text.len(),
            text: &self.text,
        }
    }
}
