//! A mount's view of its storage: its own rows behind the barrier, and no others.

use std::sync::Arc;

use vault_sdk::{Batch, Boxed, Change, Entry, Expect, Storage, StorageError};

use crate::barrier::{self, Barrier, Transaction};
use crate::error::storage_error;

/// Storage of one mount.
pub(crate) struct MountStorage {
    barrier: Arc<Barrier>,
    prefix: String,
}

impl MountStorage {
    pub(crate) fn new(barrier: Arc<Barrier>, prefix: String) -> Self {
        MountStorage { barrier, prefix }
    }

    fn names(
        &self,
        prefix: &str,
        after: &str,
        limit: usize,
        deep: bool,
    ) -> Result<Vec<String>, StorageError> {
        let base = format!("{}{prefix}", self.prefix);
        let mut names: Vec<String> = Vec::new();
        let mut from = behind(&base, after);
        while names.len() < limit {
            let want = if deep { (limit - names.len()).min(1000) } else { 64 };
            let keys = self.barrier.keys(&base, &from, want).map_err(storage_error)?;
            let Some(last) = keys.last() else { break };
            from = format!("{last}\0");
            for key in &keys {
                let name = key.get(base.len()..).unwrap_or_default();
                let name = match name.find('/') {
                    Some(slash) if !deep => &name[..=slash],
                    _ => name,
                };
                if names.last().is_some_and(|last| last == name) || names.len() == limit {
                    continue;
                }
                names.push(name.to_owned());
                if !deep && name.ends_with('/') {
                    // One name for a whole subtree: go on behind it.
                    from = behind(&base, name);
                }
            }
            if let Some(name) = names.last().filter(|name| !deep && name.ends_with('/')) {
                from = from.max(behind(&base, name));
            }
        }
        Ok(names)
    }

    fn write(&self, batch: Batch) -> Result<(), StorageError> {
        let mut transaction = Transaction::new();
        for update in batch.updates {
            check_key(&update.key)?;
            let key = format!("{}{}", self.prefix, update.key);
            match update.expect {
                Expect::Anything => {}
                Expect::Absent => drop(transaction.expect(key.as_str(), barrier::Expect::Absent)),
                Expect::Version(version) => {
                    transaction.expect(key.as_str(), barrier::Expect::Version(version));
                }
            }
            match update.change {
                Change::Put(value) => drop(transaction.put(key, value.to_vec())),
                Change::Delete => drop(transaction.delete(key)),
                Change::Check => {}
            }
        }
        if transaction.is_empty() {
            return Ok(());
        }
        match self.barrier.commit(transaction) {
            Ok(_) => Ok(()),
            Err(barrier::Error::Conflict { key }) => {
                let key = key.strip_prefix(&self.prefix).unwrap_or_default().to_owned();
                Err(StorageError::Conflict { key })
            }
            Err(error) => Err(storage_error(error)),
        }
    }
}

/// The first key behind a name: behind its whole subtree, if it is one.
fn behind(base: &str, name: &str) -> String {
    match name.strip_suffix('/') {
        _ if name.is_empty() => base.to_owned(),
        Some(subtree) => format!("{base}{subtree}0"),
        None => format!("{base}{name}\0"),
    }
}

fn check_key(key: &str) -> Result<(), StorageError> {
    let bad = key.split('/').any(|segment| matches!(segment, "" | "." | ".."));
    if bad {
        return Err(StorageError::Unavailable("a key has an empty segment, . or ..".to_owned()));
    }
    Ok(())
}

impl Storage for MountStorage {
    fn get<'a>(&'a self, key: &'a str) -> Boxed<'a, Result<Option<Entry>, StorageError>> {
        let row = self.barrier.get(&format!("{}{key}", self.prefix)).map_err(storage_error);
        let entry =
            row.map(|row| row.map(|row| Entry { value: row.content, version: row.version }));
        Box::pin(std::future::ready(entry))
    }

    fn list<'a>(
        &'a self,
        prefix: &'a str,
        after: &'a str,
        limit: usize,
    ) -> Boxed<'a, Result<Vec<String>, StorageError>> {
        Box::pin(std::future::ready(self.names(prefix, after, limit, false)))
    }

    fn scan<'a>(
        &'a self,
        prefix: &'a str,
        after: &'a str,
        limit: usize,
    ) -> Boxed<'a, Result<Vec<String>, StorageError>> {
        Box::pin(std::future::ready(self.names(prefix, after, limit, true)))
    }

    fn commit(&self, batch: Batch) -> Boxed<'_, Result<(), StorageError>> {
        Box::pin(std::future::ready(self.write(batch)))
    }
}
