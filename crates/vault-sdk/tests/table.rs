//! What an engine's author gets from declaring paths.
#![allow(missing_docs, reason = "tests")]

use std::sync::LazyLock;

use serde_json::{Value, json};
use vault_sdk::memory::Memory;
use vault_sdk::table::{Call, Field, Path, PathTable, Paths};
use vault_sdk::{Backend, Body, Engine, Error, Expect, MountClass, Operation, Request, Response};

struct Notes;

async fn read(_: &Notes, call: &Call<'_>) -> Result<Response, Error> {
    let note = call.context.storage.read::<Value>(call.text("name")).await?;
    let (note, _) = note.ok_or(Error::NotFound)?;
    Ok(Response::json(json!({ "note": note })))
}

async fn write(_: &Notes, call: &Call<'_>) -> Result<Response, Error> {
    let note = json!({ "text": call.text("text"), "ttl": call.seconds("ttl").0 });
    call.context.storage.put(call.text("name"), Expect::Anything, &note).await?;
    Ok(Response::empty())
}

async fn list(_: &Notes, call: &Call<'_>) -> Result<Response, Error> {
    Ok(Response::list(call.context.storage.list_all("").await?))
}

async fn exists(call: &Call<'_>) -> Result<bool, Error> {
    Ok(call.context.storage.get(call.text("name")).await?.is_some())
}

static TABLE: LazyLock<PathTable<Notes>> = LazyLock::new(|| {
    let fields = [
        Field::string("text", "What to remember.").required(),
        Field::seconds("ttl", "How long.").default(60),
    ];
    PathTable::new(
        "Keeps notes.",
        vec![
            Path::new("notes")
                .help("Lists notes.", "")
                .on(Operation::List, |e, c| Box::pin(list(e, c))),
            Path::new("notes/{name}")
                .help("One note.", "Notes are short.")
                .fields(fields)
                .exists(|_, c| Box::pin(exists(c)))
                .on(Operation::Read, |e, c| Box::pin(read(e, c)))
                .on_write(|e, c| Box::pin(write(e, c))),
            Path::new("admin")
                .sudo()
                .on(Operation::Read, |_, _| Box::pin(async { Ok(Response::empty()) })),
        ],
    )
});

impl Engine for Notes {
    fn table() -> &'static PathTable<Self> {
        &TABLE
    }
}

fn request(operation: Operation, path: &str, data: Value) -> Request {
    let Value::Object(data) = data else { panic!("not an object") };
    Request::new(operation, path, data)
}

/// Everything in these tests is ready at once.
fn now<T>(future: impl Future<Output = T>) -> T {
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    match std::pin::pin!(future).poll(&mut context) {
        std::task::Poll::Ready(value) => value,
        std::task::Poll::Pending => panic!("not ready"),
    }
}

fn ask(memory: &Memory, request: &Request) -> Result<Response, Error> {
    now(Notes.handle(request, memory.context()))
}

#[test]
fn dispatches_checks_and_answers() {
    let memory = Memory::new("notes/", MountClass::Secret);
    let write = request(Operation::Update, "notes/a", json!({ "text": "x", "ttl": "2m" }));
    assert_eq!(now(Notes.exists(&write, memory.context())).unwrap(), Some(false));
    assert!(ask(&memory, &write).unwrap().warnings.is_empty());
    assert_eq!(now(Notes.exists(&write, memory.context())).unwrap(), Some(true));

    let answer = ask(&memory, &request(Operation::Read, "notes/a", json!({}))).unwrap();
    let Body::Data(data) = &answer.body else { panic!("{answer:?}") };
    assert_eq!(data["note"], json!({ "text": "x", "ttl": 120 }));
    let answer = ask(&memory, &request(Operation::List, "notes/", json!({}))).unwrap();
    let Body::Data(data) = &answer.body else { panic!("{answer:?}") };
    assert_eq!(data["keys"], json!(["a"]));
}

#[test]
fn nulls_are_absent_and_odd_keys_are_mentioned() {
    let memory = Memory::new("notes/", MountClass::Secret);
    let data = json!({ "text": "x", "ttl": null, "colour": 1, "name": "b" });
    let answer = ask(&memory, &request(Operation::Update, "notes/a", data)).unwrap();
    assert_eq!(
        answer.warnings,
        [
            "Endpoint ignored these unrecognized parameters: [colour]",
            "Endpoint replaced the value of these parameters with the values captured from the \
             endpoint's path: [name]"
        ]
    );
    assert_eq!(memory.keys(), ["a"]);
}

#[test]
fn refuses_with_a_reason_and_without_the_value() {
    let memory = Memory::new("notes/", MountClass::Secret);
    let refused = |operation, path: &str, data| {
        ask(&memory, &request(operation, path, data)).unwrap_err().to_string()
    };
    assert_eq!(refused(Operation::Update, "notes/a", json!({})), "missing text");
    assert_eq!(
        refused(Operation::Update, "notes/a", json!({ "text": "x", "ttl": "canary" })),
        "error converting input for field \"ttl\": expected a duration as 90, \"90s\", \"1h30m\" \
         or \"7d\", found a string"
    );
    assert_eq!(refused(Operation::Read, "elsewhere", json!({})), "unsupported path");
    assert_eq!(refused(Operation::Delete, "notes/a", json!({})), "unsupported operation");
    assert_eq!(memory.keys(), [""; 0]);
}

#[test]
fn says_what_the_core_must_know() {
    assert!(TABLE.find("admin").unwrap().sudo);
    assert!(!TABLE.find("notes/a").unwrap().sudo);
    assert_eq!(TABLE.find("notes/a/b"), None);
}

#[test]
fn help_and_openapi_come_from_the_declaration() {
    let help = TABLE.help("notes/", "notes/a").unwrap();
    let text = help["help"].as_str().unwrap();
    assert!(text.contains("text (string, required)\n        What to remember."), "{text}");
    assert!(TABLE.help("notes/", "").unwrap()["help"].as_str().unwrap().contains("notes/{name}"));
    let document = TABLE.openapi("notes/", "secrets");
    let item = &document["/notes/notes/{name}"];
    assert_eq!(item["parameters"][0]["name"], "name");
    assert_eq!(
        item["post"]["requestBody"]["content"]["application/json"]["schema"]["required"],
        json!(["text"])
    );
    assert_eq!(item["x-vault-createSupported"], true);
}
