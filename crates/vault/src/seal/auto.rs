//! Seals that open without a person: a configured key, the enclave's sealing key, another server.

use std::collections::BTreeMap;

use crypto::{Secret, hkdf_sha256};
use serde_json::Value;

use crate::random;

/// A slot's key, and what must be kept to get it again.
pub type NewKey = (Secret<[u8; 32]>, BTreeMap<String, Value>);

/// A source of slot keys that needs no person. Errors say why, and hold no key.
pub trait AutoSeal: Send + Sync + std::fmt::Debug {
    /// `static`, `sgx` or `transit`.
    fn kind(&self) -> &'static str;

    /// The slot's identifier; one slot for each.
    fn id(&self) -> String;

    /// Makes the key of a new slot, and what must be kept to get it again.
    ///
    /// # Errors
    ///
    /// If the source does not answer.
    fn make(&self, store: &[u8; 16]) -> Result<NewKey, String>;

    /// Gets the key of a slot again.
    ///
    /// # Errors
    ///
    /// If the source does not answer, or refuses.
    fn key(
        &self,
        store: &[u8; 16],
        fields: &BTreeMap<String, Value>,
    ) -> Result<Secret<[u8; 32]>, String>;
}

/// A configured key, for development and tests.
#[derive(Debug)]
pub struct StaticSeal {
    id: String,
    key: Secret<[u8; 32]>,
}

impl StaticSeal {
    /// A seal with this key.
    pub fn new(id: &str, key: Secret<[u8; 32]>) -> Self {
        StaticSeal { id: id.to_owned(), key }
    }
}

impl AutoSeal for StaticSeal {
    fn kind(&self) -> &'static str {
        "static"
    }

    fn id(&self) -> String {
        self.id.clone()
    }

    fn make(&self, _store: &[u8; 16]) -> Result<NewKey, String> {
        Ok((self.key.clone(), BTreeMap::new()))
    }

    fn key(
        &self,
        _store: &[u8; 16],
        _fields: &BTreeMap<String, Value>,
    ) -> Result<Secret<[u8; 32]>, String> {
        Ok(self.key.clone())
    }
}

/// Where the enclave's sealing key comes from: the library OS offers it under
/// `/dev/attestation/keys`.
pub trait SealKeySource: Send + Sync + std::fmt::Debug {
    /// The name of the key: which identity and application its derivation binds.
    fn name(&self) -> String;

    /// The security version that the key is bound to.
    fn isvsvn(&self) -> u16;

    /// The key.
    ///
    /// # Errors
    ///
    /// Outside an enclave, and in one whose signer is publicly known.
    fn key(&self) -> Result<Secret<[u8; 32]>, String>;
}

/// The enclave's sealing key, made apart for each store.
#[derive(Debug)]
pub struct SgxSeal<S>(pub S);

impl<S: SealKeySource> AutoSeal for SgxSeal<S> {
    fn kind(&self) -> &'static str {
        "sgx"
    }

    fn id(&self) -> String {
        format!("sgx-{}-{}", self.0.name(), self.0.isvsvn())
    }

    fn make(&self, store: &[u8; 16]) -> Result<NewKey, String> {
        let fields = BTreeMap::from([
            ("key_name".to_owned(), Value::from(self.0.name())),
            ("isvsvn".to_owned(), Value::from(self.0.isvsvn())),
        ]);
        Ok((self.key(store, &fields)?, fields))
    }

    fn key(
        &self,
        store: &[u8; 16],
        _fields: &BTreeMap<String, Value>,
    ) -> Result<Secret<[u8; 32]>, String> {
        let sealing_key = self.0.key()?;
        let mut key = Secret::new([0; 32]);
        hkdf_sha256(store, sealing_key.expose(), b"casemate sgx slot v1", key.expose_mut())
            .map_err(|error| error.to_string())?;
        Ok(key)
    }
}

/// The transit engine of another server. Who makes the calls is the server's business.
pub trait TransitClient: Send + Sync + std::fmt::Debug {
    /// Address, mount and key name, for the slot's record.
    fn names(&self) -> [String; 3];

    /// Encrypts, and returns the ciphertext as the engine writes it.
    ///
    /// # Errors
    ///
    /// If the other server does not answer or refuses.
    fn encrypt(&self, plaintext: &Secret<[u8; 32]>) -> Result<String, String>;

    /// Decrypts.
    ///
    /// # Errors
    ///
    /// If the other server does not answer or refuses, or the plaintext has not 32 bytes.
    fn decrypt(&self, ciphertext: &str) -> Result<Secret<[u8; 32]>, String>;
}

/// A random slot key that another server's transit engine keeps encrypted.
#[derive(Debug)]
pub struct TransitSeal<C>(pub C);

impl<C: TransitClient> AutoSeal for TransitSeal<C> {
    fn kind(&self) -> &'static str {
        "transit"
    }

    fn id(&self) -> String {
        let [_, mount, key_name] = self.0.names();
        format!("transit-{mount}-{key_name}")
    }

    fn make(&self, _store: &[u8; 16]) -> Result<NewKey, String> {
        let key = random::bytes::<32>();
        let ciphertext = self.0.encrypt(&key)?;
        let [address, mount, key_name] = self.0.names();
        let fields = [
            ("address", address),
            ("mount", mount),
            ("key_name", key_name),
            ("ciphertext", ciphertext),
        ];
        let fields = fields.map(|(name, value)| (name.to_owned(), Value::from(value)));
        Ok((key, BTreeMap::from(fields)))
    }

    fn key(
        &self,
        _store: &[u8; 16],
        fields: &BTreeMap<String, Value>,
    ) -> Result<Secret<[u8; 32]>, String> {
        let ciphertext = fields.get("ciphertext").and_then(Value::as_str);
        self.0.decrypt(ciphertext.ok_or("the slot has no ciphertext")?)
    }
}
