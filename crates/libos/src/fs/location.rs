//! An inode together with the path it was reached by.

use alloc::{sync::Arc, vec::Vec};
use core::fmt;

use super::inode::Inode;

/// A place in the tree. Cloning is cheap.
#[derive(Clone)]
pub(crate) struct Location(Arc<Place>);

struct Place {
    inode: Arc<dyn Inode>,
    parent: Option<Location>,
    name: Vec<u8>,
}

impl Location {
    pub(crate) fn root(inode: Arc<dyn Inode>) -> Self {
        Self(Arc::new(Place { inode, parent: None, name: Vec::new() }))
    }

    pub(crate) fn child(&self, name: &[u8], inode: Arc<dyn Inode>) -> Self {
        let parent = Some(self.clone());
        Self(Arc::new(Place { inode, parent, name: name.to_vec() }))
    }

    pub(crate) fn inode(&self) -> &Arc<dyn Inode> {
        &self.0.inode
    }

    /// The directory that holds it; the root's is the root.
    pub(crate) fn parent(&self) -> Self {
        self.0.parent.clone().unwrap_or_else(|| self.clone())
    }

    pub(crate) fn is_root(&self) -> bool {
        self.0.parent.is_none()
    }

    /// Its absolute path.
    pub(crate) fn path(&self) -> Vec<u8> {
        if self.is_root() {
            return b"/".to_vec();
        }
        let mut names: Vec<&[u8]> = Vec::new();
        let mut at = self;
        while let Some(parent) = &at.0.parent {
            names.push(&at.0.name);
            at = parent;
        }
        let mut path = Vec::new();
        for name in names.iter().rev() {
            path.push(b'/');
            path.extend_from_slice(name);
        }
        path
    }
}

impl fmt::Debug for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", alloc::string::String::from_utf8_lossy(&self.path()))
    }
}
