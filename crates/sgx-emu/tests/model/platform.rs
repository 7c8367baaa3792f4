//! Platforms and their store.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;
use std::sync::LazyLock;
use std::thread;

use proptest::prelude::*;
use sgx_emu::model::platform::{DEFAULT_CPUSVN, Platform, PlatformError, PlatformStore, SIM_FMSPC};
use sgx_emu::model::report_key;
use sgx_types::TargetInfo;

use crate::bench::platform;

fn store(parent: &Path) -> PlatformStore {
    PlatformStore::new(parent.join("platforms"))
}

/// Something only a platform with the same fuses would answer.
fn fingerprint(platform: &Platform) -> [u8; 16] {
    report_key(platform, &TargetInfo::default(), &[0; 32])
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o7777
}

#[test]
fn platform_is_made_on_first_use_and_found_again() {
    let parent = tempfile::tempdir().unwrap();
    let store = store(parent.path());
    assert!(matches!(store.open("default"), Err(PlatformError::Unknown { .. })));
    let made = store.open_or_create("default").unwrap();
    let found = store.open_or_create("default").unwrap();
    assert_eq!(made.info(), found.info());
    assert_eq!(fingerprint(&made), fingerprint(&found));
    assert_eq!((made.info().fmspc, made.info().cpusvn), (SIM_FMSPC, DEFAULT_CPUSVN));
    assert_eq!(mode(store.root()), 0o700);
    assert_eq!(mode(&store.root().join("default.platform")), 0o600);
    assert_eq!(fs::read_dir(store.root()).unwrap().count(), 1, "no draft is left");
}

#[test]
fn names_keep_platforms_apart() {
    let parent = tempfile::tempdir().unwrap();
    let store = store(parent.path());
    let (a, b) = (store.open_or_create("a").unwrap(), store.open_or_create("b").unwrap());
    assert_ne!(a.info().ppid, b.info().ppid);
    assert_ne!(fingerprint(&a), fingerprint(&b));
    assert_eq!(store.names().unwrap(), ["a", "b"]);
}

#[test]
fn names_that_are_no_file_names_are_refused() {
    let parent = tempfile::tempdir().unwrap();
    let store = store(parent.path());
    for name in ["", ".", "..", "a/b", "../a", "a b", "a\0", &"x".repeat(65)] {
        let result = store.open_or_create(name);
        assert!(matches!(result, Err(PlatformError::Name { .. })), "{name:?}");
    }
}

#[test]
fn processes_that_start_together_agree() {
    let parent = tempfile::tempdir().unwrap();
    let store = store(parent.path());
    let prints: Vec<_> = thread::scope(|scope| {
        let open = || fingerprint(&store.open_or_create("default").unwrap());
        let threads: Vec<_> = (0..8).map(|_| scope.spawn(open)).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    assert!(prints.iter().all(|print| *print == prints[0]));
}

#[test]
fn wider_modes_are_refused_with_the_command_that_helps() {
    let parent = tempfile::tempdir().unwrap();
    let store = store(parent.path());
    store.open_or_create("default").unwrap();
    let file = store.root().join("default.platform");

    fs::set_permissions(&file, Permissions::from_mode(0o640)).unwrap();
    let error = store.open("default").unwrap_err();
    let text = format!(
        "{0} holds secrets of emulated platforms: expected mode 0600 or less, found 0640; \
         run: chmod 0600 {0}",
        file.display()
    );
    assert_eq!(error.to_string(), text);
    fs::set_permissions(&file, Permissions::from_mode(0o600)).unwrap();

    fs::set_permissions(store.root(), Permissions::from_mode(0o755)).unwrap();
    for result in [store.open("default"), store.open_or_create("new")] {
        assert!(matches!(result, Err(PlatformError::Mode { found: 0o755, .. })), "{result:?}");
    }
    fs::set_permissions(store.root(), Permissions::from_mode(0o700)).unwrap();
    assert!(store.open("default").is_ok());
}

#[test]
fn link_in_place_of_the_directory_is_refused() {
    let parent = tempfile::tempdir().unwrap();
    let real = parent.path().join("real");
    PlatformStore::new(&real).open_or_create("default").unwrap();
    symlink(&real, parent.path().join("platforms")).unwrap();
    let result = store(parent.path()).open("default");
    assert!(matches!(result, Err(PlatformError::Foreign { kind: "directory", .. })));
}

#[test]
fn older_platform_shares_fuses_and_identifiers() {
    let parent = tempfile::tempdir().unwrap();
    let store = store(parent.path());
    let now = store.open_or_create("default").unwrap();
    let old = now.older("outdated", [0; 16], 1).unwrap();
    store.save(&old).unwrap();
    let loaded = store.open("outdated").unwrap();
    assert_eq!(loaded.info(), old.info());
    assert_eq!(loaded.info().ppid, now.info().ppid);
    assert_eq!((loaded.info().cpusvn, loaded.info().pcesvn), ([0; 16], 1));
    assert!(now.covers(&loaded.cpusvn()) && !loaded.covers(&now.cpusvn()));
}

#[test]
fn older_platform_cannot_be_newer() {
    let now = platform(1);
    let mut mixed = [0; 16];
    mixed[15] = 1;
    assert!(now.older("x", mixed, 0).is_err(), "one component beyond");
    assert!(now.older("x", [0; 16], now.info().pcesvn + 1).is_err(), "PCESVN beyond");
}

#[test]
fn taken_name_is_not_overwritten() {
    let parent = tempfile::tempdir().unwrap();
    let store = store(parent.path());
    let first = store.open_or_create("test").unwrap();
    assert!(matches!(store.save(&platform(9)), Err(PlatformError::Exists { .. })));
    assert_eq!(fingerprint(&store.open("test").unwrap()), fingerprint(&first));
}

#[test]
fn secrets_do_not_show_in_debug() {
    let shown = format!("{:?}", platform(0xab));
    assert!(shown.contains("redacted") && !shown.contains("root_seal_key: [1"), "{shown}");
}

/// Writes bytes as a platform file and loads it.
fn load(bytes: &[u8]) -> Result<Platform, String> {
    let root = tempfile::tempdir().unwrap();
    fs::set_permissions(root.path(), Permissions::from_mode(0o700)).unwrap();
    let file = root.path().join("default.platform");
    fs::write(&file, bytes).unwrap();
    fs::set_permissions(&file, Permissions::from_mode(0o600)).unwrap();
    PlatformStore::new(root.path()).open("default").map_err(|error| match error {
        PlatformError::Malformed { source, .. } => source.to_string(),
        other => panic!("{other}"),
    })
}

static WHOLE_FILE: LazyLock<String> = LazyLock::new(|| {
    let parent = tempfile::tempdir().unwrap();
    let store = store(parent.path());
    store.open_or_create("x").unwrap();
    fs::read_to_string(store.root().join("x.platform")).unwrap()
});

#[test]
fn damaged_files_are_refused_by_line() {
    let text = &*WHOLE_FILE;
    assert!(load(text.as_bytes()).is_ok());
    let without_last = text.trim_end().rsplit_once('\n').unwrap().0;
    let cases = [
        (String::new(), "expected the first line"),
        (text.replace("platform 1", "platform 2"), "expected the first line"),
        (without_last.to_owned(), "field platform_instance_id is missing"),
        (format!("{text}ppid = 00\n"), "line 13: expected"),
        (format!("{text}pceid = 0000\n"), "line 13: field pceid was given before"),
        (format!("{text}color = 00\n"), "line 13: expected"),
        (text.replace("pceid = 0000", "pceid = 00zz"), "expected \"name = hex\""),
        ("x".repeat(5000), "expected text of at most 4096 bytes"),
    ];
    for (bytes, expected) in cases {
        let error = load(bytes.as_bytes()).unwrap_err();
        assert!(error.contains(expected), "{error} / {expected}");
    }
    assert!(load(&[0xff, 0xfe]).is_err());
}

proptest! {
    #[test]
    fn any_bytes_load_or_are_refused(bytes in proptest::collection::vec(any::<u8>(), 0..600)) {
        let _ = load(&bytes);
    }

    #[test]
    fn any_change_of_a_byte_loads_or_is_refused(at in 0usize..600, byte in any::<u8>()) {
        let mut bytes = WHOLE_FILE.clone().into_bytes();
        let at = at % bytes.len();
        bytes[at] = byte;
        let _ = load(&bytes);
    }
}
