//! What a commit changes, and the limits on it.

use std::collections::HashSet;

use crate::error::shown;
use crate::{Error, Version};

/// Most operations and preconditions of a batch: etcd's default.
pub const BATCH_OPERATIONS_MAX: usize = 128;
/// Most bytes of keys and values of a batch.
pub const BATCH_BYTES_MAX: usize = 1 << 20;
/// Longest key, in bytes.
pub const KEY_BYTES_MAX: usize = 1024;

/// Changes that happen together or not at all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Batch {
    /// The writer's fencing token: the number of a leader's term.
    pub fence: u64,
    /// What must hold for the batch to happen.
    pub preconditions: Vec<Precondition>,
    /// The changes; no key twice.
    pub operations: Vec<Operation>,
}

/// A demand on the store at the moment of the commit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Precondition {
    /// The key it is about.
    pub key: Vec<u8>,
    /// The version it must have; `None`: it must be absent.
    pub version: Option<Version>,
}

/// One change.
#[derive(Clone, PartialEq, Eq)]
pub enum Operation {
    /// Writes a value.
    Put(Vec<u8>, Vec<u8>),
    /// Removes a key, if it is there.
    Delete(Vec<u8>),
}

impl Operation {
    /// The key that is changed.
    pub fn key(&self) -> &[u8] {
        match self {
            Operation::Put(key, _) | Operation::Delete(key) => key,
        }
    }

    /// Bytes of key and value.
    pub fn size(&self) -> usize {
        match self {
            Operation::Put(key, value) => key.len() + value.len(),
            Operation::Delete(key) => key.len(),
        }
    }
}

impl std::fmt::Debug for Operation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Operation::Put(key, value) => write!(f, "Put({}, {} bytes)", shown(key), value.len()),
            Operation::Delete(key) => write!(f, "Delete({})", shown(key)),
        }
    }
}

impl Batch {
    /// Adds a put.
    #[must_use]
    pub fn put(mut self, key: impl Into<Vec<u8>>, value: impl Into<Vec<u8>>) -> Self {
        self.operations.push(Operation::Put(key.into(), value.into()));
        self
    }

    /// Adds a delete.
    #[must_use]
    pub fn delete(mut self, key: impl Into<Vec<u8>>) -> Self {
        self.operations.push(Operation::Delete(key.into()));
        self
    }

    /// Demands that `key` has `version`, or is absent.
    #[must_use]
    pub fn expect(mut self, key: impl Into<Vec<u8>>, version: Option<Version>) -> Self {
        self.preconditions.push(Precondition { key: key.into(), version });
        self
    }

    /// Checks the batch against the limits. Every backend calls it, whatever more it could do.
    ///
    /// # Errors
    ///
    /// `TooLarge` over a limit, `Invalid` for an empty key or one that is changed twice.
    pub fn check(&self) -> Result<(), Error> {
        let count = self.operations.len() + self.preconditions.len();
        within("operations in a batch", BATCH_OPERATIONS_MAX, count)?;
        let mut bytes = 0;
        let mut seen = HashSet::new();
        for operation in &self.operations {
            bytes += operation.size();
            check_key(operation.key())?;
            if !seen.insert(operation.key()) {
                let key = shown(operation.key());
                return Err(Error::Invalid { reason: "a key is changed twice", key });
            }
        }
        for precondition in &self.preconditions {
            bytes += precondition.key.len();
            check_key(&precondition.key)?;
        }
        within("bytes in a batch", BATCH_BYTES_MAX, bytes)
    }
}

fn check_key(key: &[u8]) -> Result<(), Error> {
    if key.is_empty() {
        return Err(Error::Invalid { reason: "a key is empty", key: String::new() });
    }
    within("bytes in a key", KEY_BYTES_MAX, key.len())
}

fn within(what: &'static str, limit: usize, found: usize) -> Result<(), Error> {
    if found > limit { Err(Error::TooLarge { what, limit, found }) } else { Ok(()) }
}
