//! Conditions on the parameters of a request.

use serde_json::Value;
use vault_sdk::{Data, glob};

use super::acl::Reason;
use super::rule::Permissions;

/// Whether the parameters are such as the rule wants them.
pub(super) fn check<'a>(permissions: &'a Permissions, data: &Data) -> Result<(), Reason<'a>> {
    for name in &permissions.required {
        if !data.contains_key(name) {
            return Err(Reason::ParameterMissing(name));
        }
    }
    if data.is_empty() {
        return Ok(());
    }
    check_denied(permissions, data)?;
    check_allowed(permissions, data)
}

fn check_denied<'a>(permissions: &'a Permissions, data: &Data) -> Result<(), Reason<'a>> {
    let denied = &permissions.denied;
    if denied.is_empty() {
        return Ok(());
    }
    if let Some((star, _)) = denied.get_key_value("*") {
        return Err(Reason::ParameterDenied(star));
    }
    for (name, value) in data {
        if let Some((name, values)) = denied.get_key_value(&name.to_lowercase())
            && matches(value, values)
        {
            return Err(Reason::ParameterDenied(name));
        }
    }
    Ok(())
}

fn check_allowed<'a>(permissions: &'a Permissions, data: &Data) -> Result<(), Reason<'a>> {
    let allowed = &permissions.allowed;
    let any_name = allowed.contains_key("*");
    if allowed.is_empty() || (any_name && allowed.len() == 1) {
        return Ok(());
    }
    for (name, value) in data {
        match allowed.get_key_value(&name.to_lowercase()) {
            Some((name, values)) if !matches(value, values) => {
                return Err(Reason::ParameterValue(name));
            }
            None if !any_name => return Err(Reason::ParameterNotAllowed),
            _ => {}
        }
    }
    Ok(())
}

/// Whether a value is one of a list; an empty list stands for every value.
fn matches(value: &Value, values: &[Value]) -> bool {
    values.is_empty() || values.iter().any(|listed| equal(listed, value))
}

/// Texts by glob. A number or a boolean is also equal to its text, since most engines take either: a
/// denied 5 must not pass as "5".
fn equal(listed: &Value, given: &Value) -> bool {
    match (plain(listed), plain(given)) {
        (Some(listed), Some(given)) => glob::matches_at_ends(&listed, &given),
        _ => listed == given,
    }
}

fn plain(value: &Value) -> Option<std::borrow::Cow<'_, str>> {
    match value {
        Value::String(text) => Some(text.into()),
        Value::Number(number) => Some(number.to_string().into()),
        Value::Bool(bool) => Some(bool.to_string().into()),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}
