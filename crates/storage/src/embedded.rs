//! The embedded store: one redb file.
//!
//! A thread of its own commits. Batches that wait for it together become one transaction and one
//! flush, and each gets its own answer and version.

use std::fs::OpenOptions;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};

use redb::backends::FileBackend;
use redb::{
    Database, Durability, ReadOnlyTable, ReadableDatabase as _, ReadableTable as _, Table,
    TableDefinition,
};

use crate::error::shown;
use crate::feed::Feed;
use crate::task::{Promise, promise};
use crate::{
    Backend, Batch, Change, Entry, Error, Operation, Page, Range, Snapshot, Task, Version,
};

/// Key to version (8 bytes, big-endian) and value.
const ROWS: TableDefinition<'_, &[u8], &[u8]> = TableDefinition::new("rows");
const META: TableDefinition<'_, &str, u64> = TableDefinition::new("meta");
const FORMAT: u64 = 1;
/// Batches that may become one transaction. More would only delay the first.
const GROUP_MAX: usize = 64;

/// How the embedded store is opened.
#[derive(Clone, Debug)]
pub struct Options {
    /// Bytes that redb may keep of the file in memory.
    pub cache_bytes: usize,
}

impl Default for Options {
    fn default() -> Self {
        Options { cache_bytes: 64 << 20 }
    }
}

/// A store in one file that one process has open.
pub struct Embedded {
    database: Arc<Database>,
    feed: Arc<Feed>,
    queue: Option<Mutex<Sender<Pending>>>,
    committer: Option<JoinHandle<()>>,
}

struct Pending {
    batch: Batch,
    answer: Promise<Result<Version, Error>>,
}

impl Embedded {
    /// Opens the store at `path`, making it if it is not there, readable by its owner alone.
    ///
    /// # Errors
    ///
    /// `Unavailable` if the file cannot be opened or another process has it, `Corrupt` if it is no
    /// store or has a newer format.
    pub fn open(path: &Path, options: &Options) -> Result<Self, Error> {
        let failed = |reason: String| Error::Unavailable { operation: "opening", reason };
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(path)
            .map_err(|error| failed(format!("{}: {error}", path.display())))?;
        let mut builder = Database::builder();
        builder.set_cache_size(options.cache_bytes);
        let database =
            FileBackend::new(file).map_err(|error| failed(error.to_string())).and_then(|file| {
                builder.create_with_backend(file).map_err(|error| failed(error.to_string()))
            })?;
        let version = prepare(&database)?;
        let database = Arc::new(database);
        let feed = Arc::new(Feed::starting_at(version));
        let (queue, pending) = mpsc::channel();
        let writer = Writer { database: Arc::clone(&database), feed: Arc::clone(&feed) };
        let committer = thread::Builder::new()
            .name("store".into())
            .spawn(move || writer.run(&pending))
            .map_err(|error| failed(error.to_string()))?;
        Ok(Embedded { database, feed, queue: Some(Mutex::new(queue)), committer: Some(committer) })
    }
}

/// Makes the tables, checks the format, and returns the newest version.
fn prepare(database: &Database) -> Result<Version, Error> {
    let transaction = database.begin_write().map_err(|e| unavailable("opening", e))?;
    transaction.open_table(ROWS).map_err(|e| unavailable("opening", e))?;
    let version = {
        let mut meta = transaction.open_table(META).map_err(|e| unavailable("opening", e))?;
        match number(&meta, "format")? {
            0 => {
                meta.insert("format", FORMAT).map_err(|e| unavailable("opening", e))?;
            }
            FORMAT => {}
            found => {
                return Err(Error::Corrupt {
                    what: "format of the file",
                    expected: format!("{FORMAT} or older"),
                    found: found.to_string(),
                });
            }
        }
        number(&meta, "version")?
    };
    transaction.commit().map_err(|e| unavailable("opening", e))?;
    Ok(version)
}

fn unavailable(operation: &'static str, error: impl std::fmt::Display) -> Error {
    Error::Unavailable { operation, reason: error.to_string() }
}

fn number(meta: &Table<'_, &'static str, u64>, key: &str) -> Result<u64, Error> {
    let found = meta.get(key).map_err(|e| unavailable("reading", e))?;
    Ok(found.map_or(0, |value| value.value()))
}

/// The committing thread.
struct Writer {
    database: Arc<Database>,
    feed: Arc<Feed>,
}

/// What became of a batch within its transaction.
type Verdict = Result<Version, Error>;

impl Writer {
    fn run(&self, pending: &Receiver<Pending>) {
        while let Ok(first) = pending.recv() {
            let mut group = vec![first];
            group.extend(pending.try_iter().take(GROUP_MAX - 1));
            match self.transact(&group) {
                Ok(verdicts) => self.answer(group, verdicts),
                Err(error) => {
                    for Pending { answer, .. } in group {
                        answer.keep(Err(error.clone()));
                    }
                }
            }
        }
    }

    /// Commits all batches of `group` that may be, in order.
    fn transact(&self, group: &[Pending]) -> Result<Vec<Verdict>, Error> {
        let mut transaction = self.database.begin_write().map_err(|e| unavailable("commit", e))?;
        transaction.set_quick_repair(true);
        transaction.set_durability(Durability::Immediate).map_err(|e| unavailable("commit", e))?;
        let mut verdicts = Vec::with_capacity(group.len());
        {
            let mut rows = transaction.open_table(ROWS).map_err(|e| unavailable("commit", e))?;
            let mut meta = transaction.open_table(META).map_err(|e| unavailable("commit", e))?;
            let mut version = number(&meta, "version")?;
            let mut fence = number(&meta, "fence")?;
            for Pending { batch, .. } in group {
                let verdict = admit(batch, fence, &rows)?.map(|()| version + 1);
                if let Ok(next) = verdict {
                    (version, fence) = (next, batch.fence);
                    apply(batch, version, &mut rows)?;
                }
                verdicts.push(verdict);
            }
            meta.insert("version", version).map_err(|e| unavailable("commit", e))?;
            meta.insert("fence", fence).map_err(|e| unavailable("commit", e))?;
        }
        if verdicts.iter().any(Result::is_ok) {
            transaction.commit().map_err(|e| unavailable("commit", e))?;
        } else {
            transaction.abort().map_err(|e| unavailable("commit", e))?;
        }
        Ok(verdicts)
    }

    fn answer(&self, group: Vec<Pending>, verdicts: Vec<Verdict>) {
        for (Pending { batch, answer }, verdict) in group.into_iter().zip(verdicts) {
            if let Ok(version) = verdict {
                self.feed.publish(version, &batch.operations);
            }
            answer.keep(verdict);
        }
    }
}

/// Checks fence and preconditions. The outer error is the store's, the inner one the batch's.
fn admit(
    batch: &Batch,
    newest: u64,
    rows: &Table<'_, &'static [u8], &'static [u8]>,
) -> Result<Result<(), Error>, Error> {
    if batch.fence < newest {
        return Ok(Err(Error::Fenced { found: batch.fence, newest }));
    }
    for wanted in &batch.preconditions {
        let row = rows.get(wanted.key.as_slice()).map_err(|e| unavailable("reading", e))?;
        let found = row.map(|row| entry(row.value())).transpose()?.map(|entry| entry.version);
        if found != wanted.version {
            let key = shown(&wanted.key);
            return Ok(Err(Error::Conflict { key, expected: wanted.version, found }));
        }
    }
    Ok(Ok(()))
}

fn apply(
    batch: &Batch,
    version: Version,
    rows: &mut Table<'_, &'static [u8], &'static [u8]>,
) -> Result<(), Error> {
    let mut stored = Vec::new();
    for operation in &batch.operations {
        match operation {
            Operation::Put(key, value) => {
                stored.clear();
                stored.extend_from_slice(&version.to_be_bytes());
                stored.extend_from_slice(value);
                let done = rows.insert(key.as_slice(), stored.as_slice());
                done.map_err(|e| unavailable("commit", e))?;
            }
            Operation::Delete(key) => {
                rows.remove(key.as_slice()).map_err(|e| unavailable("commit", e))?;
            }
        }
    }
    Ok(())
}

fn entry(stored: &[u8]) -> Result<Entry, Error> {
    let Some((version, value)) = stored.split_first_chunk() else {
        return Err(Error::Corrupt {
            what: "a row",
            expected: "at least 8 bytes".into(),
            found: stored.len().to_string(),
        });
    };
    Ok(Entry { version: u64::from_be_bytes(*version), value: value.to_vec() })
}

impl std::fmt::Debug for Embedded {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Embedded(redb)")
    }
}

impl Drop for Embedded {
    fn drop(&mut self) {
        self.queue = None;
        if let Some(committer) = self.committer.take() {
            // A panic of the committer has been answered by its broken promises.
            let _ = committer.join();
        }
    }
}

impl Backend for Embedded {
    fn kind(&self) -> &'static str {
        "redb"
    }

    fn snapshot(&self) -> Task<'_, Result<Arc<dyn Snapshot>, Error>> {
        let view = || {
            let transaction = self.database.begin_read().map_err(|e| unavailable("reading", e))?;
            let rows = transaction.open_table(ROWS).map_err(|e| unavailable("reading", e))?;
            let meta = transaction.open_table(META).map_err(|e| unavailable("reading", e))?;
            let version = meta.get("version").map_err(|e| unavailable("reading", e))?;
            let version = version.map_or(0, |value| value.value());
            Ok(Arc::new(View { rows, version }) as Arc<dyn Snapshot>)
        };
        Task::ready(view())
    }

    fn commit(&self, batch: Batch) -> Task<'_, Result<Version, Error>> {
        if let Err(error) = batch.check() {
            return Task::ready(Err(error));
        }
        let stopped = || Error::Unavailable {
            operation: "commit",
            reason: "the committing thread has ended".into(),
        };
        let (answer, task) = promise();
        let Some(queue) = &self.queue else { return Task::ready(Err(stopped())) };
        let queue = queue.lock().unwrap_or_else(PoisonError::into_inner);
        if queue.send(Pending { batch, answer }).is_err() {
            return Task::ready(Err(stopped()));
        }
        Task::waiting(async move { task.await.unwrap_or_else(|| Err(stopped())) })
    }

    fn changes(&self, after: Version) -> Task<'_, Result<Vec<Change>, Error>> {
        self.feed.after(after)
    }
}

struct View {
    rows: ReadOnlyTable<&'static [u8], &'static [u8]>,
    version: Version,
}

impl View {
    fn page(&self, range: &Range, limit: usize) -> Result<Page, Error> {
        let mut page = Page::default();
        if range.is_empty() {
            return Ok(page);
        }
        let rows = self.rows.range::<&[u8]>(range.bounds());
        for row in rows.map_err(|e| unavailable("reading", e))? {
            let (key, value) = row.map_err(|e| unavailable("reading", e))?;
            if page.rows.len() == limit {
                page.next = Some(key.value().to_vec());
                break;
            }
            page.rows.push((key.value().to_vec(), entry(value.value())?));
        }
        Ok(page)
    }
}

impl Snapshot for View {
    fn version(&self) -> Version {
        self.version
    }

    fn get<'a>(&'a self, key: &'a [u8]) -> Task<'a, Result<Option<Entry>, Error>> {
        let row = self.rows.get(key).map_err(|e| unavailable("reading", e));
        Task::ready(row.and_then(|row| row.map(|row| entry(row.value())).transpose()))
    }

    fn scan<'a>(&'a self, range: &'a Range, limit: usize) -> Task<'a, Result<Page, Error>> {
        Task::ready(self.page(range, limit))
    }
}
