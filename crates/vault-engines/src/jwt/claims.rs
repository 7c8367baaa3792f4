//! Claims (RFC 7519): time, issuer, audience, and what a role binds.

use std::collections::BTreeMap;

use serde_json::Value;
use vault_sdk::time::{Instant, Seconds};
use vault_sdk::{Data, glob};

use super::{Config, Role};

/// How far clocks may differ if a role does not say.
const SKEW: Seconds = Seconds(60);

/// Life of a token that names no end, from its issue or its beginning.
const ASSUMED_LIFE: Seconds = Seconds(150);

/// Says what about a token does not fit.
pub(super) fn check(
    claims: &Data,
    role: &Role,
    config: &Config,
    now: Instant,
) -> Result<(), &'static str> {
    check_time(claims, role, now)?;
    let issuer = claims.get("iss").and_then(Value::as_str).unwrap_or_default();
    let wanted = match (config.bound_issuer.as_str(), config.discovery_url.as_str()) {
        ("", discovery) => discovery,
        (bound, _) => bound,
    };
    if !wanted.is_empty() && issuer.trim_end_matches('/') != wanted.trim_end_matches('/') {
        return Err("invalid issuer (iss) claim");
    }
    if !role.bound_subject.is_empty()
        && claims.get("sub").and_then(Value::as_str) != Some(&role.bound_subject)
    {
        return Err("invalid subject (sub) claim");
    }
    check_audience(claims, role)?;
    for (path, expected) in &role.bound_claims {
        let found = find(claims, path).ok_or("a bound claim is missing")?;
        if !matches(expected, found, role.glob_claims) {
            return Err("a bound claim does not match");
        }
    }
    Ok(())
}

/// A token for an audience needs a role that has one: otherwise a token meant for somebody else would do.
fn check_audience(claims: &Data, role: &Role) -> Result<(), &'static str> {
    let audiences = texts(claims.get("aud"));
    if role.bound_audiences.is_empty() {
        return if audiences.is_empty() {
            Ok(())
        } else {
            Err("audience claim found in JWT but no audiences bound to the role")
        };
    }
    let is_bound = |audience: &&str| role.bound_audiences.iter().any(|bound| bound == audience);
    if audiences.iter().any(is_bound) { Ok(()) } else { Err("invalid audience (aud) claim") }
}

fn check_time(claims: &Data, role: &Role, now: Instant) -> Result<(), &'static str> {
    let time = |name: &str| -> Result<Option<Instant>, &'static str> {
        match claims.get(name) {
            None | Some(Value::Null) => Ok(None),
            Some(value) => {
                let seconds = value.as_f64().filter(|seconds| (0.0..1e11).contains(seconds));
                seconds.map(|s| Some(whole(s))).ok_or("a time claim is not a number of seconds")
            }
        }
    };
    let (issued, begins, ends) = (time("iat")?, time("nbf")?, time("exp")?);
    let skew = role.clock_skew_leeway.or(SKEW);
    let start = begins.or(issued);
    let ends = match (ends, start) {
        (Some(ends), _) => ends.plus(role.expiration_leeway),
        (None, Some(start)) => start.plus(role.expiration_leeway.or(ASSUMED_LIFE)),
        (None, None) => {
            return Err(
                "no issued at (iat), not before (nbf), or expiration time (exp) claims were set",
            );
        }
    };
    if ends.plus(skew) <= now {
        return Err("token is expired (exp)");
    }
    let early = now.plus(skew).plus(role.not_before_leeway);
    if begins.is_some_and(|begins| begins > early) || issued.is_some_and(|issued| issued > early) {
        return Err("token not valid yet (nbf or iat)");
    }
    Ok(())
}

#[allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "the caller bounds it; fractions are cut off"
)]
fn whole(seconds: f64) -> Instant {
    Instant::from_unix(seconds as u64)
}

/// A claim by its name, or by a path that begins with a slash (RFC 6901).
fn find<'a>(claims: &'a Data, path: &str) -> Option<&'a Value> {
    match path.strip_prefix('/') {
        None => claims.get(path),
        Some(rest) => {
            let (first, rest) = rest.split_once('/').map_or((rest, None), |(f, r)| (f, Some(r)));
            let value = claims.get(&first.replace("~1", "/").replace("~0", "~"))?;
            rest.map_or(Some(value), |rest| value.pointer(&format!("/{rest}")))
        }
    }
}

/// Whether one of the found values is one of the expected ones.
fn matches(expected: &Value, found: &Value, is_glob: bool) -> bool {
    let list = |value: &Value| match value {
        Value::Array(values) => values.clone(),
        other => vec![other.clone()],
    };
    let equal = |expected: &Value, found: &Value| match (expected.as_str(), found.as_str()) {
        (Some(pattern), Some(text)) if is_glob => glob::matches(pattern, text),
        _ => expected == found,
    };
    let found = list(found);
    list(expected).iter().any(|expected| found.iter().any(|found| equal(expected, found)))
}

fn texts(value: Option<&Value>) -> Vec<&str> {
    match value {
        Some(Value::String(text)) => vec![text],
        Some(Value::Array(values)) => values.iter().filter_map(Value::as_str).collect(),
        _ => vec![],
    }
}

/// A claim as a text.
pub(super) fn text(claims: &Data, path: &str) -> Option<String> {
    match find(claims, path)? {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(bool) => Some(bool.to_string()),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

/// Claims as metadata.
pub(super) fn mapped(
    claims: &Data,
    mappings: &BTreeMap<String, String>,
) -> Result<BTreeMap<String, String>, &'static str> {
    let mut metadata = BTreeMap::new();
    for (claim, name) in mappings {
        match (find(claims, claim), text(claims, claim)) {
            (None | Some(Value::Null), _) => {}
            (Some(_), Some(text)) => {
                metadata.insert(name.clone(), text);
            }
            (Some(_), None) => return Err("a mapped claim is not a text"),
        }
    }
    Ok(metadata)
}

/// Names of the groups that a claim lists.
pub(super) fn groups(claims: &Data, path: &str) -> Result<Vec<String>, &'static str> {
    if path.is_empty() {
        return Ok(vec![]);
    }
    match find(claims, path) {
        Some(value @ (Value::String(_) | Value::Array(_))) => {
            Ok(texts(Some(value)).into_iter().map(str::to_owned).collect())
        }
        _ => Err("the groups claim is not a list of texts"),
    }
}
