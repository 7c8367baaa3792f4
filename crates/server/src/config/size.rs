//! Numbers and sizes in configuration files.

use hcl::Value;

use super::ConfigError;

/// A count of bytes or things, as a number or a text of one.
pub(super) fn count(key: &str, value: &Value) -> Result<usize, ConfigError> {
    let number = value.as_integer().and_then(|number| usize::try_from(number).ok());
    number.ok_or_else(|| ConfigError::Value { key: key.to_owned(), expected: "a number from 0 on" })
}
