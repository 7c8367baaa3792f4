//! `sys/seal`, `sys/step-down`, `sys/key-status`, `sys/rotate`: paths of the seal that need a token.

use serde_json::json;
use vault_sdk::table::{Call, Field, Path};
use vault_sdk::time::{Instant, Seconds};
use vault_sdk::{Operation, Response};

use super::System;
use crate::Error;
use crate::barrier::RotateConfig;
use crate::core::native::done;

pub(super) fn paths() -> Vec<Path<System>> {
    vec![
        Path::new("seal")
            .help("Seals the server: all keys are forgotten.", "")
            .sudo()
            .on(Operation::Update, |system: &System, _| done(system.seal())),
        Path::new("step-down")
            .help("Gives up leadership. A single server stays what it is.", "")
            .sudo()
            .on(Operation::Update, |_, _| done(Ok(Response::empty()))),
        Path::new("key-status")
            .help("Term, age and use of the key that encrypts now.", "")
            .on(Operation::Read, |system: &System, _| done(Ok(system.key_status()))),
        Path::new("rotate")
            .help("Makes a new encryption key.", "")
            .sudo()
            .on(Operation::Update, |system: &System, _| done(system.rotate())),
        Path::new("rotate/keyring")
            .help("Makes a new encryption key.", "")
            .sudo()
            .on(Operation::Update, |system: &System, _| done(system.rotate())),
        rotate_config("rotate/config"),
        rotate_config("rotate/keyring/config"),
    ]
}

fn rotate_config(pattern: &'static str) -> Path<System> {
    Path::new(pattern)
        .help("When a new encryption key is made by itself.", "")
        .sudo()
        .fields([
            Field::bool("enabled", "Whether keys are rotated by use and age."),
            Field::integer("max_operations", "Encryptions with one key."),
            Field::seconds("interval", "Age of a key; 0: no bound."),
        ])
        .on(Operation::Read, |system: &System, _| done(Ok(system.rotate_config())))
        .on(Operation::Update, |system: &System, call| done(system.configure_rotation(call)))
}

impl System {
    fn seal(&self) -> Result<Response, Error> {
        self.0.core.seal();
        Ok(Response::empty())
    }

    fn key_status(&self) -> Response {
        let barrier = &self.0.active.barrier;
        let (term, created_ms) = barrier.ring().active_term();
        Response::json(json!({
            "term": term,
            "install_time": Instant(created_ms.saturating_mul(1_000_000)).to_rfc3339(),
            "encryptions": barrier.uses(),
        }))
    }

    fn rotate(&self) -> Result<Response, Error> {
        let active = &self.0.active;
        let root_key = active.root_key.read().unwrap_or_else(std::sync::PoisonError::into_inner);
        active.barrier.rotate(&root_key, active.now())?;
        Ok(Response::empty())
    }

    fn rotate_config(&self) -> Response {
        let rotate = self.0.active.barrier.ring().rotate_config();
        Response::json(json!({
            "enabled": rotate.enabled,
            "max_operations": rotate.max_operations,
            "interval": rotate.interval_ms / 1000,
        }))
    }

    fn configure_rotation(&self, call: &Call<'_>) -> Result<Response, Error> {
        let active = &self.0.active;
        let mut rotate: RotateConfig = active.barrier.ring().rotate_config();
        if call.given("enabled") {
            rotate.enabled = call.bool("enabled");
        }
        if call.given("max_operations") {
            let most = crate::barrier::OPERATIONS_MAX;
            rotate.max_operations = call.count("max_operations")?;
            if !(1_000_000..=most).contains(&rotate.max_operations) {
                return Err(Error::Invalid(format!("max_operations must be 1000000 to {most}")));
            }
        }
        if call.given("interval") {
            let interval: Seconds = call.seconds("interval");
            if !interval.is_zero() && interval.0 < 24 * 3600 {
                return Err(Error::invalid("interval must be 0 or at least 24 hours"));
            }
            rotate.interval_ms = crate::core::handle::millis(interval);
        }
        let root_key = active.root_key.read().unwrap_or_else(std::sync::PoisonError::into_inner);
        active.barrier.configure_rotation(&root_key, rotate)?;
        Ok(Response::empty())
    }
}
