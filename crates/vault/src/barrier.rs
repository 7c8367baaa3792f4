//! The barrier: everything that is stored passes through it, and nothing that comes back is
//! believed before it has decrypted, under its own key, in the version that the index says.
//!
//! Rows are encrypted with their key and version ([`row`]); a tree holds the version of every row
//! ([`index`]); a root record holds the version of the tree ([`root`]); a [`Freshness`] source may
//! hold the root's. `docs/specs/storage-trait.md`, section 2, is the format.
//!
//! Commits are grouped: whoever comes while a commit is under way waits, and the next one takes all
//! who wait. LOCK ORDER: `queue`, then `writer`, then `view`, then `ring`.

mod commit;
mod freshness;
mod index;
mod keyring;
mod root;
mod row;
mod transaction;

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError, RwLock};

use crypto::{Secret, hmac_sha256, sha256};
use storage::{Backend, Snapshot, wait};
use zeroize::Zeroizing;

use commit::{Queue, Writer};
pub use freshness::{FileWitness, Freshness, Mark, NoFreshness};
use index::{Found, Index, Node, Place};
pub use keyring::{KeyRing, OPERATIONS_MAX, RotateConfig};
use root::Root;
pub use transaction::{Expect, Transaction};

/// Key of the root record.
const ROOT: &str = "core/root";
/// Key of the key ring.
const KEY_RING: &str = "core/keyring";
/// Key of the seal configuration, which is in the clear.
pub const SEAL: &str = "core/seal";

/// Why the barrier refused.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A precondition does not hold; nothing was written.
    #[error("{key} was changed by somebody else")]
    Conflict {
        /// The first key that is not as expected.
        key: String,
    },
    /// A transaction is over the limits of the storage trait.
    #[error("{what}: at most {limit}, found {found}")]
    TooLarge {
        /// What was counted.
        what: &'static str,
        /// The limit.
        limit: usize,
        /// What was found.
        found: usize,
    },
    /// The store gave back something that was not written last.
    #[error("the store was tampered with: {key}: {reason}")]
    Tampered {
        /// Which row.
        key: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// The whole store is older than the freshness source knows.
    #[error("the store was rolled back: it is at epoch {found}, the witness has seen {witnessed}")]
    RolledBack {
        /// The store's epoch.
        found: u64,
        /// The witness's.
        witnessed: u64,
    },
    /// The freshness source does not answer.
    #[error("freshness source: {0}")]
    Freshness(String),
    /// The store failed.
    #[error(transparent)]
    Storage(#[from] storage::Error),
    /// A commit's outcome is unknown; the server has to be sealed and unsealed.
    #[error("a commit's outcome is unknown; the barrier is closed until the next unseal")]
    Closed,
}

/// A decrypted row.
#[derive(Clone, Debug)]
pub struct Row {
    /// The content, wiped when dropped.
    pub content: Zeroizing<Vec<u8>>,
    /// Epoch of the commit that wrote it: grows with every write, never repeats.
    pub version: u64,
}

/// An open barrier.
pub struct Barrier {
    backend: Arc<dyn Backend>,
    freshness: Arc<dyn Freshness>,
    store: [u8; 16],
    index_key: Secret<[u8; 32]>,
    ring: RwLock<Arc<KeyRing>>,
    view: RwLock<View>,
    writer: Mutex<Writer>,
    queue: Mutex<Queue>,
    answered: Condvar,
    time_floor_ms: AtomicU64,
    sequence: AtomicU64,
    uses: AtomicU64,
    /// Encryptions since the last commit that no row has.
    unstored_uses: AtomicU64,
}

/// What readers see. Snapshot and index are of the same commit.
struct View {
    snapshot: Arc<dyn Snapshot>,
    index: Index,
}

/// A key as it is shown in messages.
fn shown(key: &[u8]) -> String {
    key.escape_ascii().to_string()
}

impl Barrier {
    /// Makes the barrier of an empty store and writes its first rows. `seal` is the seal
    /// configuration as it is to be stored.
    ///
    /// # Errors
    ///
    /// If the store is not empty, or fails.
    pub fn create(
        backend: Arc<dyn Backend>,
        freshness: Arc<dyn Freshness>,
        store: [u8; 16],
        root_key: &Secret<[u8; 32]>,
        seal: &[u8],
        now_ms: u64,
    ) -> Result<Self, Error> {
        let ring = KeyRing::generate(now_ms);
        let sealed_ring = ring.seal(root_key, &store);
        let root = Root {
            store,
            epoch: 1,
            index: 1,
            time_floor_ms: now_ms,
            sequence: 0,
            uses: 2,
            seal_digest: sha256(seal),
            ring_digest: sha256(&sealed_ring),
        };
        let (_, gcm) = ring.active();
        let node_key = index::NodeId::ROOT.key();
        let seal_row = |key: &[u8], content: &[u8]| {
            row::seal((1, gcm), crate::random::bytes().expose(), key, 1, content)
        };
        let root_row = seal_row(ROOT.as_bytes(), &root.encode());
        let batch = storage::Batch::default()
            .expect(ROOT, None)
            .expect(SEAL, None)
            .put(SEAL, seal)
            .put(KEY_RING, sealed_ring)
            .put(node_key.as_slice(), seal_row(&node_key, &Node::Leaf(Vec::new()).encode()))
            .put(ROOT, root_row.as_slice());
        wait(backend.commit(batch))?;
        let mark = Mark { epoch: 1, digest: sha256(&root_row) };
        freshness.record(mark).map_err(Error::Freshness)?;
        Self::open(backend, freshness, root_key)
    }

    /// Opens the barrier of a store with its root key.
    ///
    /// # Errors
    ///
    /// `Tampered` if a row is not authentic or does not belong to the others, `RolledBack` if the
    /// freshness source has seen a newer store.
    pub fn open(
        backend: Arc<dyn Backend>,
        freshness: Arc<dyn Freshness>,
        root_key: &Secret<[u8; 32]>,
    ) -> Result<Self, Error> {
        let snapshot = wait(backend.snapshot())?;
        let read = |key: &str| {
            let missing = || Error::Tampered { key: key.into(), reason: "the row is missing" };
            wait(snapshot.get(key.as_bytes()))?.ok_or_else(missing)
        };
        let (seal, sealed_ring, root_row) = (read(SEAL)?, read(KEY_RING)?, read(ROOT)?);
        let store = crate::seal::store_id(&seal.value).ok_or_else(|| Error::Tampered {
            key: SEAL.into(),
            reason: "the seal configuration is malformed",
        })?;
        let ring = KeyRing::open(root_key, &store, &sealed_ring.value)?;
        let opened = row::open(&ring, ROOT.as_bytes(), &root_row.value)?;
        let root = Root::decode(&opened.content)?;
        let mark = Mark { epoch: root.epoch, digest: sha256(&root_row.value) };
        check_root(&root, &store, opened.version, &seal.value, &sealed_ring.value)?;
        check_fresh(&*freshness, mark)?;
        Ok(Barrier {
            backend,
            freshness,
            store,
            index_key: ring.derived("index"),
            ring: RwLock::new(Arc::new(ring)),
            view: RwLock::new(View { snapshot, index: Index::rooted(root.index) }),
            queue: Mutex::default(),
            answered: Condvar::new(),
            time_floor_ms: AtomicU64::new(root.time_floor_ms),
            sequence: AtomicU64::new(root.sequence),
            uses: AtomicU64::new(root.uses),
            unstored_uses: AtomicU64::new(0),
            writer: Mutex::new(Writer { root, root_version: root_row.version, is_closed: false }),
        })
    }

    /// Identifier of the store, made at init.
    pub const fn store_id(&self) -> &[u8; 16] {
        &self.store
    }

    /// The key ring as it is now.
    pub fn ring(&self) -> Arc<KeyRing> {
        Arc::clone(&self.ring.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Encryptions under the active term so far.
    pub fn uses(&self) -> u64 {
        self.uses.load(Ordering::Relaxed) + self.unstored_uses.load(Ordering::Relaxed)
    }

    /// The freshness source's kind.
    pub fn freshness(&self) -> &'static str {
        self.freshness.kind()
    }

    /// The time floor that the store had, or has been given since, in milliseconds.
    pub fn time_floor_ms(&self) -> u64 {
        self.time_floor_ms.load(Ordering::Relaxed)
    }

    /// Raises the time floor that the next commit stores.
    pub fn raise_time_floor(&self, now_ms: u64) {
        self.time_floor_ms.fetch_max(now_ms, Ordering::Relaxed);
    }

    /// Takes the next issue sequence number. It is durable with the next commit, which is the one
    /// that writes the record for which it was taken, or a later one.
    pub fn next_sequence(&self) -> u64 {
        self.sequence.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// The last issue sequence number taken.
    pub fn sequence(&self) -> u64 {
        self.sequence.load(Ordering::Relaxed)
    }

    /// Returns the row of `key`; `None` if there is none, which is as sure as a row.
    ///
    /// # Errors
    ///
    /// `Tampered` if the store does not have the row that was written last.
    pub fn get(&self, key: &str) -> Result<Option<Row>, Error> {
        let place = self.place(key.as_bytes());
        let (version, snapshot) = self.find(place)?;
        let Some(version) = version else { return Ok(None) };
        let tampered = |reason| Error::Tampered { key: key.to_owned(), reason };
        let entry = wait(snapshot.get(key.as_bytes()))?;
        let entry = entry.ok_or_else(|| tampered("the row was deleted behind the barrier"))?;
        let opened = row::open(&self.ring(), key.as_bytes(), &entry.value)?;
        if opened.version != version {
            return Err(tampered("an older row was put back"));
        }
        Ok(Some(Row { content: opened.content, version }))
    }

    /// Returns the version of `key`'s row without reading the row.
    ///
    /// # Errors
    ///
    /// `Tampered` if a node of the index is not the one written last.
    pub fn version(&self, key: &str) -> Result<Option<u64>, Error> {
        Ok(self.find(self.place(key.as_bytes()))?.0)
    }

    /// Returns at most `limit` keys that begin with `prefix`, from `from` on if that is not empty, in
    /// byte order. Keys that the index does not have are left out.
    ///
    /// # Errors
    ///
    /// As [`Barrier::version`].
    pub fn keys(&self, prefix: &str, from: &str, limit: usize) -> Result<Vec<String>, Error> {
        let mut range = storage::Range::prefix(prefix.as_bytes()).from(from.as_bytes());
        let mut keys = Vec::new();
        loop {
            let snapshot = self.snapshot();
            let page = wait(snapshot.scan(&range, limit.clamp(1, 256)))?;
            for (key, _) in page.rows {
                let Ok(key) = String::from_utf8(key) else { continue };
                if keys.len() < limit && self.version(&key)?.is_some() {
                    keys.push(key);
                }
            }
            match page.next {
                Some(next) if keys.len() < limit => range.start = next,
                _ => return Ok(keys),
            }
        }
    }

    /// Returns at most `limit` hints that begin with `prefix`, after `after` if that is not empty.
    /// They may be wrong in every way.
    ///
    /// # Errors
    ///
    /// If the store fails.
    pub fn hints(&self, prefix: &[u8], after: &[u8], limit: usize) -> Result<Vec<Vec<u8>>, Error> {
        let mut range = storage::Range::prefix(prefix);
        if !after.is_empty() {
            range = range.from(&[after, &[0]].concat());
        }
        let page = wait(self.snapshot().scan(&range, limit))?;
        Ok(page.rows.into_iter().map(|(key, _)| key).collect())
    }

    /// Encrypts a token that is not stored. Counted like a row.
    pub(crate) fn seal_token(&self, content: &[u8]) -> Vec<u8> {
        let ring = self.ring();
        let (term, gcm) = ring.active();
        let nonce: [u8; 12] = *crate::random::bytes().expose();
        self.unstored_uses.fetch_add(1, Ordering::Relaxed);
        let mut sealed = term.to_be_bytes().to_vec();
        sealed.extend_from_slice(&nonce);
        sealed.extend_from_slice(&gcm.seal(&nonce, &self.token_associated(), content));
        sealed
    }

    /// Decrypts a token; `None` if it was not made here.
    pub(crate) fn open_token(&self, sealed: &[u8]) -> Option<Vec<u8>> {
        let (term, rest) = sealed.split_first_chunk::<4>()?;
        let (nonce, rest) = rest.split_first_chunk::<12>()?;
        let ring = self.ring();
        ring.term(u32::from_be_bytes(*term))?.open(nonce, &self.token_associated(), rest).ok()
    }

    fn token_associated(&self) -> Vec<u8> {
        [&b"casemate batch token v1\0"[..], &self.store].concat()
    }

    /// Every row as the store has it, for a snapshot of the whole, page by page.
    pub(crate) fn snapshot(&self) -> Arc<dyn Snapshot> {
        Arc::clone(&self.view.read().unwrap_or_else(PoisonError::into_inner).snapshot)
    }

    fn place(&self, key: &[u8]) -> Place {
        let message = [&b"casemate index v1\0"[..], key].concat();
        let hash = hmac_sha256(self.index_key.expose(), &message);
        Place(*hash.first_chunk().expect("a hash has 32 bytes"))
    }

    /// The version of a row, with the snapshot in which it has it.
    fn find(&self, place: Place) -> Result<(Option<u64>, Arc<dyn Snapshot>), Error> {
        loop {
            let (id, version, snapshot) = {
                let view = self.view.read().unwrap_or_else(PoisonError::into_inner);
                match view.index.find(place) {
                    Found::Row(version) => return Ok((version, Arc::clone(&view.snapshot))),
                    Found::Unloaded(id, version) => (id, version, Arc::clone(&view.snapshot)),
                }
            };
            let key = id.key();
            let tampered = |reason| Error::Tampered { key: shown(&key), reason };
            let entry = wait(snapshot.get(&key))?;
            let entry = entry.ok_or_else(|| tampered("the index node is missing"))?;
            let opened = row::open(&self.ring(), &key, &entry.value)?;
            if opened.version != version {
                return Err(tampered("an older index node was put back"));
            }
            let node = Node::decode(id, &opened.content)?;
            let mut view = self.view.write().unwrap_or_else(PoisonError::into_inner);
            view.index.load(place, id, version, node);
        }
    }
}

fn check_root(
    root: &Root,
    store: &[u8; 16],
    version: u64,
    seal: &[u8],
    ring: &[u8],
) -> Result<(), Error> {
    let tampered = |key: &str, reason| Err(Error::Tampered { key: key.to_owned(), reason });
    if root.store != *store || root.epoch != version {
        return tampered(ROOT, "it belongs to another store or epoch");
    }
    if root.seal_digest != sha256(seal) {
        return tampered(SEAL, "an older seal configuration was put back");
    }
    if root.ring_digest != sha256(ring) {
        return tampered(KEY_RING, "an older key ring was put back");
    }
    Ok(())
}

fn check_fresh(freshness: &dyn Freshness, found: Mark) -> Result<(), Error> {
    let Some(witnessed) = freshness.newest().map_err(Error::Freshness)? else { return Ok(()) };
    let is_fork = found.epoch == witnessed.epoch && found.digest != witnessed.digest;
    if found.epoch < witnessed.epoch || is_fork {
        return Err(Error::RolledBack { found: found.epoch, witnessed: witnessed.epoch });
    }
    freshness.record(found).map_err(Error::Freshness)
}

impl std::fmt::Debug for Barrier {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Barrier").field("backend", &self.backend).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
