//! Where functions lie in an ELF file: from `.eh_frame_hdr` and the symbol table. Total over any bytes.
//!
//! A system call is rewritten only inside a function that the file names (ADR 0006). The result is in offsets of
//! the file, because that is what a mapping knows.

use alloc::{vec, vec::Vec};
use core::ops::Range;

use crate::{
    errno::Result,
    fs::file::OpenFile,
    linux::{u16_at, u32_at, u64_at},
};

const PT_LOAD: u32 = 1;
const PT_GNU_EH_FRAME: u32 = 0x6474_e550;
const PF_X: u32 = 1;
const SHT_SYMTAB: u32 = 2;
const STT_FUNC: u8 = 2;
/// Longest table that is read.
const TABLE_MAX: usize = 4 << 20;
/// `.eh_frame_hdr` as every linker writes it: version 1; pointers relative to their place, counts as they are,
/// table entries relative to the header, each 32 bits.
const HEADER: [u8; 4] = [1, 0x1b, 0x03, 0x3b];

/// A loaded part of the file.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Segment {
    vaddr: u64,
    offset: u64,
    size: u64,
    executable: bool,
}

/// The code of a file, in its offsets.
#[derive(Debug, Default)]
pub(crate) struct Functions {
    /// Executable segments.
    pub(crate) code: Vec<Range<u64>>,
    /// Sorted by start; no two start alike.
    ranges: Vec<Range<u64>>,
}

impl Functions {
    /// The function that holds the bytes of `at`.
    pub(crate) fn around(&self, at: Range<u64>) -> Option<Range<u64>> {
        let next = self.ranges.partition_point(|range| range.start <= at.start);
        let found = self.ranges.get(next.checked_sub(1)?)?;
        (at.end <= found.end).then(|| found.clone())
    }

    /// Whether no function is known.
    pub(super) fn is_empty(&self) -> bool {
        self.ranges.is_empty()
    }

    #[cfg(test)]
    pub(super) fn at(ranges: &[Range<u64>]) -> Self {
        Self { code: Vec::new(), ranges: ranges.to_vec() }
    }

    /// Reads them from a file. A file that is no ELF file, or names no function, has none.
    ///
    /// # Errors
    /// What reading the file reports.
    pub(crate) fn of(file: &OpenFile) -> Result<Self> {
        let header = read(file, 0, 64)?;
        let Some(segments) = segments(file, &header)? else { return Ok(Self::default()) };
        let mut found = frames(file, &segments)?;
        found.extend(symbols(file, &header)?);
        let offset = |vaddr: u64| -> Option<u64> {
            let inside = |s: &&Segment| s.executable && vaddr.wrapping_sub(s.vaddr) < s.size;
            let segment = segments.iter().find(inside)?;
            Some(vaddr.wrapping_sub(segment.vaddr).wrapping_add(segment.offset))
        };
        let mut ranges: Vec<Range<u64>> = found
            .into_iter()
            .filter_map(|range| {
                let start = offset(range.start)?;
                Some(start..start.checked_add(range.end.checked_sub(range.start)?)?)
            })
            .collect();
        ranges.sort_unstable_by_key(|range| (range.start, u64::MAX - range.end));
        ranges.dedup_by_key(|range| range.start);
        let code = segments
            .iter()
            .filter(|segment| segment.executable)
            .map(|segment| segment.offset..segment.offset.saturating_add(segment.size))
            .collect();
        Ok(Self { code, ranges })
    }
}

/// Up to `len` bytes at `offset`; fewer at the end of the file.
pub(super) fn read(file: &OpenFile, offset: u64, len: usize) -> Result<Vec<u8>> {
    let mut bytes = vec![0; len.min(TABLE_MAX)];
    let mut done = 0;
    while let Some(rest) = bytes.get_mut(done..).filter(|rest| !rest.is_empty()) {
        match file.read_at(rest, offset.wrapping_add(done as u64))? {
            0 => break,
            n => done += n,
        }
    }
    bytes.truncate(done);
    Ok(bytes)
}

fn segments(file: &OpenFile, header: &[u8]) -> Result<Option<Vec<Segment>>> {
    if header.get(..6) != Some(b"\x7fELF\x02\x01") {
        return Ok(None);
    }
    let (Some(at), Some(count)) = (u64_at(header, 32), u16_at(header, 56)) else { return Ok(None) };
    let table = read(file, at, usize::from(count.min(128)) * 56)?;
    let segments = table.chunks_exact(56).filter_map(|entry| {
        let kind = u32_at(entry, 0)?;
        let flags = u32_at(entry, 4)?;
        let wanted = matches!(kind, PT_LOAD | PT_GNU_EH_FRAME);
        wanted
            .then_some(Segment {
                offset: u64_at(entry, 8)?,
                vaddr: u64_at(entry, 16)?,
                size: u64_at(entry, 32)?,
                executable: kind == PT_LOAD && flags & PF_X != 0,
            })
            .map(|segment| (kind, segment))
    });
    let (mut loaded, mut frame_header) = (Vec::new(), None);
    for (kind, segment) in segments {
        if kind == PT_LOAD {
            loaded.push(segment);
        } else {
            frame_header = Some(segment);
        }
    }
    // The frame header comes last, by convention of this module.
    let none = Segment { vaddr: 0, offset: 0, size: 0, executable: false };
    loaded.push(frame_header.unwrap_or(none));
    Ok(Some(loaded))
}

/// What `.eh_frame` describes, through its sorted header.
fn frames(file: &OpenFile, segments: &[Segment]) -> Result<Vec<Range<u64>>> {
    let Some(place) = segments.last().filter(|place| place.size >= 12) else {
        return Ok(Vec::new());
    };
    let table = read(file, place.offset, usize::try_from(place.size).unwrap_or(TABLE_MAX))?;
    if table.get(..4) != Some(&HEADER) {
        return Ok(Vec::new());
    }
    let count = u32_at(&table, 8).unwrap_or(0) as usize;
    let signed = |bytes: &[u8], at| u32_at(bytes, at).map(|word| i64::from(word.cast_signed()));
    let entries: Vec<(u64, u64)> = table
        .get(12..)
        .unwrap_or_default()
        .chunks_exact(8)
        .take(count)
        .filter_map(|entry| {
            let place_of = |at| place.vaddr.checked_add_signed(signed(entry, at)?);
            Some((place_of(0)?, place_of(4)?))
        })
        .collect();
    let (Some(first), Some(last)) =
        (entries.iter().map(|e| e.1).min(), entries.iter().map(|e| e.1).max())
    else {
        return Ok(Vec::new());
    };
    let holds = |s: &&Segment| first.wrapping_sub(s.vaddr) < s.size;
    let Some(holder) = segments.iter().rev().skip(1).find(holds) else { return Ok(Vec::new()) };
    let len = usize::try_from(last - first).unwrap_or(TABLE_MAX).saturating_add(16);
    let bytes = read(file, first.wrapping_sub(holder.vaddr).wrapping_add(holder.offset), len)?;
    let range = |&(start, description): &(u64, u64)| {
        let at = usize::try_from(description - first).ok()?;
        // Length, back pointer, then where it begins, relative to that field, and how long it is.
        let begins = description.checked_add(8)?.checked_add_signed(signed(&bytes, at + 8)?)?;
        let size = u64::from(u32_at(&bytes, at + 12)?);
        (begins == start).then(|| start..start.saturating_add(size))
    };
    Ok(entries.iter().filter_map(range).collect())
}

/// Functions with a size in the symbol table. Stripped files have none; a library's dynamic symbols add nothing to
/// its frames.
fn symbols(file: &OpenFile, header: &[u8]) -> Result<Vec<Range<u64>>> {
    let (Some(at), Some(count)) = (u64_at(header, 40), u16_at(header, 60)) else {
        return Ok(Vec::new());
    };
    let table = read(file, at, usize::from(count) * 64)?;
    let mut found = Vec::new();
    for section in table.chunks_exact(64).filter(|s| u32_at(s, 4) == Some(SHT_SYMTAB)) {
        let (Some(offset), Some(size)) = (u64_at(section, 24), u64_at(section, 32)) else {
            continue;
        };
        let bytes = read(file, offset, usize::try_from(size).unwrap_or(TABLE_MAX))?;
        found.extend(bytes.chunks_exact(24).filter_map(|symbol| {
            let is_function = symbol.get(4)? & 15 == STT_FUNC;
            let (value, size) = (u64_at(symbol, 8)?, u64_at(symbol, 16)?);
            (is_function && size != 0).then(|| value..value.saturating_add(size))
        }));
    }
    Ok(found)
}
