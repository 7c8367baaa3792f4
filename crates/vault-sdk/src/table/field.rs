//! Fields: names and types of what a path accepts.

use std::borrow::Cow;

use serde_json::{Value, json};

use crate::time::{Instant, Seconds};

/// The type of a field: what is accepted, and what it is made into.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FieldKind {
    /// A text; numbers and booleans become one.
    String,
    /// A text in lower case, without white space at the ends.
    LowerCase,
    /// A whole number, also as a text.
    Integer,
    /// A number, also as a text.
    Number,
    /// True or false, also as a text or a number.
    Bool,
    /// A duration: seconds or Go's form. Becomes seconds.
    Seconds,
    /// A point in time: RFC 3339 or seconds since 1970. Becomes RFC 3339.
    Time,
    /// An object.
    Map,
    /// An object of texts; also a list of `name=value`, or such a list in one text, as clients send it.
    TextMap,
    /// A list of texts; a text is split at commas.
    List,
    /// A list of whole numbers; a text is split at commas.
    IntegerList,
    /// Any JSON value, untouched.
    Any,
}

/// One declared field.
#[derive(Clone, Debug)]
pub struct Field {
    /// The key in the body or the query.
    pub name: &'static str,
    /// Its type.
    pub kind: FieldKind,
    /// One sentence.
    pub help: &'static str,
    /// Whether a request without it is refused.
    pub required: bool,
    /// What handlers see if it is absent.
    pub default: Option<Value>,
    /// The only values; empty for all.
    pub allowed: &'static [&'static str],
    /// Whether tools should hide it.
    pub sensitive: bool,
    /// Kept for old clients.
    pub deprecated: bool,
}

macro_rules! constructors {
    ($($(#[$doc:meta])* $name:ident => $kind:ident;)*) => {
        $($(#[$doc])*
        #[must_use]
        pub fn $name(name: &'static str, help: &'static str) -> Self {
            Self::new(name, FieldKind::$kind, help)
        })*
    };
}

impl Field {
    /// An optional field without a default.
    #[must_use]
    pub fn new(name: &'static str, kind: FieldKind, help: &'static str) -> Self {
        let (required, sensitive, deprecated) = (false, false, false);
        Self { name, kind, help, required, default: None, allowed: &[], sensitive, deprecated }
    }

    constructors! {
        /// A text.
        string => String;
        /// A text in lower case.
        lower_case => LowerCase;
        /// A whole number.
        integer => Integer;
        /// True or false.
        bool => Bool;
        /// A duration.
        seconds => Seconds;
        /// A point in time.
        time => Time;
        /// An object.
        map => Map;
        /// An object of texts.
        text_map => TextMap;
        /// A list of texts.
        list => List;
        /// A list of whole numbers.
        integer_list => IntegerList;
        /// Any value.
        any => Any;
    }

    /// Refuses requests without it.
    #[must_use]
    pub fn required(mut self) -> Self {
        self.required = true;
        self
    }

    /// What handlers see if it is absent.
    #[must_use]
    pub fn default(mut self, value: impl Into<Value>) -> Self {
        self.default = Some(value.into());
        self
    }

    /// Refuses other values.
    #[must_use]
    pub fn allowed(mut self, values: &'static [&'static str]) -> Self {
        self.allowed = values;
        self
    }

    /// Hides it in tools.
    #[must_use]
    pub fn sensitive(mut self) -> Self {
        self.sensitive = true;
        self
    }

    /// Marks it as kept for old clients.
    #[must_use]
    pub fn deprecated(mut self) -> Self {
        self.deprecated = true;
        self
    }

    /// Makes a given value into the field's type, or says what was expected. The value is never repeated:
    /// it may be a secret.
    pub(super) fn normalise<'a>(&self, value: &'a Value) -> Result<Cow<'a, Value>, String> {
        let normal = self.kind.normalise(value).map_err(|expected| {
            format!(
                "error converting input for field {:?}: expected {expected}, found {}",
                self.name,
                kind_of(value)
            )
        })?;
        let permitted = self.allowed.is_empty()
            || normal.as_str().is_some_and(|text| self.allowed.contains(&text));
        if permitted {
            Ok(normal)
        } else {
            Err(format!("field {:?} must be one of {}", self.name, self.allowed.join(", ")))
        }
    }
}

impl FieldKind {
    fn normalise(self, value: &Value) -> Result<Cow<'_, Value>, String> {
        let plain = |expected: &str| expected.to_owned();
        let made = match (self, value) {
            (Self::Any, _)
            | (Self::String, Value::String(_))
            | (Self::Map, Value::Object(_))
            | (Self::Bool, Value::Bool(_)) => return Ok(Cow::Borrowed(value)),
            (Self::Integer, Value::Number(number)) if !number.is_f64() => {
                return Ok(Cow::Borrowed(value));
            }
            (Self::String, _) => json!(text(value).ok_or_else(|| plain("a string"))?),
            (Self::LowerCase, _) => {
                json!(text(value).ok_or_else(|| plain("a string"))?.trim().to_lowercase())
            }
            (Self::Integer, _) => json!(integer(value).ok_or_else(|| plain("a whole number"))?),
            (Self::Number, _) => json!(number(value).ok_or_else(|| plain("a number"))?),
            (Self::Bool, _) => json!(boolean(value).ok_or_else(|| plain("a boolean"))?),
            (Self::Seconds, _) => {
                let seconds = Seconds::from_json(value).map_err(|error| error.to_string());
                json!(seconds.map_err(strip_expected)?.0)
            }
            (Self::Time, _) => json!(time(value).ok_or_else(|| plain("a time in RFC 3339"))?),
            (Self::Map, _) => return Err(plain("an object")),
            (Self::TextMap, _) => text_map(value).ok_or_else(|| plain("an object of strings"))?,
            (Self::List, _) => json!(list(value).ok_or_else(|| plain("a list of strings"))?),
            (Self::IntegerList, _) => {
                let items = list(value).ok_or_else(|| plain("a list of whole numbers"))?;
                let numbers: Result<Vec<i64>, _> = items.iter().map(|item| item.parse()).collect();
                json!(numbers.map_err(|_| plain("a list of whole numbers"))?)
            }
        };
        Ok(Cow::Owned(made))
    }

    /// The type and the format in OpenAPI.
    pub(super) fn schema(self) -> Value {
        match self {
            Self::String | Self::LowerCase => json!({ "type": "string" }),
            Self::Integer => json!({ "type": "integer" }),
            Self::Number => json!({ "type": "number" }),
            Self::Bool => json!({ "type": "boolean" }),
            Self::Seconds => json!({ "type": "string", "format": "duration" }),
            Self::Time => json!({ "type": "string", "format": "date-time" }),
            Self::Map | Self::Any => json!({ "type": "object", "format": "map" }),
            Self::TextMap => json!({ "type": "object", "format": "kvpairs" }),
            Self::List => json!({ "type": "array", "items": { "type": "string" } }),
            Self::IntegerList => json!({ "type": "array", "items": { "type": "integer" } }),
        }
    }

    /// The word in help texts.
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::String | Self::LowerCase => "string",
            Self::Integer => "int",
            Self::Number => "float",
            Self::Bool => "bool",
            Self::Seconds => "duration (sec)",
            Self::Time => "time",
            Self::Map | Self::Any => "map",
            Self::TextMap => "keypair",
            Self::List => "slice",
            Self::IntegerList => "slice of ints",
        }
    }
}

/// Durations say what they expect in full sentences.
fn strip_expected(text: String) -> String {
    text.strip_prefix("expected ").map_or(text.clone(), str::to_owned)
}

fn kind_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}

fn text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(bool) => Some(bool.to_string()),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

#[allow(
    clippy::cast_possible_truncation,
    reason = "a float without a fraction below 2^53 is exactly a whole number"
)]
fn integer(value: &Value) -> Option<i64> {
    match value {
        Value::Number(number) => number.as_i64().or_else(|| {
            let float = number.as_f64()?;
            (float.fract() == 0.0 && float.abs() < 9e15).then_some(float as i64)
        }),
        Value::String(text) if text.trim().is_empty() => Some(0),
        Value::String(text) => text.trim().parse().ok(),
        Value::Bool(bool) => Some(i64::from(*bool)),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

fn number(value: &Value) -> Option<f64> {
    match value {
        Value::Number(number) => number.as_f64(),
        Value::String(text) => text.trim().parse().ok().filter(|number: &f64| number.is_finite()),
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
    }
}

/// Go's `strconv.ParseBool`.
fn boolean(value: &Value) -> Option<bool> {
    match value {
        Value::Bool(bool) => Some(*bool),
        Value::Number(number) => Some(number.as_f64()? != 0.0),
        Value::String(text) => match text.as_str() {
            "1" | "t" | "T" | "true" | "TRUE" | "True" => Some(true),
            "" | "0" | "f" | "F" | "false" | "FALSE" | "False" => Some(false),
            _ => None,
        },
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

fn time(value: &Value) -> Option<String> {
    match value {
        Value::Number(number) => Some(Instant::from_unix(number.as_u64()?).to_rfc3339()),
        Value::String(text) if text.is_empty() => Some(String::new()),
        Value::String(text) => match text.parse() {
            Ok(seconds) => Some(Instant::from_unix(seconds).to_rfc3339()),
            Err(_) => Instant::parse(text).ok().map(Instant::to_rfc3339),
        },
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
    }
}

fn list(value: &Value) -> Option<Vec<String>> {
    match value {
        Value::Array(items) => items.iter().map(text).collect(),
        Value::String(text) => {
            let parts = text.split(',').map(str::trim).filter(|part| !part.is_empty());
            Some(parts.map(str::to_owned).collect())
        }
        Value::Number(_) | Value::Bool(_) => Some(vec![text(value)?]),
        Value::Null | Value::Object(_) => None,
    }
}

fn text_map(value: &Value) -> Option<Value> {
    let pair = |item: &str| -> Option<(String, Value)> {
        let (name, value) = item.split_once('=')?;
        Some((name.trim().to_owned(), json!(value.trim())))
    };
    let map: Option<crate::Data> = match value {
        Value::Object(map) => {
            map.iter().map(|(name, value)| Some((name.clone(), json!(text(value)?)))).collect()
        }
        Value::Array(items) => items.iter().map(|item| pair(item.as_str()?)).collect(),
        Value::String(text) if text.trim_start().starts_with('{') => {
            return text_map(&serde_json::from_str(text).ok()?);
        }
        Value::String(text) => text.split(',').filter(|part| !part.is_empty()).map(pair).collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) => None,
    };
    map.map(Value::Object)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn made(kind: FieldKind, value: &Value) -> Option<Value> {
        kind.normalise(value).ok().map(Cow::into_owned)
    }

    #[test]
    fn accepts_what_clients_send() {
        use FieldKind::*;
        for (kind, given, expected) in [
            (String, json!(5), json!("5")),
            (LowerCase, json!(" Ann "), json!("ann")),
            (Integer, json!("5"), json!(5)),
            (Integer, json!(5.0), json!(5)),
            (Bool, json!("true"), json!(true)),
            (Bool, json!(0), json!(false)),
            (Seconds, json!("1h"), json!(3600)),
            (List, json!("a, b,"), json!(["a", "b"])),
            (List, json!(["a,b"]), json!(["a,b"])),
            (IntegerList, json!("1,2"), json!([1, 2])),
            (IntegerList, json!([3, "4"]), json!([3, 4])),
            (TextMap, json!({ "a": 1 }), json!({ "a": "1" })),
            (TextMap, json!("a=1,b=2"), json!({ "a": "1", "b": "2" })),
            (TextMap, json!(["a=1=2"]), json!({ "a": "1=2" })),
            (TextMap, json!("{\"a\":\"b\"}"), json!({ "a": "b" })),
            (Time, json!(1_700_000_000), json!("2023-11-14T22:13:20Z")),
        ] {
            assert_eq!(made(kind, &given), Some(expected), "{kind:?} {given}");
        }
    }

    #[test]
    fn refuses_the_rest_without_repeating_it() {
        use FieldKind::*;
        for (kind, given) in [
            (String, json!(["canary"])),
            (Integer, json!("canary")),
            (Integer, json!(1.5)),
            (Bool, json!("canary")),
            (Seconds, json!("canary")),
            (Seconds, json!(-1)),
            (Map, json!("canary")),
            (List, json!({ "canary": 1 })),
            (List, json!([["canary"]])),
            (IntegerList, json!(["canary"])),
            (TextMap, json!(["canary"])),
            (Time, json!("canary")),
        ] {
            let error = Field::new("f", kind, "").normalise(&given).unwrap_err();
            assert!(!error.contains("canary"), "{error}");
        }
    }
}
