//! `sys/audit`, `sys/audit-hash`, `sys/audit-chain`.

use serde_json::{Value, json};
use vault_sdk::table::{Call, Field, Path};
use vault_sdk::{Data, Operation, Response};

use super::System;
use crate::Error;
use crate::audit::DeviceConfig;
use crate::core::native::done;

pub(super) fn paths() -> Vec<Path<System>> {
    vec![
        Path::new("audit")
            .help("All audit devices.", "")
            .sudo()
            .on(Operation::Read, |system: &System, _| done(Ok(system.list_audit()))),
        Path::new("audit/{path...}")
            .help("One audit device.", "")
            .sudo()
            .fields([
                Field::string("type", "file, socket or syslog."),
                Field::string("description", "In words."),
                Field::text_map("options", "The device's own options."),
                Field::bool("local", "Not replicated."),
            ])
            .on(Operation::Update, |system: &System, call| done(system.enable_audit(call)))
            .on(Operation::Delete, |system: &System, call| done(system.disable_audit(call))),
        Path::new("audit-hash/{path...}")
            .help("How a value is shown in a device's entries.", "")
            .field(Field::string("input", "The value.").sensitive())
            .on(Operation::Update, |system: &System, call| done(system.audit_hash(call))),
        Path::new("audit-chain/{path...}")
            .help("Key and head of a device's chain, for `audit verify`.", "")
            .sudo()
            .on(Operation::Read, |system: &System, call| done(system.audit_chain(call))),
    ]
}

fn device_path(call: &Call<'_>) -> String {
    format!("{}/", call.text("path").trim_end_matches('/'))
}

fn describe(config: &DeviceConfig) -> Value {
    json!({
        "path": config.path,
        "type": config.kind,
        "description": config.description,
        "options": config.options,
        "local": config.local,
    })
}

impl System {
    fn list_audit(&self) -> Response {
        let configs = self.0.active.audit.configs();
        let devices: Data = configs.iter().map(|c| (c.path.clone(), describe(c))).collect();
        Response::data(devices)
    }

    fn enable_audit(&self, call: &Call<'_>) -> Result<Response, Error> {
        let mut config = DeviceConfig::new(&device_path(call), call.text("type"));
        call.text("description").clone_into(&mut config.description);
        config.options = call.text_map("options");
        config.local = call.bool("local");
        if config.options.contains_key("prefix") && !self.0.core.setup.settings.audit_prefix {
            return Err(Error::invalid(
                "the option prefix is not allowed by the server's configuration",
            ));
        }
        if config.is_raw() && !self.0.core.setup.settings.audit_raw {
            return Err(Error::invalid(
                "the option log_raw is not allowed by the server's configuration",
            ));
        }
        self.0.active.audit.enable(config, self.0.active.now())?;
        Ok(Response::empty())
    }

    fn disable_audit(&self, call: &Call<'_>) -> Result<Response, Error> {
        self.0.active.audit.disable(&device_path(call))?;
        Ok(Response::empty())
    }

    fn audit_hash(&self, call: &Call<'_>) -> Result<Response, Error> {
        let path = device_path(call);
        let device = self.0.active.audit.at(&path);
        let device =
            device.ok_or_else(|| Error::Invalid(format!("unknown audit backend: {path}")))?;
        let input = call.text("input");
        if input.is_empty() {
            return Err(Error::invalid("the \"input\" parameter is empty"));
        }
        Ok(Response::json(json!({ "hash": device.hasher.hash(input) })))
    }

    fn audit_chain(&self, call: &Call<'_>) -> Result<Response, Error> {
        let path = device_path(call);
        let device = self.0.active.audit.at(&path).ok_or(vault_sdk::Error::NotFound)?;
        Ok(Response::json(json!({
            "path": path,
            "key": device.config.keys.chain,
            "head": device.head(),
        })))
    }
}
