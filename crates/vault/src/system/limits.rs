//! `sys/quotas`, `sys/locked-users`, `sys/policies/password`.

use serde_json::json;
use vault_sdk::table::{Call, Field, Path};
use vault_sdk::time::Seconds;
use vault_sdk::{Operation, Response};

use super::System;
use crate::barrier::Transaction;
use crate::core::native::done;
use crate::passwords::PasswordPolicy;
use crate::quotas::Quota;
use crate::{Error, policies};

const PASSWORDS: &str = "password-policy/";

pub(super) fn paths() -> Vec<Path<System>> {
    vec![
        Path::new("quotas/config")
            .help("Settings of all quotas.", "")
            .fields([
                Field::bool("enable_rate_limit_audit_logging", "Whether refusals are audited."),
                Field::bool(
                    "enable_rate_limit_response_headers",
                    "Whether answers say what is left.",
                ),
                Field::list("rate_limit_exempt_paths", "Paths that no quota counts."),
            ])
            .on(Operation::Read, |system: &System, _| done(Ok(system.quota_config())))
            .on(Operation::Update, |system: &System, call| done(system.configure_quotas(call))),
        Path::new("quotas/rate-limit").help("All rate limits.", "").on(
            Operation::List,
            |system: &System, _| {
                let names = system.0.active.quotas.all().into_keys().collect();
                done(Ok(Response::list(names)))
            },
        ),
        Path::new("quotas/rate-limit/{name:any}")
            .help("One rate limit.", "")
            .fields([
                Field::string("type", "rate-limit."),
                Field::string("path", "Mount or path; empty: all."),
                Field::new("rate", vault_sdk::table::FieldKind::Number, "Requests in an interval."),
                Field::seconds("interval", "The interval; one second if absent."),
                Field::seconds("block_interval", "How long a client is shut out that went over."),
                Field::string("role", "Logins of this role only."),
                Field::bool("inheritable", "Accepted."),
            ])
            .on(Operation::Read, |system: &System, call| done(system.read_quota(call.text("name"))))
            .on(Operation::Update, |system: &System, call| done(system.write_quota(call)))
            .on(Operation::Delete, |system: &System, call| {
                done(system.0.active.quotas.delete(call.text("name")).map(|()| Response::empty()))
            }),
        Path::new("locked-users")
            .help("Users that are shut out after failed logins.", "")
            .on(Operation::Read, |system: &System, _| done(Ok(system.locked_users()))),
        Path::new("locked-users/{mount_accessor}/unlock/{alias:any}")
            .help("Lets a user in again.", "")
            .on(Operation::Update, |system: &System, call| {
                system.0.active.lockout.forget(call.text("mount_accessor"), call.text("alias"));
                done(Ok(Response::empty()))
            }),
        Path::new("policies/password")
            .help("All password policies.", "")
            .on(Operation::List, |system: &System, _| done(system.list_passwords())),
        Path::new("policies/password/{name:any}")
            .help("One password policy.", "")
            .field(Field::string("policy", "HCL or JSON."))
            .on(Operation::Read, |system: &System, call| {
                done(system.read_password(call.text("name")))
            })
            .on(Operation::Update, |system: &System, call| done(system.write_password(call)))
            .on(Operation::Delete, |system: &System, call| {
                done(system.delete_password(call.text("name")))
            }),
        Path::new("policies/password/{name:any}/generate")
            .help("Makes a password.", "")
            .on(Operation::Read, |system: &System, call| done(system.generate(call.text("name")))),
    ]
}

impl System {
    fn quota_config(&self) -> Response {
        let config = self.0.active.quotas.config();
        Response::json(json!({
            "enable_rate_limit_audit_logging": config.audit_log,
            "enable_rate_limit_response_headers": config.response_headers,
            "rate_limit_exempt_paths": config.exempt_paths,
        }))
    }

    fn configure_quotas(&self, call: &Call<'_>) -> Result<Response, Error> {
        let mut config = self.0.active.quotas.config();
        if call.given("enable_rate_limit_audit_logging") {
            config.audit_log = call.bool("enable_rate_limit_audit_logging");
        }
        if call.given("enable_rate_limit_response_headers") {
            config.response_headers = call.bool("enable_rate_limit_response_headers");
        }
        if call.given("rate_limit_exempt_paths") {
            config.exempt_paths = call.list("rate_limit_exempt_paths");
        }
        self.0.active.quotas.configure(config)?;
        Ok(Response::empty())
    }

    fn read_quota(&self, name: &str) -> Result<Response, Error> {
        let quotas = self.0.active.quotas.all();
        let quota = quotas.get(name).ok_or(vault_sdk::Error::NotFound)?;
        Ok(Response::json(json!({
            "name": quota.name,
            "type": "rate-limit",
            "path": quota.path,
            "role": quota.role,
            "rate": quota.rate,
            "interval": quota.interval_s,
            "block_interval": quota.block_interval_s,
            "inheritable": quota.inheritable,
        })))
    }

    fn write_quota(&self, call: &Call<'_>) -> Result<Response, Error> {
        let name = call.text("name");
        let path = call.text("path").trim_start_matches('/').to_owned();
        let mounts = self.0.active.mounts();
        if !path.is_empty()
            && mounts.route(&format!("{}/", path.trim_end_matches(['*', '/']))).is_none()
        {
            return Err(Error::Invalid(format!("invalid mount path {path:?}")));
        }
        let rate = call.value("rate").and_then(serde_json::Value::as_f64).unwrap_or(0.0);
        if !rate.is_finite() || rate <= 0.0 {
            return Err(Error::invalid("'rate' is invalid: it must be greater than 0"));
        }
        let interval = call.seconds("interval").or(Seconds(1));
        self.0.active.quotas.put(Quota {
            name: name.to_owned(),
            path,
            role: call.text("role").to_owned(),
            rate,
            interval_s: interval.0,
            block_interval_s: call.seconds("block_interval").0,
            inheritable: call.bool("inheritable"),
        })?;
        Ok(Response::empty())
    }

    fn locked_users(&self) -> Response {
        let active = &self.0.active;
        let locked = active.lockout.locked(active.now());
        let mut by_mount: std::collections::BTreeMap<&str, Vec<&str>> =
            std::collections::BTreeMap::new();
        for (mount, alias) in &locked {
            by_mount.entry(mount).or_default().push(alias);
        }
        let mounts: Vec<_> = by_mount
            .iter()
            .map(|(mount, aliases)| {
                json!({ "mount_accessor": mount, "counts": aliases.len(), "alias_identifiers": aliases })
            })
            .collect();
        let total = locked.len();
        let by_namespace = if mounts.is_empty() {
            json!([])
        } else {
            json!([{ "namespace_id": "root", "namespace_path": "", "counts": total, "mount_accessors": mounts }])
        };
        Response::json(json!({ "total": total, "by_namespace": by_namespace }))
    }

    fn list_passwords(&self) -> Result<Response, Error> {
        let keys = self.0.active.barrier.keys(PASSWORDS, "", usize::MAX)?;
        let names = keys.iter().filter_map(|key| key.strip_prefix(PASSWORDS));
        Ok(Response::list(names.map(str::to_owned).collect()))
    }

    fn password_text(&self, name: &str) -> Result<Option<String>, Error> {
        let row = self.0.active.barrier.get(&format!("{PASSWORDS}{name}"))?;
        Ok(row.map(|row| String::from_utf8_lossy(&row.content).into_owned()))
    }

    fn read_password(&self, name: &str) -> Result<Response, Error> {
        let text = self.password_text(name)?.ok_or(vault_sdk::Error::NotFound)?;
        Ok(Response::json(json!({ "policy": text })))
    }

    fn write_password(&self, call: &Call<'_>) -> Result<Response, Error> {
        use base64::Engine as _;
        let name = policies::check_name(call.text("name"))?;
        let given = call.text("policy");
        if given.is_empty() {
            return Err(Error::invalid("missing policy"));
        }
        let decoded = base64::engine::general_purpose::STANDARD.decode(given).ok();
        let text = decoded
            .and_then(|bytes| String::from_utf8(bytes).ok())
            .unwrap_or_else(|| given.to_owned());
        PasswordPolicy::parse(&text)?;
        let mut transaction = Transaction::new();
        transaction.put(format!("{PASSWORDS}{name}"), text.into_bytes());
        self.0.active.barrier.commit(transaction)?;
        Ok(Response::empty())
    }

    fn delete_password(&self, name: &str) -> Result<Response, Error> {
        let mut transaction = Transaction::new();
        transaction.delete(format!("{PASSWORDS}{name}"));
        self.0.active.barrier.commit(transaction)?;
        Ok(Response::empty())
    }

    fn generate(&self, name: &str) -> Result<Response, Error> {
        let text = self.password_text(name)?;
        let text = text.ok_or_else(|| Error::Invalid(format!("no password policy {name:?}")))?;
        Ok(Response::json(json!({ "password": PasswordPolicy::parse(&text)?.generate() })))
    }
}
