//! The EPC map: one entry per page of ELRANGE (SDM volume 3D, "Enclave Page Cache Map").
//!
//! In the SDM an entry belongs to a physical EPC page and names the enclave and the linear address
//! that page serves. This model has one map per enclave, indexed by linear address. ENCLAVESECS and
//! ENCLAVEADDRESS are thus right by construction: a page has exactly one owner, two linear
//! addresses never share a page, and the SDM's checks of those two fields have nothing to check.
//!
//! The map has two levels so that an ELRANGE of 2^40 bytes costs nothing where it is empty: a
//! directory of pointers (zero until used) to chunks of 512 entries of 12 bytes. Looking an entry
//! up or changing it allocates nothing; making a page valid may allocate its chunk.

use sgx_types::PageType;

use super::memory::{Access, PAGE_SIZE};

const ENTRIES_PER_CHUNK: usize = 512;

/// A valid EPCM entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    /// EPCM.PT.
    pub page_type: PageType,
    /// EPCM.R, EPCM.W and EPCM.X.
    pub permissions: Access,
    /// EPCM.PENDING: added by EAUG, not accepted yet.
    pub pending: bool,
    /// EPCM.MODIFIED: type changed by EMODT, not accepted yet.
    pub modified: bool,
    /// EPCM.PR: permissions restricted by EMODPR, not accepted yet.
    pub restricted: bool,
    /// EPCM.BLOCKED: blocked by EBLOCK.
    pub blocked: bool,
    /// The tracking epoch in which MODIFIED, PR or BLOCKED was last set.
    pub(super) epoch: u32,
    /// The access the memory gives now.
    pub(super) mapped: Access,
}

impl Entry {
    /// A page just added, nothing mapped.
    pub(super) const fn new(page_type: PageType, permissions: Access) -> Self {
        Self {
            page_type,
            permissions,
            pending: false,
            modified: false,
            restricted: false,
            blocked: false,
            epoch: 0,
            mapped: Access::NONE,
        }
    }

    /// Whether the page waits for no EACCEPT of its contents or type and is not blocked.
    #[must_use]
    pub const fn is_settled(&self) -> bool {
        !self.pending && !self.modified && !self.blocked
    }

    /// The access that the EPCM gives enclave code: nothing unless the page is a settled PT_REG.
    #[must_use]
    pub const fn accessible(&self) -> Access {
        match self.page_type {
            PageType::Reg if self.is_settled() => self.permissions,
            _ => Access::NONE,
        }
    }
}

type Chunk = Box<[Option<Entry>; ENTRIES_PER_CHUNK]>;

/// The entries of one enclave.
#[derive(Clone, Debug)]
pub(super) struct Epcm {
    base: u64,
    size: u64,
    directory: Vec<Option<Chunk>>,
    valid: u64,
}

impl Epcm {
    /// An empty map for an ELRANGE. The directory takes 8 bytes for each 2 MiB of it, untouched.
    pub(super) fn new(base: u64, size: u64) -> Self {
        let chunks = size.div_ceil(PAGE_SIZE * ENTRIES_PER_CHUNK as u64);
        let chunks = usize::try_from(chunks).expect("an ELRANGE below 2^64 has below 2^43 chunks");
        Self { base, size, directory: vec![None; chunks], valid: 0 }
    }

    /// Whether `linaddr` is in ELRANGE.
    pub(super) fn contains(&self, linaddr: u64) -> bool {
        linaddr.wrapping_sub(self.base) < self.size
    }

    /// Number of valid pages.
    pub(super) fn valid_pages(&self) -> u64 {
        self.valid
    }

    /// The entry of the page that holds `linaddr`, if that page is valid.
    pub(super) fn get(&self, linaddr: u64) -> Option<&Entry> {
        let (chunk, slot) = self.place(linaddr)?;
        self.directory[chunk].as_ref()?[slot].as_ref()
    }

    /// The entry of the page that holds `linaddr`, if that page is valid.
    pub(super) fn get_mut(&mut self, linaddr: u64) -> Option<&mut Entry> {
        let (chunk, slot) = self.place(linaddr)?;
        self.directory[chunk].as_mut()?[slot].as_mut()
    }

    /// Makes the page that holds `linaddr` valid.
    ///
    /// # Preconditions
    ///
    /// `linaddr` is in ELRANGE and its page is not valid.
    pub(super) fn insert(&mut self, linaddr: u64, entry: Entry) {
        let Some((chunk, slot)) = self.place(linaddr) else { return };
        let entries =
            self.directory[chunk].get_or_insert_with(|| Box::new([None; ENTRIES_PER_CHUNK]));
        if entries[slot].replace(entry).is_none() {
            self.valid += 1;
        }
    }

    /// Makes the page that holds `linaddr` absent.
    pub(super) fn remove(&mut self, linaddr: u64) -> Option<Entry> {
        let (chunk, slot) = self.place(linaddr)?;
        let removed = self.directory[chunk].as_mut()?[slot].take();
        self.valid -= u64::from(removed.is_some());
        removed
    }

    /// Every valid page with its linear address, in order.
    pub(super) fn iter(&self) -> impl Iterator<Item = (u64, &Entry)> {
        let used = self.directory.iter().enumerate().filter_map(|(i, c)| Some((i, c.as_ref()?)));
        used.flat_map(move |(i, entries)| {
            let first = i * ENTRIES_PER_CHUNK;
            entries.iter().enumerate().filter_map(move |(slot, entry)| {
                Some((self.base + (first + slot) as u64 * PAGE_SIZE, entry.as_ref()?))
            })
        })
    }

    fn place(&self, linaddr: u64) -> Option<(usize, usize)> {
        if !self.contains(linaddr) {
            return None;
        }
        let page = usize::try_from((linaddr - self.base) / PAGE_SIZE).ok()?;
        Some((page / ENTRIES_PER_CHUNK, page % ENTRIES_PER_CHUNK))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAGE: Entry = Entry::new(PageType::Reg, Access::RW);

    #[test]
    fn entry_takes_twelve_bytes() {
        assert_eq!(size_of::<Option<Entry>>(), 12);
    }

    #[test]
    fn pages_at_both_ends_of_a_terabyte_are_found() {
        let mut epcm = Epcm::new(0, 1 << 40);
        let last = (1 << 40) - PAGE_SIZE;
        epcm.insert(0, PAGE);
        epcm.insert(last, PAGE);
        assert_eq!(epcm.get(0xfff), Some(&PAGE));
        assert_eq!(epcm.get(last + 7), Some(&PAGE));
        assert_eq!(epcm.get(PAGE_SIZE), None);
        assert_eq!(epcm.get(1 << 40), None);
        assert_eq!(epcm.iter().map(|(at, _)| at).collect::<Vec<_>>(), [0, last]);
    }

    #[test]
    fn addresses_outside_elrange_are_absent_with_a_base() {
        let mut epcm = Epcm::new(0x10_0000, 0x10_0000);
        epcm.insert(0x10_0000, PAGE);
        assert!(epcm.get(0x10_0000).is_some());
        assert!(!epcm.contains(0xf_ffff) && !epcm.contains(0x20_0000) && !epcm.contains(u64::MAX));
        assert!(epcm.get(0xf_f000).is_none() && epcm.get(u64::MAX).is_none());
    }

    #[test]
    fn valid_pages_are_counted() {
        let mut epcm = Epcm::new(0, 1 << 24);
        epcm.insert(0x1000, PAGE);
        epcm.insert(0x2000, PAGE);
        assert_eq!(epcm.valid_pages(), 2);
        assert_eq!(epcm.remove(0x1000), Some(PAGE));
        assert_eq!(epcm.remove(0x1000), None);
        assert_eq!(epcm.valid_pages(), 1);
    }
}
