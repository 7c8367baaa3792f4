//! `key=value` arguments: `key=@file`, `key=-`, `@file.json`, `-`.

use serde_json::{Map, Value};

use crate::{Console, Failure};

/// Gathers arguments into an object. A key that is given twice becomes a list.
pub(crate) fn gather(
    arguments: &[String],
    console: &mut Console<'_>,
) -> Result<Map<String, Value>, Failure> {
    let mut data = Map::new();
    for argument in arguments {
        if argument == "-" {
            merge(&mut data, &console.read_input()?, "the standard input")?;
        } else if let Some(file) = argument.strip_prefix('@') {
            merge(&mut data, &read(file)?, file)?;
        } else {
            let (key, value) = argument.split_once('=').ok_or_else(|| {
                Failure::local(format!(
                    "Failed to parse K=V data: invalid key/value pair {argument:?}: format must be key=value"
                ))
            })?;
            let value = match (value, value.strip_prefix('@')) {
                ("-", _) => console.read_input()?,
                (_, Some(file)) => read(file)?,
                // A value that begins with an @ is written with a backslash before it.
                (value, None) => value
                    .strip_prefix('\\')
                    .filter(|v| v.starts_with('@'))
                    .unwrap_or(value)
                    .to_owned(),
            };
            add(&mut data, key, Value::String(value));
        }
    }
    Ok(data)
}

fn add(data: &mut Map<String, Value>, key: &str, value: Value) {
    match data.get_mut(key) {
        None => {
            data.insert(key.to_owned(), value);
        }
        Some(Value::Array(values)) => values.push(value),
        Some(first) => *first = Value::Array(vec![first.take(), value]),
    }
}

fn merge(data: &mut Map<String, Value>, text: &str, source: &str) -> Result<(), Failure> {
    let object: Map<String, Value> = serde_json::from_str(text).map_err(|error| {
        Failure::local(format!(
            "Failed to parse K=V data: {source} is not a JSON object: line {}",
            error.line()
        ))
    })?;
    data.extend(object);
    Ok(())
}

/// A file as text.
pub(crate) fn read(file: &str) -> Result<String, Failure> {
    std::fs::read_to_string(file).map_err(|error| Failure::local(format!("read {file}: {error}")))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn gathered(arguments: &[&str], input: &str) -> Result<Value, String> {
        let arguments: Vec<String> = arguments.iter().map(|a| (*a).to_owned()).collect();
        let (mut out, mut err, mut input) = (Vec::new(), Vec::new(), input.as_bytes());
        let mut console =
            Console { out: &mut out, err: &mut err, input: &mut input, is_terminal: false };
        gather(&arguments, &mut console).map(Value::Object).map_err(|failure| failure.to_string())
    }

    #[test]
    fn values_come_from_everywhere() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("f");
        std::fs::write(&file, "from file").unwrap();
        let from_file = format!("b=@{}", file.display());
        assert_eq!(
            gathered(&["a=1", &from_file, "c=-", "d=x=y", "a=2", "e=\\@x"], "typed").unwrap(),
            json!({ "a": ["1", "2"], "b": "from file", "c": "typed", "d": "x=y", "e": "@x" })
        );
        assert_eq!(gathered(&["-"], "{\"a\": [1]}").unwrap(), json!({ "a": [1] }));
        assert!(gathered(&["nothing"], "").unwrap_err().contains("format must be key=value"));
        assert!(gathered(&["-"], "canary").is_err());
    }
}
