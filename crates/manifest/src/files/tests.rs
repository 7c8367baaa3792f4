use alloc::vec;

use super::*;

fn map(entries: &[(&str, Kind)]) -> FileMap {
    let entry = |(path, kind): &(&str, Kind)| Entry { path: (*path).into(), kind: kind.clone() };
    FileMap::new(entries.iter().map(entry).collect()).unwrap()
}

fn trusted(size: u64) -> Kind {
    Kind::Trusted { host: "h".into(), size, mode: 0o644, root: [0; 32] }
}

fn passthrough() -> Kind {
    Kind::Passthrough { host: "/".into(), writable: false, record: false }
}

#[test]
fn the_longest_entry_wins() {
    let map = map(&[
        ("/", passthrough()),
        ("/bin/sh", trusted(1)),
        ("/tmp", Kind::Tmpfs { mode: 0o1777, size_max: 1 }),
        ("/usr", Kind::Directory { mode: 0o755 }),
    ]);
    assert!(matches!(map.find(b"/bin/sh"), Found::Entry(e) if e.kind == trusted(1)));
    let inside = |path: &[u8]| match map.find(path) {
        Found::Inside { mount, rest } => (mount.path.clone(), path[rest..].to_vec()),
        other => panic!("{other:?}"),
    };
    assert_eq!(inside(b"/etc/hosts"), (b"/".to_vec(), b"etc/hosts".to_vec()));
    assert_eq!(inside(b"/tmp/a/b"), (b"/tmp".to_vec(), b"a/b".to_vec()));
    assert_eq!(map.find(b"/usr/lib"), Found::Nothing, "a read-only directory hides the mount");
    assert_eq!(map.find(b"/bin/sh/x"), Found::Nothing, "a file has no members");
}

#[test]
fn directories_on_the_way_are_implied() {
    let map = map(&[("/usr/lib/libc.so", trusted(1)), ("/usr-local", trusted(1))]);
    assert_eq!(map.find(b"/"), Found::ImpliedDirectory);
    assert_eq!(map.find(b"/usr/lib"), Found::ImpliedDirectory);
    assert_eq!(map.find(b"/us"), Found::Nothing);
    let below: Vec<_> = map.below(b"/usr").map(|e| e.path.as_slice()).collect();
    assert_eq!(below, [b"/usr/lib/libc.so"]);
}

#[test]
fn trees_follow_one_another_in_the_maps_order() {
    let leaf = crate::LEAF_SIZE;
    let map = map(&[("/c", trusted(leaf + 1)), ("/a", trusted(3 * leaf)), ("/b", trusted(leaf))]);
    // /b is one leaf, which needs no tree.
    let offsets: Vec<_> = map.tree_offsets().collect();
    assert_eq!(offsets, [(&b"/a"[..], 0), (&b"/c"[..], 96)]);
}

#[test]
fn a_path_twice_or_misspelt_is_refused_by_name() {
    let entry = |path: &str| Entry { path: path.into(), kind: trusted(1) };
    let twice = FileMap::new(vec![entry("/a"), entry("/b"), entry("/a")]).unwrap_err();
    assert_eq!(alloc::format!("{twice}"), "manifest names /a more than once");
    assert!(FileMap::new(vec![entry("/a/../b")]).is_err());
    let link = Kind::Symlink { target: Vec::new() };
    assert!(FileMap::new(vec![Entry { path: "/l".into(), kind: link }]).is_err());
}

#[test]
fn links_are_followed_in_every_component() {
    let link = |path: &str, target: &str| Entry {
        path: path.into(),
        kind: Kind::Symlink { target: target.into() },
    };
    let trusted = Kind::Trusted { host: "x".into(), size: 1, mode: 0o755, root: [0; 32] };
    let map = FileMap::new(alloc::vec![
        Entry { path: b"/usr/bin/real".to_vec(), kind: trusted },
        link("/bin", "usr/bin"),
        link("/usr/bin/sh", "real"),
        link("/sbin", "/bin/../bin"),
        link("/a", "b"),
        link("/b", "a"),
    ])
    .unwrap();
    for path in ["/usr/bin/real", "/bin/sh", "/sbin/sh", "/bin/./sh"] {
        let found = map.follow(path.as_bytes()).map(|entry| entry.path.as_slice());
        assert_eq!(found, Some(&b"/usr/bin/real"[..]), "{path}");
    }
    for path in ["/a", "/bin/none", "/usr", "/"] {
        assert_eq!(map.follow(path.as_bytes()), None, "{path}");
    }
}
