//! The record of a token or lease as bytes: `docs/specs/lease-record.md`, section 1.

use super::{LeaseKey, ProfileId};

const FORMAT: u8 = 1;

/// What a record is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Token,
    Secret,
}

/// One token or lease. Times are milliseconds since 1970.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Record {
    pub(crate) kind: Kind,
    /// Issue sequence number.
    pub(crate) sequence: u64,
    pub(crate) mount_generation: u64,
    /// 0 without an entity.
    pub(crate) entity_generation: u64,
    /// `None` for an orphan.
    pub(crate) parent: Option<LeaseKey>,
    pub(crate) profile: ProfileId,
    pub(crate) issued_ms: u64,
    /// 0 if it never was.
    pub(crate) renewed_ms: u64,
    /// 0: never, for root tokens only.
    pub(crate) expires_ms: u64,
    /// 0: unlimited; [`SPENT`]: none left.
    pub(crate) uses: u32,
    /// Of a secret: its lease id.
    pub(crate) tail: String,
}

/// A token whose last use is under way or was interrupted.
pub(crate) const SPENT: u32 = u32::MAX;

impl Record {
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut bytes = vec![FORMAT, u8::from(self.kind == Kind::Secret)];
        for number in [self.sequence, self.mount_generation, self.entity_generation] {
            bytes.extend_from_slice(&number.to_be_bytes());
        }
        bytes.extend_from_slice(&self.parent.map_or([0; 16], |parent| parent.0));
        bytes.extend_from_slice(&self.profile.0);
        for number in [self.issued_ms, self.renewed_ms, self.expires_ms] {
            bytes.extend_from_slice(&number.to_be_bytes());
        }
        bytes.extend_from_slice(&self.uses.to_be_bytes());
        bytes.extend_from_slice(&u32::try_from(self.tail.len()).unwrap_or(u32::MAX).to_be_bytes());
        bytes.extend_from_slice(self.tail.as_bytes());
        bytes
    }

    pub(crate) fn decode(bytes: &[u8]) -> Option<Self> {
        let mut rest = bytes;
        if take::<1>(&mut rest)? != [FORMAT] {
            return None;
        }
        let kind = match take::<1>(&mut rest)? {
            [0] => Kind::Token,
            [1] => Kind::Secret,
            _ => return None,
        };
        let mut number = || take(&mut rest).map(u64::from_be_bytes);
        let (sequence, mount_generation, entity_generation) = (number()?, number()?, number()?);
        let parent: [u8; 16] = take(&mut rest)?;
        let profile = ProfileId(take(&mut rest)?);
        let mut number = || take(&mut rest).map(u64::from_be_bytes);
        let (issued_ms, renewed_ms, expires_ms) = (number()?, number()?, number()?);
        let uses = u32::from_be_bytes(take(&mut rest)?);
        let length = usize::try_from(u32::from_be_bytes(take(&mut rest)?)).ok()?;
        let tail = String::from_utf8(rest.to_vec()).ok().filter(|tail| tail.len() == length)?;
        let parent = (parent != [0; 16]).then_some(LeaseKey(parent));
        Some(Record {
            kind,
            sequence,
            mount_generation,
            entity_generation,
            parent,
            profile,
            issued_ms,
            renewed_ms,
            expires_ms,
            uses,
            tail,
        })
    }
}

fn take<const N: usize>(rest: &mut &[u8]) -> Option<[u8; N]> {
    let (head, tail) = rest.split_first_chunk()?;
    *rest = tail;
    Some(*head)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn round_trip(
            numbers in any::<[u64; 6]>(), parent in any::<[u8; 16]>(), profile in any::<[u8; 16]>(),
            uses in any::<u32>(), tail in ".{0,40}", is_secret in any::<bool>())
        {
            let [sequence, mount_generation, entity_generation, issued_ms, renewed_ms, expires_ms] = numbers;
            let record = Record {
                kind: if is_secret { Kind::Secret } else { Kind::Token },
                sequence, mount_generation, entity_generation,
                parent: (parent != [0; 16]).then_some(LeaseKey(parent)),
                profile: ProfileId(profile), issued_ms, renewed_ms, expires_ms, uses, tail,
            };
            let bytes = record.encode();
            prop_assert_eq!(Record::decode(&bytes), Some(record));
            for cut in 0..bytes.len() {
                prop_assert_eq!(Record::decode(&bytes[..cut]), None);
            }
        }

        #[test]
        fn any_bytes(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            if let Some(record) = Record::decode(&bytes) {
                prop_assert_eq!(record.encode(), bytes);
            }
        }
    }
}
