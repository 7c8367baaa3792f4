//! A store in memory, for development and tests. It holds the contract's limits like any other.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use crate::error::shown;
use crate::feed::Feed;
use crate::{
    Backend, Batch, Change, Entry, Error, Operation, Page, Range, Snapshot, Task, Version,
};

/// Rows in memory. Clones are the same store.
#[derive(Clone, Default)]
pub struct Memory(Arc<Shared>);

#[derive(Default)]
struct Shared {
    rows: RwLock<Rows>,
    feed: Feed,
}

/// What a commit made of a key; `None` when it was deleted.
type Written = (Version, Option<Arc<[u8]>>);

/// Every key with what it was, newest last, as far back as a snapshot may look.
#[derive(Default)]
struct Rows {
    version: Version,
    fence: u64,
    history: BTreeMap<Vec<u8>, Vec<Written>>,
    /// Snapshots by version, with their number.
    watched: BTreeMap<Version, usize>,
    /// Keys that were overwritten, by the commit that did; to be pruned.
    outdated: VecDeque<(Version, Vec<u8>)>,
}

impl Rows {
    fn at(&self, key: &[u8], version: Version) -> Option<(Version, &Arc<[u8]>)> {
        newest(self.history.get(key)?, version)
    }

    fn prune(&mut self) {
        let oldest = self.watched.keys().next().copied().unwrap_or(self.version);
        while self.outdated.front().is_some_and(|(version, _)| *version <= oldest) {
            let Some((_, key)) = self.outdated.pop_front() else { break };
            let Some(history) = self.history.get_mut(&key) else { continue };
            let visible = history.partition_point(|(version, _)| *version <= oldest);
            history.drain(..visible.saturating_sub(1));
            if matches!(history.as_slice(), [(_, None)]) {
                self.history.remove(&key);
            }
        }
    }
}

fn newest(history: &[Written], version: Version) -> Option<(Version, &Arc<[u8]>)> {
    let (version, value) = history.iter().rev().find(|(written, _)| *written <= version)?;
    Some((*version, value.as_ref()?))
}

impl Memory {
    /// Returns an empty store.
    pub fn new() -> Self {
        Self::default()
    }

    /// Returns all rows as they are now: what a host that copies the disk has.
    pub fn export(&self) -> BTreeMap<Vec<u8>, Vec<u8>> {
        let rows = self.0.read();
        let live = rows.history.iter().filter_map(|(key, history)| {
            newest(history, rows.version).map(|(_, value)| (key.clone(), value.to_vec()))
        });
        live.collect()
    }

    fn apply(&self, batch: &Batch) -> Result<Version, Error> {
        batch.check()?;
        let mut rows = self.0.write();
        if batch.fence < rows.fence {
            return Err(Error::Fenced { found: batch.fence, newest: rows.fence });
        }
        for wanted in &batch.preconditions {
            let found = rows.at(&wanted.key, rows.version).map(|(version, _)| version);
            if found != wanted.version {
                let key = shown(&wanted.key);
                return Err(Error::Conflict { key, expected: wanted.version, found });
            }
        }
        rows.fence = batch.fence;
        rows.version += 1;
        let version = rows.version;
        for operation in &batch.operations {
            let (key, value) = match operation {
                Operation::Put(key, value) => (key, Some(Arc::from(value.as_slice()))),
                Operation::Delete(key) => (key, None),
            };
            rows.history.entry(key.clone()).or_default().push((version, value));
            rows.outdated.push_back((version, key.clone()));
        }
        rows.prune();
        drop(rows);
        self.0.feed.publish(version, &batch.operations);
        Ok(version)
    }
}

impl Shared {
    fn read(&self) -> RwLockReadGuard<'_, Rows> {
        self.rows.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Rows> {
        self.rows.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl std::fmt::Debug for Memory {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let rows = self.0.read();
        write!(f, "Memory({} rows, version {})", rows.history.len(), rows.version)
    }
}

impl Backend for Memory {
    fn kind(&self) -> &'static str {
        "inmem"
    }

    fn snapshot(&self) -> Task<'_, Result<Arc<dyn Snapshot>, Error>> {
        let mut rows = self.0.write();
        let version = rows.version;
        *rows.watched.entry(version).or_default() += 1;
        Task::ready(Ok(Arc::new(View { shared: Arc::clone(&self.0), version })))
    }

    fn commit(&self, batch: Batch) -> Task<'_, Result<Version, Error>> {
        Task::ready(self.apply(&batch))
    }

    fn changes(&self, after: Version) -> Task<'_, Result<Vec<Change>, Error>> {
        self.0.feed.after(after)
    }
}

struct View {
    shared: Arc<Shared>,
    version: Version,
}

impl Snapshot for View {
    fn version(&self) -> Version {
        self.version
    }

    fn get<'a>(&'a self, key: &'a [u8]) -> Task<'a, Result<Option<Entry>, Error>> {
        let rows = self.shared.read();
        let found = rows.at(key, self.version);
        Task::ready(Ok(found.map(|(version, value)| Entry { version, value: value.to_vec() })))
    }

    fn scan<'a>(&'a self, range: &'a Range, limit: usize) -> Task<'a, Result<Page, Error>> {
        let mut page = Page::default();
        if range.is_empty() {
            return Task::ready(Ok(page));
        }
        let rows = self.shared.read();
        for (key, history) in rows.history.range::<[u8], _>(range.bounds()) {
            let Some((version, value)) = newest(history, self.version) else { continue };
            if page.rows.len() == limit {
                page.next = Some(key.clone());
                break;
            }
            page.rows.push((key.clone(), Entry { version, value: value.to_vec() }));
        }
        Task::ready(Ok(page))
    }
}

impl Drop for View {
    fn drop(&mut self) {
        let mut rows = self.shared.write();
        if let Some(count) = rows.watched.get_mut(&self.version) {
            *count -= 1;
            if *count == 0 {
                rows.watched.remove(&self.version);
                rows.prune();
            }
        }
    }
}
