//! A slow second opinion: the documented order applied to every rule, one comparison after the other. It
//! shares only the parser with the real thing.

use std::cmp::Ordering;

/// Whether a pattern matches a path, by walking both.
fn matches(pattern: &str, path: &str) -> bool {
    let (text, open) = match pattern.strip_suffix('*') {
        Some(text) => (text, true),
        None => (pattern, false),
    };
    let patterns: Vec<&str> = text.split('/').collect();
    let parts: Vec<&str> = path.split('/').collect();
    if !patterns.contains(&"+") {
        return if open { path.starts_with(text) } else { path == text };
    }
    if parts.len() < patterns.len() || (!open && parts.len() != patterns.len()) {
        return false;
    }
    patterns.iter().zip(&parts).enumerate().all(|(number, (pattern, part))| {
        let may_go_on = open && number + 1 == patterns.len();
        *pattern == "+" || pattern == part || (may_go_on && part.starts_with(pattern))
    })
}

/// Vault's five rules, as its documentation lists them; greater wins.
fn compare(a: &str, b: &str) -> Ordering {
    let first = |pattern: &str| {
        let mut at = 0;
        for segment in pattern.split('/') {
            if segment == "+" {
                return at;
            }
            if segment.ends_with('*') && at + segment.len() == pattern.len() {
                return pattern.len() - 1;
            }
            at += segment.len() + 1;
        }
        usize::MAX
    };
    let pluses = |pattern: &str| pattern.split('/').filter(|segment| *segment == "+").count();
    let text = |pattern: &str| pattern.trim_end_matches('*').to_owned();
    first(a)
        .cmp(&first(b))
        .then_with(|| b.ends_with('*').cmp(&a.ends_with('*')))
        .then_with(|| pluses(b).cmp(&pluses(a)))
        .then_with(|| text(a).len().cmp(&text(b).len()))
        .then_with(|| text(a).cmp(&text(b)))
}

/// The pattern that decides.
pub(super) fn decides<'a>(patterns: &[&'a str], path: &str, is_list: bool) -> Option<&'a str> {
    let plain = |pattern: &str| !pattern.ends_with('*') && !pattern.split('/').any(|s| s == "+");
    let trimmed = path.strip_suffix('/').filter(|_| is_list);
    for form in [Some(path), trimmed].into_iter().flatten() {
        if let Some(pattern) = patterns.iter().find(|p| plain(p) && **p == form) {
            return Some(pattern);
        }
    }
    let matching = patterns.iter().filter(|pattern| {
        !plain(pattern)
            && (matches(pattern, path) || trimmed.is_some_and(|form| matches(pattern, form)))
    });
    matching.copied().max_by(|a, b| compare(a, b))
}
