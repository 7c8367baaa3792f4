//! Patterns of paths.
//!
//! Segments are literal, `{name}` for one segment that is a name, `{name:any}` for one segment of any
//! characters, and at the end `{name...}` for a rest of at least one character or `{name...?}` for any
//! rest. One slash at the end of a path is ignored, unless it belongs to a rest.

/// One segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Segment {
    Literal(&'static str),
    Name(&'static str),
    Any(&'static str),
    Rest { name: &'static str, may_be_empty: bool },
}

/// A parsed pattern.
#[derive(Clone, Debug)]
pub struct Pattern {
    text: &'static str,
    segments: Vec<Segment>,
}

/// Names and texts that a path gave to the variables of a pattern.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Captures<'a>(Vec<(&'static str, &'a str)>);

impl<'a> Captures<'a> {
    /// The text of a variable.
    #[must_use]
    pub fn text(&self, name: &str) -> Option<&'a str> {
        self.0.iter().find(|(captured, _)| *captured == name).map(|(_, text)| *text)
    }

    /// All of them, in the order of the pattern.
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, &'a str)> {
        self.0.iter().copied()
    }
}

impl Pattern {
    /// Parses a pattern.
    #[must_use]
    pub fn new(text: &'static str) -> Self {
        let segments = text.split('/').map(|segment| {
            let Some(variable) = segment.strip_prefix('{').and_then(|s| s.strip_suffix('}')) else {
                return Segment::Literal(segment);
            };
            if let Some(name) = variable.strip_suffix("...?") {
                Segment::Rest { name, may_be_empty: true }
            } else if let Some(name) = variable.strip_suffix("...") {
                Segment::Rest { name, may_be_empty: false }
            } else if let Some(name) = variable.strip_suffix(":any") {
                Segment::Any(name)
            } else {
                Segment::Name(variable)
            }
        });
        Self { text, segments: segments.collect() }
    }

    /// As it was written.
    #[must_use]
    pub fn text(&self) -> &'static str {
        self.text
    }

    /// With plain variables, as OpenAPI writes it.
    #[must_use]
    pub fn template(&self) -> String {
        let parts: Vec<String> = self.segments.iter().map(|segment| segment.template()).collect();
        parts.join("/")
    }

    /// Names of the variables.
    pub fn variables(&self) -> impl Iterator<Item = &'static str> {
        self.segments.iter().filter_map(|segment| match segment {
            Segment::Literal(_) => None,
            Segment::Name(name) | Segment::Any(name) | Segment::Rest { name, .. } => Some(*name),
        })
    }

    /// Matches a path byte for byte; nothing is normalised.
    #[must_use]
    pub fn matches<'a>(&self, path: &'a str) -> Option<Captures<'a>> {
        let mut captures = Captures::default();
        let mut rest = Some(path);
        for segment in &self.segments {
            if let Segment::Rest { name, may_be_empty } = segment {
                let text = match rest {
                    Some(text) if !text.is_empty() || *may_be_empty => text,
                    None if *may_be_empty => "",
                    _ => return None,
                };
                captures.0.push((name, text));
                return Some(captures);
            }
            let text = rest?;
            let (head, tail) = match text.split_once('/') {
                Some((head, tail)) => (head, Some(tail)),
                None => (text, None),
            };
            match segment {
                Segment::Literal(literal) if *literal == head => {}
                Segment::Name(name) if is_name(head) => captures.0.push((name, head)),
                Segment::Any(name) if !head.is_empty() => captures.0.push((name, head)),
                _ => return None,
            }
            rest = tail;
        }
        matches!(rest, None | Some("")).then_some(captures)
    }
}

impl Segment {
    fn template(self) -> String {
        match self {
            Self::Literal(text) => text.to_owned(),
            Self::Name(name) | Self::Any(name) | Self::Rest { name, .. } => format!("{{{name}}}"),
        }
    }
}

/// Letters, digits, `_`, `.`, `-` and `@`, with a letter, a digit or `_` at both ends.
fn is_name(text: &str) -> bool {
    let word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    let bytes = text.as_bytes();
    bytes.first().is_some_and(|byte| word(*byte))
        && bytes.last().is_some_and(|byte| word(*byte))
        && bytes.iter().all(|byte| word(*byte) || b".-@".contains(byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn captured(pattern: &'static str, path: &str) -> Option<Vec<(&'static str, String)>> {
        let captures = Pattern::new(pattern).matches(path)?;
        Some(captures.iter().map(|(name, text)| (name, text.to_owned())).collect())
    }

    #[test]
    fn matches_byte_for_byte() {
        let one = |text: &str| Some(vec![("name", text.to_owned())]);
        for (pattern, path, expected) in [
            ("role/{name}", "role/a", one("a")),
            ("role/{name}", "role/a/", one("a")),
            ("role/{name}", "role/a//", None),
            ("role/{name}", "role/", None),
            ("role/{name}", "role/a/b", None),
            ("role/{name}", "role/a*", None),
            ("role/{name}", "role/-a", None),
            ("role/{name}", "role/ann@example.com", one("ann@example.com")),
            ("role/{name}", "Role/a", None),
            ("cert/{name:any}", "cert/a b*", one("a b*")),
            ("role/{name}/id", "role/a/id", one("a")),
            ("data/{name...}", "data/a/b", one("a/b")),
            ("data/{name...}", "data/a/", one("a/")),
            ("data/{name...}", "data/", None),
            ("data/{name...}", "data", None),
            ("data/{name...?}", "data/", one("")),
            ("data/{name...?}", "data", one("")),
            ("{name...?}", "", one("")),
            ("config", "config/", Some(vec![])),
            ("config", "config", Some(vec![])),
            ("config", "configs", None),
        ] {
            assert_eq!(captured(pattern, path), expected, "{pattern} on {path}");
        }
    }

    #[test]
    fn shows_plain_variables() {
        assert_eq!(Pattern::new("data/{path...?}").template(), "data/{path}");
    }
}
