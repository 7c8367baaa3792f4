//! The claims buffer of the interoperable form: what report data is the hash of.

use alloc::vec::Vec;

use super::cbor::Reader;
use crate::{
    Refusal,
    crypto::Crypto,
    error::{ensure, refusal},
};

/// A parsed claims buffer, borrowing from its bytes.
#[derive(Debug, Clone)]
pub struct ClaimsBuffer<'a> {
    bytes: &'a [u8],
    algorithm: u64,
    key_hash: &'a [u8],
    nonce: Option<&'a [u8]>,
    others: Vec<(&'a str, &'a [u8])>,
}

/// More entries than any producer writes.
const MAX_ENTRIES: u64 = 16;

impl<'a> ClaimsBuffer<'a> {
    pub(super) fn parse(bytes: &'a [u8]) -> Result<Self, Refusal> {
        Self::read(bytes).ok_or_else(|| {
            refusal!(
                RatlsMalformed,
                "claims buffer of {} bytes is not a CBOR map with pubkey-hash",
                bytes.len()
            )
        })
    }

    fn read(bytes: &'a [u8]) -> Option<Self> {
        let mut reader = Reader::new(bytes);
        let entries = reader.map().filter(|entries| *entries <= MAX_ENTRIES)?;
        let (mut key_hash, mut nonce, mut others) = (None, None, Vec::new());
        for _ in 0..entries {
            let (name, value) = (reader.text()?, reader.bytes()?);
            let repeated = match name {
                "pubkey-hash" => key_hash.replace(value).is_some(),
                "nonce" => nonce.replace(value).is_some(),
                _ => {
                    let repeated = others.iter().any(|(other, _)| *other == name);
                    others.push((name, value));
                    repeated
                }
            };
            (!repeated).then_some(())?;
        }
        reader.end()?;
        let mut hash = Reader::new(key_hash?);
        (hash.array()? == 2).then_some(())?;
        let (algorithm, key_hash) = (hash.unsigned()?, hash.bytes()?);
        hash.end()?;
        Some(Self { bytes, algorithm, key_hash, nonce, others })
    }

    /// The bytes that report data is the hash of.
    #[must_use]
    pub fn bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// The nonce the peer asked for, if there is one.
    #[must_use]
    pub fn nonce(&self) -> Option<&'a [u8]> {
        self.nonce
    }

    /// Claims of the producer's own.
    #[must_use]
    pub fn others(&self) -> &[(&'a str, &'a [u8])] {
        &self.others
    }

    pub(super) fn check_key(&self, crypto: &dyn Crypto, spki: &[u8]) -> Result<(), Refusal> {
        // IANA Named Information Hash Algorithm registry: 1 sha-256, 7 sha-384, 8 sha-512.
        let holds = match self.algorithm {
            1 => self.key_hash == crypto.sha256(&[spki]),
            7 => self.key_hash == crypto.sha384(spki),
            8 => self.key_hash == crypto.sha512(spki),
            other => {
                return Err(refusal!(
                    RatlsBinding,
                    "hash algorithm of the key: expected 1, 7 or 8, found {other}"
                ));
            }
        };
        ensure!(holds, RatlsBinding, "the claims buffer has the hash of another key");
        Ok(())
    }
}
