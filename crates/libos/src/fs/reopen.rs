//! A file outside the tree, reached through `/proc/self/fd`: opening it gives the same object again.

use alloc::sync::Arc;
use core::any::Any;

use super::{
    file::{File, OpenFile},
    inode::{Change, Inode},
};
use crate::{errno::Result, linux::stat::Stat};

/// What a descriptor refers to, as an inode.
pub(crate) struct Reopen {
    file: Arc<dyn File>,
}

impl Reopen {
    pub(crate) fn new(open: &OpenFile) -> Arc<Self> {
        Arc::new(Self { file: Arc::clone(open.file()) })
    }
}

impl Inode for Reopen {
    fn file_type(&self) -> u32 {
        self.file.stat().map_or(0, |s| s.file_type())
    }

    fn stat(&self) -> Result<Stat> {
        self.file.stat()
    }

    fn open(self: Arc<Self>, _flags: u32) -> Result<Arc<dyn File>> {
        Ok(Arc::clone(&self.file))
    }

    fn as_any(&self) -> &dyn Any {
        self
    }

    fn change(&self, change: &Change) -> Result<()> {
        self.file.change(change)
    }
}
