//! Rendering the envelope of an answer.

use serde_json::{Map, Value, json};

use crate::api::Answer;
use crate::flags::Flags;
use crate::output::{self, Format};
use crate::{Console, Failure};

/// Writes an answer in the wanted format, or the one field that is asked for.
pub(crate) fn show(
    console: &mut Console<'_>,
    flags: &Flags,
    answer: &Answer,
) -> Result<(), Failure> {
    let format = Format::of(flags)?;
    if let Some(name) = flags.value("field") {
        let value = find(&answer.body, name)
            .ok_or_else(|| Failure::local(format!("Field {name:?} not present in secret")))?;
        output::field(console, format, &value);
        return Ok(());
    }
    match format {
        Format::Table => {
            warnings(console, &answer.body);
            console.say(&output::key_value(&rows(&answer.body)));
        }
        Format::Raw => console.say_raw(&answer.text),
        Format::Json | Format::Yaml => output::structured(console, format, &body(answer)),
    }
    Ok(())
}

/// Shows the warnings of an answer.
pub(crate) fn warnings(console: &mut Console<'_>, body: &Value) {
    let warnings = body.get("warnings").and_then(Value::as_array).map(Vec::as_slice);
    let warnings = warnings.unwrap_or_default();
    if warnings.is_empty() {
        return;
    }
    console.complain("WARNING! The following warnings were returned from Vault:\n");
    for warning in warnings {
        console.complain(&format!("  * {}\n", output::plain(warning)));
    }
}

/// The envelope without the keys that only some answers have and this one has not.
fn body(answer: &Answer) -> Value {
    let mut body = answer.body.clone();
    if let Value::Object(map) = &mut body {
        for name in ["wrap_info", "auth"] {
            if map.get(name).is_some_and(Value::is_null) {
                map.remove(name);
            }
        }
    }
    body
}

/// Rows of the table: lease, token, wrapping token, then the data.
fn rows(body: &Value) -> Vec<(String, String)> {
    let mut rows = Vec::new();
    let mut row = |key: &str, value: String| rows.push((key.to_owned(), value));
    let seconds = |value: &Value| output::duration(value.as_u64().unwrap_or_default());
    let lease = body.get("lease_id").and_then(Value::as_str).unwrap_or_default();
    let lease_duration = body.get("lease_duration").cloned().unwrap_or_default();
    if !lease.is_empty() {
        row("lease_id", lease.to_owned());
        row("lease_duration", seconds(&lease_duration));
        row("lease_renewable", output::plain(&body["renewable"]));
    } else if lease_duration.as_u64().unwrap_or_default() > 0 {
        // A hint without a lease, as of kv version 1.
        row("refresh_interval", seconds(&lease_duration));
    }
    if let Some(auth) = body.get("auth").and_then(Value::as_object) {
        let text = |name: &str| auth.get(name).map(output::plain).unwrap_or_default();
        let list = |name: &str| match auth.get(name) {
            Some(Value::Array(items)) => json!(items).to_string(),
            _ => "[]".to_owned(),
        };
        row("token", text("client_token"));
        row("token_accessor", text("accessor"));
        let duration = auth.get("lease_duration").cloned().unwrap_or_default();
        let ends = duration.as_u64().unwrap_or_default() > 0;
        row("token_duration", if ends { seconds(&duration) } else { "∞".to_owned() });
        row("token_renewable", text("renewable"));
        row("token_policies", list("token_policies"));
        row("identity_policies", list("identity_policies"));
        row("policies", list("policies"));
        for (key, value) in auth.get("metadata").and_then(Value::as_object).into_iter().flatten() {
            row(&format!("token_meta_{key}"), output::plain(value));
        }
    }
    if let Some(wrap) = body.get("wrap_info").and_then(Value::as_object) {
        let text = |name: &str| wrap.get(name).map(output::plain).unwrap_or_default();
        row("wrapping_token:", text("token"));
        row("wrapping_accessor:", text("accessor"));
        row("wrapping_token_ttl:", seconds(&wrap.get("ttl").cloned().unwrap_or_default()));
        row("wrapping_token_creation_time:", text("creation_time"));
        row("wrapping_token_creation_path:", text("creation_path"));
        let accessor = text("wrapped_accessor");
        if !accessor.is_empty() {
            row("wrapped_accessor:", accessor);
        }
    }
    for (key, value) in body.get("data").and_then(Value::as_object).into_iter().flatten() {
        row(key, shown(key, value));
    }
    rows
}

/// A value of the data; numbers of seconds are shown as durations where the name says so.
pub(crate) fn shown(key: &str, value: &Value) -> String {
    let is_duration =
        key.ends_with("_ttl") || key == "ttl" || key == "lease_duration" || key == "token_period";
    match value.as_u64() {
        Some(seconds) if is_duration => output::duration(seconds),
        _ => output::plain(value),
    }
}

/// The field of an answer that a user means by a name.
pub(crate) fn find(body: &Value, name: &str) -> Option<Value> {
    let auth = |key: &str| body.get("auth")?.get(key).cloned();
    let wrap = |key: &str| body.get("wrap_info")?.get(key).cloned();
    let own = match name {
        "token" => auth("client_token"),
        "token_accessor" => auth("accessor"),
        "token_duration" => auth("lease_duration"),
        "token_renewable" => auth("renewable"),
        "token_policies" => auth("token_policies"),
        "identity_policies" => auth("identity_policies"),
        "policies" => auth("policies"),
        "wrapping_token" => wrap("token"),
        "wrapping_accessor" => wrap("accessor"),
        "wrapping_token_ttl" => wrap("ttl"),
        "wrapping_token_creation_time" => wrap("creation_time"),
        "wrapping_token_creation_path" => wrap("creation_path"),
        "wrapped_accessor" => wrap("wrapped_accessor"),
        "lease_id" | "lease_duration" | "request_id" => body.get(name).cloned(),
        "refresh_interval" => body.get("lease_duration").cloned(),
        "data" => body.get("data").cloned(),
        _ => None,
    };
    let own = own.filter(|value| !value.is_null());
    own.or_else(|| body.get("data")?.get(name).cloned())
}

/// Writes the names of a list, or says that there are none.
pub(crate) fn show_list(
    console: &mut Console<'_>,
    flags: &Flags,
    path: &str,
    answer: &Answer,
) -> Result<(), Failure> {
    let names = answer.data().and_then(|data| data.get("keys")).and_then(Value::as_array);
    let format = Format::of(flags)?;
    let Some(names) = names else {
        if format == Format::Json {
            console.say("{}");
            return Err(Failure::remote(""));
        }
        return Err(Failure::remote(format!("No value found at {path}")));
    };
    warnings(console, &answer.body);
    match format {
        Format::Table => {
            let details =
                answer.data().and_then(|data| data.get("key_info")).and_then(Value::as_object);
            match details.filter(|_| flags.is_on("detailed")) {
                Some(details) => console.say(&detailed(names, details)),
                None => console.say(&output::keys(names)),
            }
        }
        Format::Raw => console.say_raw(&answer.text),
        Format::Json | Format::Yaml => output::structured(console, format, &json!(names)),
    }
    Ok(())
}

fn detailed(names: &[Value], details: &Map<String, Value>) -> String {
    let mut columns: Vec<&String> =
        details.values().filter_map(Value::as_object).flat_map(Map::keys).collect();
    columns.sort();
    columns.dedup();
    let title = |name: &String| name.to_owned();
    let mut rows = vec![
        std::iter::once("Keys".to_owned()).chain(columns.iter().map(|n| title(n))).collect(),
        std::iter::once("----".to_owned())
            .chain(columns.iter().map(|name| "-".repeat(name.len())))
            .collect::<Vec<_>>(),
    ];
    for name in names.iter().filter_map(Value::as_str) {
        let info = details.get(name).and_then(Value::as_object);
        let cell = |column: &&String| {
            info.and_then(|i| i.get(*column)).map(output::plain).unwrap_or_default()
        };
        rows.push(std::iter::once(name.to_owned()).chain(columns.iter().map(cell)).collect());
    }
    output::table(&rows)
}
