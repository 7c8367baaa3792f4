//! The Merkle tree of a trusted file.
//!
//! The tree is that of RFC 6962, section 2.1: SHA-256, a zero byte before a leaf and a one byte
//! before two nodes, the left subtree the largest power of two below the count. A leaf is 64 KiB of
//! the file, the last one shorter. 64 KiB is what Linux maps around a fault, so a checked leaf is
//! used up by the reads that follow; smaller leaves cost tree (16 KiB: four times as much) and
//! exits, larger ones hash too much for a small read.
//!
//! Beside the manifest only the leaf hashes are stored. From them the enclave computes the root
//! once, when it opens the file, and keeps them: no path of inner nodes is ever read.

use alloc::vec::Vec;

use crypto::Sha256;

/// A SHA-256 hash.
pub type Hash = [u8; 32];

/// Bytes of file that one leaf covers.
pub const LEAF_SIZE: u64 = 64 << 10;

const LEAF_PREFIX: [u8; 1] = [0];
const NODE_PREFIX: [u8; 1] = [1];

/// Stored leaf hashes that do not belong to the file of the manifest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TreeMismatch {
    /// The number of leaf hashes does not fit the file's size.
    #[error("tree has {found} leaf hashes, a file of {size} bytes has {expected}")]
    Count {
        /// The file's size in bytes.
        size: u64,
        /// Leaves of such a file.
        expected: u64,
        /// Leaves found.
        found: u64,
    },
    /// The root differs from the manifest's.
    #[error("tree has another root than the manifest names")]
    Root,
}

/// The leaf hashes of one file, proven to belong to its root.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Tree {
    leaves: Vec<Hash>,
}

impl Tree {
    /// Makes the tree of a file from its leaves' hashes, in order.
    #[must_use]
    pub fn from_leaves(leaves: Vec<Hash>) -> Self {
        Self { leaves }
    }

    /// Takes stored leaf hashes, if they have the root and the count that the manifest says.
    ///
    /// For a file of at most one leaf nothing is stored and `stored` must be empty.
    ///
    /// # Errors
    /// [`TreeMismatch`]; the caller may then hash the whole file and try again.
    pub fn from_stored(stored: &[u8], size: u64, root: &Hash) -> Result<Self, TreeMismatch> {
        let expected = Self::leaf_count(size);
        if Self::stored_len(size) == 0 {
            // One leaf is its own root; no leaf has the root of the empty tree.
            let leaves = if expected == 0 { Vec::new() } else { alloc::vec![*root] };
            return Self { leaves }.proven(root);
        }
        let (hashes, rest) = stored.as_chunks::<32>();
        let found = hashes.len() as u64;
        if found != expected || !rest.is_empty() {
            return Err(TreeMismatch::Count { size, expected, found });
        }
        Self::from_leaves(hashes.to_vec()).proven(root)
    }

    fn proven(self, root: &Hash) -> Result<Self, TreeMismatch> {
        if self.root() == *root { Ok(self) } else { Err(TreeMismatch::Root) }
    }

    /// Leaves of a file of `size` bytes.
    #[must_use]
    pub const fn leaf_count(size: u64) -> u64 {
        size.div_ceil(LEAF_SIZE)
    }

    /// Bytes stored beside the manifest for a file of `size` bytes: nothing for one leaf or none.
    #[must_use]
    pub const fn stored_len(size: u64) -> u64 {
        let leaves = Self::leaf_count(size);
        if leaves <= 1 { 0 } else { leaves * 32 }
    }

    /// The leaf hashes, as stored beside the manifest when there is more than one.
    #[must_use]
    pub fn leaves(&self) -> &[Hash] {
        &self.leaves
    }

    /// The root.
    #[must_use]
    pub fn root(&self) -> Hash {
        if self.leaves.is_empty() { Sha256::new().finish() } else { root_of(&self.leaves) }
    }

    /// Whether `data` is leaf `index` of the file.
    #[must_use]
    pub fn holds(&self, index: u64, data: &[u8]) -> bool {
        let leaf = usize::try_from(index).ok().and_then(|index| self.leaves.get(index));
        leaf.is_some_and(|leaf| *leaf == Self::leaf(data))
    }

    /// The hash of one leaf.
    #[must_use]
    pub fn leaf(data: &[u8]) -> Hash {
        let mut leaf = Sha256::new();
        leaf.update(&LEAF_PREFIX);
        leaf.update(data);
        leaf.finish()
    }
}

/// The root of one leaf or more. Depth is at most 64, since each step halves the count.
fn root_of(leaves: &[Hash]) -> Hash {
    if let [leaf] = leaves {
        return *leaf;
    }
    let (left, right) = leaves.split_at(leaves.len().next_power_of_two() / 2);
    let mut node = Sha256::new();
    node.update(&NODE_PREFIX);
    node.update(&root_of(left));
    node.update(&root_of(right));
    node.finish()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const LEAF: usize = 64 << 10;

    fn file(len: u64) -> Vec<u8> {
        (0..len).map(|i| (i % 251) as u8).collect()
    }

    fn tree(data: &[u8]) -> Tree {
        Tree::from_leaves(data.chunks(LEAF).map(Tree::leaf).collect())
    }

    fn stored(tree: &Tree) -> Vec<u8> {
        if tree.leaves().len() > 1 { tree.leaves().concat() } else { Vec::new() }
    }

    /// RFC 6962 by bottom-up pairing: the odd node moves up unchanged.
    fn root_by_levels(data: &[u8]) -> Hash {
        let mut level: Vec<Hash> = data.chunks(LEAF).map(Tree::leaf).collect();
        while level.len() > 1 {
            level = level
                .chunks(2)
                .map(|pair| match pair {
                    [l, r] => crypto::sha256(&[&[1][..], l, r].concat()),
                    _ => pair[0],
                })
                .collect();
        }
        level.first().copied().unwrap_or_else(|| crypto::sha256(&[]))
    }

    #[test]
    fn root_agrees_with_pairing_level_by_level() {
        for len in [0, 1, LEAF_SIZE, LEAF_SIZE + 1, 3 * LEAF_SIZE, 7 * LEAF_SIZE + 5] {
            let data = file(len);
            assert_eq!(tree(&data).root(), root_by_levels(&data), "{len} bytes");
        }
    }

    #[test]
    fn stored_hashes_are_believed_only_with_the_right_root() {
        let data = file(5 * LEAF_SIZE + 1);
        let (tree, size) = (tree(&data), data.len() as u64);
        let bytes = stored(&tree);
        assert_eq!(bytes.len() as u64, Tree::stored_len(size));
        assert_eq!(Tree::from_stored(&bytes, size, &tree.root()), Ok(tree.clone()));
        let mut flipped = bytes.clone();
        flipped[40] ^= 1;
        let refused = Tree::from_stored(&flipped, size, &tree.root());
        assert_eq!(refused, Err(TreeMismatch::Root));
        let short = Tree::from_stored(&bytes[..160], size, &tree.root());
        assert_eq!(short, Err(TreeMismatch::Count { size, expected: 6, found: 5 }));
    }

    #[test]
    fn files_of_one_leaf_need_nothing_stored() {
        for len in [0, 1, LEAF_SIZE] {
            let data = file(len);
            let proven = Tree::from_stored(&[], len, &tree(&data).root()).unwrap();
            assert_eq!(proven, tree(&data));
        }
        assert_eq!(Tree::from_stored(&[], 0, &[7; 32]), Err(TreeMismatch::Root));
    }

    #[test]
    fn a_leaf_holds_only_its_own_bytes() {
        let data = file(2 * LEAF_SIZE);
        let tree = tree(&data);
        let (first, second) = data.split_at(LEAF);
        assert!(tree.holds(0, first) && tree.holds(1, second));
        assert!(!tree.holds(0, second) && !tree.holds(0, &first[1..]) && !tree.holds(2, &[]));
    }

    proptest! {
        #[test]
        fn foreign_bytes_are_never_a_tree(stored in any::<Vec<u8>>(), size: u64, root: [u8; 32]) {
            if let Ok(tree) = Tree::from_stored(&stored, size, &root) {
                prop_assert_eq!(tree.root(), root);
            }
        }
    }
}
