//! Structured logs on standard error, in Vault's two formats.
//!
//! Lines name things and never hold bodies, tokens or headers.

use std::io::Write as _;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};

use serde_json::{Map, Value};

use crate::clock;

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[allow(missing_docs, reason = "the names say it")]
pub enum Level {
    Trace,
    Debug,
    Info,
    Warn,
    Error,
}

static LEVEL: AtomicU8 = AtomicU8::new(Level::Info as u8);
static JSON: AtomicBool = AtomicBool::new(false);

impl Level {
    fn name(self) -> &'static str {
        match self {
            Self::Trace => "trace",
            Self::Debug => "debug",
            Self::Info => "info",
            Self::Warn => "warn",
            Self::Error => "error",
        }
    }

    /// Parses the name in a configuration.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Some(match name.trim().to_lowercase().as_str() {
            "trace" => Self::Trace,
            "debug" => Self::Debug,
            "info" | "notice" => Self::Info,
            "warn" | "warning" => Self::Warn,
            "err" | "error" => Self::Error,
            _ => return None,
        })
    }
}

/// Sets what is written and how.
pub fn configure(level: Level, json: bool) {
    LEVEL.store(level as u8, Ordering::Relaxed);
    JSON.store(json, Ordering::Relaxed);
}

/// Writes a line: `module: message: key=value`.
pub fn line(level: Level, module: &str, message: &str, pairs: &[(&str, &str)]) {
    if (level as u8) < LEVEL.load(Ordering::Relaxed) {
        return;
    }
    let time = clock::now();
    let text = if JSON.load(Ordering::Relaxed) {
        json(level, module, message, pairs, &time.to_rfc3339())
    } else {
        standard(level, module, message, pairs, &time.to_rfc3339())
    };
    // Nobody is left to tell that the log cannot be written.
    let _ = std::io::stderr().lock().write_all(text.as_bytes());
}

fn json(level: Level, module: &str, message: &str, pairs: &[(&str, &str)], time: &str) -> String {
    let mut map = Map::new();
    for (key, value) in pairs {
        map.insert((*key).to_owned(), Value::from(*value));
    }
    for (key, value) in
        [("@level", level.name()), ("@module", module), ("@message", message), ("@timestamp", time)]
    {
        map.insert(key.to_owned(), Value::from(value));
    }
    Value::Object(map).to_string() + "\n"
}

fn standard(
    level: Level,
    module: &str,
    message: &str,
    pairs: &[(&str, &str)],
    time: &str,
) -> String {
    let label = format!("[{}]", level.name().to_uppercase());
    let mut text = format!("{time} {label:7} {module}: {message}");
    for (number, (key, value)) in pairs.iter().enumerate() {
        text.push_str(if number == 0 { ": " } else { " " });
        let plain = !value.is_empty() && !value.contains(|c: char| c.is_whitespace() || c == '"');
        let shown = if plain { (*value).to_owned() } else { format!("{value:?}") };
        text.push_str(&format!("{key}={shown}"));
    }
    // A line end in a value must not make a line of its own.
    text.replace(['\n', '\r'], " ") + "\n"
}

/// Writes a line of level info.
pub fn info(module: &str, message: &str, pairs: &[(&str, &str)]) {
    line(Level::Info, module, message, pairs);
}

/// Writes a line of level warn.
pub fn warn(module: &str, message: &str, pairs: &[(&str, &str)]) {
    line(Level::Warn, module, message, pairs);
}

/// Writes a line of level error.
pub fn error(module: &str, message: &str, pairs: &[(&str, &str)]) {
    line(Level::Error, module, message, pairs);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_formats_hold_one_event_in_one_line() {
        let pairs = [("path", "a b"), ("n", "1"), ("forged", "x\n2026 [INFO] ok")];
        assert_eq!(
            standard(Level::Info, "core", "done", &pairs, "T"),
            "T [INFO]  core: done: path=\"a b\" n=1 forged=\"x\\n2026 [INFO] ok\"\n"
        );
        let line = json(Level::Warn, "core", "done", &pairs, "T");
        let value: Value = serde_json::from_str(&line).unwrap();
        assert_eq!((&value["@level"], &value["path"]), (&Value::from("warn"), &Value::from("a b")));
        assert_eq!(line.lines().count(), 1);
    }
}
