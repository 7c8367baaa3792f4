//! Commits: grouping them, encrypting them, and knowing what became of them.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};

use crypto::{Secret, sha256};
use storage::{BATCH_BYTES_MAX, BATCH_OPERATIONS_MAX, Batch, wait};
use zeroize::Zeroizing;

use super::index::Staged;
use super::keyring::OPERATIONS_MAX;
use super::root::Root;
use super::row::{self, OVERHEAD};
use super::{
    Barrier, Error, Expect, KEY_RING, KeyRing, Mark, ROOT, RotateConfig, SEAL, Transaction,
};

/// Operations and bytes of every batch: the root record and its precondition.
const ROOT_OPERATIONS: usize = 2;
const ROOT_BYTES: usize = 512;

/// What the next commit starts from.
#[derive(Debug)]
pub(super) struct Writer {
    pub(super) root: Root,
    /// The store's version of the root row, which nobody else may have changed.
    pub(super) root_version: u64,
    pub(super) is_closed: bool,
}

/// Transactions that wait for the next commit.
#[derive(Debug, Default)]
pub(super) struct Queue {
    waiting: Vec<Arc<Waiting>>,
    is_led: bool,
}

#[derive(Debug)]
struct Waiting {
    transaction: Transaction,
    answer: Mutex<Option<Result<u64, Error>>>,
}

impl Waiting {
    fn answer(&self, answer: Result<u64, Error>) {
        *self.answer.lock().unwrap_or_else(PoisonError::into_inner) = Some(answer);
    }

    fn answered(&self) -> Option<Result<u64, Error>> {
        self.answer.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

/// Rows that a commit changes beside those of transactions.
#[derive(Debug, Default)]
struct Extra {
    ring: Option<(KeyRing, Vec<u8>)>,
    seal: Option<Vec<u8>>,
}

/// Rows of the transactions that are in the commit so far.
#[derive(Default)]
struct Gathered<'a> {
    rows: BTreeMap<&'a str, Option<&'a Zeroizing<Vec<u8>>>>,
    hints: BTreeMap<&'a [u8], bool>,
}

impl Gathered<'_> {
    /// Operations and bytes of the batch, the root record included, index nodes not.
    fn cost(&self) -> (usize, usize) {
        let row = |(key, content): (&&str, &Option<&Zeroizing<Vec<u8>>>)| {
            key.len() + content.map_or(0, |content| content.len() + OVERHEAD)
        };
        let bytes: usize = self.rows.iter().map(row).sum();
        let hints: usize = self.hints.keys().map(|key| key.len()).sum();
        (self.rows.len() + self.hints.len() + ROOT_OPERATIONS, bytes + hints + ROOT_BYTES)
    }
}

impl Barrier {
    /// Commits `transaction`, together with others that wait, and returns its epoch, which is the
    /// version of the rows it wrote. It is durable then.
    ///
    /// # Errors
    ///
    /// `Conflict` and `TooLarge` if it cannot be; after `Storage` it may have happened or not, but
    /// the barrier knows which.
    pub fn commit(&self, transaction: Transaction) -> Result<u64, Error> {
        let mine = Arc::new(Waiting { transaction, answer: Mutex::new(None) });
        let mut queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
        queue.waiting.push(Arc::clone(&mine));
        loop {
            if let Some(answer) = mine.answered() {
                return answer;
            }
            if queue.is_led {
                queue = self.answered.wait(queue).unwrap_or_else(PoisonError::into_inner);
                continue;
            }
            queue.is_led = true;
            let group = std::mem::take(&mut queue.waiting);
            drop(queue);
            let left = self.lead(&group);
            queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
            queue.is_led = false;
            queue.waiting.splice(0..0, left);
            self.answered.notify_all();
        }
    }

    /// Commits what fits of `group`, answers it, and returns the rest.
    fn lead(&self, group: &[Arc<Waiting>]) -> Vec<Arc<Waiting>> {
        let mut writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        let transactions: Vec<&Transaction> = group.iter().map(|w| &w.transaction).collect();
        if let Err(error) = self.check_uses() {
            group.iter().for_each(|waiting| waiting.answer(Err(error.clone())));
            return Vec::new();
        }
        let answers = self.write(&mut writer, &transactions, Extra::default());
        for (waiting, answer) in group.iter().zip(&answers) {
            waiting.answer(answer.clone());
        }
        group[answers.len()..].to_vec()
    }

    /// Adds a term to the key ring and makes it active.
    ///
    /// # Errors
    ///
    /// As [`Barrier::commit`].
    pub fn rotate(&self, root_key: &Secret<[u8; 32]>, now_ms: u64) -> Result<(), Error> {
        let ring = self.ring().rotated(now_ms)?;
        let sealed = ring.seal(root_key, &self.store);
        self.write_alone(Extra { ring: Some((ring, sealed)), seal: None })
    }

    /// Changes when the barrier rotates by itself.
    ///
    /// # Errors
    ///
    /// As [`Barrier::commit`].
    pub fn configure_rotation(
        &self,
        root_key: &Secret<[u8; 32]>,
        rotate: RotateConfig,
    ) -> Result<(), Error> {
        let ring = self.ring().configured(rotate)?;
        let sealed = ring.seal(root_key, &self.store);
        self.write_alone(Extra { ring: Some((ring, sealed)), seal: None })
    }

    /// Writes another seal configuration under another root key, with a new term in the ring: from
    /// here on the old root key opens nothing.
    ///
    /// # Errors
    ///
    /// As [`Barrier::commit`].
    pub fn rekey(
        &self,
        root_key: &Secret<[u8; 32]>,
        seal: Vec<u8>,
        now_ms: u64,
    ) -> Result<(), Error> {
        let ring = self.ring().rotated(now_ms)?;
        let sealed = ring.seal(root_key, &self.store);
        self.write_alone(Extra { ring: Some((ring, sealed)), seal: Some(seal) })
    }

    fn write_alone(&self, extra: Extra) -> Result<(), Error> {
        let mut writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        let empty = Transaction::new();
        let mut answers = self.write(&mut writer, &[&empty], extra);
        answers.pop().unwrap_or(Err(Error::Closed)).map(drop)
    }

    /// Whether the active term has been used, or has lived, as long as it may.
    pub fn is_rotation_due(&self, now_ms: u64) -> bool {
        let ring = self.ring();
        let (_, created_ms) = ring.active_term();
        let rotate = ring.rotate_config();
        let is_old =
            rotate.interval_ms != 0 && now_ms.saturating_sub(created_ms) >= rotate.interval_ms;
        rotate.enabled && (is_old || self.uses() >= rotate.max_operations)
    }

    /// A last fence: whoever configured rotation away still gets no nonce collision.
    fn check_uses(&self) -> Result<(), Error> {
        if self.uses() >= OPERATIONS_MAX + (1 << 28) {
            return Err(Error::TooLarge {
                what: "encryptions under one term",
                limit: usize::try_from(OPERATIONS_MAX).unwrap_or(usize::MAX),
                found: usize::try_from(self.uses()).unwrap_or(usize::MAX),
            });
        }
        Ok(())
    }

    /// Writes one batch with as many of `transactions` as fit, at least one, and returns an answer
    /// for each that was considered, in order.
    fn write(
        &self,
        writer: &mut Writer,
        transactions: &[&Transaction],
        extra: Extra,
    ) -> Vec<Result<u64, Error>> {
        if writer.is_closed {
            return transactions.iter().map(|_| Err(Error::Closed)).collect();
        }
        if let Err(error) = self.load_paths(transactions) {
            return transactions.iter().map(|_| Err(error.clone())).collect();
        }
        let epoch = writer.root.epoch + 1;
        let view = self.view.read().unwrap_or_else(PoisonError::into_inner);
        let mut staged = Staged::new(&view.index, epoch);
        let mut gathered = Gathered::default();
        let mut answers: Vec<Result<u64, Error>> = Vec::new();
        for transaction in transactions {
            match self.stage(transaction, &mut staged, &mut gathered) {
                Ok(()) => answers.push(Ok(epoch)),
                Err(Error::TooLarge { .. }) if answers.iter().any(Result::is_ok) => break,
                Err(error) => answers.push(Err(error)),
            }
        }
        let changes_nothing = extra.ring.is_none() && answers.iter().all(Result::is_err);
        if changes_nothing {
            return answers;
        }
        let mut root = Root {
            epoch,
            index: staged.root_version(),
            time_floor_ms: self.time_floor_ms(),
            sequence: self.sequence(),
            ..writer.root.clone()
        };
        let nodes = staged.finish();
        drop(view);
        let ring = self.ring();
        let active = extra.ring.as_ref().map_or_else(|| ring.active(), |(ring, _)| ring.active());
        let written = gathered.rows.values().flatten().count() + nodes.values().flatten().count();
        let unstored = self.unstored_uses.load(Ordering::Relaxed);
        root.uses =
            if extra.ring.is_some() { 0 } else { root.uses } + written as u64 + 1 + unstored;
        let mut batch = Batch::default().expect(ROOT, Some(writer.root_version));
        let seal = |key: &[u8], content: &[u8]| {
            row::seal(active, crate::random::bytes().expose(), key, epoch, content)
        };
        for (key, content) in &gathered.rows {
            batch = match content {
                Some(content) => batch.put(*key, seal(key.as_bytes(), content)),
                None => batch.delete(*key),
            };
        }
        for (key, is_there) in &gathered.hints {
            batch = if *is_there { batch.put(*key, []) } else { batch.delete(*key) };
        }
        for (id, node) in &nodes {
            batch = match node {
                Some(node) => batch.put(id.key(), seal(&id.key(), &node.encode())),
                None => batch.delete(id.key()),
            };
        }
        if let Some((_, sealed)) = &extra.ring {
            root.ring_digest = sha256(sealed);
            batch = batch.put(KEY_RING, sealed.as_slice());
        }
        if let Some(config) = &extra.seal {
            root.seal_digest = sha256(config);
            batch = batch.put(SEAL, config.as_slice());
        }
        let root_row = seal(ROOT.as_bytes(), &root.encode());
        let mark = Mark { epoch, digest: sha256(&root_row) };
        batch = batch.put(ROOT, root_row.as_slice());
        let outcome = self.settle(writer, batch, &root_row);
        if let Ok(version) = &outcome {
            writer.root_version = *version;
            self.uses.store(root.uses, Ordering::Relaxed);
            self.unstored_uses.fetch_sub(unstored, Ordering::Relaxed);
            writer.root = root;
            if let Some((ring, _)) = extra.ring {
                *self.ring.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(ring);
            }
            if let Err(error) = self.publish(nodes, epoch) {
                writer.is_closed = true;
                return answers.into_iter().map(|_| Err(error.clone())).collect();
            }
        }
        let outcome = outcome.and_then(|_| self.freshness.record(mark).map_err(Error::Freshness));
        let answer =
            |staged: Result<u64, Error>| staged.and_then(|epoch| outcome.clone().map(|()| epoch));
        answers.into_iter().map(answer).collect()
    }

    /// Loads every index node that the transactions touch.
    fn load_paths(&self, transactions: &[&Transaction]) -> Result<(), Error> {
        for transaction in transactions {
            let keys = transaction.rows.keys().chain(transaction.expect.iter().map(|(key, _)| key));
            for key in keys {
                self.find(self.place(key.as_bytes()))?;
            }
        }
        Ok(())
    }

    /// Adds a transaction to the commit, or leaves the commit as it was.
    fn stage<'a>(
        &self,
        transaction: &'a Transaction,
        staged: &mut Staged<'_>,
        gathered: &mut Gathered<'a>,
    ) -> Result<(), Error> {
        for (key, expect) in &transaction.expect {
            let found = staged.find(self.place(key.as_bytes()));
            let holds = match expect {
                Expect::Absent => found.is_none(),
                Expect::Version(version) => found == Some(*version),
            };
            if !holds {
                return Err(Error::Conflict { key: key.clone() });
            }
        }
        let (rows_before, hints_before) = (gathered.rows.clone(), gathered.hints.clone());
        for (key, content) in &transaction.rows {
            staged.set(self.place(key.as_bytes()), content.is_some());
            gathered.rows.insert(key, content.as_ref());
        }
        gathered.hints.extend(transaction.hints.iter().map(|(key, is_there)| (&**key, *is_there)));
        let (operations, bytes) = gathered.cost();
        let (nodes, node_bytes) = staged.cost();
        let too_many =
            within("operations in a commit", BATCH_OPERATIONS_MAX - 2, operations + nodes);
        let too_big = || {
            let bytes = bytes + node_bytes + nodes * OVERHEAD;
            within("bytes in a commit", BATCH_BYTES_MAX - 16384, bytes)
        };
        if let Err(error) = too_many.and_then(|()| too_big()) {
            staged.take_back();
            (gathered.rows, gathered.hints) = (rows_before, hints_before);
            return Err(error);
        }
        staged.keep();
        Ok(())
    }

    /// Commits a batch and finds out what became of it if the store does not say.
    fn settle(&self, writer: &mut Writer, batch: Batch, root_row: &[u8]) -> Result<u64, Error> {
        let error = match wait(self.backend.commit(batch)) {
            Ok(version) => return Ok(version),
            Err(error @ (storage::Error::Unavailable { .. } | storage::Error::Corrupt { .. })) => {
                error
            }
            Err(error @ (storage::Error::Conflict { .. } | storage::Error::Fenced { .. })) => {
                // Somebody else writes to the store: what is in memory no longer counts.
                writer.is_closed = true;
                return Err(error.into());
            }
            Err(error) => return Err(error.into()),
        };
        let read = wait(self.backend.snapshot()).and_then(|now| wait(now.get(ROOT.as_bytes())));
        match read {
            Ok(Some(entry)) if entry.value == root_row => Ok(entry.version),
            Ok(Some(entry)) if entry.version == writer.root_version => Err(error.into()),
            _ => {
                writer.is_closed = true;
                Err(Error::Closed)
            }
        }
    }

    /// Shows a commit to readers.
    fn publish(
        &self,
        nodes: std::collections::HashMap<super::index::NodeId, Option<super::index::Node>>,
        epoch: u64,
    ) -> Result<(), Error> {
        let snapshot = wait(self.backend.snapshot())?;
        let mut view = self.view.write().unwrap_or_else(PoisonError::into_inner);
        view.snapshot = snapshot;
        view.index.apply(nodes, epoch);
        Ok(())
    }
}

fn within(what: &'static str, limit: usize, found: usize) -> Result<(), Error> {
    if found > limit { Err(Error::TooLarge { what, limit, found }) } else { Ok(()) }
}
