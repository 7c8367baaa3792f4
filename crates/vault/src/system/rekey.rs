//! `sys/rekey`, `sys/generate-root`: what operators do with their shares, step by step.
//!
//! A token with sudo starts and cancels; shares are taken with the operation's nonce only.

use crypto::Secret;
use serde_json::{Value, json};
use vault_sdk::table::{Call, Field, Path};
use vault_sdk::{Operation, Response};

use super::System;
use crate::Error;
use crate::core::native::done;
use crate::core::operator::{Collection, Rekey, RootGeneration, parse_share, recovery_key};
use crate::hex;
use crate::seal::{self, Config, RECOVERY, shamir};

/// Length of a token, and so of an OTP.
const OTP_LENGTH: usize = 28;

pub(super) fn paths() -> Vec<Path<System>> {
    let mut paths = vec![
        Path::new("generate-root/attempt")
            .help("Begins, shows or cancels the generation of a root token.", "")
            .sudo()
            .fields([
                Field::string("otp", "Encrypts the token; made if absent."),
                Field::string("pgp_key", "Not supported yet."),
            ])
            .on(Operation::Read, |system: &System, _| done(system.root_status(None)))
            .on(Operation::Update, |system: &System, call| done(system.begin_root(call)))
            .on(Operation::Delete, |system: &System, _| {
                system.0.core.operator().root = None;
                done(Ok(Response::empty()))
            }),
        Path::new("generate-root/update")
            .help("Takes a share for the generation of a root token.", "")
            .fields([
                Field::string("key", "A share.").sensitive(),
                Field::string("nonce", "The operation's."),
            ])
            .on(Operation::Update, |system: &System, call| done(system.update_root(call))),
    ];
    for (init, update, verify, backup) in [
        ("rekey/init", "rekey/update", "rekey/verify", "rekey/backup"),
        (
            "rekey-recovery-key/init",
            "rekey-recovery-key/update",
            "rekey-recovery-key/verify",
            "rekey/recovery-key-backup",
        ),
    ] {
        paths.extend(rekey_paths(init, update, verify, backup));
    }
    paths
}

fn rekey_paths(
    init: &'static str,
    update: &'static str,
    verify: &'static str,
    backup: &'static str,
) -> [Path<System>; 4] {
    [
        Path::new(init)
            .help("Begins, shows or cancels a rekey.", "")
            .sudo()
            .fields([
                Field::integer("secret_shares", "Shares to make."),
                Field::integer("secret_threshold", "Shares that unseal."),
                Field::bool(
                    "require_verification",
                    "Waits for the new shares before the old ones are void.",
                ),
                Field::list("pgp_keys", "Not supported yet."),
                Field::bool("backup", "Not supported: shares are kept nowhere."),
                Field::string("nonce", "At cancelling: the operation's."),
            ])
            .on(Operation::Read, |system: &System, _| done(system.rekey_status()))
            .on(Operation::Update, |system: &System, call| done(system.begin_rekey(call)))
            .on(Operation::Delete, |system: &System, call| done(system.cancel_rekey(call))),
        Path::new(update)
            .help("Takes an old share for a rekey.", "")
            .fields([
                Field::string("key", "A share.").sensitive(),
                Field::string("nonce", "The operation's."),
            ])
            .on(Operation::Update, |system: &System, call| done(system.update_rekey(call))),
        Path::new(verify)
            .help("Takes a new share that is to be verified.", "")
            .sudo()
            .fields([
                Field::string("key", "A share.").sensitive(),
                Field::string("nonce", "The verification's."),
            ])
            .on(Operation::Read, |system: &System, _| done(system.verification_status()))
            .on(Operation::Update, |system: &System, call| done(system.verify_rekey(call)))
            .on(Operation::Delete, |system: &System, _| done(system.restart_verification())),
        Path::new(backup)
            .help("Shares that were kept. None ever are.", "")
            .sudo()
            .on(Operation::Read, |_: &System, _| {
                done(Err(Error::invalid("no backed-up keys found")))
            })
            .on(Operation::Delete, |_: &System, _| done(Ok(Response::empty()))),
    ]
}

fn none_in_progress(what: &str) -> Error {
    Error::Invalid(format!("no {what} in progress"))
}

fn check_nonce(given: &str, expected: &str) -> Result<(), Error> {
    if crypto::ct_eq(given.as_bytes(), expected.as_bytes()) {
        return Ok(());
    }
    Err(Error::Invalid(format!(
        "incorrect nonce supplied; nonce for this operation is {expected:?}"
    )))
}

impl System {
    fn seal_config(&self) -> Result<Config, Error> {
        self.0.core.seal_config()?.ok_or(Error::NotInitialized)
    }

    fn root_status(&self, encoded: Option<String>) -> Result<Response, Error> {
        let (required, _) = self.seal_config()?.shares();
        let operator = self.0.core.operator();
        let root = operator.root.as_ref();
        let progress = root.map_or(0, |root| root.collection.shares.len());
        let is_complete = encoded.is_some();
        let encoded = encoded.unwrap_or_default();
        Ok(Response::json(json!({
            "nonce": root.map_or("", |root| root.collection.nonce.as_str()),
            "started": root.is_some() || is_complete,
            "progress": if is_complete { usize::from(required) } else { progress },
            "required": required,
            "complete": is_complete,
            "encoded_token": encoded,
            "encoded_root_token": encoded,
            "pgp_fingerprint": "",
            "otp": "",
            "otp_length": OTP_LENGTH,
        })))
    }

    fn begin_root(&self, call: &Call<'_>) -> Result<Response, Error> {
        if !call.text("pgp_key").is_empty() {
            return Err(Error::invalid("pgp_key: PGP is not supported yet"));
        }
        let given = call.text("otp");
        if !given.is_empty() && given.len() != OTP_LENGTH {
            return Err(Error::Invalid(format!(
                "OTP string is wrong length: expected {OTP_LENGTH}, found {}",
                given.len()
            )));
        }
        let otp =
            if given.is_empty() { crate::random::base62(OTP_LENGTH) } else { given.to_owned() };
        {
            let mut operator = self.0.core.operator();
            if operator.root.is_some() {
                return Err(Error::invalid("root generation already in progress"));
            }
            operator.root =
                Some(RootGeneration { collection: Collection::begin(), otp: otp.clone() });
        }
        let mut response = self.root_status(None)?;
        if let (true, vault_sdk::Body::Data(data)) = (given.is_empty(), &mut response.body) {
            data.insert("otp".into(), otp.into());
        }
        Ok(response)
    }

    fn update_root(&self, call: &Call<'_>) -> Result<Response, Error> {
        use base64::Engine as _;
        let share = parse_share(call.text("key"))?;
        let config = self.seal_config()?;
        let (shares, otp) = {
            let mut operator = self.0.core.operator();
            let root = operator.root.as_mut().ok_or_else(|| none_in_progress("root generation"))?;
            check_nonce(call.text("nonce"), &root.collection.nonce)?;
            let Some(shares) = root.collection.add(share, config.shares().0) else {
                drop(operator);
                return self.root_status(None);
            };
            (shares, root.otp.clone())
        };
        self.prove(&config, &shares)?;
        self.0.core.operator().root = None;
        let token = self.0.active.make_root_token()?;
        let encoded: Vec<u8> =
            token.expose().bytes().zip(otp.bytes()).map(|(a, b)| a ^ b).collect();
        self.root_status(Some(base64::engine::general_purpose::STANDARD_NO_PAD.encode(encoded)))
    }

    /// Checks that shares open the seal. Which of them is wrong is not said.
    fn prove(&self, config: &Config, shares: &[Secret<Vec<u8>>]) -> Result<(), Error> {
        let opened = recovery_key(shares).and_then(|key| Ok(config.open(RECOVERY, &key)?));
        opened.map(drop).map_err(|_| Error::invalid("the shares do not open the seal"))
    }

    fn rekey_status(&self) -> Result<Response, Error> {
        let (required, _) = self.seal_config()?.shares();
        let operator = self.0.core.operator();
        let rekey = operator.rekey.as_ref();
        Ok(Response::json(json!({
            "nonce": rekey.map_or("", |rekey| rekey.collection.nonce.as_str()),
            "started": rekey.is_some(),
            "t": rekey.map_or(0, |rekey| rekey.threshold),
            "n": rekey.map_or(0, |rekey| rekey.shares),
            "progress": rekey.map_or(0, |rekey| rekey.collection.shares.len()),
            "required": required,
            "pgp_fingerprints": Value::Null,
            "backup": false,
            "verification_required": rekey.is_some_and(|rekey| rekey.verify),
            "verification_nonce": rekey.and_then(|rekey| rekey.made.as_ref()).map(|(_, new)| new.nonce.as_str()),
        })))
    }

    fn begin_rekey(&self, call: &Call<'_>) -> Result<Response, Error> {
        if !call.list("pgp_keys").is_empty() || call.bool("backup") {
            return Err(Error::invalid("pgp_keys and backup are not supported"));
        }
        let number = |name: &str| {
            u8::try_from(call.integer(name))
                .map_err(|_| Error::Invalid(format!("{name} must be 1 to 255")))
        };
        let (threshold, shares) = (number("secret_threshold")?, number("secret_shares")?);
        // Refuses impossible numbers before anybody brings a share.
        shamir::split(&[0; 32], threshold, shares)?;
        {
            let mut operator = self.0.core.operator();
            if operator.rekey.is_some() {
                return Err(Error::invalid("rekey already in progress"));
            }
            let verify = call.bool("require_verification");
            let collection = Collection::begin();
            operator.rekey = Some(Rekey { collection, threshold, shares, verify, made: None });
        }
        self.rekey_status()
    }

    fn cancel_rekey(&self, call: &Call<'_>) -> Result<Response, Error> {
        let mut operator = self.0.core.operator();
        if let (Some(rekey), nonce) = (&operator.rekey, call.text("nonce"))
            && !nonce.is_empty()
        {
            check_nonce(nonce, &rekey.collection.nonce)?;
        }
        operator.rekey = None;
        Ok(Response::empty())
    }

    fn update_rekey(&self, call: &Call<'_>) -> Result<Response, Error> {
        use base64::Engine as _;
        let share = parse_share(call.text("key"))?;
        let config = self.seal_config()?;
        let (old, numbers, verify, nonce) = {
            let mut operator = self.0.core.operator();
            let rekey = operator.rekey.as_mut().ok_or_else(|| none_in_progress("rekey"))?;
            check_nonce(call.text("nonce"), &rekey.collection.nonce)?;
            let Some(old) = rekey.collection.add(share, config.shares().0) else {
                drop(operator);
                return self.rekey_status();
            };
            (old, (rekey.threshold, rekey.shares), rekey.verify, rekey.collection.nonce.clone())
        };
        self.prove(&config, &old)?;
        let store = *self.0.active.barrier.store_id();
        let made = seal::make(store, config.generation() + 1, numbers, &self.0.core.setup.seals)?;
        let base64 = base64::engine::general_purpose::STANDARD;
        let keys: Vec<String> =
            made.shares.iter().map(|share| hex::encode(share.expose())).collect();
        let keys_base64: Vec<String> =
            made.shares.iter().map(|share| base64.encode(share.expose())).collect();
        let mut verification_nonce = String::new();
        if verify {
            let collection = Collection::begin();
            verification_nonce.clone_from(&collection.nonce);
            if let Some(rekey) = &mut self.0.core.operator().rekey {
                rekey.made = Some((made, collection));
            }
        } else {
            self.complete_rekey(made)?;
        }
        Ok(Response::json(json!({
            "nonce": nonce,
            "complete": true,
            "keys": keys,
            "keys_base64": keys_base64,
            "pgp_fingerprints": Value::Null,
            "backup": false,
            "verification_required": verify,
            "verification_nonce": verification_nonce,
        })))
    }

    /// Writes the new configuration. From here on the old shares open nothing.
    fn complete_rekey(&self, made: seal::Made) -> Result<(), Error> {
        let active = &self.0.active;
        let mut root_key =
            active.root_key.write().unwrap_or_else(std::sync::PoisonError::into_inner);
        active.barrier.rekey(&made.root_key, made.config.encode(), active.now())?;
        *root_key = made.root_key;
        drop(root_key);
        self.0.core.operator().rekey = None;
        Ok(())
    }

    fn verification_status(&self) -> Result<Response, Error> {
        let operator = self.0.core.operator();
        let rekey = operator.rekey.as_ref();
        let made = rekey.and_then(|rekey| rekey.made.as_ref());
        let (_, new) = made.ok_or_else(|| none_in_progress("rekey verification"))?;
        Ok(Response::json(json!({
            "nonce": new.nonce,
            "started": true,
            "t": rekey.map_or(0, |rekey| rekey.threshold),
            "n": rekey.map_or(0, |rekey| rekey.shares),
            "progress": new.shares.len(),
        })))
    }

    fn verify_rekey(&self, call: &Call<'_>) -> Result<Response, Error> {
        let share = parse_share(call.text("key"))?;
        let mut operator = self.0.core.operator();
        let rekey =
            operator.rekey.as_mut().ok_or_else(|| none_in_progress("rekey verification"))?;
        let threshold = rekey.threshold;
        let (made, new) =
            rekey.made.as_mut().ok_or_else(|| none_in_progress("rekey verification"))?;
        check_nonce(call.text("nonce"), &new.nonce)?;
        let nonce = new.nonce.clone();
        let Some(shares) = new.add(share, threshold) else {
            drop(operator);
            return self.verification_status();
        };
        self.prove(&made.config, &shares)?;
        let made = rekey.made.take().map(|(made, _)| made);
        drop(operator);
        self.complete_rekey(made.ok_or_else(|| none_in_progress("rekey verification"))?)?;
        Ok(Response::json(json!({ "nonce": nonce, "complete": true })))
    }

    fn restart_verification(&self) -> Result<Response, Error> {
        if let Some((_, new)) =
            self.0.core.operator().rekey.as_mut().and_then(|rekey| rekey.made.as_mut())
        {
            *new = Collection::begin();
        }
        self.verification_status()
    }
}
