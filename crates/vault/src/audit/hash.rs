//! Hiding values in entries: the rule of `docs/specs/audit-chain.md`, section 4.

use crypto::hmac_sha256;
use serde_json::Value;
use vault_sdk::Data;
use zeroize::Zeroizing;

use crate::hex;

/// A device's way of hiding values.
#[derive(Debug)]
pub(crate) struct Hasher {
    salt: Zeroizing<String>,
    is_raw: bool,
    hashes_accessors: bool,
}

impl Hasher {
    pub(crate) fn new(salt: &str, is_raw: bool, hashes_accessors: bool) -> Self {
        Hasher { salt: Zeroizing::new(salt.to_owned()), is_raw, hashes_accessors }
    }

    /// The value as `sys/audit-hash` shows it.
    pub(crate) fn hash(&self, text: &str) -> String {
        let mac = hmac_sha256(self.salt.as_bytes(), text.as_bytes());
        format!("hmac-sha256:{}", hex::encode(&mac))
    }

    /// A secret text as entries show it; empty stays empty.
    pub(crate) fn secret(&self, text: &str) -> String {
        if text.is_empty() || self.is_raw { text.to_owned() } else { self.hash(text) }
    }

    pub(crate) fn accessor(&self, text: &str) -> String {
        if self.hashes_accessors { self.secret(text) } else { text.to_owned() }
    }

    /// Data with every string at any depth hidden, except below the keys in `shown`.
    pub(crate) fn data(&self, data: &Data, shown: &[String]) -> Value {
        let pairs = data.iter().map(|(name, value)| {
            let is_shown = self.is_raw || shown.contains(name);
            (name.clone(), if is_shown { value.clone() } else { self.value(value) })
        });
        Value::Object(pairs.collect())
    }

    fn value(&self, value: &Value) -> Value {
        match value {
            Value::String(text) => self.hash(text).into(),
            Value::Array(items) => items.iter().map(|item| self.value(item)).collect(),
            Value::Object(data) => {
                data.iter().map(|(name, value)| (name.clone(), self.value(value))).collect()
            }
            Value::Null | Value::Bool(_) | Value::Number(_) => value.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// The vector of the specification.
    #[test]
    fn vector() {
        let hasher = Hasher::new("salt", false, true);
        let expected =
            "hmac-sha256:aaf15d64f29e7a06f6a3e5581fa216df16433dd089f43f9e7fb5fa82471e273b";
        assert_eq!(hasher.hash("value"), expected);
        let data = json!({ "a": { "b": ["value", 1, true, null] }, "shown": "value" });
        let Value::Object(data) = data else { unreachable!() };
        let hidden = hasher.data(&data, &["shown".to_owned()]);
        assert_eq!(hidden, json!({ "a": { "b": [expected, 1, true, null] }, "shown": "value" }));
    }
}
