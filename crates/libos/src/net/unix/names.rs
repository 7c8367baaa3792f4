//! Names of UNIX sockets: paths and the abstract names of `unix(7)`.

use alloc::{
    collections::BTreeMap,
    format,
    sync::{Arc, Weak},
    vec::Vec,
};

use super::UnixSocket;
use crate::{
    errno::{Errno, Result},
    fs::{inode::New, path, tmpfs},
    linux::{fcntl::W_OK, socket::AF_UNIX, stat::S_IFSOCK, u16_at},
    process::thread::Thread,
    sync::Mutex,
};

/// Longest path with its NUL.
const PATH_SIZE: usize = 108;

/// An address as a program gives it.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Address {
    Unnamed,
    Abstract(Vec<u8>),
    Path(Vec<u8>),
}

impl Address {
    /// From a `struct sockaddr_un`.
    pub(super) fn parse(bytes: &[u8]) -> Result<Self> {
        if u16_at(bytes, 0) != Some(AF_UNIX) || bytes.len() > 2 + PATH_SIZE {
            return Err(Errno::EINVAL);
        }
        let name = bytes.get(2..).unwrap_or_default();
        Ok(match name.first() {
            None => Self::Unnamed,
            Some(0) => Self::Abstract(name[1..].to_vec()),
            Some(_) => Self::Path(name.split(|&b| b == 0).next().unwrap_or_default().to_vec()),
        })
    }

    /// As `getsockname(2)` tells it.
    fn to_bytes(&self) -> Vec<u8> {
        let family = AF_UNIX.to_le_bytes();
        match self {
            Self::Unnamed => family.to_vec(),
            Self::Abstract(name) => [&family, b"\0".as_slice(), name].concat(),
            Self::Path(path) => [&family, path.as_slice(), b"\0"].concat(),
        }
    }
}

/// What finds a bound socket: an abstract name, or device and inode of its path.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Name {
    Abstract(Vec<u8>),
    Inode(u64, u64),
}

static BOUND: Mutex<BTreeMap<Name, Weak<UnixSocket>>> = Mutex::new(BTreeMap::new());

/// Binds a socket: what it is found by, and its address.
pub(super) fn bind(
    thread: &Thread,
    socket: &Weak<UnixSocket>,
    address: &[u8],
) -> Result<(Name, Vec<u8>)> {
    match Address::parse(address)? {
        Address::Unnamed => autobind(socket),
        Address::Abstract(name) => {
            claim(&name, socket)?;
            Ok((Name::Abstract(name.clone()), Address::Abstract(name).to_bytes()))
        }
        Address::Path(given) => {
            let (owner, fs) =
                (thread.process.credentials.lock().owner(), thread.process.fs.lock().clone());
            let parent = path::resolve_parent(&fs.root, &fs.cwd, &given)?;
            let directory = parent.directory.inode();
            let made = directory.create(&parent.name, New::Socket, 0o777 & !fs.umask, owner);
            let made = made.map_err(|e| if e == Errno::EEXIST { Errno::EADDRINUSE } else { e })?;
            let stat = made.stat()?;
            let name = Name::Inode(stat.dev, stat.ino);
            BOUND.lock().insert(name.clone(), Weak::clone(socket));
            Ok((name, Address::Path(given).to_bytes()))
        }
    }
}

fn claim(name: &[u8], socket: &Weak<UnixSocket>) -> Result<()> {
    let mut bound = BOUND.lock();
    let name = Name::Abstract(name.to_vec());
    if bound.get(&name).is_some_and(|other| other.strong_count() > 0) {
        return Err(Errno::EADDRINUSE);
    }
    bound.insert(name, Weak::clone(socket));
    Ok(())
}

/// An abstract name of five hexadecimal digits that is free.
fn autobind(socket: &Weak<UnixSocket>) -> Result<(Name, Vec<u8>)> {
    for _ in 0..1 << 10 {
        let name = format!("{:05x}", tmpfs::next_ino() & 0xf_ffff).into_bytes();
        if claim(&name, socket).is_ok() {
            return Ok((Name::Abstract(name.clone()), Address::Abstract(name).to_bytes()));
        }
    }
    Err(Errno::ENOSPC)
}

/// The socket bound to an address.
pub(super) fn find(thread: &Thread, address: &[u8]) -> Result<Arc<UnixSocket>> {
    let name = match Address::parse(address)? {
        Address::Unnamed => return Err(Errno::EINVAL),
        Address::Abstract(name) => Name::Abstract(name),
        Address::Path(path) => {
            let fs = thread.process.fs.lock().clone();
            let found = path::resolve(&fs.root, &fs.cwd, &path, path::Last::Follow)?;
            let stat = found.inode().stat()?;
            if stat.file_type() != S_IFSOCK {
                return Err(Errno::ECONNREFUSED);
            }
            if !thread.process.credentials.lock().may(&stat, W_OK) {
                return Err(Errno::EACCES);
            }
            Name::Inode(stat.dev, stat.ino)
        }
    };
    BOUND.lock().get(&name).and_then(Weak::upgrade).ok_or(Errno::ECONNREFUSED)
}

/// Frees the name of a socket that is gone.
pub(super) fn free(name: &Name) {
    let mut bound = BOUND.lock();
    if bound.get(name).is_some_and(|socket| socket.strong_count() == 0) {
        bound.remove(name);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_a_path_an_abstract_name_or_none() {
        let parse = |bytes: &[u8]| Address::parse(bytes);
        assert_eq!(parse(b"\x01\0"), Ok(Address::Unnamed));
        assert_eq!(parse(b"\x01\0/run/x\0rest"), Ok(Address::Path(b"/run/x".to_vec())));
        assert_eq!(parse(b"\x01\0\0a\0b"), Ok(Address::Abstract(b"a\0b".to_vec())));
        assert_eq!(parse(b"\x02\0/x"), Err(Errno::EINVAL));
        assert_eq!(parse(b"\x01"), Err(Errno::EINVAL));
        assert_eq!(parse(&[1; 200]), Err(Errno::EINVAL));
        assert_eq!(Address::Path(b"/x".to_vec()).to_bytes(), b"\x01\0/x\0");
    }
}
