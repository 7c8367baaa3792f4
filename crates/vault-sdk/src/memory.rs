//! Storage and a system in memory, for tests of engines.
//!
//! The real storage of a mount is the core's, behind the barrier.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use zeroize::Zeroizing;

use crate::storage::{Batch, Change, Entry, Expect, Storage, StorageError};
use crate::time::{Instant, Seconds};
use crate::{
    Boxed, Context, Data, Error, Mount, MountClass, Outbound, OutboundRequest, OutboundResponse,
    System,
};

/// A mount of its own: storage, system and mount in one, with a clock that tests move.
#[derive(Debug)]
pub struct Memory {
    entries: Mutex<Entries>,
    nanos: AtomicU64,
    drawn: AtomicU64,
    /// How the mount is tuned.
    pub mount: Mount,
    /// Answers to outbound calls, by URL.
    pub answers: BTreeMap<String, OutboundResponse>,
}

#[derive(Debug, Default)]
struct Entries {
    last_version: u64,
    by_key: BTreeMap<String, (u64, Zeroizing<Vec<u8>>)>,
}

impl Memory {
    /// An empty mount, on 14 November 2023.
    #[must_use]
    pub fn new(path: &str, class: MountClass) -> Self {
        let mount = Mount {
            path: path.to_owned(),
            kind: path.trim_end_matches('/').to_owned(),
            class,
            accessor: "test_00000000".to_owned(),
            uuid: "00000000-0000-4000-8000-000000000000".to_owned(),
            options: BTreeMap::new(),
            default_ttl: Seconds(2_764_800),
            max_ttl: Seconds(2_764_800),
        };
        Self {
            entries: Mutex::default(),
            nanos: AtomicU64::new(Instant::from_unix(1_700_000_000).0),
            drawn: AtomicU64::new(0),
            mount,
            answers: BTreeMap::new(),
        }
    }

    /// What an engine gets.
    #[must_use]
    pub fn context(&self) -> Context<'_> {
        Context { storage: self, mount: &self.mount, system: self }
    }

    /// Moves the clock on.
    pub fn pass(&self, time: Seconds) {
        self.nanos.fetch_add(time.0.saturating_mul(1_000_000_000), Ordering::SeqCst);
    }

    /// Every stored key, to see what is left behind.
    #[must_use]
    pub fn keys(&self) -> Vec<String> {
        self.locked().by_key.keys().cloned().collect()
    }

    fn locked(&self) -> std::sync::MutexGuard<'_, Entries> {
        self.entries.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    fn below(&self, prefix: &str, after: &str, limit: usize, deep: bool) -> Vec<String> {
        let entries = self.locked();
        let rest = entries.by_key.keys().filter_map(|key| key.strip_prefix(prefix));
        let mut names: Vec<String> = rest
            .map(|rest| match rest.find('/') {
                Some(slash) if !deep => rest.get(..=slash).unwrap_or(rest).to_owned(),
                _ => rest.to_owned(),
            })
            .filter(|name| name.as_str() > after)
            .collect();
        names.dedup();
        names.truncate(limit);
        names
    }
}

impl Entries {
    fn holds(&self, key: &str, expect: Expect) -> bool {
        let there = self.by_key.get(key).map(|(version, _)| *version);
        match expect {
            Expect::Anything => true,
            Expect::Absent => there.is_none(),
            Expect::Version(version) => there == Some(version),
        }
    }

    fn commit(&mut self, batch: Batch) -> Result<(), StorageError> {
        if batch.updates.len() > 128 {
            let (what, found) = ("the number of changes in a batch", batch.updates.len());
            return Err(StorageError::TooLarge { what, limit: 128, found });
        }
        if let Some(update) = batch.updates.iter().find(|u| !self.holds(&u.key, u.expect)) {
            return Err(StorageError::Conflict { key: update.key.clone() });
        }
        self.last_version += 1;
        for update in batch.updates {
            match update.change {
                Change::Put(value) => {
                    self.by_key.insert(update.key, (self.last_version, value));
                }
                Change::Delete => {
                    self.by_key.remove(&update.key);
                }
                Change::Check => {}
            }
        }
        Ok(())
    }
}

impl Storage for Memory {
    fn get<'a>(&'a self, key: &'a str) -> Boxed<'a, Result<Option<Entry>, StorageError>> {
        let entry = self
            .locked()
            .by_key
            .get(key)
            .map(|(version, value)| Entry { value: value.clone(), version: *version });
        Box::pin(std::future::ready(Ok(entry)))
    }

    fn list<'a>(
        &'a self,
        prefix: &'a str,
        after: &'a str,
        limit: usize,
    ) -> Boxed<'a, Result<Vec<String>, StorageError>> {
        Box::pin(std::future::ready(Ok(self.below(prefix, after, limit, false))))
    }

    fn scan<'a>(
        &'a self,
        prefix: &'a str,
        after: &'a str,
        limit: usize,
    ) -> Boxed<'a, Result<Vec<String>, StorageError>> {
        Box::pin(std::future::ready(Ok(self.below(prefix, after, limit, true))))
    }

    fn commit(&self, batch: Batch) -> Boxed<'_, Result<(), StorageError>> {
        Box::pin(std::future::ready(self.locked().commit(batch)))
    }
}

impl System for Memory {
    fn now(&self) -> Instant {
        Instant(self.nanos.load(Ordering::SeqCst))
    }

    /// Not random at all, but never the same twice: a counter through SplitMix64.
    fn random(&self, bytes: &mut [u8]) {
        for byte in bytes {
            let mut x = self.drawn.fetch_add(0x9e37_79b9_7f4a_7c15, Ordering::SeqCst);
            x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            *byte = (x >> 56).to_le_bytes()[0];
        }
    }

    fn password<'a>(&'a self, _policy: Option<&'a str>) -> Boxed<'a, Result<String, Error>> {
        Box::pin(std::future::ready(Ok("a-password-for-tests".to_owned())))
    }

    fn entity<'a>(&'a self, _id: &'a str) -> Boxed<'a, Result<Option<Data>, Error>> {
        Box::pin(std::future::ready(Ok(None)))
    }

    fn outbound(&self) -> &dyn Outbound {
        self
    }
}

impl Outbound for Memory {
    fn send<'a>(
        &'a self,
        request: &'a OutboundRequest,
    ) -> Boxed<'a, Result<OutboundResponse, Error>> {
        let answer = self.answers.get(&request.url).cloned();
        let answer = answer.ok_or_else(|| Error::Upstream(format!("nobody at {}", request.url)));
        Box::pin(std::future::ready(answer))
    }
}
