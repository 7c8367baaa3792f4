//! The ELF note that lists the ENCLU sites of the image.
//!
//! SPEC: `docs/specs/enclave-abi.md`, section "ENCLU sites": section `.note.casemate.enclu` holds
//! one note with name `Casemate` and type 1; its descriptor is an array of little-endian `u64`, each
//! the address of a site minus the address of the array element.

use std::collections::BTreeSet;

use anyhow::{Context, Result};
use object::LittleEndian;
use object::read::elf::{FileHeader as _, SectionHeader as _};

use super::{Header, Rule, Violation};

const SECTION: &[u8] = b".note.casemate.enclu";
const NAME: &[u8] = b"Casemate\0";
const TYPE: u32 = 1;
/// Sizes of name, descriptor and type precede the name.
const NOTE_HEADER: usize = 12;

/// ENCLU and the five-byte no-op that makes room for the emulator's jump.
pub(super) const SITE: [u8; 8] = [0x0f, 0x01, 0xd7, 0x0f, 0x1f, 0x44, 0x00, 0x00];

/// Reads the link-time addresses of the sites. The inner error is what is wrong with the note.
pub(super) fn read(header: &Header, file: &[u8]) -> Result<Result<BTreeSet<u64>, Violation>> {
    let sections = header.sections(LittleEndian, file).context("read the section headers")?;
    let Some((_, section)) = sections.section_by_name(LittleEndian, SECTION) else {
        return Ok(Err(wrong(None, "section absent")));
    };
    let data = section.data(LittleEndian, file).context("read the ENCLU note")?;
    Ok(parse(section.sh_addr(LittleEndian), data))
}

/// Parses the section, which is loaded at `address`.
fn parse(address: u64, data: &[u8]) -> Result<BTreeSet<u64>, Violation> {
    let malformed = |what: &str| wrong(Some(address), what);
    let name_size = word(data, 0).ok_or_else(|| malformed("truncated header"))?;
    let descriptor_size = word(data, 4).ok_or_else(|| malformed("truncated header"))?;
    let kind = word(data, 8).ok_or_else(|| malformed("truncated header"))?;
    if name_size as usize != NAME.len()
        || data.get(NOTE_HEADER..NOTE_HEADER + NAME.len()) != Some(NAME)
    {
        return Err(malformed("name is not `Casemate`"));
    }
    if kind != TYPE {
        return Err(malformed(&format!("type {kind}, expected {TYPE}")));
    }
    let start = NOTE_HEADER + NAME.len().next_multiple_of(4);
    let array = data.get(start..).unwrap_or_default();
    if array.len() != descriptor_size as usize || array.len() % 8 != 0 {
        let found = array.len();
        let what = format!("{found} bytes follow the name, descriptor size {descriptor_size}");
        return Err(malformed(&what));
    }
    let elements = array.as_chunks::<8>().0;
    let first = address.wrapping_add(start as u64);
    let sites = (first..).step_by(8).zip(elements);
    Ok(sites.map(|(place, offset)| place.wrapping_add(u64::from_le_bytes(*offset))).collect())
}

fn word(data: &[u8], at: usize) -> Option<u32> {
    data.get(at..at + 4)?.try_into().ok().map(u32::from_le_bytes)
}

fn wrong(address: Option<u64>, what: &str) -> Violation {
    let section = String::from_utf8_lossy(SECTION);
    Violation { rule: Rule::Note, address, detail: format!("{section}: {what}") }
}
