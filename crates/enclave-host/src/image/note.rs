//! The ELF note that lists the image's ENCLU instructions (`docs/specs/enclave-abi.md`, section 7).

use enclave_abi::bytes::{u32_at, u64_at};

use super::elf::{Headers, Malformed, slice};

const NAME: &[u8; 9] = b"Casemate\0";
const TYPE_ENCLU: u32 = 1;
const HEADER: usize = 12;
/// Bytes of an ENCLU site: the instruction and its padding.
const SITE: &[u8] = &[0x0f, 0x01, 0xd7, 0x0f, 0x1f, 0x44, 0x00, 0x00];

/// Reads the offsets of all ENCLU sites; an image without the note has none.
pub(super) fn enclu_sites(file: &[u8], headers: &Headers) -> Result<Vec<u64>, Malformed> {
    let mut sites = Vec::new();
    for &(offset, address, size) in &headers.notes {
        let notes = slice(file, offset, size).ok_or(Malformed::CutShort { what: "a note" })?;
        read_notes(notes, address, &mut sites)?;
    }
    sites.sort_unstable();
    for &site in &sites {
        let load = headers.loads.iter().find(|load| load.holds(site));
        let code = load.and_then(|load| {
            let content = load.content(file).ok()?;
            slice(content, site - load.address, SITE.len() as u64)
        });
        if code != Some(SITE) {
            return Err(Malformed::Note { reason: "a site does not hold a padded ENCLU" });
        }
    }
    Ok(sites)
}

fn read_notes(mut notes: &[u8], mut address: u64, sites: &mut Vec<u64>) -> Result<(), Malformed> {
    let short = Malformed::Note { reason: "a note is cut short" };
    while !notes.is_empty() {
        let field = |at| u32_at(notes, at).and_then(|n| usize::try_from(n).ok()).ok_or(short);
        let (name_len, body_len, kind) = (field(0)?, field(4)?, field(8)?);
        let name_end = HEADER.checked_add(name_len).ok_or(short)?;
        let body = name_end.checked_next_multiple_of(4).ok_or(short)?;
        let body_end = body.checked_add(body_len).ok_or(short)?;
        let name = notes.get(HEADER..name_end).ok_or(short)?;
        let elements = notes.get(body..body_end).ok_or(short)?;
        if name == NAME && kind == TYPE_ENCLU as usize {
            read_sites(elements, address.wrapping_add(body as u64), sites)?;
        }
        let next = body_end.next_multiple_of(4).min(notes.len());
        notes = notes.get(next..).unwrap_or_default();
        address = address.wrapping_add(next as u64);
    }
    Ok(())
}

/// Each element is the site's address minus the element's own.
fn read_sites(body: &[u8], address: u64, sites: &mut Vec<u64>) -> Result<(), Malformed> {
    if !body.len().is_multiple_of(8) {
        return Err(Malformed::Note { reason: "its length is not a multiple of 8" });
    }
    for at in (0..body.len()).step_by(8) {
        let relative = u64_at(body, at).unwrap_or(0);
        sites.push(address.wrapping_add(at as u64).wrapping_add(relative));
    }
    Ok(())
}
