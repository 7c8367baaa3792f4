//! ELF headers of x86-64 executables, as far as a loader needs them. Total over any bytes.
//!
//! Source: System V ABI, chapters 4 and 5, and its AMD64 supplement.

use alloc::{vec, vec::Vec};

use crate::{
    linux::{u16_at, u32_at, u64_at},
    vm::{PAGE, area::Prot, page_down, page_up},
};

/// Size of the file header.
pub(crate) const HEADER_SIZE: usize = 64;
const PHENTSIZE: u16 = 56;
const PHNUM_MAX: u16 = 128;
const PT_LOAD: u32 = 1;
const PT_INTERP: u32 = 3;
const PT_PHDR: u32 = 6;
const PT_GNU_STACK: u32 = 0x6474_e551;
const ET_EXEC: u16 = 2;
const ET_DYN: u16 = 3;
const EM_X86_64: u16 = 62;
/// Longest interpreter path.
const INTERP_MAX: u64 = 4096;

/// Why a file is no program this machine runs. Each is ENOEXEC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Malformed {
    #[error("no ELF magic, or not a little-endian 64-bit file")]
    Magic,
    #[error("machine {0}, expected {EM_X86_64} (x86-64)")]
    Machine(u16),
    #[error("type {0}, expected {ET_EXEC} (EXEC) or {ET_DYN} (DYN)")]
    Type(u16),
    #[error("{count} program headers of {size} bytes, expected 1 to {PHNUM_MAX} of {PHENTSIZE}")]
    HeaderTable { count: u16, size: u16 },
    #[error("file ends within its headers")]
    Short,
    #[error("segment {0} is out of range, out of order, overlaps another or is misaligned")]
    Segment(usize),
    #[error("no segment to load")]
    NoSegment,
    #[error("interpreter path is empty, too long or not terminated")]
    Interpreter,
}

/// A part of the file to load.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Segment {
    pub(crate) vaddr: u64,
    pub(crate) offset: u64,
    pub(crate) file_size: u64,
    pub(crate) memory_size: u64,
    pub(crate) prot: Prot,
}

impl Segment {
    /// End of the segment in memory.
    pub(crate) const fn end(&self) -> u64 {
        self.vaddr + self.memory_size
    }
}

/// Where and how long the program headers are in the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct HeaderTable {
    pub(crate) offset: u64,
    pub(crate) count: u16,
}

impl HeaderTable {
    pub(crate) const fn len(&self) -> usize {
        self.count as usize * PHENTSIZE as usize
    }
}

/// An executable's headers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Image {
    /// Addresses are relative to where it is loaded.
    pub(crate) relocatable: bool,
    pub(crate) entry: u64,
    pub(crate) table: HeaderTable,
    /// By ascending address, not overlapping, page by page.
    pub(crate) segments: Vec<Segment>,
    /// Offset and length of the interpreter's path in the file.
    pub(crate) interpreter: Option<(u64, u64)>,
    /// Where the program headers are in memory.
    pub(crate) headers_at: Option<u64>,
    pub(crate) executable_stack: bool,
    /// Largest alignment a segment asks for.
    pub(crate) align: u64,
}

/// Reads the file header: where the program headers are.
pub(crate) fn header_table(header: &[u8]) -> Result<HeaderTable, Malformed> {
    let short = Malformed::Short;
    if header.get(..6).ok_or(short)? != b"\x7fELF\x02\x01" {
        return Err(Malformed::Magic);
    }
    let field = |at| u16_at(header, at).ok_or(short);
    if field(18)? != EM_X86_64 {
        return Err(Malformed::Machine(field(18)?));
    }
    if !matches!(field(16)?, ET_EXEC | ET_DYN) {
        return Err(Malformed::Type(field(16)?));
    }
    let (size, count) = (field(54)?, field(56)?);
    if size != PHENTSIZE || count == 0 || count > PHNUM_MAX {
        return Err(Malformed::HeaderTable { count, size });
    }
    Ok(HeaderTable { offset: u64_at(header, 32).ok_or(short)?, count })
}

impl Image {
    /// Decodes the headers: the file header, and the program headers that [`header_table`] told of.
    pub(crate) fn parse(header: &[u8], table: &[u8]) -> Result<Self, Malformed> {
        let place = header_table(header)?;
        if table.len() < place.len() {
            return Err(Malformed::Short);
        }
        let mut image = Self {
            relocatable: u16_at(header, 16) == Some(ET_DYN),
            entry: u64_at(header, 24).ok_or(Malformed::Short)?,
            table: place,
            segments: vec![],
            interpreter: None,
            headers_at: None,
            executable_stack: false,
            align: PAGE,
        };
        let rows = table.chunks_exact(usize::from(PHENTSIZE)).take(usize::from(place.count));
        for (index, row) in rows.enumerate() {
            image.add(index, row)?;
        }
        if image.segments.is_empty() {
            return Err(Malformed::NoSegment);
        }
        image.headers_at = image.headers_at.or_else(|| image.find_headers());
        Ok(image)
    }

    fn add(&mut self, index: usize, row: &[u8]) -> Result<(), Malformed> {
        let word = |at| u64_at(row, at).ok_or(Malformed::Short);
        let flags = u32_at(row, 4).ok_or(Malformed::Short)?;
        let (offset, vaddr) = (word(8)?, word(16)?);
        let (file_size, memory_size) = (word(32)?, word(40)?);
        match u32_at(row, 0).ok_or(Malformed::Short)? {
            PT_LOAD if memory_size == 0 => Ok(()),
            PT_LOAD => {
                let segment = Segment { vaddr, offset, file_size, memory_size, prot: prot(flags) };
                self.check(&segment).ok_or(Malformed::Segment(index))?;
                let align = word(48)?;
                if align.is_power_of_two() && align <= 1 << 30 {
                    self.align = self.align.max(align);
                }
                self.segments.push(segment);
                Ok(())
            }
            PT_INTERP if (2..=INTERP_MAX).contains(&file_size) => {
                self.interpreter = Some((offset, file_size));
                Ok(())
            }
            PT_INTERP => Err(Malformed::Interpreter),
            PT_PHDR => {
                self.headers_at = Some(vaddr);
                Ok(())
            }
            PT_GNU_STACK => {
                self.executable_stack = flags & 1 != 0;
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// A segment lies in 47 bits, holds its file part, agrees with its offset modulo a page, and starts on a
    /// page after the one before it.
    fn check(&self, segment: &Segment) -> Option<()> {
        let end = segment.vaddr.checked_add(segment.memory_size).filter(|&e| e < 1 << 47)?;
        page_up(end)?;
        segment.offset.checked_add(segment.file_size).filter(|&e| e < 1 << 62)?;
        let fits = segment.file_size <= segment.memory_size
            && segment.vaddr % PAGE == segment.offset % PAGE;
        let after = match self.segments.last() {
            Some(last) => page_up(last.end())? <= page_down(segment.vaddr),
            None => true,
        };
        (fits && after).then_some(())
    }

    /// The program headers' address when no PT_PHDR says it: in the segment that holds their offset.
    fn find_headers(&self) -> Option<u64> {
        let at = self.table.offset;
        let end = at.checked_add(self.table.len() as u64)?;
        let holds = |s: &&Segment| s.offset <= at && end <= s.offset + s.file_size;
        self.segments.iter().find(holds).map(|s| at - s.offset + s.vaddr)
    }

    /// First page and end of the image, before it is moved.
    pub(crate) fn span(&self) -> (u64, u64) {
        let first = self.segments.first().map_or(0, |s| page_down(s.vaddr));
        let end = self.segments.last().and_then(|s| page_up(s.end())).unwrap_or(first);
        (first, end)
    }
}

fn prot(flags: u32) -> Prot {
    let bit = |mask: u32, prot: Prot| if flags & mask != 0 { u64::from(prot.bits()) } else { 0 };
    Prot::from_bits(bit(4, Prot::READ) | bit(2, Prot::WRITE) | bit(1, Prot::EXEC))
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// Builds an executable of the given type with these segments: vaddr, memory size, flags, content.
    pub(crate) fn build(kind: u16, entry: u64, segments: &[(u64, u64, u32, &[u8])]) -> Vec<u8> {
        let mut file = b"\x7fELF\x02\x01\x01".to_vec();
        file.resize(16, 0);
        file.extend_from_slice(&kind.to_le_bytes());
        file.extend_from_slice(&EM_X86_64.to_le_bytes());
        file.extend_from_slice(&1u32.to_le_bytes());
        file.extend_from_slice(&entry.to_le_bytes());
        file.extend_from_slice(&64u64.to_le_bytes());
        file.resize(54, 0);
        file.extend_from_slice(&PHENTSIZE.to_le_bytes());
        file.extend_from_slice(&u16::try_from(segments.len()).unwrap().to_le_bytes());
        file.resize(64 + segments.len() * 56, 0);
        for (i, (vaddr, memory_size, flags, content)) in segments.iter().enumerate() {
            while file.len() as u64 % PAGE != vaddr % PAGE {
                file.push(0);
            }
            let offset = file.len() as u64;
            file.extend_from_slice(content);
            let row = &mut file[64 + i * 56..64 + (i + 1) * 56];
            row[0..4].copy_from_slice(&PT_LOAD.to_le_bytes());
            row[4..8].copy_from_slice(&flags.to_le_bytes());
            let words = [offset, *vaddr, *vaddr, content.len() as u64, *memory_size, PAGE];
            for (slot, word) in row[8..].chunks_exact_mut(8).zip(words) {
                slot.copy_from_slice(&word.to_le_bytes());
            }
        }
        file
    }

    fn parse(file: &[u8]) -> Result<Image, Malformed> {
        Image::parse(&file[..file.len().min(64)], file.get(64..).unwrap_or_default())
    }

    fn program() -> Vec<u8> {
        build(2, 0x40_1000, &[(0x40_1000, 10, 5, b"code"), (0x40_2010, 0x5000, 6, b"data")])
    }

    #[test]
    fn segments_and_entry_are_found() {
        let image = parse(&program()).unwrap();
        assert!(!image.relocatable);
        assert_eq!((image.entry, image.span()), (0x40_1000, (0x40_1000, 0x40_8000)));
        assert_eq!(image.segments[1].prot, Prot::READ_WRITE);
    }

    #[test]
    fn no_truncation_or_byte_panics() {
        let file = program();
        for len in 0..200 {
            let _ = parse(&file[..len]);
        }
        for at in 0..64 + 112 {
            for value in [0, 1, 0x7f, 0x80, 0xff] {
                let mut bad = file.clone();
                bad[at] = value;
                let _ = parse(&bad).map(|image| image.span());
            }
        }
    }

    #[test]
    fn hostile_segments_are_refused() {
        let overlap = build(2, 0, &[(0x1000, 0x1001, 5, b"a"), (0x2000, 1, 6, b"b")]);
        assert_eq!(parse(&overlap), Err(Malformed::Segment(1)));
        let wraps = build(2, 0, &[(0x1000, u64::MAX, 5, b"a")]);
        assert_eq!(parse(&wraps), Err(Malformed::Segment(0)));
        let short = build(2, 0, &[(0x1000, 2, 5, b"abc")]);
        assert_eq!(parse(&short), Err(Malformed::Segment(0)));
    }
}
