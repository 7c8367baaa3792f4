//! The seal: slots that each wrap the root key, and how an operator opens one.
//!
//! `docs/specs/seal-slots.md` is the format. There is always exactly one Shamir slot, which can
//! unseal; other slots need no person.

pub mod auto;
pub mod shamir;

use std::collections::BTreeMap;

use crypto::aes256::Gcm;
use crypto::{Secret, ct_eq, hmac_sha256};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{hex, random};

pub use auto::AutoSeal;

/// Why a seal operation was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The stored configuration cannot be read.
    #[error("the seal configuration is malformed: expected {expected}")]
    Malformed {
        /// What was expected.
        expected: &'static str,
    },
    /// Shares or thresholds are outside their range.
    #[error("{0}")]
    Shares(&'static str),
    /// A slot did not open, or its root key is not the configuration's.
    #[error("seal slot {slot}: {reason}")]
    Slot {
        /// The slot's identifier.
        slot: String,
        /// Why.
        reason: String,
    },
}

/// The identifier of the Shamir slot.
pub const RECOVERY: &str = "recovery";

/// All slots, as stored in the clear.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Config {
    format: u32,
    generation: u64,
    store_id: String,
    slots: Vec<Slot>,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    mac: String,
}

/// One way to the root key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Slot {
    /// Unique within the configuration.
    pub id: String,
    /// `shamir`, `static`, `sgx` or `transit`.
    pub kind: String,
    wrapped: String,
    /// What the kind needs besides: threshold and shares, key name, ciphertext.
    #[serde(flatten)]
    pub fields: BTreeMap<String, Value>,
}

/// A root key with its slots, made at init and at every rekey.
#[derive(Debug)]
pub struct Made {
    /// The configuration as it is stored.
    pub config: Config,
    /// The key that the slots wrap.
    pub root_key: Secret<[u8; 32]>,
    /// The shares of the Shamir slot.
    pub shares: Vec<Secret<Vec<u8>>>,
}

/// Returns the store's identifier from a stored configuration.
pub(crate) fn store_id(stored: &[u8]) -> Option<[u8; 16]> {
    Config::parse(stored).ok()?.store_id()
}

/// Makes a root key, and slots for it: the Shamir slot with `shares` shares, and one for each of
/// `autos`.
///
/// # Errors
///
/// `Shares` for numbers that make no sense, `Slot` if an automatic seal does not answer.
pub fn make(
    store: [u8; 16],
    generation: u64,
    (threshold, shares): (u8, u8),
    autos: &[std::sync::Arc<dyn AutoSeal>],
) -> Result<Made, Error> {
    let root_key = random::bytes::<32>();
    let recovery_key = random::bytes::<32>();
    let split = shamir::split(recovery_key.expose(), threshold, shares)?;
    let fields = BTreeMap::from([
        ("threshold".to_owned(), Value::from(threshold)),
        ("shares".to_owned(), Value::from(shares)),
    ]);
    let mut slots = vec![Slot::wrap(&store, RECOVERY, "shamir", &recovery_key, &root_key, fields)];
    for auto in autos {
        let (key, fields) =
            auto.make(&store).map_err(|reason| Error::Slot { slot: auto.id(), reason })?;
        slots.push(Slot::wrap(&store, &auto.id(), auto.kind(), &key, &root_key, fields));
    }
    let store_id = hex::encode(&store);
    let mut config = Config { format: 1, generation, store_id, slots, mac: String::new() };
    config.mac = hex::encode(&config.computed_mac(&root_key));
    Ok(Made { config, root_key, shares: split })
}

impl Config {
    /// Reads a stored configuration, without belief.
    ///
    /// # Errors
    ///
    /// `Malformed` if it is none, has a newer format, or no Shamir slot.
    pub fn parse(stored: &[u8]) -> Result<Self, Error> {
        let config: Config = serde_json::from_slice(stored)
            .map_err(|_| Error::Malformed { expected: "JSON with slots" })?;
        if config.format != 1 {
            return Err(Error::Malformed { expected: "format 1" });
        }
        let is_recovery = |slot: &&Slot| slot.kind == "shamir";
        if config.slots.iter().filter(is_recovery).count() != 1 || config.store_id().is_none() {
            return Err(Error::Malformed { expected: "a store id and exactly one Shamir slot" });
        }
        Ok(config)
    }

    /// As it is stored: sorted keys, no spaces.
    pub fn encode(&self) -> Vec<u8> {
        // A `Value` has its keys sorted.
        let value = serde_json::to_value(self).unwrap_or_default();
        value.to_string().into_bytes()
    }

    fn store_id(&self) -> Option<[u8; 16]> {
        hex::array(&self.store_id)
    }

    /// The slots.
    pub fn slots(&self) -> &[Slot] {
        &self.slots
    }

    /// Grows with every change.
    pub const fn generation(&self) -> u64 {
        self.generation
    }

    /// Threshold and number of shares of the Shamir slot.
    pub fn shares(&self) -> (u8, u8) {
        let recovery = self.slots.iter().find(|slot| slot.kind == "shamir");
        let number = |name| {
            let value = recovery.and_then(|slot| slot.fields.get(name)).and_then(Value::as_u64);
            u8::try_from(value.unwrap_or_default()).unwrap_or_default()
        };
        (number("threshold"), number("shares"))
    }

    fn computed_mac(&self, root_key: &Secret<[u8; 32]>) -> [u8; 32] {
        let bare = Config { mac: String::new(), ..self.clone() };
        mac(root_key, &bare.encode())
    }

    /// Opens the slot `id` with its key, and checks that the configuration is the root key's own.
    ///
    /// # Errors
    ///
    /// `Slot` if the key is not the slot's, or the configuration was edited.
    pub fn open(&self, id: &str, key: &Secret<[u8; 32]>) -> Result<Secret<[u8; 32]>, Error> {
        let refused = |reason: &str| Error::Slot { slot: id.to_owned(), reason: reason.to_owned() };
        let slot = self.slots.iter().find(|slot| slot.id == id);
        let slot = slot.ok_or_else(|| refused("there is no such slot"))?;
        let store = self.store_id().ok_or_else(|| refused("the store id is malformed"))?;
        let root_key =
            slot.unwrap(&store, key).ok_or_else(|| refused("the key does not open it"))?;
        let found = hex::decode(&self.mac).unwrap_or_default();
        if !ct_eq(&self.computed_mac(&root_key), &found) {
            return Err(refused("the seal configuration was edited"));
        }
        Ok(root_key)
    }

    /// Tries every slot that needs no person. Returns the root key, if one opened, and what became
    /// of the others.
    pub fn open_automatically(
        &self,
        autos: &[std::sync::Arc<dyn AutoSeal>],
    ) -> (Option<Secret<[u8; 32]>>, Vec<Error>) {
        let mut errors = Vec::new();
        let Some(store) = self.store_id() else { return (None, errors) };
        for auto in autos {
            let Some(slot) = self.slots.iter().find(|slot| slot.id == auto.id()) else { continue };
            let key = auto.key(&store, &slot.fields);
            let key = key.map_err(|reason| Error::Slot { slot: slot.id.clone(), reason });
            match key.and_then(|key| self.open(&slot.id, &key)) {
                Ok(root_key) => return (Some(root_key), errors),
                Err(error) => errors.push(error),
            }
        }
        (None, errors)
    }
}

fn mac(root_key: &Secret<[u8; 32]>, config: &[u8]) -> [u8; 32] {
    hmac_sha256(root_key.expose(), &[&b"casemate seal config v1\0"[..], config].concat())
}

impl Slot {
    fn wrap(
        store: &[u8; 16],
        id: &str,
        kind: &str,
        key: &Secret<[u8; 32]>,
        root_key: &Secret<[u8; 32]>,
        fields: BTreeMap<String, Value>,
    ) -> Self {
        let nonce = *random::bytes().expose();
        let wrapped = hex::encode(&wrap(&nonce, &associated(store, kind, id), key, root_key));
        Slot { id: id.to_owned(), kind: kind.to_owned(), wrapped, fields }
    }

    fn unwrap(&self, store: &[u8; 16], key: &Secret<[u8; 32]>) -> Option<Secret<[u8; 32]>> {
        let wrapped = hex::decode(&self.wrapped)?;
        let (nonce, sealed) = wrapped.split_first_chunk()?;
        let associated = associated(store, &self.kind, &self.id);
        let opened = Secret::new(Gcm::new(key).open(nonce, &associated, sealed).ok()?);
        Some(Secret::new(opened.expose().as_slice().try_into().ok()?))
    }
}

fn wrap(
    nonce: &[u8; 12],
    associated: &[u8],
    key: &Secret<[u8; 32]>,
    root_key: &Secret<[u8; 32]>,
) -> Vec<u8> {
    let mut wrapped = nonce.to_vec();
    wrapped.extend_from_slice(&Gcm::new(key).seal(nonce, associated, root_key.expose()));
    wrapped
}

fn associated(store: &[u8; 16], kind: &str, id: &str) -> Vec<u8> {
    let mut bytes = b"casemate seal slot v1\0".to_vec();
    bytes.extend_from_slice(store);
    for text in [kind, id] {
        bytes.push(u8::try_from(text.len()).unwrap_or(u8::MAX));
        bytes.extend_from_slice(text.as_bytes());
    }
    bytes
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::auto::StaticSeal;
    use super::*;

    const STORE: [u8; 16] = [7; 16];

    fn counted<const N: usize>(first: u8) -> [u8; N] {
        core::array::from_fn(|n| first + u8::try_from(n).unwrap())
    }

    /// The vectors of the specification.
    #[test]
    fn vectors() {
        let associated = associated(&counted(0), "shamir", "recovery");
        let key = Secret::new(counted(0));
        let wrapped = wrap(&counted(0xa0), &associated, &key, &Secret::new([0x5a; 32]));
        assert_eq!(
            hex::encode(&wrapped),
            "a0a1a2a3a4a5a6a7a8a9aaabbc4226771f9158e5383fdd895d209a842af6034ac8ed1836c6547cdc25\
             f12f5b38c7b90c0f6a99f62c8e56a9f5543edb"
        );
        assert_eq!(
            hex::encode(&mac(&key, br#"{"slots":[]}"#)),
            "f0ac3e0274a7f9d9971ceb4d98a9c27d91dab758c40077dae8e22f1cac34263b"
        );
    }

    #[test]
    fn shares_and_automatic_slots_open_the_same_root_key() {
        let auto: Arc<dyn AutoSeal> = Arc::new(StaticSeal::new("dev", Secret::new([1; 32])));
        let made = make(STORE, 1, (2, 3), &[Arc::clone(&auto)]).unwrap();
        let config = Config::parse(&made.config.encode()).unwrap();
        assert_eq!(config, made.config);
        assert_eq!(config.shares(), (2, 3));
        let key = shamir::combine(&made.shares[1..]).unwrap();
        let key = Secret::new(key.expose().as_slice().try_into().unwrap());
        let root = config.open(RECOVERY, &key).unwrap();
        assert_eq!(root.expose(), made.root_key.expose());
        let (root, errors) = config.open_automatically(&[auto]);
        assert_eq!(root.unwrap().expose(), made.root_key.expose());
        assert!(errors.is_empty());
        let other: Arc<dyn AutoSeal> = Arc::new(StaticSeal::new("dev", Secret::new([2; 32])));
        let (root, errors) = config.open_automatically(&[other]);
        assert!(root.is_none() && errors.len() == 1);
    }

    #[test]
    fn an_edited_configuration_is_refused() {
        let made = make(STORE, 1, (1, 1), &[]).unwrap();
        let key = Secret::new(made.shares[0].expose().as_slice().try_into().unwrap());
        assert!(made.config.open(RECOVERY, &key).is_ok());
        let mut edited = made.config.clone();
        edited.generation = 2;
        assert_eq!(
            edited.open(RECOVERY, &key).unwrap_err().to_string(),
            "seal slot recovery: the seal configuration was edited"
        );
        let text = String::from_utf8(made.config.encode()).unwrap();
        let without = text.replace("shamir", "static");
        assert!(Config::parse(without.as_bytes()).is_err(), "one Shamir slot is a must");
        assert!(Config::parse(text.replace("\"format\":1", "\"format\":2").as_bytes()).is_err());
    }
}
