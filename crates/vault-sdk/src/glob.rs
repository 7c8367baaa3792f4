//! Vault's globs: `*` stands for any run of bytes, nothing else is special.

/// Whether a text matches a pattern. Linear in the text for each `*`.
#[must_use]
pub fn matches(pattern: &str, text: &str) -> bool {
    let mut parts = pattern.split('*');
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = text.strip_prefix(first) else { return false };
    let Some(last) = parts.next_back() else { return rest.is_empty() };
    for part in parts {
        match rest.find(part) {
            Some(at) => rest = rest.get(at + part.len()..).unwrap_or_default(),
            None => return false,
        }
    }
    rest.ends_with(last)
}

/// Whether a text matches a pattern of policy parameters: `*` counts only at the beginning and at the end,
/// and a lone `*` is a literal star.
#[must_use]
pub fn matches_at_ends(pattern: &str, text: &str) -> bool {
    if pattern.len() < 2 {
        return pattern == text;
    }
    match (pattern.strip_prefix('*'), pattern.strip_suffix('*')) {
        (Some(open), Some(_)) => text.contains(open.strip_suffix('*').unwrap_or(open)),
        (Some(end), None) => text.ends_with(end),
        (None, Some(start)) => text.starts_with(start),
        (None, None) => pattern == text,
    }
}

#[cfg(test)]
mod tests {
    use super::{matches, matches_at_ends};

    #[test]
    fn stars_at_the_ends() {
        for (pattern, text, expected) in [
            ("*", "a", false),
            ("*", "*", true),
            ("**", "a", true),
            ("a*", "ab", true),
            ("*b", "ab", true),
            ("*b*", "abc", true),
            ("a*c", "abc", false),
            ("a", "a", true),
        ] {
            assert_eq!(matches_at_ends(pattern, text), expected, "{pattern} {text}");
        }
    }

    #[test]
    fn star_stands_for_any_run() {
        for (pattern, text, expected) in [
            ("", "", true),
            ("", "a", false),
            ("*", "", true),
            ("*", "abc", true),
            ("a*", "abc", true),
            ("a*", "ba", false),
            ("*c", "abc", true),
            ("a*c", "ac", true),
            ("a*c", "abcd", false),
            ("a*b*c", "a-b-b-c", true),
            ("ab*ba", "aba", false),
            ("a**b", "ab", true),
            ("*é*", "aéb", true),
        ] {
            assert_eq!(matches(pattern, text), expected, "{pattern} {text}");
        }
    }
}
