//! Patterns over arguments, variable names and values.

use alloc::vec::Vec;

/// A pattern over bytes: `*` matches any run of bytes, `?` one byte, everything else itself.
///
/// There is no escape: a rule that must name a literal `*` is written with `?`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Pattern(Vec<u8>);

impl Pattern {
    /// Makes a pattern from its text.
    #[must_use]
    pub fn new(text: impl Into<Vec<u8>>) -> Self {
        Self(text.into())
    }

    /// The pattern that matches everything.
    #[must_use]
    pub fn any() -> Self {
        Self::new(*b"*")
    }

    /// The pattern's text.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// Whether the whole of `text` matches. Time is at most the product of both lengths.
    #[must_use]
    pub fn matches(&self, text: &[u8]) -> bool {
        // Greedy with one point of return: the last `*` and the text position tried for its end.
        let (mut p, mut t) = (0, 0);
        let mut retry: Option<(usize, usize)> = None;
        while let Some(&byte) = text.get(t) {
            match (self.0.get(p), retry) {
                (Some(b'*'), _) => {
                    p += 1;
                    retry = Some((p, t));
                }
                (Some(&want), _) if want == b'?' || want == byte => {
                    p += 1;
                    t += 1;
                }
                (_, Some((star, from))) => {
                    p = star;
                    t = from + 1;
                    retry = Some((star, t));
                }
                (_, None) => return false,
            }
        }
        self.0.get(p..).is_some_and(|rest| rest.iter().all(|&b| b == b'*'))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn naive(pattern: &[u8], text: &[u8]) -> bool {
        match (pattern.split_first(), text.split_first()) {
            (None, None) => true,
            (Some((b'*', rest)), _) => {
                naive(rest, text) || text.split_first().is_some_and(|(_, t)| naive(pattern, t))
            }
            (Some((&p, rest)), Some((&t, tail))) => (p == b'?' || p == t) && naive(rest, tail),
            _ => false,
        }
    }

    #[test]
    fn words_a_user_writes() {
        let check = |p: &str, t: &str| Pattern::new(p).matches(t.as_bytes());
        assert!(check("*", ""));
        assert!(check("LC_*", "LC_ALL"));
        assert!(check("--port=????", "--port=6379"));
        assert!(!check("--port=????", "--port=637"));
        assert!(!check("LC_*", "XLC_ALL"));
        assert!(!check("", "a"));
    }

    proptest! {
        #[test]
        fn agrees_with_the_definition(p in "[ab*?]{0,8}", t in "[ab]{0,10}") {
            prop_assert_eq!(
                Pattern::new(p.as_bytes()).matches(t.as_bytes()),
                naive(p.as_bytes(), t.as_bytes())
            );
        }
    }
}
