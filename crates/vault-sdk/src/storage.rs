//! An engine's view of its own storage: decrypted, and confined to its mount.

use zeroize::Zeroizing;

use crate::{Boxed, Error};

/// A stored value with the version that a precondition can name.
#[derive(Clone)]
pub struct Entry {
    /// Wiped when dropped.
    pub value: Zeroizing<Vec<u8>>,
    /// Grows with each write of the key; never repeats for one key, not even after a deletion.
    pub version: u64,
}

/// What must hold of a key for a batch to be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expect {
    /// The last writer wins.
    Anything,
    /// Nothing is there.
    Absent,
    /// The entry is there with this version.
    Version(u64),
}

/// What becomes of a key.
#[derive(Clone)]
pub enum Change {
    /// The value is written.
    Put(Zeroizing<Vec<u8>>),
    /// The key goes, if it was there.
    Delete,
    /// Only the precondition counts.
    Check,
}

/// One key of a batch.
#[derive(Clone)]
pub struct Update {
    /// Relative to the mount.
    pub key: String,
    /// Must hold, or nothing of the batch is written.
    pub expect: Expect,
    /// Is done if every precondition of the batch holds.
    pub change: Change,
}

/// Changes that are written together or not at all. At most 128 changes and 1 MiB.
#[derive(Clone, Default)]
pub struct Batch {
    /// In no particular order; a key occurs once.
    pub updates: Vec<Update>,
}

/// Why storage did not do what it was asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StorageError {
    /// A precondition does not hold; nothing was written.
    #[error("{key} is not as the batch expects")]
    Conflict {
        /// The first key that is not as expected.
        key: String,
    },
    /// The batch or a value is over the bounds of the storage.
    #[error("{what} is {found}, at most {limit} is allowed")]
    TooLarge {
        /// What was counted.
        what: &'static str,
        /// The bound.
        limit: usize,
        /// What the batch has.
        found: usize,
    },
    /// The entry does not decrypt under its path, or is not what the engine wrote.
    #[error("{key} is damaged or was put back from elsewhere")]
    Damaged {
        /// Which entry.
        key: String,
    },
    /// The server is sealed, steps down or lost its disk.
    #[error("storage is unavailable: {0}")]
    Unavailable(String),
}

/// Storage of one mount. Keys are slash-separated and relative; `..` and empty segments are refused.
///
/// What was written before a call is seen by it: there is no stale read.
pub trait Storage: Send + Sync {
    /// Reads one entry.
    fn get<'a>(&'a self, key: &'a str) -> Boxed<'a, Result<Option<Entry>, StorageError>>;

    /// Names directly below a prefix, in byte order and without the prefix: entries as `name`, subtrees as
    /// `name/`. Begins after `after` if that is not empty; at most `limit`.
    fn list<'a>(
        &'a self,
        prefix: &'a str,
        after: &'a str,
        limit: usize,
    ) -> Boxed<'a, Result<Vec<String>, StorageError>>;

    /// Keys of all entries below a prefix, in byte order and without the prefix.
    fn scan<'a>(
        &'a self,
        prefix: &'a str,
        after: &'a str,
        limit: usize,
    ) -> Boxed<'a, Result<Vec<String>, StorageError>>;

    /// Writes a batch. When it returns, the batch is durable.
    fn commit(&self, batch: Batch) -> Boxed<'_, Result<(), StorageError>>;
}

impl Batch {
    /// Adds a write of bytes.
    #[must_use]
    pub fn put(self, key: impl Into<String>, value: Vec<u8>) -> Self {
        self.put_if(key, Expect::Anything, value)
    }

    /// Adds a write of bytes under a precondition.
    #[must_use]
    pub fn put_if(self, key: impl Into<String>, expect: Expect, value: Vec<u8>) -> Self {
        self.with(key, expect, Change::Put(Zeroizing::new(value)))
    }

    /// Adds a deletion.
    #[must_use]
    pub fn delete(self, key: impl Into<String>) -> Self {
        self.with(key, Expect::Anything, Change::Delete)
    }

    /// Adds a deletion under a precondition.
    #[must_use]
    pub fn delete_if(self, key: impl Into<String>, expect: Expect) -> Self {
        self.with(key, expect, Change::Delete)
    }

    /// Adds a change.
    #[must_use]
    pub fn with(mut self, key: impl Into<String>, expect: Expect, change: Change) -> Self {
        self.updates.push(Update { key: key.into(), expect, change });
        self
    }
}

impl dyn Storage + '_ {
    /// Reads and decodes a record.
    ///
    /// # Errors
    /// As [`Storage::get`], and if the bytes are not what [`put`](Self::put) wrote.
    pub async fn read<T: serde::de::DeserializeOwned>(
        &self,
        key: &str,
    ) -> Result<Option<(T, u64)>, Error> {
        let Some(entry) = self.get(key).await? else { return Ok(None) };
        let record = serde_json::from_slice(&entry.value)
            .map_err(|_| StorageError::Damaged { key: key.to_owned() })?;
        Ok(Some((record, entry.version)))
    }

    /// Encodes and writes a record.
    ///
    /// # Errors
    /// As [`Storage::commit`].
    pub async fn put<T: serde::Serialize>(
        &self,
        key: &str,
        expect: Expect,
        record: &T,
    ) -> Result<(), Error> {
        let batch = Batch::default().put_if(key, expect, encode(record)?);
        Ok(self.commit(batch).await?)
    }

    /// Deletes a key, whether it was there or not.
    ///
    /// # Errors
    /// As [`Storage::commit`].
    pub async fn delete(&self, key: &str) -> Result<(), Error> {
        Ok(self.commit(Batch::default().delete(key)).await?)
    }

    /// All names directly below a prefix.
    ///
    /// # Errors
    /// As [`Storage::list`].
    pub async fn list_all(&self, prefix: &str) -> Result<Vec<String>, Error> {
        Ok(self.list(prefix, "", usize::MAX).await?)
    }
}

/// Encodes a record for storage.
///
/// # Errors
/// If a map of the record has keys that are not strings, which is a bug.
pub(crate) fn encode<T: serde::Serialize>(record: &T) -> Result<Vec<u8>, Error> {
    serde_json::to_vec(record).map_err(|_| Error::Bug("a record does not encode as JSON"))
}

impl Batch {
    /// Adds a record, encoded, under a precondition.
    ///
    /// # Errors
    /// If a map of the record has keys that are not strings, which is a bug.
    pub fn record<T: serde::Serialize>(
        self,
        key: impl Into<String>,
        expect: Expect,
        record: &T,
    ) -> Result<Self, Error> {
        Ok(self.put_if(key, expect, encode(record)?))
    }
}

impl Entry {
    /// The precondition that this entry is still there, or that nothing is.
    #[must_use]
    pub fn unchanged(entry: Option<&Self>) -> Expect {
        entry.map_or(Expect::Absent, |entry| Expect::Version(entry.version))
    }
}

impl std::fmt::Debug for Entry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Entry({} bytes, version {})", self.value.len(), self.version)
    }
}

impl std::fmt::Debug for Change {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Put(value) => write!(f, "Put({} bytes)", value.len()),
            Self::Delete => f.write_str("Delete"),
            Self::Check => f.write_str("Check"),
        }
    }
}

impl std::fmt::Debug for Update {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {:?} if {:?}", self.key, self.change, self.expect)
    }
}

impl std::fmt::Debug for Batch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(&self.updates).finish()
    }
}
