//! The key ring: `docs/specs/seal-slots.md`, section 4.

use std::collections::BTreeMap;

use crypto::aes256::Gcm;
use crypto::{Secret, hkdf_sha256};
use serde::{Deserialize, Serialize};
use zeroize::{Zeroize, Zeroizing};

use super::Error;
use crate::hex;
use crate::random;

/// Encryptions under one term before the barrier rotates, unless configured lower. Random nonces
/// keep the odds of a collision below 2^-32 up to 2^32 of them (NIST SP 800-38D, 8.3).
pub const OPERATIONS_MAX: u64 = 3_865_470_566;

/// When the barrier rotates by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RotateConfig {
    /// Encryptions under one term.
    pub max_operations: u64,
    /// Age of a term in milliseconds; 0: no bound.
    pub interval_ms: u64,
    /// Whether it rotates by itself at all before [`OPERATIONS_MAX`].
    #[serde(default = "yes")]
    pub enabled: bool,
}

const fn yes() -> bool {
    true
}

impl Default for RotateConfig {
    fn default() -> Self {
        RotateConfig { max_operations: OPERATIONS_MAX, interval_ms: 0, enabled: true }
    }
}

/// Keys by term, and the fixed ones.
#[derive(Debug)]
pub struct KeyRing {
    stored: Stored,
    terms: BTreeMap<u32, Gcm>,
}

#[derive(Clone, Serialize, Deserialize)]
struct Stored {
    terms: Vec<Term>,
    active: u32,
    rotate: RotateConfig,
    fixed: Fixed,
}

#[derive(Clone, Serialize, Deserialize)]
struct Term {
    term: u32,
    key: String,
    created_ms: u64,
}

#[derive(Clone, Serialize, Deserialize)]
struct Fixed {
    index: String,
    lease: String,
    instance: String,
}

impl Drop for Term {
    fn drop(&mut self) {
        self.key.zeroize();
    }
}

impl Drop for Fixed {
    fn drop(&mut self) {
        for key in [&mut self.index, &mut self.lease, &mut self.instance] {
            key.zeroize();
        }
    }
}

impl std::fmt::Debug for Stored {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} terms, active {}", self.terms.len(), self.active)
    }
}

fn malformed() -> Error {
    Error::Tampered { key: super::KEY_RING.into(), reason: "the key ring is malformed" }
}

impl KeyRing {
    /// A new ring with one term.
    pub(super) fn generate(now_ms: u64) -> Self {
        let key = || hex::encode(random::bytes::<32>().expose());
        let terms = vec![Term { term: 1, key: key(), created_ms: now_ms }];
        let fixed = Fixed { index: key(), lease: key(), instance: key() };
        let stored = Stored { terms, active: 1, rotate: RotateConfig::default(), fixed };
        Self::expand(stored).expect("a ring just made is well-formed")
    }

    fn expand(stored: Stored) -> Option<Self> {
        let terms: Option<BTreeMap<u32, Gcm>> = stored
            .terms
            .iter()
            .map(|term| Some((term.term, Gcm::new(&Secret::new(hex::array(&term.key)?)))))
            .collect();
        let terms = terms?;
        terms.contains_key(&stored.active).then_some(KeyRing { stored, terms })
    }

    /// The ring with one more term, which is active.
    pub(super) fn rotated(&self, now_ms: u64) -> Result<Self, Error> {
        let mut stored = self.stored.clone();
        stored.active = stored.terms.iter().map(|term| term.term).max().unwrap_or(0) + 1;
        let key = hex::encode(random::bytes::<32>().expose());
        stored.terms.push(Term { term: stored.active, key, created_ms: now_ms });
        Self::expand(stored).ok_or_else(malformed)
    }

    /// The ring with another rule for rotating.
    pub(super) fn configured(&self, rotate: RotateConfig) -> Result<Self, Error> {
        Self::expand(Stored { rotate, ..self.stored.clone() }).ok_or_else(malformed)
    }

    /// Encrypts the ring under the root key.
    pub(super) fn seal(&self, root: &Secret<[u8; 32]>, store: &[u8; 16]) -> Vec<u8> {
        let plain = Zeroizing::new(serde_json::to_vec(&self.stored).unwrap_or_default());
        let nonce: [u8; 12] = *random::bytes().expose();
        let mut row = nonce.to_vec();
        row.extend_from_slice(&Gcm::new(root).seal(&nonce, &associated(store), &plain));
        row
    }

    /// Decrypts a ring.
    pub(super) fn open(
        root: &Secret<[u8; 32]>,
        store: &[u8; 16],
        row: &[u8],
    ) -> Result<Self, Error> {
        let (nonce, sealed) = row.split_first_chunk::<12>().ok_or_else(malformed)?;
        let plain = Gcm::new(root).open(nonce, &associated(store), sealed);
        let plain = Zeroizing::new(plain.map_err(|_| Error::Tampered {
            key: super::KEY_RING.into(),
            reason: "it does not decrypt under the root key",
        })?);
        let stored = serde_json::from_slice(&plain).map_err(|_| malformed())?;
        Self::expand(stored).ok_or_else(malformed)
    }

    pub(super) fn term(&self, term: u32) -> Option<&Gcm> {
        self.terms.get(&term)
    }

    pub(super) fn active(&self) -> (u32, &Gcm) {
        let term = self.stored.active;
        (term, self.terms.get(&term).expect("checked when the ring was expanded"))
    }

    /// Number of the active term, and when it was made, in milliseconds.
    pub fn active_term(&self) -> (u32, u64) {
        let active = self.stored.terms.iter().find(|term| term.term == self.stored.active);
        (self.stored.active, active.map_or(0, |term| term.created_ms))
    }

    /// When the barrier rotates by itself.
    pub fn rotate_config(&self) -> RotateConfig {
        self.stored.rotate
    }

    /// A key of the store's life time for `purpose`, apart from all others.
    pub fn derived(&self, purpose: &str) -> Secret<[u8; 32]> {
        let root = match purpose {
            "index" => &self.stored.fixed.index,
            "lease" => &self.stored.fixed.lease,
            _ => &self.stored.fixed.instance,
        };
        let root = Zeroizing::new(hex::decode(root).unwrap_or_default());
        let mut key = Secret::new([0; 32]);
        match purpose {
            "index" | "lease" => key.expose_mut().copy_from_slice(&root),
            _ => hkdf_sha256(b"casemate", &root, purpose.as_bytes(), key.expose_mut())
                .expect("32 bytes are not too many"),
        }
        key
    }
}

fn associated(store: &[u8; 16]) -> Vec<u8> {
    [&b"casemate key ring v1\0"[..], store].concat()
}
