//! `sys/policy`, `sys/policies/acl`, `sys/capabilities*`.

use serde_json::{Value, json};
use vault_sdk::table::{Call, Field, Path};
use vault_sdk::{Data, Operation, Response};

use super::System;
use crate::Error;
use crate::core::native::done;
use crate::lease::Held;

pub(super) fn paths() -> Vec<Path<System>> {
    let text = || Field::string("policy", "The policy: HCL, JSON, or either in base64.");
    let older = || Field::string("rules", "Older form of policy.").deprecated();
    let one = |pattern| {
        Path::new(pattern)
            .help("One ACL policy.", "")
            .fields([text(), older()])
            .on(Operation::Update, |system: &System, call| done(system.write_policy(call)))
            .on(Operation::Delete, |system: &System, call| done(system.delete_policy(call)))
    };
    let capabilities = |pattern| {
        Path::new(pattern).help("What a token may do on paths.", "").fields([
            Field::string("token", "The token."),
            Field::string("accessor", "The token's accessor."),
            Field::list("paths", "The paths."),
            Field::list("path", "Older form of paths."),
        ])
    };
    vec![
        Path::new("policy")
            .help("All ACL policies.", "")
            .on(Operation::Read, |system: &System, _| done(system.list_policies(true)))
            .on(Operation::List, |system: &System, _| done(system.list_policies(true))),
        one("policy/{name:any}")
            .on(Operation::Read, |system: &System, call| done(system.read_policy(call, "rules"))),
        Path::new("policies/acl")
            .help("All ACL policies.", "")
            .on(Operation::List, |system: &System, _| done(system.list_policies(false)))
            .on(Operation::Read, |system: &System, _| done(system.list_policies(false))),
        one("policies/acl/{name:any}")
            .on(Operation::Read, |system: &System, call| done(system.read_policy(call, "policy"))),
        capabilities("capabilities")
            .on(Operation::Update, |system: &System, call| done(system.capabilities(call))),
        capabilities("capabilities-self")
            .on(Operation::Update, |system: &System, call| done(system.capabilities_self(call))),
        capabilities("capabilities-accessor").on(Operation::Update, |system: &System, call| {
            done(system.capabilities_accessor(call))
        }),
    ]
}

impl System {
    fn list_policies(&self, with_older_name: bool) -> Result<Response, Error> {
        let names = self.0.active.policies.names()?;
        let mut response = Response::list(names.clone());
        if let (true, vault_sdk::Body::Data(data)) = (with_older_name, &mut response.body) {
            data.insert("policies".into(), names.into());
        }
        Ok(response)
    }

    fn read_policy(&self, call: &Call<'_>, field: &str) -> Result<Response, Error> {
        let name = call.text("name").to_lowercase();
        let text = self.0.active.policies.text(&name)?.ok_or(vault_sdk::Error::NotFound)?;
        let mut data = Data::new();
        data.insert("name".into(), name.into());
        data.insert(field.into(), text.into());
        Ok(Response::data(data))
    }

    fn write_policy(&self, call: &Call<'_>) -> Result<Response, Error> {
        use base64::Engine as _;
        let text = call.text_if_given("policy").or_else(|| call.text_if_given("rules"));
        let text = text.unwrap_or_default();
        if text.is_empty() {
            return Err(Error::invalid("'policy' parameter not supplied or empty"));
        }
        let decoded = base64::engine::general_purpose::STANDARD.decode(text).ok();
        let decoded = decoded.and_then(|bytes| String::from_utf8(bytes).ok());
        self.0.active.policies.put(call.text("name"), decoded.as_deref().unwrap_or(text))?;
        Ok(Response::empty())
    }

    fn delete_policy(&self, call: &Call<'_>) -> Result<Response, Error> {
        self.0.active.policies.delete(call.text("name"))?;
        Ok(Response::empty())
    }

    fn capabilities_self(&self, call: &Call<'_>) -> Result<Response, Error> {
        let token = self.0.caller()?;
        self.capabilities_of(token, call)
    }

    fn capabilities(&self, call: &Call<'_>) -> Result<Response, Error> {
        let token = self.0.active.find_token(call.text("token"))?;
        self.capabilities_of(&token.ok_or_else(|| Error::invalid("invalid token"))?, call)
    }

    fn capabilities_accessor(&self, call: &Call<'_>) -> Result<Response, Error> {
        let token = self.0.active.find_accessor(call.text("accessor"))?;
        self.capabilities_of(&token.ok_or_else(|| Error::invalid("invalid accessor"))?, call)
    }

    fn capabilities_of(&self, token: &Held, call: &Call<'_>) -> Result<Response, Error> {
        let mut paths = call.list("paths");
        if paths.is_empty() {
            paths = call.list("path");
        }
        if paths.is_empty() {
            return Err(Error::invalid("paths must be supplied"));
        }
        let acl = self.0.active.acl(token)?;
        let mut data = Data::new();
        for path in &paths {
            data.insert(path.clone(), json!(acl.capabilities(path)));
        }
        if let [only] = paths.as_slice() {
            let capabilities = data.get(only).cloned().unwrap_or(Value::Null);
            data.insert("capabilities".into(), capabilities);
        }
        Ok(Response::data(data))
    }
}
