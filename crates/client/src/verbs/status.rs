//! `status`: whether the server is sealed. Exit code 0 unsealed, 2 sealed, 1 no answer.

use serde_json::Value;

use super::Verb;
use crate::api::{Answer, Api};
use crate::flags::Flags;
use crate::output::{self, Format};
use crate::{Console, Failure};

pub(super) const VERBS: &[Verb] =
    &[Verb { name: "status", help: "Says whether the server is sealed.", run: status }];

fn status(arguments: &[String], console: &mut Console<'_>) -> Result<u8, Failure> {
    let flags = Flags::parse(arguments, &[])?;
    flags.exactly::<0>()?;
    let answer = Api::new(&flags)?
        .get("sys/seal-status")
        .map_err(|failure| Failure::local(format!("Error checking seal status: {failure}")))?;
    show(console, &flags, &answer)?;
    let is_sealed = answer.body.get("sealed").and_then(Value::as_bool).unwrap_or(true);
    Ok(if is_sealed { 2 } else { 0 })
}

/// Shows a seal status.
pub(super) fn show(
    console: &mut Console<'_>,
    flags: &Flags,
    answer: &Answer,
) -> Result<(), Failure> {
    let format = Format::of(flags)?;
    if let Some(name) = flags.value("field") {
        let value = answer.body.get(name);
        let value =
            value.ok_or_else(|| Failure::local(format!("Field {name:?} not present in secret")))?;
        output::field(console, format, value);
        return Ok(());
    }
    if format != Format::Table {
        output::structured(console, format, &answer.body);
        return Ok(());
    }
    let text = |name: &str| answer.body.get(name).map(output::plain);
    let is_sealed = answer.body.get("sealed").and_then(Value::as_bool).unwrap_or(true);
    let is_initialised = answer.body.get("initialized").and_then(Value::as_bool).unwrap_or(false);
    let recovery = if text("recovery_seal").as_deref() == Some("true") { "Recovery " } else { "" };
    let mut pairs = vec![("Seal Type".to_owned(), text("type"))];
    if recovery.is_empty() {
        pairs.push(("Initialized".to_owned(), text("initialized")));
        pairs.push(("Sealed".to_owned(), text("sealed")));
    } else {
        pairs.push(("Recovery Seal Type".to_owned(), Some("shamir".to_owned())));
        pairs.push(("Initialized".to_owned(), text("initialized")));
        pairs.push(("Sealed".to_owned(), text("sealed")));
    }
    pairs.push((format!("Total {recovery}Shares"), text("n")));
    pairs.push(("Threshold".to_owned(), text("t")));
    if is_sealed && is_initialised {
        let progress =
            format!("{}/{}", text("progress").unwrap_or_default(), text("t").unwrap_or_default());
        pairs.push(("Unseal Progress".to_owned(), Some(progress)));
        pairs.push(("Unseal Nonce".to_owned(), text("nonce")));
    }
    for (title, name) in [
        ("Version", "version"),
        ("Build Date", "build_date"),
        ("Storage Type", "storage_type"),
        ("Cluster Name", "cluster_name"),
        ("Cluster ID", "cluster_id"),
        ("Freshness", "freshness"),
    ] {
        pairs.push((title.to_owned(), text(name)));
    }
    pairs.push(("HA Enabled".to_owned(), Some("false".to_owned())));
    let rows: Vec<_> =
        pairs.into_iter().filter_map(|(title, value)| Some((title, value?))).collect();
    console.say(&output::key_value(&rows));
    Ok(())
}
