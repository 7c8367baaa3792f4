//! What every backend must do: the contract of `docs/specs/storage-trait.md`, section 1, as tests.
#![allow(clippy::unwrap_used, clippy::missing_panics_doc, reason = "a test suite panics to fail")]

use std::sync::Arc;
use std::thread;

use crate::{BATCH_BYTES_MAX, BATCH_OPERATIONS_MAX, Backend, Batch, Error, Range, Snapshot, wait};

/// Runs every test against a fresh store each, made by `make`.
pub fn all<B: Backend>(make: impl Fn() -> B) {
    reads_what_it_wrote(&make());
    versions_grow_with_commits(&make());
    limits(&make());
    preconditions(&make());
    fences(&make());
    snapshots_stay(&make());
    scans_in_order(&make());
    feeds_changes(&make());
    commits_are_atomic_to_readers(&make());
    concurrent_increments(&make());
}

fn snapshot(backend: &dyn Backend) -> Arc<dyn Snapshot> {
    wait(backend.snapshot()).unwrap()
}

fn get(backend: &dyn Backend, key: &[u8]) -> Option<Vec<u8>> {
    wait(snapshot(backend).get(key)).unwrap().map(|entry| entry.value)
}

fn keys(snapshot: &dyn Snapshot, range: &Range, limit: usize) -> Vec<Vec<u8>> {
    let page = wait(snapshot.scan(range, limit)).unwrap();
    page.rows.into_iter().map(|(key, _)| key).collect()
}

fn reads_what_it_wrote(backend: &dyn Backend) {
    assert_eq!(get(backend, b"a"), None);
    wait(backend.commit(Batch::default().put(*b"a", *b"1").put(*b"b", []))).unwrap();
    assert_eq!(get(backend, b"a").as_deref(), Some(&b"1"[..]));
    assert_eq!(get(backend, b"b").as_deref(), Some(&b""[..]), "an empty value is a value");
    wait(backend.commit(Batch::default().put(*b"a", *b"2").delete(*b"b").delete(*b"none")))
        .unwrap();
    assert_eq!(get(backend, b"a").as_deref(), Some(&b"2"[..]));
    assert_eq!(get(backend, b"b"), None);
}

fn versions_grow_with_commits(backend: &dyn Backend) {
    assert_eq!(snapshot(backend).version(), 0);
    for expected in 1..4 {
        assert_eq!(wait(backend.commit(Batch::default().put(*b"a", *b"x"))), Ok(expected));
        let snapshot = snapshot(backend);
        assert_eq!(snapshot.version(), expected);
        assert_eq!(wait(snapshot.get(b"a")).unwrap().unwrap().version, expected);
    }
    let refused = wait(backend.commit(Batch::default().expect(*b"a", None)));
    assert!(matches!(refused, Err(Error::Conflict { .. })));
    assert_eq!(wait(backend.commit(Batch::default())), Ok(4), "a refused batch takes no number");
}

fn limits(backend: &dyn Backend) {
    let many = (0..BATCH_OPERATIONS_MAX)
        .fold(Batch::default(), |batch, n| batch.put(format!("key {n}"), *b"v"));
    assert!(wait(backend.commit(many.clone())).is_ok());
    let refused = wait(backend.commit(many.clone().delete(*b"one more")));
    assert!(matches!(refused, Err(Error::TooLarge { .. })), "{refused:?}");
    let refused = wait(backend.commit(many.expect(*b"one more", None)));
    assert!(matches!(refused, Err(Error::TooLarge { .. })), "{refused:?}");
    let large = |bytes: usize| Batch::default().put(*b"k", vec![0; bytes]);
    assert!(wait(backend.commit(large(BATCH_BYTES_MAX - 1))).is_ok());
    let refused = wait(backend.commit(large(BATCH_BYTES_MAX)));
    assert!(matches!(refused, Err(Error::TooLarge { .. })), "{refused:?}");
    let refused = wait(backend.commit(Batch::default().put(vec![b'k'; 1025], [])));
    assert!(matches!(refused, Err(Error::TooLarge { .. })), "{refused:?}");
    let refused = wait(backend.commit(Batch::default().put([], [])));
    assert!(matches!(refused, Err(Error::Invalid { .. })), "{refused:?}");
    let refused = wait(backend.commit(Batch::default().put(*b"k", []).delete(*b"k")));
    assert!(matches!(refused, Err(Error::Invalid { .. })), "{refused:?}");
}

fn preconditions(backend: &dyn Backend) {
    let first =
        wait(backend.commit(Batch::default().put(*b"a", *b"1").expect(*b"a", None))).unwrap();
    let again = wait(backend.commit(Batch::default().put(*b"a", *b"2").expect(*b"a", None)));
    let conflict = |expected, found| Err(Error::Conflict { key: "a".into(), expected, found });
    assert_eq!(again, conflict(None, Some(first)));
    let good = Batch::default().put(*b"a", *b"2").expect(*b"a", Some(first));
    let second = wait(backend.commit(good.clone())).unwrap();
    let both = good.put(*b"b", *b"x");
    assert_eq!(wait(backend.commit(both)), conflict(Some(first), Some(second)));
    assert_eq!(get(backend, b"b"), None, "a refused batch changes nothing");
    wait(backend.commit(Batch::default().delete(*b"a"))).unwrap();
    let gone = wait(backend.commit(Batch::default().expect(*b"a", Some(second))));
    assert_eq!(gone, conflict(Some(second), None));
}

fn fences(backend: &dyn Backend) {
    let with = |fence| Batch { fence, ..Batch::default().put(*b"a", *b"1") };
    assert!(wait(backend.commit(with(2))).is_ok());
    assert!(wait(backend.commit(with(2))).is_ok());
    assert_eq!(wait(backend.commit(with(1))), Err(Error::Fenced { found: 1, newest: 2 }));
    assert!(wait(backend.commit(with(5))).is_ok());
    assert_eq!(wait(backend.commit(with(4))), Err(Error::Fenced { found: 4, newest: 5 }));
}

fn snapshots_stay(backend: &dyn Backend) {
    wait(backend.commit(Batch::default().put(*b"a", *b"1").put(*b"b", *b"1"))).unwrap();
    let old = snapshot(backend);
    wait(backend.commit(Batch::default().put(*b"a", *b"2").delete(*b"b").put(*b"c", *b"2")))
        .unwrap();
    let value = |key: &[u8]| wait(old.get(key)).unwrap().map(|entry| entry.value);
    assert_eq!(value(b"a").as_deref(), Some(&b"1"[..]));
    assert_eq!(value(b"b").as_deref(), Some(&b"1"[..]));
    assert_eq!(value(b"c"), None);
    assert_eq!(keys(&*old, &Range::prefix(b""), 9), [b"a", b"b"]);
    assert_eq!(keys(&*snapshot(backend), &Range::prefix(b""), 9), [b"a", b"c"]);
}

fn scans_in_order(backend: &dyn Backend) {
    let names: [&[u8]; 6] = [b"a", b"a/1", b"a/2", b"a/\xff", b"a0", b"b"];
    let batch = names.iter().rev().fold(Batch::default(), |batch, name| batch.put(*name, *b"v"));
    wait(backend.commit(batch)).unwrap();
    let snapshot = snapshot(backend);
    assert_eq!(keys(&*snapshot, &Range::prefix(b""), 9), names);
    let range = Range::prefix(b"a/");
    assert_eq!(keys(&*snapshot, &range, 9), names[1..4]);
    let page = wait(snapshot.scan(&range, 2)).unwrap();
    assert_eq!(page.rows.len(), 2);
    let cursor = page.next.expect("there is a third");
    assert_eq!(cursor, names[3]);
    let rest = range.clone().from(&cursor);
    let page = wait(snapshot.scan(&rest, 2)).unwrap();
    assert_eq!((page.rows.len(), page.next), (1, None));
    let exact = wait(snapshot.scan(&range, 3)).unwrap();
    assert_eq!((exact.rows.len(), exact.next), (3, None), "no cursor when nothing is left");
    let backward = Range { start: b"b".to_vec(), end: Some(b"a".to_vec()) };
    assert_eq!(wait(snapshot.scan(&backward, 9)).unwrap().rows.len(), 0);
}

fn feeds_changes(backend: &dyn Backend) {
    wait(backend.commit(Batch::default().put(*b"a", *b"1"))).unwrap();
    wait(backend.commit(Batch::default().put(*b"b", *b"1").delete(*b"a"))).unwrap();
    let changes = wait(backend.changes(0)).unwrap();
    let seen: Vec<_> =
        changes.iter().map(|change| (change.version, change.keys.to_vec())).collect();
    assert_eq!(seen, [(1, vec![b"a".to_vec()]), (2, vec![b"b".to_vec(), b"a".to_vec()])]);
    thread::scope(|scope| {
        let waiting = scope.spawn(|| wait(backend.changes(2)).unwrap());
        wait(backend.commit(Batch::default().put(*b"c", *b"1"))).unwrap();
        assert_eq!(waiting.join().unwrap()[0].version, 3, "a waiting reader is woken");
    });
    for _ in 0..1100 {
        wait(backend.commit(Batch::default().put(*b"d", *b"1"))).unwrap();
    }
    assert!(matches!(wait(backend.changes(1)), Err(Error::Lagged { .. })));
    assert!(wait(backend.changes(1000)).is_ok());
}

fn commits_are_atomic_to_readers(backend: &dyn Backend) {
    let pair = |n: u8| Batch::default().put(*b"x", [n]).put(*b"y", [n]);
    wait(backend.commit(pair(0))).unwrap();
    thread::scope(|scope| {
        let writer = scope.spawn(|| {
            for n in 1..100 {
                wait(backend.commit(pair(n))).unwrap();
            }
        });
        while !writer.is_finished() {
            let snapshot = snapshot(backend);
            let value = |key| wait(snapshot.get(key)).unwrap().unwrap();
            assert_eq!(value(b"x"), value(b"y"), "a snapshot shows half a commit");
        }
    });
}

/// Optimistic increments from four threads: none may be lost.
fn concurrent_increments(backend: &dyn Backend) {
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| (0..25).for_each(|_| increment(backend)));
        }
    });
    assert_eq!(get(backend, b"n"), Some(vec![100]));
}

fn increment(backend: &dyn Backend) {
    loop {
        let entry = wait(snapshot(backend).get(b"n")).unwrap();
        let (version, n) = entry.map_or((None, 0), |entry| (Some(entry.version), entry.value[0]));
        match wait(backend.commit(Batch::default().expect(*b"n", version).put(*b"n", [n + 1]))) {
            Ok(_) => return,
            Err(Error::Conflict { .. }) => {}
            Err(other) => panic!("{other}"),
        }
    }
}
