//! `lease`: look up, renew, revoke.

use serde_json::json;

use super::Verb;
use super::basic::doing;
use crate::api::Api;
use crate::flags::{Flags, Takes};
use crate::{Console, Failure, secret};

pub(super) const VERBS: &[Verb] = &[
    Verb { name: "lease lookup", help: "Reads about a lease.", run: lookup },
    Verb { name: "lease renew", help: "Extends a lease.", run: renew },
    Verb { name: "lease revoke", help: "Ends leases.", run: revoke },
];

fn lookup(arguments: &[String], console: &mut Console<'_>) -> Result<u8, Failure> {
    let flags = Flags::parse(arguments, &[])?;
    let [lease] = flags.exactly()?;
    let answer = Api::new(&flags)?
        .put("sys/leases/lookup", json!({ "lease_id": lease }))
        .map_err(doing(&format!("error looking up lease id {lease}")))?;
    secret::show(console, &flags, &answer)?;
    Ok(0)
}

fn renew(arguments: &[String], console: &mut Console<'_>) -> Result<u8, Failure> {
    let flags = Flags::parse(arguments, &[("increment", Takes::Value), ("i", Takes::Value)])?;
    let [lease] = flags.exactly()?;
    let increment = flags.value("increment").or(flags.value("i")).unwrap_or("0");
    let body = json!({ "lease_id": lease, "increment": increment });
    let answer = Api::new(&flags)?
        .put("sys/leases/renew", body)
        .map_err(doing(&format!("Error renewing {lease}")))?;
    secret::show(console, &flags, &answer)?;
    Ok(0)
}

fn revoke(arguments: &[String], console: &mut Console<'_>) -> Result<u8, Failure> {
    let flags = Flags::parse(
        arguments,
        &[
            ("force", Takes::Switch),
            ("f", Takes::Switch),
            ("prefix", Takes::Switch),
            ("sync", Takes::Switch),
        ],
    )?;
    let [lease] = flags.exactly()?;
    let api = Api::new(&flags)?;
    let wrong = format!("Error revoking leases with {lease}");
    let force = flags.is_on("force") || flags.is_on("f");
    let sync = flags.is_on("sync");
    match (force, flags.is_on("prefix")) {
        (true, false) => {
            return Err(Failure::local("Specifying -force requires also specifying -prefix"));
        }
        (true, true) => {
            api.put(&format!("sys/leases/revoke-force/{lease}"), json!({}))
                .map_err(doing(&wrong))?;
            console.say(&format!("Success! Force revoked any leases with prefix: {lease}"));
        }
        (false, true) => {
            let body = json!({ "sync": sync });
            api.put(&format!("sys/leases/revoke-prefix/{lease}"), body).map_err(doing(&wrong))?;
            console.say(&format!("Success! Revoked any leases with prefix: {lease}"));
        }
        (false, false) => {
            let body = json!({ "lease_id": lease, "sync": sync });
            api.put("sys/leases/revoke", body).map_err(doing(&wrong))?;
            console.say("All revocation operations queued successfully!");
        }
    }
    Ok(0)
}
