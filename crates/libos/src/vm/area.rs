//! One area of an address space: how its pages may be used and what fills them.

use alloc::sync::Arc;

use crate::fs::file::OpenFile;

/// Access rights of pages, as in `mmap(2)`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Prot(u8);

impl Prot {
    pub(crate) const NONE: Self = Self(0);
    pub(crate) const READ: Self = Self(1);
    pub(crate) const WRITE: Self = Self(2);
    pub(crate) const EXEC: Self = Self(4);
    pub(crate) const READ_WRITE: Self = Self(3);
    pub(crate) const ALL: Self = Self(7);

    /// From the `prot` argument of `mmap(2)`; other bits are dropped. x86 cannot write or execute without reading.
    pub(crate) const fn from_bits(bits: u64) -> Self {
        #[allow(clippy::cast_possible_truncation, reason = "masked to three bits")]
        let prot = (bits & 7) as u8;
        if prot == 0 { Self(0) } else { Self(prot | 1) }
    }

    pub(crate) const fn bits(self) -> u8 {
        self.0
    }

    pub(crate) const fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    pub(crate) const fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    pub(crate) const fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    pub(crate) const fn can_write(self) -> bool {
        self.0 & 2 != 0
    }
}

/// A file behind an area. `delta` plus an address is the offset in the file (wrapping), so cutting
/// or joining areas leaves it alone.
#[derive(Debug, Clone)]
pub(crate) struct Backing {
    pub(crate) file: Arc<OpenFile>,
    pub(crate) delta: u64,
}

impl Backing {
    pub(crate) const fn offset(&self, address: u64) -> u64 {
        self.delta.wrapping_add(address)
    }
}

impl PartialEq for Backing {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.file, &other.file) && self.delta == other.delta
    }
}

/// What an area is for, as `/proc/self/maps` names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Label {
    None,
    Heap,
    Stack,
    Vdso,
}

/// The value of an address range.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Area {
    pub(crate) prot: Prot,
    pub(crate) shared: bool,
    pub(crate) label: Label,
    pub(crate) backing: Option<Backing>,
}

impl Area {
    pub(crate) const fn anonymous(prot: Prot) -> Self {
        Self { prot, shared: false, label: Label::None, backing: None }
    }

    pub(crate) const fn labelled(prot: Prot, label: Label) -> Self {
        Self { prot, shared: false, label, backing: None }
    }
}
