//! The files an enclave sees.

use alloc::vec::Vec;

use crate::codec::{Malformed, Reader, Writer};
use crate::{Hash, is_canonical_path, path};

/// Permission bits of a mode, with set-user-ID, set-group-ID and sticky.
const MODE_BITS: u32 = 0o7777;
/// Symbolic links followed on the way to one entry, as in Linux.
const LINKS_MAX: u32 = 40;

/// Everything the enclave sees, by ascending path. What is not here does not exist.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct FileMap {
    entries: Vec<Entry>,
}

/// One path of the enclave.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Canonical path inside the enclave.
    pub path: Vec<u8>,
    /// What is there.
    pub kind: Kind,
}

/// What is at a path. Host paths that are relative start at the host process's working directory,
/// which the loader makes the directory of the manifest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind {
    /// A read-only directory whose members are the entries below it.
    Directory {
        /// Permission bits.
        mode: u32,
    },
    /// A symbolic link.
    Symlink {
        /// What it points to.
        target: Vec<u8>,
    },
    /// A read-only file whose content is measured.
    Trusted {
        /// Path on the host, untrusted.
        host: Vec<u8>,
        /// Length in bytes.
        size: u64,
        /// Permission bits.
        mode: u32,
        /// Root of its Merkle tree.
        root: Hash,
    },
    /// A file system in enclave memory.
    Tmpfs {
        /// Permission bits of its root.
        mode: u32,
        /// Most bytes its files may hold.
        size_max: u64,
    },
    /// A host file or directory, unprotected.
    Passthrough {
        /// Path on the host.
        host: Vec<u8>,
        /// Whether it may be written.
        writable: bool,
        /// Whether what is read is recorded at first use and held to for the rest of the run
        /// (`--dev` only).
        record: bool,
    },
    /// A named and typed thing that a container expects from outside; checked, never trusted.
    HostInput {
        /// What it must look like.
        input: InputKind,
        /// Path on the host.
        host: Vec<u8>,
    },
}

/// The things a container expects from outside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum InputKind {
    /// `/etc/resolv.conf`.
    ResolvConf = 1,
    /// `/etc/hosts`.
    Hosts = 2,
    /// `/etc/hostname`: one line.
    Hostname = 3,
    /// A bundle of PEM certificates.
    CaBundle = 4,
    /// A time-zone file.
    Zoneinfo = 5,
    /// A directory of text files (a ConfigMap).
    ConfigMap = 6,
    /// A token: one short file.
    Token = 7,
}

impl InputKind {
    /// Every kind with its name in the manifest.
    pub const ALL: [(Self, &'static str); 7] = [
        (Self::ResolvConf, "resolv.conf"),
        (Self::Hosts, "hosts"),
        (Self::Hostname, "hostname"),
        (Self::CaBundle, "ca-bundle"),
        (Self::Zoneinfo, "zoneinfo"),
        (Self::ConfigMap, "config-map"),
        (Self::Token, "token"),
    ];

    /// The kind with this name in the manifest.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.iter().find(|(_, known)| *known == name).map(|(kind, _)| *kind)
    }

    /// The name in the manifest.
    #[must_use]
    pub fn name(self) -> &'static str {
        Self::ALL.iter().find(|(kind, _)| *kind == self).map_or("", |(_, name)| name)
    }

    /// The kind that a path usually holds, for the paths every container has.
    #[must_use]
    pub fn of_path(path: &str) -> Option<Self> {
        Some(match path {
            "/etc/resolv.conf" => Self::ResolvConf,
            "/etc/hosts" => Self::Hosts,
            "/etc/hostname" => Self::Hostname,
            "/etc/localtime" => Self::Zoneinfo,
            _ if path.ends_with("/ca-certificates.crt") => Self::CaBundle,
            _ if path.ends_with("/token") => Self::Token,
            _ if path.starts_with("/usr/share/zoneinfo/") => Self::Zoneinfo,
            _ => return None,
        })
    }

    fn from_number(number: u8) -> Option<Self> {
        Self::ALL.iter().map(|(kind, _)| *kind).find(|kind| *kind as u8 == number)
    }
}

/// What [`FileMap::find`] says about a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Found<'m> {
    /// The map names it.
    Entry(&'m Entry),
    /// It lies inside a tmpfs, a passthrough or a ConfigMap.
    Inside {
        /// The entry it lies in.
        mount: &'m Entry,
        /// The path below that entry, without a slash at its front.
        rest: usize,
    },
    /// It is a directory only because entries lie below it.
    ImpliedDirectory,
    /// It does not exist.
    Nothing,
}

/// Two entries with the same path, or a path that has several spellings.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("manifest names {} {}", alloc::string::String::from_utf8_lossy(.path), .reason)]
pub struct OutOfOrder {
    /// The path inside the enclave.
    pub path: Vec<u8>,
    /// What is wrong with it.
    pub reason: &'static str,
}

impl FileMap {
    /// Makes a map, sorting the entries.
    ///
    /// # Errors
    /// [`OutOfOrder`] when two entries have one path or a path is not canonical.
    pub fn new(mut entries: Vec<Entry>) -> Result<Self, OutOfOrder> {
        entries.sort_by(|a, b| a.path.cmp(&b.path));
        for entry in &entries {
            if let Some(reason) = entry.refusal() {
                return Err(OutOfOrder { path: entry.path.clone(), reason });
            }
        }
        match entries.windows(2).find(|w| matches!(w, [a, b] if a.path == b.path)) {
            Some([twice, ..]) => {
                Err(OutOfOrder { path: twice.path.clone(), reason: "more than once" })
            }
            _ => Ok(Self { entries }),
        }
    }

    /// The entries by ascending path.
    #[must_use]
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// Whether an entry records what is read at first use.
    pub(crate) fn records(&self) -> bool {
        self.entries.iter().any(|e| matches!(e.kind, Kind::Passthrough { record: true, .. }))
    }

    /// The entry with exactly this path.
    #[must_use]
    pub fn entry(&self, path: &[u8]) -> Option<&Entry> {
        let index = self.entries.binary_search_by(|e| e.path.as_slice().cmp(path)).ok()?;
        self.entries.get(index)
    }

    /// What is at a canonical path. The longest entry wins, so that a trusted file may lie inside a
    /// passthrough directory. Symbolic links are not followed.
    #[must_use]
    pub fn find(&self, path: &[u8]) -> Found<'_> {
        if let Some(entry) = self.entry(path) {
            return Found::Entry(entry);
        }
        if let Some((mount, rest)) = self.enclosing_mount(path) {
            return Found::Inside { mount, rest: path.len() - rest };
        }
        if path == b"/" || self.below(path).next().is_some() {
            return Found::ImpliedDirectory;
        }
        Found::Nothing
    }

    /// The entry a path leads to, symbolic links of the map followed in every component; `None` when
    /// the path leads to no entry, or round in circles.
    #[must_use]
    pub fn follow(&self, path: &[u8]) -> Option<&Entry> {
        let mut rest: Vec<Vec<u8>> = path::components_backwards(path);
        let mut at: Vec<u8> = Vec::new();
        let mut links = 0;
        while let Some(name) = rest.pop() {
            match name.as_slice() {
                b"." => continue,
                b".." => at.truncate(at.iter().rposition(|&b| b == b'/').unwrap_or(0)),
                _ => at = [&at, b"/".as_slice(), &name].concat(),
            }
            let Some(Entry { kind: Kind::Symlink { target }, .. }) = self.entry(&at) else {
                continue;
            };
            links += 1;
            if links > LINKS_MAX {
                return None;
            }
            let stay =
                if target.starts_with(b"/") { 0 } else { at.iter().rposition(|&b| b == b'/')? };
            at.truncate(stay);
            rest.extend(path::components_backwards(target));
        }
        self.entry(if at.is_empty() { b"/" } else { &at })
    }

    /// The nearest ancestor entry, if it is one that has members of its own, and the number of
    /// bytes of `path` below it.
    fn enclosing_mount(&self, path: &[u8]) -> Option<(&Entry, usize)> {
        let mut end = path.len();
        loop {
            end = path.get(..end)?.iter().rposition(|&b| b == b'/')?;
            let ancestor = path.get(..end.max(1))?;
            if let Some(entry) = self.entry(ancestor) {
                let rest = path::below(path, ancestor)?.len();
                return entry.kind.has_members().then_some((entry, rest));
            }
            if end == 0 {
                return None;
            }
        }
    }

    /// All entries strictly below a canonical path, by ascending path.
    pub fn below(&self, dir: &[u8]) -> impl Iterator<Item = &Entry> {
        let mut prefix = dir.to_vec();
        if dir != b"/" {
            prefix.push(b'/');
        }
        let start = self.entries.partition_point(|e| e.path <= prefix);
        let rest = self.entries.get(start..).unwrap_or_default();
        rest.iter().take_while(move |e| e.path.starts_with(&prefix))
    }

    /// The trusted files of more than one leaf, each with where its leaf hashes start in the tree file, in
    /// bytes: they follow one another in the map's order.
    pub fn tree_offsets(&self) -> impl Iterator<Item = (&[u8], u64)> {
        let mut next = Some(0u64);
        let trusted = self.entries.iter().filter_map(|entry| match entry.kind {
            Kind::Trusted { size, .. } => Some((entry, crate::Tree::stored_len(size))),
            _ => None,
        });
        trusted.filter(|(_, len)| *len > 0).map_while(move |(entry, len)| {
            let offset = next?;
            next = offset.checked_add(len);
            Some((entry.path.as_slice(), offset))
        })
    }

    pub(crate) fn write(&self, w: &mut Writer) {
        w.list(&self.entries, |w, entry| {
            w.bytes(&entry.path);
            entry.kind.write(w);
        });
    }

    pub(crate) fn read(r: &mut Reader<'_>) -> Result<Self, Malformed> {
        let mut last: Option<Vec<u8>> = None;
        let entries = r.list(|r| {
            let at = r.malformed("paths are not in ascending order");
            let path = r.bytes()?;
            if last.as_ref().is_some_and(|last| *last >= path) {
                return Err(at);
            }
            last = Some(path.clone());
            let entry = Entry { path, kind: Kind::read(r)? };
            match entry.refusal() {
                Some(reason) => Err(Malformed { reason, ..at }),
                None => Ok(entry),
            }
        })?;
        Ok(Self { entries })
    }
}

impl Entry {
    /// Why no map may hold this entry.
    fn refusal(&self) -> Option<&'static str> {
        if !is_canonical_path(&self.path) {
            return Some("with a path that is not canonical");
        }
        let host_path = |host: &[u8]| !host.is_empty() && !host.contains(&0);
        match &self.kind {
            Kind::Directory { mode } | Kind::Tmpfs { mode, .. } if mode & !MODE_BITS != 0 => {
                Some("with a mode over 07777")
            }
            Kind::Trusted { mode, .. } if mode & !MODE_BITS != 0 => Some("with a mode over 07777"),
            Kind::Symlink { target } if target.is_empty() || target.contains(&0) => {
                Some("with an empty link target")
            }
            Kind::Trusted { host, .. }
            | Kind::Passthrough { host, .. }
            | Kind::HostInput { host, .. }
                if !host_path(host) =>
            {
                Some("with an empty host path")
            }
            _ => None,
        }
    }
}

const DIRECTORY: u8 = 1;
const SYMLINK: u8 = 2;
const TRUSTED: u8 = 3;
const TMPFS: u8 = 4;
const PASSTHROUGH: u8 = 5;
const HOST_INPUT: u8 = 6;

impl Kind {
    /// Whether paths below it exist without being named.
    #[must_use]
    pub fn has_members(&self) -> bool {
        matches!(
            self,
            Self::Tmpfs { .. }
                | Self::Passthrough { .. }
                | Self::HostInput { input: InputKind::ConfigMap, .. }
        )
    }

    fn write(&self, w: &mut Writer) {
        match self {
            Self::Directory { mode } => {
                w.u8(DIRECTORY);
                w.u32(*mode);
            }
            Self::Symlink { target } => {
                w.u8(SYMLINK);
                w.bytes(target);
            }
            Self::Trusted { host, size, mode, root } => {
                w.u8(TRUSTED);
                w.bytes(host);
                w.u64(*size);
                w.u32(*mode);
                w.raw(root);
            }
            Self::Tmpfs { mode, size_max } => {
                w.u8(TMPFS);
                w.u32(*mode);
                w.u64(*size_max);
            }
            Self::Passthrough { host, writable, record } => {
                w.u8(PASSTHROUGH);
                w.bytes(host);
                w.bool(*writable);
                w.bool(*record);
            }
            Self::HostInput { input, host } => {
                w.u8(HOST_INPUT);
                w.u8(*input as u8);
                w.bytes(host);
            }
        }
    }

    fn read(r: &mut Reader<'_>) -> Result<Self, Malformed> {
        let unknown = r.malformed("unknown kind of file");
        Ok(match r.u8()? {
            DIRECTORY => Self::Directory { mode: r.u32()? },
            SYMLINK => Self::Symlink { target: r.bytes()? },
            TRUSTED => {
                Self::Trusted { host: r.bytes()?, size: r.u64()?, mode: r.u32()?, root: r.array()? }
            }
            TMPFS => Self::Tmpfs { mode: r.u32()?, size_max: r.u64()? },
            PASSTHROUGH => {
                Self::Passthrough { host: r.bytes()?, writable: r.bool()?, record: r.bool()? }
            }
            HOST_INPUT => Self::HostInput {
                input: InputKind::from_number(r.u8()?).ok_or(unknown)?,
                host: r.bytes()?,
            },
            _ => return Err(unknown),
        })
    }
}

#[cfg(test)]
mod tests;
