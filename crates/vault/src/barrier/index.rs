//! The version index: which rows there are, and in which version.
//!
//! A tree of 16-way nodes over keyed hashes of the rows' keys, each node a row whose version its
//! parent holds, up to the root record. `docs/specs/storage-trait.md`, section 2.2.

use std::collections::HashMap;

use super::{Error, shown};

/// Entries of a leaf before it is split.
const LEAF_MAX: usize = 128;
/// Nibbles of a [`NodeId`]'s prefix. 64 bits of keyed hash tell all rows of any store apart far
/// above this depth.
const DEPTH_MAX: u8 = 16;

/// A row's place in the tree: the keyed hash of its key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Place(pub(super) [u8; 16]);

/// A node: its depth, and the leading nibbles of the places below it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct NodeId {
    depth: u8,
    prefix: u64,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Node {
    /// Places with their rows' versions, ascending.
    Leaf(Vec<(Place, u64)>),
    /// The children's versions by nibble, 0 for none.
    Interior([u64; 16]),
}

/// What a look into the tree found.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// The row's version, or that there is no row.
    Row(Option<u64>),
    /// This node has to be loaded first, in this version.
    Unloaded(NodeId, u64),
}

/// The part of the tree that has been needed so far.
#[derive(Debug)]
pub(super) struct Index {
    /// Version of the root node.
    version: u64,
    nodes: HashMap<NodeId, Node>,
}

impl Place {
    fn nibble(self, depth: u8) -> usize {
        let byte = self.0[usize::from(depth / 2)];
        usize::from(if depth.is_multiple_of(2) { byte >> 4 } else { byte & 15 })
    }
}

impl NodeId {
    pub(super) const ROOT: Self = NodeId { depth: 0, prefix: 0 };

    fn child(self, nibble: usize) -> Self {
        let shift = 60 - 4 * u32::from(self.depth);
        NodeId { depth: self.depth + 1, prefix: self.prefix | (nibble as u64) << shift }
    }

    /// The key of the node's row.
    pub(super) fn key(self) -> Vec<u8> {
        let mut key = vec![0, b'v', self.depth];
        key.extend_from_slice(&self.prefix.to_be_bytes());
        key
    }
}

impl Node {
    pub(super) fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        match self {
            Node::Leaf(entries) => {
                bytes.push(0);
                for (place, version) in entries {
                    bytes.extend_from_slice(&place.0);
                    bytes.extend_from_slice(&version.to_be_bytes());
                }
            }
            Node::Interior(children) => {
                bytes.push(1);
                for version in children {
                    bytes.extend_from_slice(&version.to_be_bytes());
                }
            }
        }
        bytes
    }

    pub(super) fn decode(id: NodeId, bytes: &[u8]) -> Result<Self, Error> {
        let malformed =
            || Error::Tampered { key: shown(&id.key()), reason: "the node is malformed" };
        let number = |bytes: &[u8]| Some(u64::from_be_bytes(bytes.try_into().ok()?));
        let node = match bytes.split_first() {
            Some((0, rest)) if rest.len().is_multiple_of(24) => rest
                .chunks_exact(24)
                .map(|entry| {
                    let (place, version) = entry.split_first_chunk::<16>()?;
                    Some((Place(*place), number(version)?))
                })
                .collect::<Option<_>>()
                .map(Node::Leaf),
            Some((1, rest)) if rest.len() == 128 => {
                let versions = rest.chunks_exact(8).map(number).collect::<Option<Vec<_>>>();
                versions.and_then(|versions| versions.try_into().ok()).map(Node::Interior)
            }
            _ => None,
        };
        node.ok_or_else(malformed)
    }

    fn is_empty(&self) -> bool {
        match self {
            Node::Leaf(entries) => entries.is_empty(),
            Node::Interior(children) => children.iter().all(|version| *version == 0),
        }
    }

    fn size(&self) -> usize {
        match self {
            Node::Leaf(entries) => 1 + entries.len() * 24,
            Node::Interior(_) => 129,
        }
    }
}

impl Index {
    /// The tree of an empty store.
    #[cfg(test)]
    pub(super) fn empty() -> Self {
        Index { version: 0, nodes: HashMap::from([(NodeId::ROOT, Node::Leaf(Vec::new()))]) }
    }

    /// A tree of which only the root's version is known.
    pub(super) fn rooted(version: u64) -> Self {
        Index { version, nodes: HashMap::new() }
    }

    #[cfg(test)]
    pub(super) fn root_version(&self) -> u64 {
        self.version
    }

    pub(super) fn find(&self, place: Place) -> Found {
        let (mut id, mut version) = (NodeId::ROOT, self.version);
        loop {
            match self.nodes.get(&id) {
                None => return Found::Unloaded(id, version),
                Some(Node::Leaf(entries)) => {
                    let found = entries.binary_search_by_key(&place, |(place, _)| *place);
                    return Found::Row(found.ok().map(|index| entries[index].1));
                }
                Some(Node::Interior(children)) => {
                    let nibble = place.nibble(id.depth);
                    version = children[nibble];
                    if version == 0 {
                        return Found::Row(None);
                    }
                    id = id.child(nibble);
                }
            }
        }
    }

    /// Takes a loaded node, unless the tree has moved on.
    pub(super) fn load(&mut self, place: Place, id: NodeId, version: u64, node: Node) {
        if self.find(place) == Found::Unloaded(id, version) {
            self.nodes.insert(id, node);
        }
    }

    /// Takes the changes of a commit that has happened.
    pub(super) fn apply(&mut self, changes: HashMap<NodeId, Option<Node>>, epoch: u64) {
        if changes.contains_key(&NodeId::ROOT) {
            self.version = epoch;
        }
        for (id, node) in changes {
            match node {
                Some(node) => self.nodes.insert(id, node),
                None => self.nodes.remove(&id),
            };
        }
    }
}

/// Changes to the tree that are not committed yet. Every node on a changed path must be loaded.
pub(super) struct Staged<'a> {
    base: &'a Index,
    epoch: u64,
    changes: HashMap<NodeId, Option<Node>>,
    /// What `changes` had before the present transaction, to take it back.
    undo: Vec<(NodeId, Option<Option<Node>>)>,
}

impl<'a> Staged<'a> {
    pub(super) fn new(base: &'a Index, epoch: u64) -> Self {
        Staged { base, epoch, changes: HashMap::new(), undo: Vec::new() }
    }

    /// The version that the row will have had, up to the present transaction.
    pub(super) fn find(&self, place: Place) -> Option<u64> {
        let mut id = NodeId::ROOT;
        loop {
            match self.node(id)? {
                Node::Leaf(entries) => {
                    let found = entries.binary_search_by_key(&place, |(place, _)| *place).ok()?;
                    return Some(entries[found].1);
                }
                Node::Interior(children) => {
                    let nibble = place.nibble(id.depth);
                    if children[nibble] == 0 {
                        return None;
                    }
                    id = id.child(nibble);
                }
            }
        }
    }

    fn node(&self, id: NodeId) -> Option<&Node> {
        match self.changes.get(&id) {
            Some(changed) => changed.as_ref(),
            None => self.base.nodes.get(&id),
        }
    }

    /// Writes the row's version, this commit's epoch, or takes the row out.
    pub(super) fn set(&mut self, place: Place, is_there: bool) {
        self.set_below(NodeId::ROOT, place, is_there);
    }

    /// Returns whether the node changed, or anything below it.
    fn set_below(&mut self, id: NodeId, place: Place, is_there: bool) -> bool {
        let epoch = self.epoch;
        let mut node = self.node(id).cloned().unwrap_or(Node::Leaf(Vec::new()));
        match &mut node {
            Node::Leaf(entries) => {
                match (entries.binary_search_by_key(&place, |(place, _)| *place), is_there) {
                    (Ok(index), true) => entries[index].1 = epoch,
                    (Ok(index), false) => drop(entries.remove(index)),
                    (Err(index), true) => entries.insert(index, (place, epoch)),
                    (Err(_), false) => return false,
                }
                if entries.len() > LEAF_MAX && id.depth < DEPTH_MAX {
                    node = self.split(id, std::mem::take(entries));
                }
            }
            Node::Interior(children) => {
                let nibble = place.nibble(id.depth);
                if children[nibble] == 0 && !is_there {
                    return false;
                }
                let child = id.child(nibble);
                if !self.set_below(child, place, is_there) {
                    return false;
                }
                if self.node(child).is_none_or(Node::is_empty) {
                    children[nibble] = 0;
                    self.change(child, None);
                } else {
                    children[nibble] = epoch;
                }
            }
        }
        self.change(id, Some(node));
        true
    }

    fn split(&mut self, id: NodeId, entries: Vec<(Place, u64)>) -> Node {
        let mut children = [0; 16];
        for half in entries.chunk_by(|(a, _), (b, _)| a.nibble(id.depth) == b.nibble(id.depth)) {
            let nibble = half[0].0.nibble(id.depth);
            children[nibble] = self.epoch;
            self.change(id.child(nibble), Some(Node::Leaf(half.to_vec())));
        }
        Node::Interior(children)
    }

    fn change(&mut self, id: NodeId, node: Option<Node>) {
        let before = self.changes.insert(id, node);
        self.undo.push((id, before));
    }

    /// Keeps the present transaction and begins the next.
    pub(super) fn keep(&mut self) {
        self.undo.clear();
    }

    /// Takes the present transaction back.
    pub(super) fn take_back(&mut self) {
        while let Some((id, before)) = self.undo.pop() {
            match before {
                Some(before) => self.changes.insert(id, before),
                None => self.changes.remove(&id),
            };
        }
    }

    /// Number and bytes of the nodes that the commit writes.
    pub(super) fn cost(&self) -> (usize, usize) {
        let size = |node: &Option<Node>| 11 + node.as_ref().map_or(0, Node::size);
        (self.changes.len(), self.changes.values().map(size).sum())
    }

    pub(super) fn root_version(&self) -> u64 {
        if self.changes.contains_key(&NodeId::ROOT) { self.epoch } else { self.base.version }
    }

    pub(super) fn finish(self) -> HashMap<NodeId, Option<Node>> {
        self.changes
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    /// Places that share long prefixes, so that leaves split deep down.
    fn place(n: u16) -> Place {
        let mut bytes = [0; 16];
        bytes[0] = (n & 3).to_le_bytes()[0];
        bytes[1..3].copy_from_slice(&n.to_be_bytes());
        Place(bytes)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(40))]

        /// The tree is a map from places to epochs, whatever order and grouping the changes have,
        /// and reads the same from its encoded nodes.
        #[test]
        fn is_a_map(commits in prop::collection::vec(
            prop::collection::vec((0..600_u16, any::<bool>(), any::<bool>()), 1..60), 1..30))
        {
            let mut index = Index::empty();
            let mut model = BTreeMap::new();
            let mut stored: HashMap<NodeId, (u64, Vec<u8>)> = HashMap::new();
            for (epoch, commit) in (1..).zip(&commits) {
                let mut staged = Staged::new(&index, epoch);
                for (n, is_there, is_kept) in commit {
                    staged.set(place(*n), *is_there);
                    if *is_kept {
                        staged.keep();
                        if *is_there { model.insert(*n, epoch); } else { model.remove(n); }
                    } else {
                        staged.take_back();
                    }
                }
                let changes = staged.finish();
                for (id, node) in &changes {
                    match node {
                        Some(node) => { stored.insert(*id, (epoch, node.encode())); }
                        None => { stored.remove(id); }
                    }
                }
                index.apply(changes, epoch);
            }
            let mut reopened = Index::rooted(index.root_version());
            for n in 0..600 {
                prop_assert_eq!(index.find(place(n)), Found::Row(model.get(&n).copied()));
                while let Found::Unloaded(id, version) = reopened.find(place(n)) {
                    if version == 0 { prop_assert!(model.is_empty()); return Ok(()); }
                    let (written, bytes) = &stored[&id];
                    prop_assert_eq!(*written, version, "a parent knows its children's versions");
                    reopened.load(place(n), id, version, Node::decode(id, bytes).unwrap());
                }
                prop_assert_eq!(reopened.find(place(n)), Found::Row(model.get(&n).copied()));
            }
        }

        #[test]
        fn any_bytes_are_a_node_or_an_error(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
            if let Ok(node) = Node::decode(NodeId::ROOT, &bytes) {
                prop_assert_eq!(node.encode(), bytes);
            }
        }
    }
}
