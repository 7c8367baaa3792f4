//! Bounds of JSON, checked over the bytes before anything is built from them (CVE-2025-6203).
//!
//! One pass, no recursion, no memory but the nesting. Whether the text is JSON at all is the parser's question.

#![deny(clippy::indexing_slicing, clippy::arithmetic_side_effects, clippy::expect_used)]

use crate::config::Limits;

/// Says which bound a text exceeds.
pub(crate) fn check(bytes: &[u8], limits: &Limits) -> Result<(), &'static str> {
    // For each open container, the number of its entries so far.
    let mut open: Vec<usize> = Vec::new();
    let mut values: usize = 0;
    let mut rest = bytes.iter();
    while let Some(byte) = rest.next() {
        match byte {
            b'"' => skip_string(&mut rest, limits.json_string)?,
            b'{' | b'[' => {
                if open.len() >= limits.json_depth {
                    return Err("JSON is nested too deep");
                }
                open.push(1);
                values = values.saturating_add(1);
            }
            b'}' | b']' => {
                open.pop();
            }
            b',' => {
                values = values.saturating_add(1);
                if let Some(entries) = open.last_mut() {
                    *entries = entries.saturating_add(1);
                    if *entries > limits.json_entries {
                        return Err("JSON has too many entries in one object or list");
                    }
                }
            }
            _ => {}
        }
        if values > limits.json_values {
            return Err("JSON has too many values");
        }
    }
    Ok(())
}

/// Skips to behind the closing quote.
fn skip_string(rest: &mut std::slice::Iter<'_, u8>, limit: usize) -> Result<(), &'static str> {
    let mut length: usize = 0;
    while let Some(byte) = rest.next() {
        match byte {
            b'"' => return Ok(()),
            b'\\' => {
                rest.next();
            }
            _ => {}
        }
        length = length.saturating_add(1);
        if length > limit {
            return Err("JSON has a string that is too long");
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checked(text: &str) -> Result<(), &'static str> {
        let limits = Limits {
            json_depth: 3,
            json_entries: 4,
            json_values: 8,
            json_string: 5,
            ..Limits::default()
        };
        check(text.as_bytes(), &limits)
    }

    #[test]
    fn bounds_hold() {
        for (text, ok) in [
            ("", true),
            ("[[[1]]]", true),
            ("[[[[1]]]]", false),
            ("[1,2,3,4]", true),
            ("[1,2,3,4,5]", false),
            ("{\"a\":\"12345\"}", true),
            ("{\"a\":\"123456\"}", false),
            ("{\"123456\":1}", false),
            (r#"["\"[[[["]"#, true),
            ("[[1,2,3],[1,2,3],[1,2,3]]", false),
            ("]]]", true),
            ("\"abc", true),
        ] {
            assert_eq!(checked(text).is_ok(), ok, "{text}");
        }
    }

    proptest::proptest! {
        #[test]
        fn never_panics(bytes in proptest::collection::vec(0u8..255, 0..200)) {
            let _ = check(&bytes, &Limits::default());
        }
    }
}
