//! Page-aligned memory of a segment.

use super::Page;
use crate::memory;

/// Pages that are zero but for what was copied in.
///
/// A `Vec<Page>` would be filled with zeros one by one; this memory comes zeroed from the kernel.
#[derive(Debug)]
pub(super) struct Pages {
    bytes: Vec<u8>,
}

impl Pages {
    /// `count` pages of zeros with `content` from byte `at` on.
    ///
    /// # Preconditions
    /// `content` fits.
    pub(super) fn new(count: usize, at: usize, content: &[u8]) -> Self {
        let size = size_of::<Page>();
        let mut pages = Self { bytes: vec![0; (count + 1) * size] };
        let first = pages.first();
        let bytes = &mut pages.bytes[first..first + count * size];
        memory::populate(bytes);
        bytes[at..at + content.len()].copy_from_slice(content);
        pages
    }

    /// Where the first whole page starts.
    fn first(&self) -> usize {
        self.bytes.as_ptr().align_offset(align_of::<Page>())
    }

    pub(super) fn as_slice(&self) -> &[Page] {
        let count = self.bytes.len() / size_of::<Page>() - 1;
        let bytes = &self.bytes[self.first()..];
        // SAFETY: a page is an array of bytes; `align_to` finds the aligned ones.
        let (_, pages, _) = unsafe { bytes.align_to::<Page>() };
        &pages[..count]
    }
}
