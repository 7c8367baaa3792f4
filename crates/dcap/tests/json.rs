//! Signed JSON: every field is required unless it is known to be optional, and has one type.

#[path = "it/data.rs"]
mod data;

use dcap::{Blame, EnclaveIdentity, Refusal, TcbInfo};
use serde_json::{Value, json};

/// Fields that may be missing.
const OPTIONAL: &[&str] = &["advisoryIDs", "category", "type", "tdxModuleIdentities"];
/// Fields whose content does not count.
const IGNORED: &[&str] = &["category", "type"];

type Parse = fn(&[u8]) -> Result<(), Refusal>;

fn tcb_info(json: &[u8]) -> Result<(), Refusal> {
    TcbInfo::parse(json).map(|_| ())
}

fn qe_identity(json: &[u8]) -> Result<(), Refusal> {
    EnclaveIdentity::parse(json).map(|_| ())
}

/// The pointer of every value in the document.
fn pointers(value: &Value, at: &str, all: &mut Vec<String>) {
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                let pointer = format!("{at}/{name}");
                all.push(pointer.clone());
                pointers(value, &pointer, all);
            }
        }
        Value::Array(items) => {
            // The first and the last of many equal ones are enough.
            for index in [0, items.len().saturating_sub(1)] {
                if let Some(item) = items.get(index) {
                    let pointer = format!("{at}/{index}");
                    all.push(pointer.clone());
                    pointers(item, &pointer, all);
                }
            }
        }
        _ => {}
    }
}

fn name(pointer: &str) -> &str {
    pointer.rsplit('/').next().expect("a pointer has a last part")
}

#[track_caller]
fn malformed(parse: Parse, document: &Value, what: &str) {
    match parse(document.to_string().as_bytes()) {
        Ok(()) => panic!("accepted: {what}"),
        Err(refusal) => assert_eq!(refusal.blame(), Blame::Malformed, "{what}: {refusal}"),
    }
}

/// Values of the wrong type for a field that has this value.
fn wrong(right: &Value) -> Vec<Value> {
    [
        json!(null),
        json!(true),
        json!(-1),
        json!(1.5),
        json!(u64::MAX),
        json!(""),
        json!("zz"),
        json!("2025-01-01T00:00:00+00:00"),
        json!([]),
        json!([null]),
        json!({}),
        json!({"a": 1}),
    ]
    .into_iter()
    .filter(|value| value != right)
    .collect()
}

fn check_every_field(parse: Parse, text: &str) {
    let document: Value = serde_json::from_str(text).expect("real collateral is JSON");
    parse(text.as_bytes()).expect("real collateral parses");
    parse(document.to_string().as_bytes()).expect("and does so with its fields in another order");
    let mut all = Vec::new();
    pointers(&document, "", &mut all);
    for pointer in &all {
        let field = name(pointer);
        let in_advisories = pointer.contains("advisoryIDs/");
        let (parent, _) = pointer.rsplit_once('/').expect("a pointer has a parent");
        let mut removed = document.clone();
        if let Some(Value::Object(fields)) = removed.pointer_mut(parent) {
            fields.remove(field);
            if OPTIONAL.contains(&field) {
                parse(removed.to_string().as_bytes())
                    .unwrap_or_else(|refusal| panic!("{pointer}: {refusal}"));
            } else {
                malformed(parse, &removed, &format!("{pointer} removed"));
            }
        }
        if IGNORED.contains(&field) {
            continue;
        }
        let right = document.pointer(pointer).expect("the pointer is from this document");
        for value in wrong(right) {
            // An empty list of advisories or module identities is a right one, any text an advisory.
            let fine = OPTIONAL.contains(&field) && value == json!([])
                || in_advisories && value.is_string();
            if fine {
                continue;
            }
            let mut changed = document.clone();
            *changed.pointer_mut(pointer).expect("as above") = value.clone();
            malformed(parse, &changed, &format!("{pointer} = {value}"));
        }
        check_length(parse, &document, pointer, right);
    }
}

/// Hexadecimal text of another length is refused.
fn check_length(parse: Parse, document: &Value, pointer: &str, right: &Value) {
    let Some(text) = right.as_str() else { return };
    let is_hex = text.len() >= 4 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    if !is_hex {
        return;
    }
    for other in [format!("{text}00"), text[2..].to_owned(), format!("{}g", &text[1..])] {
        let mut changed = document.clone();
        *changed.pointer_mut(pointer).expect("the pointer is from this document") = json!(other);
        malformed(parse, &changed, &format!("{pointer} = {other}"));
    }
}

#[test]
fn every_field_of_tcb_info_is_required_and_typed() {
    // TDX version 3 with module identities, SGX version 3, SGX version 2.
    for file in ["c-b4493d6a", "c-f8d63ac6", "c-fcdf17cc"] {
        check_every_field(tcb_info, &data::collateral(&format!("collateral/{file}.json")).tcb_info);
    }
}

#[test]
fn every_field_of_qe_identity_is_required_and_typed() {
    for file in ["c-b4493d6a", "c-f8d63ac6"] {
        check_every_field(
            qe_identity,
            &data::collateral(&format!("collateral/{file}.json")).qe_identity,
        );
    }
}

#[test]
fn documents_that_are_no_objects_are_malformed() {
    let deep = format!("{}{}", "{\"a\":".repeat(100_000), "}".repeat(100_000));
    for text in ["", " ", "{", "{}", "[]", "null", "1", "\"x\"", "\u{0}", &deep] {
        for parse in [tcb_info as Parse, qe_identity] {
            assert_eq!(parse(text.as_bytes()).unwrap_err().blame(), Blame::Malformed);
        }
    }
    assert_eq!(tcb_info(&[0xff, 0xfe]).unwrap_err().blame(), Blame::Malformed);
}

#[test]
fn lists_of_components_have_sixteen_members() {
    let text = data::collateral("collateral/c-b4493d6a.json").tcb_info;
    for list in ["sgxtcbcomponents", "tdxtcbcomponents"] {
        for count in [0, 15, 17] {
            let mut document: Value = serde_json::from_str(&text).unwrap();
            let component = json!({"svn": 1});
            document["tcbLevels"][0]["tcb"][list] = Value::Array(vec![component; count]);
            malformed(tcb_info, &document, &format!("{count} {list}"));
        }
    }
}

#[test]
fn levels_are_unique() {
    let text = data::collateral("collateral/c-f8d63ac6.json").tcb_info;
    let mut document: Value = serde_json::from_str(&text).unwrap();
    let mut again = document["tcbLevels"][0].clone();
    again["tcbStatus"] = json!("OutOfDate");
    document["tcbLevels"].as_array_mut().unwrap().push(again);
    malformed(tcb_info, &document, "two levels with the same SVNs");
}

#[test]
fn only_tdx_has_a_tdx_module() {
    let text = data::collateral("collateral/c-f8d63ac6.json").tcb_info;
    let tdx: Value =
        serde_json::from_str(&data::collateral("collateral/c-b4493d6a.json").tcb_info).unwrap();
    let mut document: Value = serde_json::from_str(&text).unwrap();
    document["tdxModule"] = tdx["tdxModule"].clone();
    malformed(tcb_info, &document, "SGX with tdxModule");
}

/// Documents of Open Enclave's tests. The well-formed ones among them are of version 1, which nobody
/// serves any more, so that all are refused.
#[test]
fn open_enclaves_documents_are_refused() {
    let mut refused = 0;
    for entry in std::fs::read_dir(data::path("negative-tcbinfo")).unwrap() {
        let path = entry.unwrap().path();
        let text = std::fs::read_to_string(&path).unwrap();
        let parsed = dcap::Collateral::split_signed(text.trim_end_matches('\0'))
            .and_then(|(body, _)| TcbInfo::parse(body.as_bytes()));
        assert_eq!(parsed.unwrap_err().blame(), Blame::Malformed, "{}", path.display());
        refused += 1;
    }
    assert_eq!(refused, 20);
}
