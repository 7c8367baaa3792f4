//! The root record: `docs/specs/storage-trait.md`, section 2.3.

use super::Error;

const MAGIC: &[u8; 17] = b"casemate root v1\0";

/// What makes every other row current.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Root {
    pub(super) store: [u8; 16],
    pub(super) epoch: u64,
    /// Version of the index's root node.
    pub(super) index: u64,
    pub(super) time_floor_ms: u64,
    /// The last issue sequence number given out.
    pub(super) sequence: u64,
    /// Encryptions under the active term.
    pub(super) uses: u64,
    pub(super) seal_digest: [u8; 32],
    pub(super) ring_digest: [u8; 32],
}

impl Root {
    pub(super) fn encode(&self) -> Vec<u8> {
        let mut bytes = MAGIC.to_vec();
        bytes.extend_from_slice(&self.store);
        for number in [self.epoch, self.index, self.time_floor_ms, self.sequence, self.uses] {
            bytes.extend_from_slice(&number.to_be_bytes());
        }
        bytes.extend_from_slice(&self.seal_digest);
        bytes.extend_from_slice(&self.ring_digest);
        bytes
    }

    pub(super) fn decode(bytes: &[u8]) -> Result<Self, Error> {
        let malformed =
            || Error::Tampered { key: super::ROOT.into(), reason: "the root record is malformed" };
        let mut rest = bytes.strip_prefix(&MAGIC[..]).ok_or_else(malformed)?;
        let root = Root {
            store: take(&mut rest).ok_or_else(malformed)?,
            epoch: u64::from_be_bytes(take(&mut rest).ok_or_else(malformed)?),
            index: u64::from_be_bytes(take(&mut rest).ok_or_else(malformed)?),
            time_floor_ms: u64::from_be_bytes(take(&mut rest).ok_or_else(malformed)?),
            sequence: u64::from_be_bytes(take(&mut rest).ok_or_else(malformed)?),
            uses: u64::from_be_bytes(take(&mut rest).ok_or_else(malformed)?),
            seal_digest: take(&mut rest).ok_or_else(malformed)?,
            ring_digest: take(&mut rest).ok_or_else(malformed)?,
        };
        if rest.is_empty() { Ok(root) } else { Err(malformed()) }
    }
}

fn take<const N: usize>(rest: &mut &[u8]) -> Option<[u8; N]> {
    let (head, tail) = rest.split_first_chunk()?;
    *rest = tail;
    Some(*head)
}
