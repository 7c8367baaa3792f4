//! The form of an encrypted row: `docs/specs/storage-trait.md`, section 2.1.

use crypto::aes256::{Gcm, NONCE_SIZE};
use zeroize::Zeroizing;

use super::keyring::KeyRing;
use super::{Error, shown};

const FORMAT: u8 = 1;
const HEADER: usize = 1 + 4 + 8 + NONCE_SIZE;
/// What a row is longer than its content.
pub(super) const OVERHEAD: usize = HEADER + crypto::aes256::TAG_SIZE;

/// A decrypted row.
pub(super) struct Opened {
    pub(super) version: u64,
    pub(super) content: Zeroizing<Vec<u8>>,
}

pub(super) fn seal(
    (term, gcm): (u32, &Gcm),
    nonce: &[u8; NONCE_SIZE],
    key: &[u8],
    version: u64,
    content: &[u8],
) -> Vec<u8> {
    let mut row = Vec::with_capacity(content.len() + OVERHEAD);
    row.push(FORMAT);
    row.extend_from_slice(&term.to_be_bytes());
    row.extend_from_slice(&version.to_be_bytes());
    row.extend_from_slice(nonce);
    row.extend_from_slice(&gcm.seal(nonce, &associated(key, term, version), content));
    row
}

/// Decrypts a row and returns it with the version that it claims, which is authentic.
pub(super) fn open(ring: &KeyRing, key: &[u8], row: &[u8]) -> Result<Opened, Error> {
    let tampered = |reason| Error::Tampered { key: shown(key), reason };
    let (header, sealed) =
        row.split_first_chunk::<HEADER>().ok_or_else(|| tampered("the row is too short"))?;
    let (format, rest) = header.split_first().ok_or_else(|| tampered("the row is too short"))?;
    if *format != FORMAT {
        return Err(tampered("the row has an unknown format"));
    }
    let fields = rest.split_first_chunk::<4>().and_then(|(term, rest)| {
        let (version, nonce) = rest.split_first_chunk::<8>()?;
        let nonce: &[u8; NONCE_SIZE] = nonce.try_into().ok()?;
        Some((u32::from_be_bytes(*term), u64::from_be_bytes(*version), nonce))
    });
    let (term, version, nonce) = fields.ok_or_else(|| tampered("the row is too short"))?;
    let gcm = ring.term(term).ok_or_else(|| tampered("no key of the ring has its term"))?;
    let content = gcm
        .open(nonce, &associated(key, term, version), sealed)
        .map_err(|_| tampered("it does not decrypt under its key and version"))?;
    Ok(Opened { version, content: Zeroizing::new(content) })
}

fn associated(key: &[u8], term: u32, version: u64) -> Vec<u8> {
    let mut bytes = b"casemate row v1\0".to_vec();
    bytes.extend_from_slice(&u32::try_from(key.len()).unwrap_or(u32::MAX).to_be_bytes());
    bytes.extend_from_slice(key);
    bytes.extend_from_slice(&term.to_be_bytes());
    bytes.extend_from_slice(&version.to_be_bytes());
    bytes
}

#[cfg(test)]
mod tests {
    use crypto::Secret;

    use super::*;
    use crate::hex;

    /// The vector of the specification.
    #[test]
    fn vector() {
        let key: [u8; 32] = core::array::from_fn(|n| u8::try_from(n).unwrap());
        let gcm = Gcm::new(&Secret::new(key));
        let nonce = core::array::from_fn(|n| 0xa0 + u8::try_from(n).unwrap());
        let row = seal((1, &gcm), &nonce, b"logical/kv/a", 7, b"hello");
        let expected = "01000000010000000000000007a0a1a2a3a4a5a6a7a8a9aaab8e7d10412a9b91bf\
                        e175273af425f79313afd04a9e";
        assert_eq!(hex::encode(&row), expected);
    }
}
