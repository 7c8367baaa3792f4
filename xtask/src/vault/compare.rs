//! Where two answers differ, once what differs between any two servers is made equal.

use serde_json::Value;

use super::server::Answer;

/// Fields that hold a name the server drew, whatever it looks like.
const DRAWN: [&str; 8] = [
    "request_id",
    "accessor",
    "wrapped_accessor",
    "mount_accessor",
    "uuid",
    "cluster_id",
    "cluster_name",
    "nonce",
];
/// Fields that count down.
const COUNTING: [&str; 3] = ["ttl", "lease_duration", "remaining"];
/// How far those may be apart, in seconds: the servers are asked one after the other.
const APART: u64 = 60;
/// Numbers of seconds since 1970 are above this.
const LONG_AGO: u64 = 1_500_000_000;

/// One difference: where, and what stands there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Difference {
    /// `SCRIPT: METHOD PATH POINTER`
    pub(super) place: String,
    pub(super) what: String,
}

/// Compares status and body.
pub(super) fn differences(label: &str, theirs: &Answer, ours: &Answer) -> Vec<Difference> {
    if theirs.status != ours.status {
        let what = format!("OpenBao answers {}, ours {}", theirs.status, ours.status);
        // Bodies of different outcomes have nothing to compare.
        return vec![Difference { place: format!("{label} status"), what }];
    }
    let mut found = Vec::new();
    let (left, right) = (named(theirs), named(ours));
    walk(label, "", "", &left, &right, &mut found);
    found
}

/// The body with what was saved replaced by its name.
fn named(answer: &Answer) -> Value {
    fn replace(value: &mut Value, answer: &Answer) {
        match value {
            Value::String(text) => {
                for (name, saved) in &answer.known {
                    if saved.len() >= 8 && text.contains(saved.as_str()) {
                        *text = text.replace(saved.as_str(), &format!("${name}"));
                    }
                }
            }
            Value::Array(items) => items.iter_mut().for_each(|item| replace(item, answer)),
            Value::Object(fields) => {
                fields.values_mut().for_each(|field| replace(field, answer));
                *fields = std::mem::take(fields)
                    .into_iter()
                    .map(|(key, value)| {
                        let saved = answer.known.iter().find(|(_, saved)| **saved == key);
                        (saved.map_or(key, |(name, _)| format!("${name}")), value)
                    })
                    .collect();
            }
            Value::Null | Value::Bool(_) | Value::Number(_) => {}
        }
    }
    let mut body = answer.body.clone();
    replace(&mut body, answer);
    body
}

fn walk(
    label: &str,
    pointer: &str,
    key: &str,
    left: &Value,
    right: &Value,
    found: &mut Vec<Difference>,
) {
    let place = || format!("{label} {}", if pointer.is_empty() { "/" } else { pointer });
    match (left, right) {
        (Value::Object(theirs), Value::Object(ours)) => {
            for (name, value) in theirs {
                let at = format!("{pointer}/{name}");
                match ours.get(name) {
                    Some(own) => walk(label, &at, name, value, own, found),
                    None => found.push(Difference {
                        place: format!("{label} {at}"),
                        what: format!("ours lacks it, OpenBao has {}", short(value)),
                    }),
                }
            }
            for (name, value) in ours.iter().filter(|(name, _)| !theirs.contains_key(*name)) {
                let what = format!("OpenBao lacks it, ours has {}", short(value));
                found.push(Difference { place: format!("{label} {pointer}/{name}"), what });
            }
        }
        (Value::Array(theirs), Value::Array(ours)) if theirs.len() == ours.len() => {
            for (index, (value, own)) in theirs.iter().zip(ours).enumerate() {
                walk(label, &format!("{pointer}/{index}"), key, value, own, found);
            }
        }
        _ if equal(key, left, right) => {}
        _ => found.push(Difference {
            place: place(),
            what: format!("OpenBao has {}, ours {}", short(left), short(right)),
        }),
    }
}

fn equal(key: &str, left: &Value, right: &Value) -> bool {
    match (left, right) {
        (Value::Number(left), Value::Number(right)) => {
            let (Some(left), Some(right)) = (left.as_u64(), right.as_u64()) else {
                return left == right;
            };
            let near = COUNTING.contains(&key) && left.abs_diff(right) <= APART;
            left == right || near || left > LONG_AGO && right > LONG_AGO
        }
        (Value::String(left), Value::String(right)) => {
            let drawn = DRAWN.contains(&key) && left.is_empty() == right.is_empty();
            left == right || drawn || kind(left).is_some() && kind(left) == kind(right)
        }
        _ => left == right,
    }
}

/// What a text is an example of, for those that every server makes anew.
fn kind(text: &str) -> Option<&'static str> {
    let hexadecimal = |part: &str| part.bytes().all(|byte| byte.is_ascii_hexdigit());
    let groups: Vec<&str> = text.split('-').collect();
    if groups.iter().map(|group| group.len()).eq([8, 4, 4, 4, 12])
        && groups.iter().all(|group| hexadecimal(group))
    {
        return Some("uuid");
    }
    if ["s.", "hvs.", "b.", "hvb."]
        .iter()
        .any(|prefix| text.strip_prefix(prefix).is_some_and(|rest| rest.len() >= 24))
    {
        return Some("token");
    }
    let date = text.as_bytes();
    if text.len() >= 20 && date[4] == b'-' && date[10] == b'T' && date[13] == b':' {
        return Some("time");
    }
    match text.rsplit_once('_') {
        Some((name, id)) if !name.is_empty() && id.len() == 8 && hexadecimal(id) => {
            Some("accessor")
        }
        _ => None,
    }
}

fn short(value: &Value) -> String {
    let text = value.to_string();
    match text.char_indices().nth(120) {
        Some((end, _)) => format!("{}...", &text[..end]),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde_json::json;

    use super::*;

    fn answer(status: u16, body: Value, known: &[(&str, &str)]) -> Answer {
        let known: BTreeMap<_, _> =
            known.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect();
        Answer { status, body, known }
    }

    fn places(theirs: Value, ours: Value) -> Vec<String> {
        differences("s: GET /v1/x", &answer(200, theirs, &[]), &answer(200, ours, &[]))
            .into_iter()
            .map(|difference| difference.place)
            .collect()
    }

    #[test]
    fn what_is_drawn_or_counts_down_is_equal() {
        let theirs = json!({"request_id": "a", "ttl": 3600, "id": "s.abcdefghijklmnopqrstuvwx",
            "at": "2026-11-23T13:00:00.1Z", "creation_time": 1_780_000_000, "kv": "kv_0a1b2c3d"});
        let ours = json!({"request_id": "b", "ttl": 3598, "id": "hvs.abcdefghijklmnopqrstuvwx01",
            "at": "2026-11-23T13:00:01.25+00:00", "creation_time": 1_780_000_003, "kv": "kv_ffffffff"});
        assert_eq!(places(theirs, ours), Vec::<String>::new());
    }

    #[test]
    fn differences_say_where() {
        let theirs = json!({"data": {"a": 1, "b": [1, 2], "c": null}, "errors": ["x"]});
        let ours = json!({"data": {"a": 2, "b": [1], "d": ""}, "errors": ["y"]});
        let expected = ["/data/a", "/data/b", "/data/c", "/data/d", "/errors/0"];
        assert_eq!(places(theirs, ours), expected.map(|pointer| format!("s: GET /v1/x {pointer}")));
        assert_eq!(places(json!(""), json!("hvs.abcdefghijklmnopqrstuvwx")).len(), 1);
    }

    #[test]
    fn saved_values_are_equal_by_their_names() {
        let body = |id: &str| json!({"keys": [id], "key_info": {id: {"path": format!("x/{id}")}}});
        let (left, right) = (("id", "11111111-aa"), ("id", "22222222-bb"));
        let theirs = answer(200, body(left.1), &[left]);
        assert_eq!(differences("", &theirs, &answer(200, body(right.1), &[right])), []);
        let status = differences("s: GET /", &theirs, &answer(204, body(right.1), &[right]));
        assert_eq!(status[0].place, "s: GET / status");
    }
}
