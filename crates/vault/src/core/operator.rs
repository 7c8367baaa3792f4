//! What operators do in several steps: unseal, rekey, generate a root token.

use crypto::Secret;
use serde_json::{Value, json};
use vault_sdk::Data;

use super::Inner;
use crate::seal::{self, RECOVERY, shamir};
use crate::{Error, hex, random};

/// Operations under way. Shares are wiped when dropped.
#[derive(Debug, Default)]
pub(crate) struct Operator {
    unseal: Collection,
    pub(crate) rekey: Option<Rekey>,
    pub(crate) root: Option<RootGeneration>,
}

/// Shares collected so far, under a nonce.
#[derive(Debug, Default)]
pub(crate) struct Collection {
    pub(crate) nonce: String,
    pub(crate) shares: Vec<Secret<Vec<u8>>>,
}

/// A rekey under way.
#[derive(Debug)]
pub(crate) struct Rekey {
    pub(crate) collection: Collection,
    pub(crate) threshold: u8,
    pub(crate) shares: u8,
    pub(crate) verify: bool,
    /// What waits for verification, with the new shares brought so far.
    pub(crate) made: Option<(seal::Made, Collection)>,
}

/// The generation of a root token under way.
#[derive(Debug)]
pub(crate) struct RootGeneration {
    pub(crate) collection: Collection,
    /// As long as a token.
    pub(crate) otp: String,
}

impl Collection {
    pub(crate) fn begin() -> Self {
        Collection { nonce: random::uuid(), shares: Vec::new() }
    }

    /// Adds a share, once. Returns all when there are `threshold`.
    pub(crate) fn add(
        &mut self,
        share: Secret<Vec<u8>>,
        threshold: u8,
    ) -> Option<Vec<Secret<Vec<u8>>>> {
        let is_known =
            self.shares.iter().any(|known| crypto::ct_eq(known.expose(), share.expose()));
        if !is_known {
            self.shares.push(share);
        }
        (self.shares.len() >= usize::from(threshold)).then(|| std::mem::take(&mut self.shares))
    }
}

impl Operator {
    pub(crate) fn unseal_progress(&self) -> (usize, String) {
        (self.unseal.shares.len(), self.unseal.nonce.clone())
    }
}

/// Reads a share as clients send it: hexadecimal or base64.
pub(crate) fn parse_share(text: &str) -> Result<Secret<Vec<u8>>, Error> {
    use base64::Engine as _;
    let text = text.trim();
    let decoded = hex::decode(text)
        .or_else(|| base64::engine::general_purpose::STANDARD.decode(text).ok())
        .filter(|share| share.len() >= 16);
    decoded
        .map(Secret::new)
        .ok_or_else(|| Error::invalid("'key' must be a valid hex or base64 string"))
}

impl Inner {
    /// The answer of `sys/init` to a write.
    pub(crate) fn init_request(&self, data: &Data) -> Result<Data, Error> {
        use base64::Engine as _;
        let number = |name: &str, default: u64| match data.get(name) {
            None | Some(Value::Null) => Ok(default),
            Some(value) => {
                value.as_u64().ok_or_else(|| Error::Invalid(format!("{name} must be a number")))
            }
        };
        let is_automatic = !self.setup.seals.is_empty();
        let (shares, threshold) = if is_automatic {
            (number("recovery_shares", 5)?, number("recovery_threshold", 3)?)
        } else {
            (number("secret_shares", 5)?, number("secret_threshold", 3)?)
        };
        for name in ["pgp_keys", "recovery_pgp_keys", "root_token_pgp_key"] {
            let is_set = data.get(name).is_some_and(|value| {
                value.as_array().is_some_and(|keys| !keys.is_empty())
                    || value.as_str().is_some_and(|key| !key.is_empty())
            });
            if is_set {
                return Err(Error::Invalid(format!("{name}: PGP is not supported yet")));
            }
        }
        let byte = |number| u8::try_from(number).map_err(|_| Error::invalid("at most 255 shares"));
        let made = self.initialise(byte(threshold)?, byte(shares)?)?;
        let hex: Vec<String> =
            made.shares.iter().map(|share| hex::encode(share.expose())).collect();
        let encode = |share: &Secret<Vec<u8>>| {
            base64::engine::general_purpose::STANDARD.encode(share.expose())
        };
        let base64: Vec<String> = made.shares.iter().map(encode).collect();
        let prefix = if is_automatic { "recovery_" } else { "" };
        let mut answer = Data::new();
        answer.insert(format!("{prefix}keys"), hex.into());
        answer.insert(format!("{prefix}keys_base64"), base64.into());
        if is_automatic {
            answer.insert("keys".into(), json!([]));
            answer.insert("keys_base64".into(), json!([]));
        }
        answer.insert("root_token".into(), made.root_token.expose().clone().into());
        Ok(answer)
    }

    /// Takes one share at `sys/unseal`, or starts anew.
    pub(crate) fn unseal_request(&self, data: &Data) -> Result<(), Error> {
        let config = self.seal_config()?.ok_or(Error::NotInitialized)?;
        if data.get("reset").and_then(Value::as_bool) == Some(true) {
            self.operator().unseal = Collection::default();
            return Ok(());
        }
        let key = data.get("key").and_then(Value::as_str).unwrap_or_default();
        if key.is_empty() {
            return Err(Error::invalid(
                "'key' must be specified in request body as JSON, or 'reset' set to true",
            ));
        }
        if self.active().is_some() {
            return Ok(());
        }
        let share = parse_share(key)?;
        let (threshold, _) = config.shares();
        let mut operator = self.operator();
        if operator.unseal.nonce.is_empty() {
            operator.unseal = Collection::begin();
        }
        let Some(shares) = operator.unseal.add(share, threshold) else { return Ok(()) };
        operator.unseal = Collection::default();
        drop(operator);
        let root_key = config.open(RECOVERY, &recovery_key(&shares)?);
        let root_key = root_key
            .map_err(|_| Error::invalid("failed to unseal: the shares do not open the seal"))?;
        self.activate(root_key)
    }
}

/// The Shamir slot's key from enough shares.
pub(crate) fn recovery_key(shares: &[Secret<Vec<u8>>]) -> Result<Secret<[u8; 32]>, Error> {
    let combined = match shares {
        [only] => only.clone(),
        several => shamir::combine(several)?,
    };
    let key = combined.expose().as_slice().try_into();
    key.map(Secret::new)
        .map_err(|_| seal::Error::Shares("a share has another length than its kind").into())
}
