//! From a path to what it names: `path_resolution(7)`.

use alloc::{collections::VecDeque, vec::Vec};

use super::location::Location;
use crate::{
    errno::{Errno, Result},
    host,
    linux::{
        fcntl::{NAME_MAX, PATH_MAX, SYMLOOP_MAX},
        stat::{S_IFDIR, S_IFLNK},
    },
    log,
};

/// What to do when the last component is a symbolic link.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Last {
    Follow,
    NoFollow,
}

/// A path's parent directory and last component, for calls that make or remove names.
#[derive(Debug)]
pub(crate) struct Parent {
    pub(crate) directory: Location,
    pub(crate) name: Vec<u8>,
    /// The path ended in `/`: the name must be a directory.
    pub(crate) trailing_slash: bool,
}

impl Parent {
    /// What the name is now.
    pub(crate) fn lookup(&self) -> Result<Location> {
        step(&self.directory, &self.name, &VecDeque::new())
    }
}

/// Resolves `path` from `start`, which a relative path begins at.
pub(crate) fn resolve(
    root: &Location,
    start: &Location,
    path: &[u8],
    last: Last,
) -> Result<Location> {
    let mut walk = Walk::new(root, start, path)?;
    while let Some(name) = walk.rest.pop_front() {
        let is_last = walk.rest.is_empty();
        let next = step(&walk.at, &name, &walk.rest)?;
        let follow = !is_last || last == Last::Follow || walk.trailing_slash;
        if follow && next.inode().file_type() == S_IFLNK {
            walk.follow(&next)?;
        } else {
            walk.at = next;
        }
    }
    if walk.trailing_slash {
        require_directory(&walk.at)?;
    }
    Ok(walk.at)
}

/// Resolves all of `path` but its last component.
///
/// # Errors
/// EEXIST, EBUSY or EINVAL become the caller's business: a path without a last name (`/`, `.`, `..`) has
/// an empty name here for `/` and the dots themselves otherwise.
pub(crate) fn resolve_parent(root: &Location, start: &Location, path: &[u8]) -> Result<Parent> {
    let mut walk = Walk::new(root, start, path)?;
    let trailing_slash = walk.trailing_slash;
    loop {
        let Some(name) = walk.rest.pop_front() else {
            return Ok(Parent { directory: walk.at, name: Vec::new(), trailing_slash });
        };
        if walk.rest.is_empty() {
            require_directory(&walk.at)?;
            return Ok(Parent { directory: walk.at, name, trailing_slash });
        }
        let next = step(&walk.at, &name, &walk.rest)?;
        if next.inode().file_type() == S_IFLNK {
            walk.follow(&next)?;
        } else {
            walk.at = next;
        }
    }
}

/// For `open(O_CREAT)`: resolves like [`resolve_parent`], but follows a last symbolic link to where the file
/// would be made.
pub(crate) fn resolve_create(root: &Location, start: &Location, path: &[u8]) -> Result<Parent> {
    let mut parent = resolve_parent(root, start, path)?;
    for _ in 0..SYMLOOP_MAX {
        if parent.name.is_empty() || parent.trailing_slash {
            return Ok(parent);
        }
        let Ok(found) = parent.lookup() else { return Ok(parent) };
        if found.inode().file_type() != S_IFLNK || found.inode().jump().is_some() {
            return Ok(parent);
        }
        let target = found.inode().readlink()?;
        parent = resolve_parent(root, &parent.directory, &target)?;
    }
    Err(Errno::ELOOP)
}

struct Walk<'a> {
    root: &'a Location,
    at: Location,
    rest: VecDeque<Vec<u8>>,
    trailing_slash: bool,
    links: u32,
}

impl<'a> Walk<'a> {
    fn new(root: &'a Location, start: &Location, path: &[u8]) -> Result<Self> {
        if path.is_empty() {
            return Err(Errno::ENOENT);
        }
        if path.len() >= PATH_MAX {
            return Err(Errno::ENAMETOOLONG);
        }
        let at = if path[0] == b'/' { root } else { start };
        let trailing_slash = path.ends_with(b"/");
        Ok(Self { root, at: at.clone(), rest: components(path), trailing_slash, links: 0 })
    }

    fn follow(&mut self, link: &Location) -> Result<()> {
        self.links += 1;
        if self.links > SYMLOOP_MAX {
            return Err(Errno::ELOOP);
        }
        if let Some(target) = link.inode().jump() {
            self.at = target?;
            return Ok(());
        }
        let target = link.inode().readlink()?;
        if target.is_empty() {
            return Err(Errno::ENOENT);
        }
        if target[0] == b'/' {
            self.at = self.root.clone();
        }
        if self.rest.is_empty() && target.ends_with(b"/") {
            self.trailing_slash = true;
        }
        for name in components(&target).into_iter().rev() {
            self.rest.push_front(name);
        }
        Ok(())
    }
}

fn components(path: &[u8]) -> VecDeque<Vec<u8>> {
    path.split(|&b| b == b'/').filter(|name| !name.is_empty()).map(<[u8]>::to_vec).collect()
}

fn require_directory(at: &Location) -> Result<()> {
    if at.inode().file_type() == S_IFDIR { Ok(()) } else { Err(Errno::ENOTDIR) }
}

/// Goes to a member of a directory; `rest` is what will be looked for below it.
fn step(at: &Location, name: &[u8], rest: &VecDeque<Vec<u8>>) -> Result<Location> {
    require_directory(at)?;
    match name {
        b"." => Ok(at.clone()),
        b".." => Ok(at.parent()),
        _ if name.len() > NAME_MAX => Err(Errno::ENAMETOOLONG),
        _ => match at.inode().lookup(name) {
            Ok(inode) => Ok(at.child(name, inode)),
            Err(Errno::ENOENT) => {
                if at.inode().is_closed() {
                    not_in_manifest(at, name, rest);
                }
                Err(Errno::ENOENT)
            }
            Err(other) => Err(other),
        },
    }
}

fn not_in_manifest(at: &Location, name: &[u8], rest: &VecDeque<Vec<u8>>) {
    let mut path = if at.is_root() { Vec::new() } else { at.path() };
    for name in core::iter::once(name).chain(rest.iter().map(Vec::as_slice)) {
        path.push(b'/');
        path.extend_from_slice(name);
    }
    log::not_in_manifest(&path, || host::file::stat(&path).is_ok());
}

#[cfg(test)]
mod tests {
    use alloc::{string::String, sync::Arc};

    use super::*;
    use crate::{
        fs::{
            inode::{Inode, New},
            tmpfs::Tmpfs,
        },
        process::credentials::Owner,
        testing,
    };

    fn tree() -> Location {
        let root = Tmpfs::root(1, 0o755);
        let owner = Owner::default();
        let a = root.create(b"a", New::Directory, 0o755, owner).unwrap();
        let b = a.create(b"b", New::Directory, 0o755, owner).unwrap();
        b.create(b"file", New::File, 0o644, owner).unwrap();
        let link = |name: &[u8], target: &[u8]| {
            root.create(name, New::Symlink(target.to_vec()), 0o777, owner).unwrap()
        };
        link(b"to-b", b"a/b");
        link(b"to-file", b"/a/b/file");
        link(b"up", b"to-b/..");
        link(b"loop", b"loop");
        link(b"dangling", b"a/new");
        Location::root(root as Arc<dyn Inode>)
    }

    fn check(path: &str, last: Last) -> core::result::Result<String, Errno> {
        let _machine = testing::quiet();
        let root = tree();
        let found = resolve(&root, &root, path.as_bytes(), last)?;
        Ok(String::from_utf8(found.path()).unwrap())
    }

    #[test]
    fn paths_resolve_as_on_linux() {
        for (path, want) in [
            ("/", Ok("/")),
            ("a//b/./file", Ok("/a/b/file")),
            ("a/b/..", Ok("/a")),
            ("../../a", Ok("/a")),
            ("to-b/file", Ok("/a/b/file")),
            ("to-file", Ok("/a/b/file")),
            ("up/b/file", Ok("/a/b/file")),
            ("a/", Ok("/a")),
            ("to-b/", Ok("/a/b")),
            ("a/b/file/", Err(Errno::ENOTDIR)),
            ("to-file/", Err(Errno::ENOTDIR)),
            ("a/b/file/..", Err(Errno::ENOTDIR)),
            ("a/none", Err(Errno::ENOENT)),
            ("dangling", Err(Errno::ENOENT)),
            ("loop", Err(Errno::ELOOP)),
            ("loop/x", Err(Errno::ELOOP)),
            ("", Err(Errno::ENOENT)),
        ] {
            assert_eq!(check(path, Last::Follow), want.map(String::from), "{path}");
        }
    }

    #[test]
    fn a_last_link_is_kept_when_asked() {
        assert_eq!(check("to-b", Last::NoFollow), Ok("/to-b".into()));
        assert_eq!(check("to-b/", Last::NoFollow), Ok("/a/b".into()));
        assert_eq!(check("loop", Last::NoFollow), Ok("/loop".into()));
    }

    #[test]
    fn a_long_name_or_path_is_refused() {
        assert_eq!(check(&"n".repeat(256), Last::Follow), Err(Errno::ENAMETOOLONG));
        assert_eq!(check(&"a/".repeat(2048), Last::Follow), Err(Errno::ENAMETOOLONG));
    }

    #[test]
    fn creating_through_a_dangling_link_makes_its_target() {
        let _machine = testing::quiet();
        let root = tree();
        let parent = resolve_create(&root, &root, b"dangling").unwrap();
        assert_eq!((parent.directory.path(), parent.name), (b"/a".to_vec(), b"new".to_vec()));
    }
}
