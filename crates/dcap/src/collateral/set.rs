//! A cache of verified collateral, by hash.

use alloc::{collections::BTreeMap, sync::Arc};

use super::{Collateral, VerifiedCollateral};
use crate::{Bytes, Refusal, Time, Verifier};

/// Verified collateral of many platform families, each verified once.
///
/// The key is the hash of every byte, so other bytes are never taken for verified ones. The set is
/// bounded: when it is full, the entry that expires first makes room.
#[derive(Debug, Clone)]
pub struct CollateralSet {
    entries: BTreeMap<Bytes<32>, Arc<VerifiedCollateral>>,
    capacity: usize,
}

impl CollateralSet {
    /// Makes a set of at most `capacity` entries (at least one).
    #[must_use]
    pub fn new(capacity: usize) -> Self {
        Self { entries: BTreeMap::new(), capacity: capacity.max(1) }
    }

    /// Returns the verified form of `collateral`, verifying it only if it is not known yet.
    ///
    /// # Errors
    ///
    /// Why the collateral was refused. A known entry that is no longer valid at `now` is dropped and
    /// refused.
    pub fn verify_once(
        &mut self,
        verifier: &Verifier,
        collateral: &Collateral,
        now: Time,
    ) -> Result<Arc<VerifiedCollateral>, Refusal> {
        let key = verifier.collateral_sha256(collateral);
        if let Some(known) = self.entries.get(&key) {
            let known = Arc::clone(known);
            if let Err(refusal) = known.check_validity(now) {
                self.entries.remove(&key);
                return Err(refusal);
            }
            return Ok(known);
        }
        let verified = Arc::new(verifier.verify_collateral(collateral, now)?);
        if self.entries.len() >= self.capacity {
            self.drop_first_to_expire();
        }
        self.entries.insert(key, Arc::clone(&verified));
        Ok(verified)
    }

    /// Forgets everything, for example because the accepted roots changed.
    pub fn clear(&mut self) {
        self.entries.clear();
    }

    /// How many entries it holds.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// True when it holds none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    fn drop_first_to_expire(&mut self) {
        let first = self.entries.iter().min_by_key(|(_, entry)| entry.earliest_expiration());
        if let Some(key) = first.map(|(key, _)| *key) {
            self.entries.remove(&key);
        }
    }
}
