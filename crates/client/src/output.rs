//! Output formats: table, JSON, YAML, raw.

use serde_json::{Map, Value};

use crate::flags::Flags;
use crate::settings::environment;
use crate::{Console, Failure};

/// How results are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    Table,
    Json,
    Yaml,
    Raw,
}

impl Format {
    /// The flag `-format`, or `VAULT_FORMAT`.
    pub(crate) fn of(flags: &Flags) -> Result<Self, Failure> {
        let name = flags.value("format").map(str::to_owned).or_else(|| environment("VAULT_FORMAT"));
        match name.as_deref().unwrap_or("table").to_lowercase().as_str() {
            "table" | "pretty" => Ok(Self::Table),
            "json" => Ok(Self::Json),
            "yaml" | "yml" => Ok(Self::Yaml),
            "raw" => Ok(Self::Raw),
            other => Err(Failure::local(format!("Invalid output format: {other}"))),
        }
    }
}

/// Writes a value as JSON or YAML. A table is the caller's business.
pub(crate) fn structured(console: &mut Console<'_>, format: Format, value: &Value) {
    match format {
        Format::Yaml => console.say(yaml(value, 0).trim_start_matches('\n')),
        Format::Table | Format::Json | Format::Raw => {
            console.say(&serde_json::to_string_pretty(value).unwrap_or_default());
        }
    }
}

/// Columns aligned with four blanks between them.
pub(crate) fn table(rows: &[Vec<String>]) -> String {
    let columns = rows.iter().map(Vec::len).max().unwrap_or_default();
    let width = |column: usize| {
        rows.iter()
            .filter_map(|row| row.get(column))
            .map(|cell| cell.chars().count())
            .max()
            .unwrap_or(0)
    };
    let widths: Vec<usize> = (0..columns).map(width).collect();
    let line = |row: &Vec<String>| {
        let cells = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}"));
        cells.collect::<Vec<_>>().join("    ").trim_end().to_owned()
    };
    rows.iter().map(line).collect::<Vec<_>>().join("\n")
}

/// A table of keys and values under its header.
pub(crate) fn key_value(pairs: &[(String, String)]) -> String {
    let header = [("Key", "Value"), ("---", "-----")];
    let header = header.iter().map(|(key, value)| vec![(*key).to_owned(), (*value).to_owned()]);
    let shown = |value: &String| if value.is_empty() { "n/a".to_owned() } else { value.clone() };
    let rows = header.chain(pairs.iter().map(|(key, value)| vec![key.clone(), shown(value)]));
    table(&rows.collect::<Vec<_>>())
}

/// Names under their header.
pub(crate) fn keys(names: &[Value]) -> String {
    let names = names.iter().map(plain);
    ["Keys".to_owned(), "----".to_owned()].into_iter().chain(names).collect::<Vec<_>>().join("\n")
}

/// A headline between equal signs, as wide as what it stands above.
pub(crate) fn headline(text: &str, width: usize) -> String {
    let signs = width.saturating_sub(text.len() + 2).max(4).div_ceil(2);
    let signs = "=".repeat(signs);
    format!("{signs} {text} {signs}")
}

/// A headline above a table of keys and values.
pub(crate) fn headline_for(text: &str, data: &Map<String, Value>) -> String {
    let longest = data.keys().map(String::len).max().unwrap_or_default();
    headline(text, longest + 4 + 5)
}

/// A value as Go prints it.
pub(crate) fn plain(value: &Value) -> String {
    match value {
        Value::Null => "<nil>".to_owned(),
        Value::String(text) => text.clone(),
        Value::Bool(bool) => bool.to_string(),
        Value::Number(number) => number.to_string(),
        Value::Array(items) => {
            format!("[{}]", items.iter().map(plain).collect::<Vec<_>>().join(" "))
        }
        Value::Object(map) => {
            let pairs = map.iter().map(|(key, value)| format!("{key}:{}", plain(value)));
            format!("map[{}]", pairs.collect::<Vec<_>>().join(" "))
        }
    }
}

/// Seconds as people read them: `768h`, `1h30m`, `0s`.
pub(crate) fn duration(seconds: u64) -> String {
    let mut text = vault_sdk::time::Seconds(seconds).to_go();
    if text.ends_with("m0s") {
        text.truncate(text.len() - 2);
    }
    if text.ends_with("h0m") {
        text.truncate(text.len() - 2);
    }
    text
}

/// One field of a result, as it is.
pub(crate) fn field(console: &mut Console<'_>, format: Format, value: &Value) {
    match (format, value) {
        (Format::Table | Format::Raw, Value::Array(_) | Value::Object(_)) => {
            console.say_raw(&serde_json::to_string(value).unwrap_or_default());
        }
        (Format::Table | Format::Raw, value) => console.say_raw(&plain(value)),
        (format, value) => structured(console, format, value),
    }
}

fn yaml(value: &Value, depth: usize) -> String {
    let indent = "  ".repeat(depth);
    match value {
        Value::Object(map) if map.is_empty() => " {}".to_owned(),
        Value::Array(items) if items.is_empty() => " []".to_owned(),
        Value::Object(map) => {
            let line = |(key, value): (&String, &Value)| {
                format!("\n{indent}{}:{}", yaml_text(key), yaml(value, depth + 1))
            };
            map.iter().map(line).collect()
        }
        Value::Array(items) => {
            let line = |item: &Value| {
                let text = yaml(item, if item.is_array() { depth + 1 } else { depth });
                let text = text
                    .strip_prefix('\n')
                    .map_or(text.clone(), |t| format!(" {}", t.trim_start()));
                format!("\n{}-{text}", "  ".repeat(depth.saturating_sub(1)))
            };
            items.iter().map(line).collect()
        }
        Value::String(text) => format!(" {}", yaml_text(text)),
        Value::Null | Value::Bool(_) | Value::Number(_) => format!(" {value}"),
    }
}

/// A text that YAML reads as the same text: plain if nothing about it is special, else in JSON's form.
fn yaml_text(text: &str) -> String {
    let word = |c: char| c.is_ascii_alphanumeric() || "_-./ ".contains(c);
    let is_plain = text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_' || c == '/')
        && !text.ends_with(' ')
        && text.chars().all(word)
        && !matches!(
            text.to_lowercase().as_str(),
            "true" | "false" | "null" | "yes" | "no" | "on" | "off" | "y" | "n"
        );
    if is_plain { text.to_owned() } else { Value::from(text).to_string() }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn tables_are_aligned_as_vaults() {
        let pairs = [("a".to_owned(), "1".to_owned()), ("longer".to_owned(), "x y".to_owned())];
        assert_eq!(
            key_value(&pairs),
            "Key       Value\n---       -----\na         1\nlonger    x y"
        );
        assert_eq!(headline("Data", 9), "== Data ==");
        assert_eq!(headline("Secret Path", 13), "== Secret Path ==");
        assert_eq!(headline("Metadata", 24), "======= Metadata =======");
    }

    #[test]
    fn values_print_as_in_go() {
        assert_eq!(plain(&json!({ "a": [1, "b", null], "c": true })), "map[a:[1 b <nil>] c:true]");
        for (seconds, text) in
            [(0, "0s"), (59, "59s"), (60, "1m"), (3600, "1h"), (5400, "1h30m"), (2_764_800, "768h")]
        {
            assert_eq!(duration(seconds), text);
        }
    }

    #[test]
    fn yaml_nests() {
        let value = json!({ "a": { "b": [1, { "c": "x: y", "d": "yes" }], "e": {} }, "f": null, "g": "plain" });
        assert_eq!(
            yaml(&value, 0).trim_start(),
            "a:\n  b:\n  - 1\n  - c: \"x: y\"\n    d: \"yes\"\n  e: {}\nf: null\ng: plain"
        );
    }
}
