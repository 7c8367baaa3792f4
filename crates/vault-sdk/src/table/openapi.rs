//! OpenAPI 3.0.2, in the shape of `sys/internal/specs/openapi`.

use serde_json::{Value, json};

use super::field::Field;
use super::path::{Path, PathTable};
use crate::{Data, Operation};

impl<E> PathTable<E> {
    /// A document of its own for the path that help was asked for, or for all.
    pub(super) fn document(&self, mount: &str, path: &str) -> Value {
        let wanted =
            |declared: &Path<E>| path.is_empty() || declared.pattern.matches(path).is_some();
        json!({
            "openapi": "3.0.2",
            "info": { "title": "Casemate API", "version": env!("CARGO_PKG_VERSION") },
            "paths": self.items(mount, "", wanted),
        })
    }

    /// Path items of the paths that are wanted. Two patterns that OpenAPI cannot tell apart share an item.
    pub(super) fn items(&self, mount: &str, tag: &str, wanted: impl Fn(&Path<E>) -> bool) -> Data {
        let mut items = Data::new();
        for path in self.paths.iter().filter(|path| wanted(path)) {
            let full = format!("/{mount}{}", path.pattern.template());
            let item = path.item(mount, tag);
            match items.get_mut(&full).and_then(Value::as_object_mut) {
                Some(there) => {
                    for (key, value) in item {
                        there.entry(key).or_insert(value);
                    }
                }
                None => {
                    items.insert(full, Value::Object(item));
                }
            }
        }
        items
    }
}

impl<E> Path<E> {
    fn item(&self, mount: &str, tag: &str) -> Data {
        let mut item = Data::new();
        item.insert("description".to_owned(), json!(self.synopsis));
        let parameters: Vec<Value> = self.pattern.variables().map(|v| self.parameter(v)).collect();
        if !parameters.is_empty() {
            item.insert("parameters".to_owned(), Value::Array(parameters));
        }
        if self.sudo {
            item.insert("x-vault-sudo".to_owned(), json!(true));
        }
        if self.unauthenticated {
            item.insert("x-vault-unauthenticated".to_owned(), json!(true));
        }
        for operation in self.operations() {
            let verb = match operation {
                Operation::Create | Operation::Update => "post",
                Operation::Read | Operation::List | Operation::Scan | Operation::Help => "get",
                Operation::Patch => "patch",
                Operation::Delete => "delete",
            };
            if operation == Operation::Create {
                item.insert("x-vault-createSupported".to_owned(), json!(true));
            }
            if !item.contains_key(verb) {
                item.insert(verb.to_owned(), self.operation(operation, mount, tag));
            }
        }
        item
    }

    fn parameter(&self, name: &str) -> Value {
        let field = self.fields.iter().find(|field| field.name == name);
        let schema = field.map_or_else(|| json!({ "type": "string" }), schema);
        let help = field.map_or("", |field| field.help);
        json!({ "name": name, "in": "path", "required": true, "schema": schema, "description": help })
    }

    fn operation(&self, operation: Operation, mount: &str, tag: &str) -> Value {
        let status = match operation {
            Operation::Delete => "204",
            _ => "200",
        };
        let description = if status == "204" { "empty body" } else { "OK" };
        let mut made = json!({
            "operationId": identifier(operation, mount, &self.pattern.template()),
            "summary": self.synopsis,
            "responses": { status: { "description": description } },
        });
        if let Some(made) = made.as_object_mut() {
            if !tag.is_empty() {
                made.insert("tags".to_owned(), json!([tag]));
            }
            let body_fields: Vec<&Field> = self.body_fields().collect();
            if operation.writes() && !body_fields.is_empty() {
                made.insert("requestBody".to_owned(), body(&body_fields));
            } else if operation == Operation::List {
                let schema = json!({ "type": "string", "enum": ["true"] });
                let parameter = json!({ "name": "list", "in": "query", "schema": schema,
                    "description": "Return a list if `true`" });
                made.insert("parameters".to_owned(), json!([parameter]));
            }
        }
        made
    }

    fn body_fields(&self) -> impl Iterator<Item = &Field> {
        let in_path = |name: &str| self.pattern.variables().any(|variable| variable == name);
        self.fields.iter().filter(move |field| !in_path(field.name))
    }
}

fn body(fields: &[&Field]) -> Value {
    let properties: Data =
        fields.iter().map(|field| (field.name.to_owned(), schema(field))).collect();
    let required: Vec<&str> =
        fields.iter().filter(|field| field.required).map(|field| field.name).collect();
    let mut schema = json!({ "type": "object", "properties": properties });
    if let (Some(schema), false) = (schema.as_object_mut(), required.is_empty()) {
        schema.insert("required".to_owned(), json!(required));
    }
    json!({ "content": { "application/json": { "schema": schema } } })
}

fn schema(field: &Field) -> Value {
    let mut schema = field.kind.schema();
    if let Some(schema) = schema.as_object_mut() {
        schema.insert("description".to_owned(), json!(field.help));
        if let Some(default) = &field.default {
            schema.insert("default".to_owned(), default.clone());
        }
        if !field.allowed.is_empty() {
            schema.insert("enum".to_owned(), json!(field.allowed));
        }
        if field.deprecated {
            schema.insert("deprecated".to_owned(), json!(true));
        }
        if field.sensitive {
            schema.insert("x-vault-displayAttrs".to_owned(), json!({ "sensitive": true }));
        }
    }
    schema
}

/// Words of verb, mount and path joined by hyphens.
fn identifier(operation: Operation, mount: &str, template: &str) -> String {
    let verb = match operation {
        Operation::Create | Operation::Update => "write",
        other => other.name(),
    };
    let words =
        mount.split(['/', '{', '}', '_', '.']).chain(template.split(['/', '{', '}', '_', '.']));
    let words: Vec<&str> =
        [verb].into_iter().chain(words.filter(|word| !word.is_empty())).collect();
    words.join("-")
}
