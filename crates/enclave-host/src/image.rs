//! The enclave image: reads `casemate-enclave`, a static position-independent executable, into pages.
//!
//! The image relocates itself, so its segments are added as they stand in the file. What the loader
//! demands of the file it demands by name: a wrong image is refused before anything is measured.

mod elf;
mod note;
mod pages;

use std::fs::File;
use std::io::Read as _;
use std::path::Path;

use sgx_types::{Align4096, SecInfo, SecInfoFlags};

use crate::{Error, memory};

pub use elf::Malformed;
use pages::Pages;

/// Bytes of a page.
const PAGE: u64 = 4096;
/// Memory reserved at most for a file because its headers say so.
const SIZE_HINT_MAX: usize = 16 << 20;

/// A page of memory at a page-aligned address, as EADD and the kernel driver demand.
pub type Page = Align4096<[u8; 4096]>;

/// The image, laid out as it will lie in memory.
#[derive(Debug)]
pub struct Image {
    segments: Vec<Segment>,
    entry: u64,
    size: u64,
    enclu_sites: Vec<u64>,
}

/// Consecutive pages with the same permissions.
#[derive(Debug)]
pub struct Segment {
    /// Offset of the first page from the image's address, in bytes.
    pub offset: u64,
    /// What the pages are: regular, with the segment's permissions.
    pub secinfo: SecInfo,
    content: Pages,
}

impl Image {
    /// Reads an image from the bytes of an ELF file.
    ///
    /// # Errors
    /// [`Malformed`] says what is wrong with the file; no input panics.
    pub fn parse(file: &[u8]) -> Result<Self, Malformed> {
        let headers = elf::Headers::parse(file)?;
        let mut segments = Vec::new();
        for load in &headers.loads {
            segments.push(Segment::read(file, load)?);
        }
        let size = headers.loads.last().map_or(0, |load| load.end().next_multiple_of(PAGE));
        let executable = |load: &&elf::Load| load.flags & elf::PF_X != 0;
        if !headers.loads.iter().filter(executable).any(|l| l.holds(headers.entry)) {
            return Err(Malformed::Entry { found: headers.entry });
        }
        let enclu_sites = note::enclu_sites(file, &headers)?;
        Ok(Self { segments, entry: headers.entry, size, enclu_sites })
    }

    /// Reads an image from a file; of a file with symbols and debug information only what is loaded.
    ///
    /// # Errors
    /// [`Error::Read`] or [`Error::Image`].
    pub fn load(path: &Path) -> Result<Self, Error> {
        let failed = |source| Error::Read { path: path.to_owned(), source };
        let mut file = File::open(path).map_err(failed)?;
        let mut bytes = Vec::new();
        (&mut file).take(PAGE).read_to_end(&mut bytes).map_err(failed)?;
        // Headers that are not whole in the first page are found wrong, or not, in the whole file.
        let len = elf::Headers::parse(&bytes).map_or(u64::MAX, |headers| headers.loaded_len());
        bytes.reserve_exact(usize::try_from(len).unwrap_or(0).min(SIZE_HINT_MAX));
        memory::populate(bytes.spare_capacity_mut());
        file.take(len.saturating_sub(bytes.len() as u64))
            .read_to_end(&mut bytes)
            .map_err(failed)?;
        Ok(Self::parse(&bytes)?)
    }

    /// The segments by ascending address.
    #[must_use]
    pub fn segments(&self) -> &[Segment] {
        &self.segments
    }

    /// Offset of the entry point from the image's address.
    #[must_use]
    pub fn entry(&self) -> u64 {
        self.entry
    }

    /// Bytes of address space the image takes, a multiple of the page size.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Offsets of the ENCLU instructions from the image's address, as the image's note lists them.
    #[must_use]
    pub fn enclu_sites(&self) -> &[u64] {
        &self.enclu_sites
    }
}

impl Segment {
    fn read(file: &[u8], load: &elf::Load) -> Result<Self, Malformed> {
        let first = load.address / PAGE * PAGE;
        let len = load.end().next_multiple_of(PAGE) - first;
        let count = usize::try_from(len / PAGE).map_err(|_| Malformed::TooLarge)?;
        let content = Pages::new(count, index(load.address - first), load.content(file)?);
        Ok(Self { offset: first, secinfo: SecInfo::reg(permissions(load.flags)), content })
    }

    /// The content.
    #[must_use]
    pub fn pages(&self) -> &[Page] {
        self.content.as_slice()
    }
}

/// An index that fits `usize` because the image is at most 16 MiB.
fn index(value: u64) -> usize {
    usize::try_from(value).expect("x86-64 has 64-bit addresses")
}

fn permissions(flags: u32) -> SecInfoFlags {
    [(elf::PF_R, SecInfoFlags::R), (elf::PF_W, SecInfoFlags::W), (elf::PF_X, SecInfoFlags::X)]
        .into_iter()
        .filter(|(bit, _)| flags & bit != 0)
        .fold(SecInfoFlags::empty(), |all, (_, permission)| all | permission)
}

#[cfg(test)]
pub(crate) mod tests;
