//! Lease keys and accessors: `docs/specs/lease-record.md`, section 1.

use crypto::aes256::Block;
use crypto::{Secret, hkdf_sha256, hmac_sha256};

use crate::hex;
use crate::random::BASE62;

/// A record's place: a keyed hash of its token or lease id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct LeaseKey(pub(crate) [u8; 16]);

impl LeaseKey {
    pub(crate) fn to_hex(self) -> String {
        hex::encode(&self.0)
    }

    pub(crate) fn from_hex(text: &str) -> Option<Self> {
        hex::array(text).map(LeaseKey)
    }
}

/// The keys that make lease keys and accessors.
#[derive(Debug)]
pub(crate) struct TokenKeys {
    lease: Secret<[u8; 32]>,
    check: Secret<[u8; 32]>,
    block: Block,
}

/// Digits of an accessor that carry the block.
const DIGITS: usize = 22;

impl TokenKeys {
    pub(crate) fn new(lease: Secret<[u8; 32]>) -> Self {
        let mut check = Secret::new([0; 32]);
        hkdf_sha256(&[], lease.expose(), b"casemate accessor v1", check.expose_mut())
            .expect("32 bytes are not too many");
        TokenKeys { lease, block: Block::new(&check), check }
    }

    /// The record's place of a token or lease id.
    pub(crate) fn key(&self, id: &str) -> LeaseKey {
        let message = [&b"casemate lease v1\0"[..], id.as_bytes()].concat();
        let hash = hmac_sha256(self.lease.expose(), &message);
        LeaseKey(*hash.first_chunk().expect("a hash has 32 bytes"))
    }

    /// The public handle of a token.
    pub(crate) fn accessor(&self, key: LeaseKey) -> String {
        let mut number = u128::from_be_bytes(self.block.encrypt(key.0));
        let mut digits = [b'0'; DIGITS];
        for digit in digits.iter_mut().rev() {
            *digit = BASE62[usize::try_from(number % 62).unwrap_or_default()];
            number /= 62;
        }
        let [first, second] = self.check_digits(key);
        let mut accessor = String::with_capacity(DIGITS + 2);
        accessor.extend([first, second]);
        accessor.extend(digits.map(char::from));
        accessor
    }

    /// The record's place of an accessor; `None` if it was not made here.
    pub(crate) fn of_accessor(&self, accessor: &str) -> Option<LeaseKey> {
        let (check, digits) = accessor.as_bytes().split_first_chunk::<2>()?;
        if digits.len() != DIGITS {
            return None;
        }
        let mut number: u128 = 0;
        for digit in digits {
            let value = BASE62.iter().position(|base| base == digit)?;
            number = number.checked_mul(62)?.checked_add(u128::try_from(value).ok()?)?;
        }
        let key = LeaseKey(self.block.decrypt(number.to_be_bytes()));
        (self.check_digits(key).map(|digit| u8::try_from(digit).unwrap_or(0)) == *check)
            .then_some(key)
    }

    fn check_digits(&self, key: LeaseKey) -> [char; 2] {
        let hash = hmac_sha256(self.check.expose(), &key.0);
        [hash[0], hash[1]].map(|byte| char::from(BASE62[usize::from(byte % 62)]))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn keys() -> TokenKeys {
        TokenKeys::new(Secret::new([0x22; 32]))
    }

    /// The vector of the specification.
    #[test]
    fn vector() {
        let key = keys().key("hvs.CAESIJ0000000000000000000000");
        assert_eq!(key.to_hex(), "5d2541e02ddc1e9203ab9edbe97b1e81");
    }

    proptest! {
        #[test]
        fn accessors_lead_back(bytes in any::<[u8; 16]>(), other in any::<[u8; 16]>()) {
            let keys = keys();
            let accessor = keys.accessor(LeaseKey(bytes));
            prop_assert_eq!(accessor.len(), 24);
            prop_assert!(accessor.bytes().all(|byte| byte.is_ascii_alphanumeric()));
            prop_assert_eq!(keys.of_accessor(&accessor), Some(LeaseKey(bytes)));
            prop_assert!(bytes == other || accessor != keys.accessor(LeaseKey(other)));
        }

        #[test]
        fn other_texts_are_no_accessors(text in ".{0,30}") {
            let _ = keys().of_accessor(&text);
        }
    }
}
