//! As much of an ELF-64 file as finding code takes: sections, segments, and where functions lie.

use std::collections::BTreeMap;

/// A section header.
#[derive(Debug, Clone)]
pub(crate) struct Section {
    pub(crate) name: String,
    pub(crate) kind: u32,
    pub(crate) flags: u64,
    pub(crate) addr: u64,
    pub(crate) offset: usize,
    pub(crate) size: usize,
}

/// An ELF file; every reader answers `None` or an empty list for what is not there.
#[derive(Debug)]
pub(crate) struct Elf<'a> {
    pub(crate) bytes: &'a [u8],
    pub(crate) sections: Vec<Section>,
}

const SHT_SYMTAB: u32 = 2;
const SHT_NOBITS: u32 = 8;
const SHT_DYNSYM: u32 = 11;
const SHF_EXECINSTR: u64 = 4;
const STT_FUNC: u8 = 2;

impl<'a> Elf<'a> {
    /// Reads the section table; `None` if this is not a little-endian ELF-64 file with sections.
    pub(crate) fn parse(bytes: &'a [u8]) -> Option<Self> {
        if bytes.get(..6)? != b"\x7fELF\x02\x01" {
            return None;
        }
        let table = u64_at(bytes, 0x28)? as usize;
        let count = u16_at(bytes, 0x3c)? as usize;
        let header = |index: usize| -> Option<(u32, Section)> {
            let at = table + index * 64;
            let section = Section {
                name: String::new(),
                kind: u32_at(bytes, at + 4)?,
                flags: u64_at(bytes, at + 8)?,
                addr: u64_at(bytes, at + 16)?,
                offset: u64_at(bytes, at + 24)? as usize,
                size: u64_at(bytes, at + 32)? as usize,
            };
            Some((u32_at(bytes, at)?, section))
        };
        let headers = (0..count).map(header).collect::<Option<Vec<_>>>()?;
        let names = headers.get(u16_at(bytes, 0x3e)? as usize)?.1.offset;
        let named = headers.into_iter().map(|(name, section)| Section {
            name: string_at(bytes, names + name as usize),
            ..section
        });
        Some(Self { bytes, sections: named.collect() })
    }

    pub(crate) fn section(&self, name: &str) -> Option<&Section> {
        self.sections.iter().find(|section| section.name == name)
    }

    /// The executable sections with their bytes.
    pub(crate) fn code(&self) -> impl Iterator<Item = (&Section, &'a [u8])> {
        let executable =
            |section: &&Section| section.flags & SHF_EXECINSTR != 0 && section.kind != SHT_NOBITS;
        self.sections.iter().filter(executable).filter_map(|section| {
            Some((section, self.bytes.get(section.offset..section.offset + section.size)?))
        })
    }

    /// Start and end of every function that symbols, `.eh_frame` or Go's tables name.
    pub(crate) fn functions(&self) -> BTreeMap<u64, u64> {
        let mut functions = BTreeMap::new();
        for (start, end) in self.symbols().chain(self.frames()).chain(self.go_functions()) {
            let known = functions.entry(start).or_insert(end);
            *known = end.max(*known);
        }
        // Assembly often leaves the size out: such a function reaches to the next one.
        let starts: Vec<u64> = functions.keys().copied().skip(1).collect();
        for ((start, end), next) in functions.iter_mut().zip(starts) {
            if end == start {
                *end = next;
            }
        }
        functions
    }

    fn symbols(&self) -> impl Iterator<Item = (u64, u64)> {
        let tables = self.sections.iter().filter(|s| matches!(s.kind, SHT_SYMTAB | SHT_DYNSYM));
        tables
            .flat_map(|table| (0..table.size / 24).map(|index| table.offset + index * 24))
            .filter_map(|at| {
                let is_function = self.bytes.get(at + 4)? & 15 == STT_FUNC;
                let (value, size) = (u64_at(self.bytes, at + 8)?, u64_at(self.bytes, at + 16)?);
                (is_function && value != 0).then_some((value, value + size))
            })
    }

    /// Ranges of the frame descriptions, in the encoding every x86-64 toolchain uses (pcrel,
    /// signed 32 bits).
    fn frames(&self) -> impl Iterator<Item = (u64, u64)> {
        let section = self.section(".eh_frame").cloned();
        let (offset, size, addr) = section.map_or((0, 0, 0), |s| (s.offset, s.size, s.addr));
        let mut at = 0;
        std::iter::from_fn(move || {
            while at + 16 <= size {
                let entry = offset + at;
                let length = u32_at(self.bytes, entry)? as usize;
                let is_cie = u32_at(self.bytes, entry + 4)? == 0;
                let field = addr + at as u64 + 8;
                at += length + 4;
                if length == 0 {
                    return None;
                }
                if !is_cie {
                    let relative = u32_at(self.bytes, entry + 8)?.cast_signed();
                    let start = field.wrapping_add_signed(i64::from(relative));
                    return Some((start, start + u64::from(u32_at(self.bytes, entry + 12)?)));
                }
            }
            None
        })
    }

    /// Function table of `.gopclntab` as Go 1.18 to 1.19 write it (magic 0xfffffff0).
    fn go_functions(&self) -> impl Iterator<Item = (u64, u64)> {
        let table = self.section(".gopclntab").map_or(0, |section| section.offset);
        let is_go = table != 0 && u32_at(self.bytes, table) == Some(0xffff_fff0);
        let count = u64_at(self.bytes, table + 8).filter(|_| is_go).unwrap_or(0) as usize;
        let text = u64_at(self.bytes, table + 24).unwrap_or(0);
        let entries = table + u64_at(self.bytes, table + 64).unwrap_or(0) as usize;
        (0..count).filter_map(move |index| {
            let start = u32_at(self.bytes, entries + index * 8)?;
            let end = u32_at(self.bytes, entries + index * 8 + 8)?;
            Some((text + u64::from(start), text + u64::from(end)))
        })
    }
}

fn string_at(bytes: &[u8], at: usize) -> String {
    let rest = bytes.get(at..).unwrap_or_default();
    let end = rest.iter().position(|&byte| byte == 0).unwrap_or(0);
    String::from_utf8_lossy(&rest[..end]).into_owned()
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_le_bytes(bytes.get(at..at + 2)?.try_into().ok()?))
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}

fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_le_bytes(bytes.get(at..at + 8)?.try_into().ok()?))
}
