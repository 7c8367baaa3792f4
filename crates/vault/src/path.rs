//! Request paths: decoded once, then checked. Router and policies see the same bytes.

use crate::Error;

/// Longest path, in bytes after decoding.
const LENGTH_MAX: usize = 4096;

/// Decodes the part of a request's target after `/v1/`, without its query, and refuses what is not
/// canonical: nothing is ever normalised (CVE-2026-3605).
///
/// # Errors
///
/// `Invalid` for bad percent-encoding, bytes that are not UTF-8 or are control characters, encoded
/// slashes, and segments that are empty, `.` or `..`.
pub fn decode(raw: &str) -> Result<String, Error> {
    let refused = |reason: &str| Err(Error::Invalid(format!("malformed path: {reason}")));
    let mut bytes = Vec::with_capacity(raw.len());
    let mut rest = raw.as_bytes().iter();
    while let Some(byte) = rest.next() {
        if *byte != b'%' {
            bytes.push(*byte);
            continue;
        }
        let digit =
            |byte: Option<&u8>| char::from(*byte?).to_digit(16).and_then(|d| u8::try_from(d).ok());
        let (Some(high), Some(low)) = (digit(rest.next()), digit(rest.next())) else {
            return refused("a % without two hexadecimal digits");
        };
        match high << 4 | low {
            b'/' => return refused("an encoded slash"),
            decoded => bytes.push(decoded),
        }
    }
    let Ok(path) = String::from_utf8(bytes) else { return refused("not UTF-8") };
    if path.chars().any(char::is_control) {
        return refused("a control character");
    }
    if path.len() > LENGTH_MAX {
        return refused("longer than 4096 bytes");
    }
    let segments = path.strip_suffix('/').unwrap_or(&path).split('/');
    for segment in segments {
        match segment {
            "" if !path.is_empty() => return refused("an empty segment"),
            "." | ".." => return refused("a segment . or .."),
            _ => {}
        }
    }
    Ok(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cve_2026_3605_nothing_is_normalised() {
        let bad = [
            "a/../b",
            "a/./b",
            "..",
            ".",
            "a//b",
            "/a",
            "a//",
            "//",
            "a/%2e%2e/b",
            "a/%2E/b",
            "a%2fb",
            "a%2Fb",
            "a/..%2fb",
            "%00",
            "a%0ab",
            "a%",
            "a%4",
            "a%zz",
            "%ff",
            "a/../",
            "/",
        ];
        for raw in bad {
            assert!(decode(raw).is_err(), "{raw}");
        }
    }

    #[test]
    fn decodes_once() {
        let good = [
            ("", ""),
            ("secret/data/x", "secret/data/x"),
            ("a/", "a/"),
            ("a%20b", "a b"),
            ("a/%252e%252e/b", "a/%2e%2e/b"),
            ("%c3%a9", "é"),
            ("...", "..."),
            ("a/.b", "a/.b"),
            ("A/b", "A/b"),
        ];
        for (raw, decoded) in good {
            assert_eq!(decode(raw).unwrap(), decoded, "{raw}");
        }
    }
}
