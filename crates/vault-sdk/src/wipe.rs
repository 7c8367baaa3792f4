//! Overwriting JSON that may hold secrets.

use serde_json::Value;
use zeroize::Zeroize;

use crate::Data;

/// Overwrites every string of an object, and empties it.
pub fn wipe(data: &mut Data) {
    for (mut name, mut value) in std::mem::take(data) {
        name.zeroize();
        wipe_value(&mut value);
    }
}

fn wipe_value(value: &mut Value) {
    match value {
        Value::String(text) => text.zeroize(),
        Value::Array(items) => items.iter_mut().for_each(wipe_value),
        Value::Object(data) => wipe(data),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}
