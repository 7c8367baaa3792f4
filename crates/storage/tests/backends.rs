//! Every backend through the conformance suite, and what the embedded one promises of its file.
#![allow(clippy::unwrap_used, reason = "tests panic to fail")]
use std::os::unix::fs::PermissionsExt as _;
use std::sync::atomic::Ordering;

use storage::faulty::Faulty;
use storage::{Backend, Batch, Embedded, Error, Memory, Options, conformance, wait};

/// An embedded store whose directory goes with it.
#[derive(Debug)]
struct Temporary(Embedded, #[allow(dead_code, reason = "removed when dropped")] tempfile::TempDir);

impl Temporary {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let store = Embedded::open(&directory.path().join("store"), &Options::default()).unwrap();
        Temporary(store, directory)
    }
}

impl Backend for Temporary {
    fn kind(&self) -> &'static str {
        self.0.kind()
    }
    fn snapshot(&self) -> storage::Task<'_, Result<std::sync::Arc<dyn storage::Snapshot>, Error>> {
        self.0.snapshot()
    }
    fn commit(&self, batch: Batch) -> storage::Task<'_, Result<storage::Version, Error>> {
        self.0.commit(batch)
    }
    fn changes(
        &self,
        after: storage::Version,
    ) -> storage::Task<'_, Result<Vec<storage::Change>, Error>> {
        self.0.changes(after)
    }
}

#[test]
fn memory_conforms() {
    conformance::all(Memory::new);
}

#[test]
fn embedded_conforms() {
    conformance::all(Temporary::new);
}

#[test]
fn slow_backends_conform() {
    conformance::all(|| Faulty::new(Memory::new(), 1));
    conformance::all(|| Faulty::new(Temporary::new(), 2));
}

#[test]
fn a_commit_that_failed_happened_whole_or_not_at_all() {
    let store = Faulty::new(Memory::new(), 3);
    store.fail_before_one_in.store(3, Ordering::Relaxed);
    store.fail_after_one_in.store(3, Ordering::Relaxed);
    let mut failures = 0;
    for n in 0..200_u8 {
        let before = store.inner().export();
        let batch = Batch::default().put(*b"a", [n]).put(*b"b", [n]);
        match wait(store.commit(batch)) {
            Ok(_) => assert_eq!(store.inner().export()[&b"a"[..]], [n]),
            Err(Error::Unavailable { .. }) => {
                failures += 1;
                let after = store.inner().export();
                assert!(after == before || after[&b"a"[..]] == [n], "half a commit");
            }
            Err(other) => panic!("{other}"),
        }
        let rows = store.inner().export();
        assert_eq!(rows.get(&b"a"[..]), rows.get(&b"b"[..]));
    }
    assert!(failures > 50, "{failures} faults in 200 commits");
}

#[test]
fn the_file_survives_reopening_and_is_its_owners_alone() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("store");
    let open = || Embedded::open(&path, &Options::default()).unwrap();
    let store = open();
    wait(store.commit(Batch { fence: 4, ..Batch::default().put(*b"a", *b"1") })).unwrap();
    assert!(
        matches!(Embedded::open(&path, &Options::default()), Err(Error::Unavailable { .. })),
        "one process has it"
    );
    drop(store);
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    let store = open();
    let snapshot = wait(store.snapshot()).unwrap();
    assert_eq!(snapshot.version(), 1);
    assert_eq!(wait(snapshot.get(b"a")).unwrap().unwrap().value, b"1");
    let refused = wait(store.commit(Batch::default()));
    assert_eq!(refused, Err(Error::Fenced { found: 0, newest: 4 }), "the fence is durable");
    assert!(matches!(wait(store.changes(0)), Err(Error::Lagged { .. })));
}

#[test]
fn no_store_and_newer_formats_are_refused() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("store");
    std::fs::write(&path, b"this is a text file, and not a short one either").unwrap();
    assert!(Embedded::open(&path, &Options::default()).is_err());
    let newer = directory.path().join("newer");
    drop(Embedded::open(&newer, &Options::default()).unwrap());
    let database = redb::Database::open(&newer).unwrap();
    let transaction = database.begin_write().unwrap();
    let meta: redb::TableDefinition<'_, &str, u64> = redb::TableDefinition::new("meta");
    transaction.open_table(meta).unwrap().insert("format", 2).unwrap();
    transaction.commit().unwrap();
    drop(database);
    let error = Embedded::open(&newer, &Options::default()).unwrap_err();
    assert_eq!(
        error.to_string(),
        "the store is unusable: format of the file, expected 1 or older, found 2"
    );
}

#[test]
fn waiting_batches_share_a_flush() {
    let store = Temporary::new();
    let tasks: Vec<_> =
        (0..50).map(|n| store.commit(Batch::default().put(format!("{n}"), *b"v"))).collect();
    let versions: Vec<_> = tasks.into_iter().map(|task| wait(task).unwrap()).collect();
    assert_eq!(versions, (1..=50).collect::<Vec<_>>(), "in the order they came");
}
