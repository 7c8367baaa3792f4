//! Query strings and percent encoding (RFC 3986).

use crate::hex;

use super::Refusal;

/// A parsed query.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Query(Vec<(String, String)>);

impl Query {
    /// Reads `name=value&...`; `None` if an escape is malformed or a name comes twice.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let mut pairs: Vec<(String, String)> = Vec::new();
        for pair in text.split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let (name, value) = (decode(name)?, decode(value)?);
            if pairs.iter().any(|(known, _)| *known == name) {
                return None;
            }
            pairs.push((name, value));
        }
        Some(Self(pairs))
    }

    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// The value of a parameter that must be this many bytes in hexadecimal.
    pub(super) fn bytes(&self, name: &str, length: usize) -> Result<Vec<u8>, Refusal> {
        self.get(name)
            .and_then(hex::decode)
            .filter(|bytes| bytes.len() == length)
            .ok_or(Refusal::BAD_REQUEST)
    }
}

/// Percent-encodes everything but unreserved characters.
pub(super) fn encode(text: &str) -> String {
    text.bytes().fold(String::with_capacity(text.len() * 3), |mut out, byte| {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push('%');
            out.push_str(&hex::upper(&[byte]));
        }
        out
    })
}

fn decode(text: &str) -> Option<String> {
    let mut out = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        if byte == b'%' {
            let digits = [bytes.next()?, bytes.next()?];
            out.extend(hex::decode(std::str::from_utf8(&digits).ok()?)?);
        } else {
            out.push(byte);
        }
    }
    String::from_utf8(out).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn queries_are_pairs() {
        let query = Query::parse("ca=platform&encoding=%64er&flag").unwrap();
        assert_eq!(query.get("ca"), Some("platform"));
        assert_eq!(query.get("encoding"), Some("der"));
        assert_eq!(query.get("flag"), Some(""));
        assert_eq!(query.get("other"), None);
        for bad in ["a=%", "a=%4", "a=%zz", "a=%ff", "a=1&a=2"] {
            assert_eq!(Query::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn encoding_is_undone_by_decoding() {
        let text = "-----BEGIN X-----\nab+/=\n";
        assert_eq!(encode("\n+ a-"), "%0A%2B%20a-");
        assert_eq!(decode(&encode(text)).as_deref(), Some(text));
    }
}
