//! `policy`: ACL policies.

use serde_json::{Value, json};

use super::Verb;
use super::basic::doing;
use crate::api::Api;
use crate::flags::{Flags, Takes};
use crate::output::{self, Format};
use crate::{Console, Failure, data};

pub(super) const VERBS: &[Verb] = &[
    Verb { name: "policy list", help: "Lists policies.", run: list },
    Verb { name: "policy read", help: "Prints a policy.", run: read },
    Verb { name: "policy write", help: "Writes a policy from a file.", run: write },
    Verb { name: "policy delete", help: "Deletes a policy.", run: delete },
    Verb { name: "policy explain", help: "Says which rule decides about a request.", run: explain },
];

fn list(arguments: &[String], console: &mut Console<'_>) -> Result<u8, Failure> {
    let flags = Flags::parse(arguments, &[])?;
    flags.exactly::<0>()?;
    let answer = Api::new(&flags)?
        .ask("LIST", "sys/policies/acl", None)
        .map_err(doing("Error listing policies"))?;
    let names = answer.data().and_then(|data| data.get("keys")).and_then(Value::as_array);
    let names = names.cloned().unwrap_or_default();
    match Format::of(&flags)? {
        Format::Table | Format::Raw => {
            console.say(&names.iter().map(output::plain).collect::<Vec<_>>().join("\n"));
        }
        format => output::structured(console, format, &json!(names)),
    }
    Ok(0)
}

fn read(arguments: &[String], console: &mut Console<'_>) -> Result<u8, Failure> {
    let flags = Flags::parse(arguments, &[])?;
    let [name] = flags.exactly()?;
    let name = name.trim().to_lowercase();
    let answer = Api::new(&flags)?
        .get(&format!("sys/policies/acl/{name}"))
        .map_err(doing(&format!("Error reading policy named {name}")))?;
    let text = answer.data().and_then(|data| data.get("policy")).and_then(Value::as_str);
    let text = text.ok_or_else(|| Failure::remote(format!("No policy named: {name}")))?;
    match Format::of(&flags)? {
        Format::Table | Format::Raw => console.say(text.trim()),
        format => output::structured(console, format, &json!({ "policy": text })),
    }
    Ok(0)
}

fn write(arguments: &[String], console: &mut Console<'_>) -> Result<u8, Failure> {
    let flags = Flags::parse(arguments, &[])?;
    let [name, file] = flags.exactly()?;
    let name = name.trim().to_lowercase();
    let text = if file == "-" { console.read_input()? } else { data::read(file)? };
    Api::new(&flags)?
        .put(&format!("sys/policies/acl/{name}"), json!({ "policy": text }))
        .map_err(doing("Error uploading policy"))?;
    console.say(&format!("Success! Uploaded policy: {name}"));
    Ok(0)
}

fn delete(arguments: &[String], console: &mut Console<'_>) -> Result<u8, Failure> {
    let flags = Flags::parse(arguments, &[])?;
    let [name] = flags.exactly()?;
    let name = name.trim().to_lowercase();
    Api::new(&flags)?
        .ask("DELETE", &format!("sys/policies/acl/{name}"), None)
        .map_err(doing(&format!("Error deleting {name}")))?;
    console.say(&format!("Success! Deleted policy: {name}"));
    Ok(0)
}

fn explain(arguments: &[String], console: &mut Console<'_>) -> Result<u8, Failure> {
    let flags = Flags::parse(arguments, &[("token", Takes::Value), ("operation", Takes::Value)])?;
    let [path] = flags.exactly()?;
    let mut body = json!({ "path": path, "operation": flags.value("operation").unwrap_or("read") });
    if let (Some(token), Value::Object(body)) = (flags.value("token"), &mut body) {
        body.insert("token".to_owned(), json!(token));
    }
    let answer =
        Api::new(&flags)?.put("sys/policies/explain", body).map_err(doing("Error explaining"))?;
    crate::secret::show(console, &flags, &answer)?;
    Ok(0)
}
