//! Building the tree of files from the manifest.

use alloc::{collections::BTreeMap, sync::Arc, vec::Vec};

use manifest::{Compiled, InputKind, Kind};

use super::{
    inode::Inode,
    passthrough::{HostInode, HostInput, Policy},
    tmpfs::{MemDir, MemLeaf, Tmpfs},
    trusted::{TreeFile, TrustedInode},
};

/// `st_dev` of the skeleton; each mount gets a number of its own after it.
const SKELETON_DEV: u64 = 0x20;
/// Largest host input in bytes.
const INPUT_MAX: u64 = 4 << 20;

/// A name the manifest (or the library OS) puts into the tree, with the names below it.
#[derive(Default)]
pub(crate) struct Node {
    /// What is there; `None` for a directory that is only implied by the names below it.
    pub(crate) inode: Option<Arc<dyn Inode>>,
    pub(crate) children: BTreeMap<Vec<u8>, Arc<Node>>,
}

impl Node {
    /// The node, or one without children.
    pub(crate) fn share(node: Option<&Arc<Self>>) -> Arc<Self> {
        node.map_or_else(Arc::default, Arc::clone)
    }
}

/// What the source of a node is before its children are known.
enum Plan {
    Kind(Kind),
    Inode(Arc<dyn Inode>),
}

#[derive(Default)]
struct Planned {
    plan: Option<Plan>,
    children: BTreeMap<Vec<u8>, Planned>,
}

impl Planned {
    fn at(&mut self, path: &[u8]) -> &mut Self {
        let names = path.split(|&b| b == b'/').filter(|name| !name.is_empty());
        names.fold(self, |node, name| node.children.entry(name.to_vec()).or_default())
    }
}

/// Builds the tree: the manifest's entries, and `extra` inodes at paths of the library OS's own. `trees` is the
/// host path of the stored leaf hashes, empty when there are none.
pub(crate) fn build(
    manifest: &Compiled,
    extra: Vec<(&[u8], Arc<dyn Inode>)>,
    trees: &[u8],
) -> Arc<dyn Inode> {
    let mut root = Planned::default();
    for entry in manifest.files.entries() {
        root.at(&entry.path).plan = Some(Plan::Kind(entry.kind.clone()));
    }
    for (path, inode) in extra {
        let at = root.at(path);
        at.children.clear();
        at.plan = Some(Plan::Inode(inode));
    }
    let mut mounts = Mounts {
        next_dev: SKELETON_DEV,
        trees: TreeFile::new(trees),
        offsets: manifest.files.tree_offsets().collect(),
    };
    make(root, b"", &mut mounts).inode.unwrap_or_else(|| Tmpfs::skeleton(SKELETON_DEV, 0o755))
}

/// What the nodes need of the whole.
struct Mounts<'m> {
    next_dev: u64,
    trees: Option<Arc<TreeFile>>,
    /// Where each trusted file's leaf hashes are stored.
    offsets: BTreeMap<&'m [u8], u64>,
}

impl Mounts<'_> {
    fn new_dev(&mut self) -> u64 {
        self.next_dev += 1;
        self.next_dev
    }
}

fn make(planned: Planned, path: &[u8], mounts: &mut Mounts<'_>) -> Node {
    let children: BTreeMap<Vec<u8>, Arc<Node>> = planned
        .children
        .into_iter()
        .map(|(name, child)| {
            let path = [path, b"/", &name].concat();
            (name, Arc::new(make(child, &path, mounts)))
        })
        .collect();
    let inode = match planned.plan {
        Some(Plan::Inode(inode)) => inode,
        Some(Plan::Kind(kind)) => of_kind(kind, path, &children, mounts),
        None => filled(Tmpfs::skeleton(SKELETON_DEV, 0o755), &children),
    };
    Node { inode: Some(inode), children }
}

fn of_kind(
    kind: Kind,
    path: &[u8],
    children: &BTreeMap<Vec<u8>, Arc<Node>>,
    mounts: &mut Mounts<'_>,
) -> Arc<dyn Inode> {
    match kind {
        Kind::Directory { mode } => filled(Tmpfs::skeleton(SKELETON_DEV, mode), children),
        Kind::Symlink { target } => MemLeaf::symlink(SKELETON_DEV, &target),
        Kind::Trusted { host, size, mode, root } => {
            let offset = mounts.offsets.get(path).copied();
            let stored = mounts.trees.clone().zip(offset);
            let inode = TrustedInode::new(path, &host, size, mode, root, SKELETON_DEV);
            Arc::new(inode.stored(stored))
        }
        Kind::Tmpfs { mode, size_max } => {
            filled(Tmpfs::limited(mounts.new_dev(), mode, size_max), children)
        }
        Kind::Passthrough { host, writable, record } => {
            let policy = Policy::new(writable, record, mounts.new_dev());
            let over = Arc::new(Node { inode: None, children: over(children) });
            match HostInode::at(Arc::clone(&policy), host.clone(), Arc::clone(&over)) {
                Ok(inode) => Arc::new(inode),
                Err(_) => Arc::new(HostInode::directory(policy, host, over)),
            }
        }
        Kind::HostInput { input: InputKind::ConfigMap, host } => {
            let policy = Policy::new(false, false, mounts.new_dev());
            Arc::new(HostInode::directory(policy, host, Arc::default()))
        }
        Kind::HostInput { input, host } => {
            Arc::new(HostInput::new(host, INPUT_MAX, SKELETON_DEV, check_of(input)))
        }
    }
}

/// The names laid over a host directory: an implied directory stays open to the host's own members.
fn over(children: &BTreeMap<Vec<u8>, Arc<Node>>) -> BTreeMap<Vec<u8>, Arc<Node>> {
    let is_implied = |node: &Node| {
        let inode = node.inode.as_ref().and_then(|i| i.as_any().downcast_ref::<MemDir>());
        !node.children.is_empty() && inode.is_some_and(Inode::is_closed)
    };
    let open = |node: &Arc<Node>| {
        if is_implied(node) {
            Arc::new(Node { inode: None, children: over(&node.children) })
        } else {
            Arc::clone(node)
        }
    };
    children.iter().map(|(name, node)| (name.clone(), open(node))).collect()
}

fn filled(directory: Arc<MemDir>, children: &BTreeMap<Vec<u8>, Arc<Node>>) -> Arc<dyn Inode> {
    for (name, node) in children {
        if let Some(inode) = &node.inode {
            directory.insert(name, Arc::clone(inode));
        }
    }
    directory
}

/// What a host input must look like at least.
fn check_of(input: InputKind) -> fn(&[u8]) -> bool {
    match input {
        InputKind::ResolvConf | InputKind::Hosts | InputKind::CaBundle | InputKind::ConfigMap => {
            is_text
        }
        InputKind::Hostname => |data| is_text(data) && data.len() <= 65,
        InputKind::Zoneinfo => |data| data.starts_with(b"TZif"),
        InputKind::Token => |data| is_text(data) && data.len() <= 64 << 10,
    }
}

fn is_text(data: &[u8]) -> bool {
    core::str::from_utf8(data).is_ok_and(|text| !text.contains('\0'))
}
