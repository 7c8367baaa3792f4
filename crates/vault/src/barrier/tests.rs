use std::collections::BTreeMap;
use std::sync::atomic::Ordering::Relaxed;

use storage::faulty::Faulty;
use storage::{Batch, Memory};

use super::*;

const STORE: [u8; 16] = [9; 16];

fn root_key() -> Secret<[u8; 32]> {
    Secret::new([3; 32])
}

fn seal_config() -> Vec<u8> {
    crate::seal::make(STORE, 1, (1, 1), &[]).unwrap().config.encode()
}

fn create(backend: Arc<dyn Backend>, freshness: Arc<dyn Freshness>) -> Barrier {
    Barrier::create(backend, freshness, STORE, &root_key(), &seal_config(), 1000).unwrap()
}

fn put(barrier: &Barrier, key: &str, content: &str) -> u64 {
    let mut transaction = Transaction::new();
    transaction.put(key, content.into());
    barrier.commit(transaction).unwrap()
}

fn get(barrier: &Barrier, key: &str) -> Option<String> {
    let row = barrier.get(key).unwrap()?;
    Some(String::from_utf8(row.content.to_vec()).unwrap())
}

/// Makes the store exactly these rows.
fn restore(store: &Memory, rows: &BTreeMap<Vec<u8>, Vec<u8>>) {
    let now = store.export();
    for key in now.keys().filter(|key| !rows.contains_key(*key)) {
        wait(store.commit(Batch::default().delete(key.as_slice()))).unwrap();
    }
    for (key, value) in rows.iter().filter(|(key, value)| now.get(*key) != Some(value)) {
        wait(store.commit(Batch::default().put(key.as_slice(), value.as_slice()))).unwrap();
    }
}

#[test]
fn keeps_rows_across_reopening() {
    let store = Memory::new();
    let barrier = create(Arc::new(store.clone()), Arc::new(NoFreshness));
    for n in 0..500 {
        put(&barrier, &format!("logical/{n}"), &format!("value {n}"));
    }
    let mut transaction = Transaction::new();
    transaction.delete("logical/7").hint(vec![1, 2]);
    barrier.commit(transaction).unwrap();
    barrier.next_sequence();
    barrier.raise_time_floor(5000);
    put(&barrier, "last", "x");
    let uses = barrier.uses();
    drop(barrier);
    let barrier =
        Barrier::open(Arc::new(store.clone()), Arc::new(NoFreshness), &root_key()).unwrap();
    assert_eq!(get(&barrier, "logical/499").as_deref(), Some("value 499"));
    assert_eq!(get(&barrier, "logical/7"), None);
    assert_eq!(barrier.keys("logical/49", "", 99).unwrap().len(), 11);
    assert_eq!(
        barrier.keys("logical/", "logical/9", 3).unwrap(),
        ["logical/9", "logical/90", "logical/91"]
    );
    assert_eq!((barrier.sequence(), barrier.time_floor_ms(), barrier.uses()), (1, 5000, uses));
    assert!(store.export().contains_key(&[1_u8, 2][..]), "hints are rows without content");
    assert!(uses > 1000, "every encryption is counted: {uses}");
    let refused = Barrier::open(Arc::new(store), Arc::new(NoFreshness), &Secret::new([4; 32]));
    assert!(matches!(refused, Err(Error::Tampered { .. })));
}

#[test]
fn preconditions_and_limits() {
    let barrier = create(Arc::new(Memory::new()), Arc::new(NoFreshness));
    let first = put(&barrier, "a", "1");
    let mut transaction = Transaction::new();
    transaction.put("a", b"2".to_vec()).expect("a", Expect::Absent);
    assert!(
        matches!(barrier.commit(transaction.clone()), Err(Error::Conflict { key }) if key == "a")
    );
    transaction.expect.clear();
    transaction.expect("a", Expect::Version(first));
    barrier.commit(transaction.clone()).unwrap();
    assert!(barrier.commit(transaction).is_err());
    let mut large = Transaction::new();
    large.put("large", vec![0; 1 << 20]);
    assert!(matches!(barrier.commit(large), Err(Error::TooLarge { .. })));
    let mut many = Transaction::new();
    for n in 0..130 {
        many.put(format!("{n}"), Vec::new());
    }
    assert!(matches!(barrier.commit(many), Err(Error::TooLarge { .. })));
    assert_eq!(get(&barrier, "0"), None);
}

#[test]
fn many_writers_share_commits_and_lose_nothing() {
    let store = Memory::new();
    let barrier = create(Arc::new(Faulty::new(store, 5)), Arc::new(NoFreshness));
    std::thread::scope(|scope| {
        for thread in 0..8 {
            let barrier = &barrier;
            scope.spawn(move || {
                for n in 0..50 {
                    put(barrier, &format!("{thread}/{n}"), "x");
                    assert!(
                        get(barrier, &format!("{thread}/{n}")).is_some(),
                        "reads its own write"
                    );
                }
            });
        }
    });
    for thread in 0..8 {
        assert_eq!(barrier.keys(&format!("{thread}/"), "", 99).unwrap().len(), 50);
    }
}

/// Every row of the store, one at a time, deleted and replaced by every older version of itself,
/// under the running barrier and under one that opens afterwards.
#[test]
fn every_deleted_or_replayed_row_is_found() {
    let store = Memory::new();
    let barrier = create(Arc::new(store.clone()), Arc::new(NoFreshness));
    let mut history = vec![store.export()];
    for n in 0..150 {
        put(&barrier, &format!("k{}", n % 140), &format!("{n}"));
        history.push(store.export());
    }
    let rotated_key = root_key();
    barrier.rotate(&rotated_key, 2000).unwrap();
    put(&barrier, "k0", "after");
    drop(barrier);
    let good = store.export();
    let expected: Vec<_> = (0..140).map(|n| format!("k{n}")).collect();
    let check = |what: String| {
        let backend = Arc::new(store.clone());
        let Ok(barrier) = Barrier::open(backend, Arc::new(NoFreshness), &root_key()) else {
            return;
        };
        for key in &expected {
            match barrier.get(key) {
                Err(Error::Tampered { .. }) => return,
                Err(other) => panic!("{what}: {other}"),
                Ok(None) => panic!("{what}: {key} is said to be absent"),
                Ok(Some(_)) => {}
            }
        }
        panic!("{what}: nobody noticed");
    };
    for (key, value) in &good {
        let mut rows = good.clone();
        rows.remove(key);
        restore(&store, &rows);
        check(format!("deleted {}", shown(key)));
        let mut older: Vec<&Vec<u8>> = history.iter().filter_map(|rows| rows.get(key)).collect();
        older.retain(|older| *older != value);
        older.dedup();
        for older in older {
            rows.insert(key.clone(), older.clone());
            restore(&store, &rows);
            check(format!("replayed {}", shown(key)));
        }
    }
}

#[test]
fn the_running_barrier_notices_too() {
    let store = Memory::new();
    let barrier = create(Arc::new(store.clone()), Arc::new(NoFreshness));
    put(&barrier, "a", "old");
    let old = store.export();
    put(&barrier, "a", "new");
    put(&barrier, "b", "x");
    wait(store.commit(Batch::default().put(*b"a", old[&b"a"[..]].as_slice()))).unwrap();
    put(&barrier, "c", "takes a new snapshot");
    assert!(matches!(barrier.get("a"), Err(Error::Tampered { .. })));
    assert_eq!(get(&barrier, "b").as_deref(), Some("x"));
    wait(store.commit(Batch::default().put(ROOT, old[ROOT.as_bytes()].as_slice()))).unwrap();
    let mut transaction = Transaction::new();
    transaction.put("d", Vec::new());
    assert!(barrier.commit(transaction.clone()).is_err(), "somebody else wrote the root record");
    assert!(matches!(barrier.commit(transaction), Err(Error::Closed)));
}

#[test]
fn a_witness_detects_a_rollback_of_everything() {
    let directory = tempfile::tempdir().unwrap();
    let witness = || Arc::new(FileWitness::new(directory.path().join("witness")));
    let store = Memory::new();
    let barrier = create(Arc::new(store.clone()), witness());
    put(&barrier, "a", "1");
    let old = store.export();
    put(&barrier, "a", "2");
    drop(barrier);
    let open = || Barrier::open(Arc::new(store.clone()), witness(), &root_key());
    assert_eq!(get(&open().unwrap(), "a").as_deref(), Some("2"));
    restore(&store, &old);
    assert!(matches!(open(), Err(Error::RolledBack { found: 2, witnessed: 3 })));
    // A fork: the same epoch, another content.
    let forked =
        Barrier::open(Arc::new(store.clone()), Arc::new(NoFreshness), &root_key()).unwrap();
    put(&forked, "a", "other");
    drop(forked);
    assert!(matches!(open(), Err(Error::RolledBack { found: 3, witnessed: 3 })));
    std::fs::write(directory.path().join("witness"), "nonsense").unwrap();
    assert!(matches!(open(), Err(Error::Freshness(_))));
}

#[test]
fn failed_commits_are_told_from_those_that_happened() {
    let store = Memory::new();
    let faulty = Arc::new(Faulty::new(store.clone(), 11));
    let barrier = create(Arc::clone(&faulty) as Arc<dyn Backend>, Arc::new(NoFreshness));
    faulty.fail_before_one_in.store(4, Relaxed);
    faulty.fail_after_one_in.store(4, Relaxed);
    let mut failures = 0;
    for n in 0..200 {
        let mut transaction = Transaction::new();
        transaction.put("n", n.to_string().into_bytes());
        match barrier.commit(transaction) {
            Ok(_) => assert_eq!(get(&barrier, "n"), Some(n.to_string())),
            Err(Error::Storage(_)) => {
                failures += 1;
                assert_ne!(get(&barrier, "n"), Some(n.to_string()), "answered as failed");
            }
            Err(other) => panic!("{other}"),
        }
    }
    assert!(failures > 10, "{failures}");
}

#[test]
fn rekeying_shuts_the_old_root_key_out() {
    let store = Memory::new();
    let barrier = create(Arc::new(store.clone()), Arc::new(NoFreshness));
    put(&barrier, "a", "1");
    let before = store.export();
    let (old, new) = (root_key(), Secret::new([8; 32]));
    barrier.rekey(&new, seal_config(), 3000).unwrap();
    assert_eq!(barrier.ring().active_term(), (2, 3000));
    assert_eq!(get(&barrier, "a").as_deref(), Some("1"), "old terms decrypt");
    drop(barrier);
    let open = |key| Barrier::open(Arc::new(store.clone()), Arc::new(NoFreshness), key);
    assert!(open(&old).is_err());
    assert_eq!(get(&open(&new).unwrap(), "a").as_deref(), Some("1"));
    // Old seal configuration and old key ring beside the current rows.
    for key in [SEAL, KEY_RING] {
        let value = before[key.as_bytes()].as_slice();
        wait(store.commit(Batch::default().put(key, value))).unwrap();
    }
    assert!(open(&old).is_err());
}

#[test]
fn rotation_is_due_by_use_and_by_age() {
    let barrier = create(Arc::new(Memory::new()), Arc::new(NoFreshness));
    assert!(!barrier.is_rotation_due(1000));
    let rotate = RotateConfig { max_operations: 50, interval_ms: 10_000, enabled: true };
    barrier.configure_rotation(&root_key(), rotate).unwrap();
    assert!(!barrier.is_rotation_due(10_999));
    assert!(barrier.is_rotation_due(11_000));
    for n in 0..30 {
        put(&barrier, &n.to_string(), "x");
    }
    assert!(barrier.is_rotation_due(1000));
    barrier.rotate(&root_key(), 11_000).unwrap();
    assert!(!barrier.is_rotation_due(11_001));
    assert!(barrier.uses() < 5);
}
