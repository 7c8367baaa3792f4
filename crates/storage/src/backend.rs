//! What a store promises. `docs/specs/storage-trait.md`, section 1, has the contract in full.

use std::ops::Bound;
use std::sync::Arc;

use crate::{Batch, Change, Error, Task};

/// Number of a commit, from 1; a value's version is that of the commit that wrote it.
pub type Version = u64;

/// A store of rows in the order of their keys. Completely untrusted by those who use it.
pub trait Backend: Send + Sync + std::fmt::Debug {
    /// The store's kind, as `seal-status` shows it (`inmem`, `redb`).
    fn kind(&self) -> &'static str;

    /// Returns a view of the newest commit.
    fn snapshot(&self) -> Task<'_, Result<Arc<dyn Snapshot>, Error>>;

    /// Applies all of `batch` or nothing, and returns its version when it is durable.
    ///
    /// # Errors
    ///
    /// `TooLarge` and `Invalid` for a batch outside the contract, `Fenced` and `Conflict` when it
    /// comes too late. After `Unavailable` it may have happened or not.
    fn commit(&self, batch: Batch) -> Task<'_, Result<Version, Error>>;

    /// Returns the keys that the commits after `after` wrote, waiting until there is a commit.
    ///
    /// # Errors
    ///
    /// `Lagged` when the feed does not reach back to `after`.
    fn changes(&self, after: Version) -> Task<'_, Result<Vec<Change>, Error>>;
}

/// What the store held after one commit. It never changes.
pub trait Snapshot: Send + Sync {
    /// The commit that this is a view of; 0 before the first.
    fn version(&self) -> Version;

    /// Returns the value of `key`, if there is one.
    fn get<'a>(&'a self, key: &'a [u8]) -> Task<'a, Result<Option<Entry>, Error>>;

    /// Returns at most `limit` rows of `range`, ascending, and where to go on.
    fn scan<'a>(&'a self, range: &'a Range, limit: usize) -> Task<'a, Result<Page, Error>>;
}

/// A value and the commit that wrote it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The commit that wrote the value.
    pub version: Version,
    /// The value.
    pub value: Vec<u8>,
}

/// Rows of a scan.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Page {
    /// Keys and values, ascending by key.
    pub rows: Vec<(Vec<u8>, Entry)>,
    /// Where the rest of the range starts; `None` at its end.
    pub next: Option<Vec<u8>>,
}

/// A range of keys: from `start` on, before `end`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Range {
    /// The first key that belongs to the range.
    pub start: Vec<u8>,
    /// The first key behind the range; `None` for the end of the store.
    pub end: Option<Vec<u8>>,
}

impl Range {
    /// Returns the range of all keys that begin with `prefix`.
    pub fn prefix(prefix: &[u8]) -> Self {
        let mut end = prefix.to_vec();
        while end.last() == Some(&0xff) {
            end.pop();
        }
        if let Some(last) = end.last_mut() {
            *last += 1;
        }
        Range { start: prefix.to_vec(), end: (!end.is_empty()).then_some(end) }
    }

    /// Returns the part of the range from `cursor` on.
    #[must_use]
    pub fn from(mut self, cursor: &[u8]) -> Self {
        if cursor > self.start.as_slice() {
            self.start = cursor.to_vec();
        }
        self
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.end.as_ref().is_some_and(|end| *end <= self.start)
    }

    pub(crate) fn bounds(&self) -> (Bound<&[u8]>, Bound<&[u8]>) {
        let end = self.end.as_deref().map_or(Bound::Unbounded, Bound::Excluded);
        (Bound::Included(&self.start), end)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prefix_ranges_end_behind_the_last_key() {
        assert_eq!(Range::prefix(b"ab").end.as_deref(), Some(&b"ac"[..]));
        assert_eq!(Range::prefix(b"a\xff").end.as_deref(), Some(&b"b"[..]));
        assert_eq!(Range::prefix(b"\xff\xff").end, None);
        assert_eq!(Range::prefix(b"").end, None);
        assert_eq!(Range::prefix(b"ab").from(b"abc").start, b"abc");
        assert_eq!(Range::prefix(b"ab").from(b"a").start, b"ab");
    }
}
