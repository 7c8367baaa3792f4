#![allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "values in tests are small"
)]

use proptest::prelude::*;

use super::*;

/// A segment of a test file: flags, address, content, size in memory.
pub(crate) struct Part<'a>(pub u32, pub u64, pub &'a [u8], pub u64);

/// A static position-independent ELF file with these segments; notes are (segment, offset, size).
pub(crate) fn elf(entry: u64, parts: &[Part<'_>], notes: &[(usize, u64, u64)]) -> Vec<u8> {
    let header = |kind: u32, flags: u32, offset: u64, address: u64, file: u64, memory: u64| {
        let mut out = [kind.to_le_bytes(), flags.to_le_bytes()].concat();
        for word in [offset, address, address, file, memory, PAGE] {
            out.extend(word.to_le_bytes());
        }
        out
    };
    let count = parts.len() + notes.len();
    let mut offsets = Vec::new();
    let mut at = 64 + 56 * count as u64;
    for Part(_, address, content, _) in parts {
        at += (address % PAGE + PAGE - at % PAGE) % PAGE;
        offsets.push(at);
        at += content.len() as u64;
    }
    let mut file = b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0\x03\0\x3e\0\x01\0\0\0".to_vec();
    file.extend(entry.to_le_bytes());
    file.extend(64u64.to_le_bytes());
    file.extend([0; 12]);
    file.extend([64u16, 56, count as u16, 64, 0, 0].iter().flat_map(|half| half.to_le_bytes()));
    for (Part(flags, address, content, memory), &offset) in parts.iter().zip(&offsets) {
        file.extend(header(1, *flags, offset, *address, content.len() as u64, *memory));
    }
    for &(part, skip, size) in notes {
        file.extend(header(4, 4, offsets[part] + skip, parts[part].1 + skip, size, size));
    }
    for (Part(_, _, content, _), &offset) in parts.iter().zip(&offsets) {
        file.resize(offset as usize, 0xee);
        file.extend(*content);
    }
    file
}

/// Code and data as a linker would lay them out, with one ENCLU at 0x1010 and a note that lists it.
pub(crate) fn example() -> Vec<u8> {
    let mut code = vec![0x90; 0x40];
    code[0x10..0x18].copy_from_slice(&[0x0f, 0x01, 0xd7, 0x0f, 0x1f, 0x44, 0, 0]);
    let mut rodata = vec![0; 0x100];
    let note = note(0x80 + 24, &[0x1010]);
    rodata[0x80..0x80 + note.len()].copy_from_slice(&note);
    let parts = [
        Part(4, 0, &rodata, 0x100),
        Part(5, 0x1000, &code, 0x40),
        Part(6, 0x2ff0, &[7; 0x20], 0x1f00),
    ];
    elf(0x1008, &parts, &[(0, 0x80, note.len() as u64)])
}

fn note(first_element: u64, sites: &[u64]) -> Vec<u8> {
    let mut note = [9u32, 8 * sites.len() as u32, 1].map(u32::to_le_bytes).concat();
    note.extend(b"Casemate\0\0\0\0");
    for (i, site) in sites.iter().enumerate() {
        note.extend((site.wrapping_sub(first_element + 8 * i as u64)).to_le_bytes());
    }
    note
}

#[test]
fn segments_become_pages_with_their_permissions() {
    let image = Image::parse(&example()).unwrap();
    assert_eq!((image.size(), image.entry()), (0x5000, 0x1008));
    assert_eq!(image.enclu_sites(), [0x1010]);
    let shape: Vec<_> = image
        .segments()
        .iter()
        .map(|s| (s.offset, s.secinfo.flags.permissions().bits(), s.pages().len()))
        .collect();
    assert_eq!(shape, [(0, 1, 1), (0x1000, 5, 1), (0x2000, 3, 3)]);
    let data = &image.segments()[2].pages();
    assert_eq!(data[0].0[0xfef..0xff1], [0, 7]);
    assert_eq!(data[1].0[0xf..0x11], [7, 0]);
    assert!(data[2].0.iter().all(|&b| b == 0), "what is only in memory is zero");
}

#[test]
fn a_file_is_read_as_far_as_it_is_loaded() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("image");
    let file = example();
    std::fs::write(&path, [&file, &[0xee; 100_000][..]].concat()).unwrap();
    let (loaded, parsed) = (Image::load(&path).unwrap(), Image::parse(&file).unwrap());
    assert_eq!((loaded.entry(), loaded.size()), (parsed.entry(), parsed.size()));
    for (one, other) in loaded.segments().iter().zip(parsed.segments()) {
        assert!(one.pages().iter().zip(other.pages()).all(|(a, b)| a.0 == b.0));
    }
    std::fs::write(&path, &file[..file.len() - 1]).unwrap();
    assert!(matches!(Image::load(&path), Err(Error::Image(Malformed::CutShort { .. }))));
    std::fs::write(&path, b"#!/bin/sh").unwrap();
    assert!(matches!(Image::load(&path), Err(Error::Image(Malformed::NotElf))));
    let missing = directory.path().join("none");
    assert!(matches!(Image::load(&missing), Err(Error::Read { .. })));
}

#[test]
fn every_truncation_is_refused() {
    let file = example();
    for len in 0..file.len() {
        assert!(Image::parse(&file[..len]).is_err(), "length {len}");
    }
}

#[test]
fn refusals_name_the_rule() {
    let refusal = |parts: &[Part<'_>]| Image::parse(&elf(0x10, parts, &[])).unwrap_err();
    let wx = refusal(&[Part(7, 0, &[0; 64], 64)]);
    let reason = "it is both writable and executable";
    assert_eq!(wx, Malformed::Segment { index: 0, reason });
    let shared = refusal(&[Part(5, 0, &[0; 64], 64), Part(6, 0x800, &[0; 64], 64)]);
    assert!(matches!(shared, Malformed::Segment { index: 1, .. }));
    assert_eq!(refusal(&[Part(4, 0, &[0; 64], 64)]), Malformed::Entry { found: 0x10 });
    assert_eq!(refusal(&[Part(5, 0, &[0; 64], 1 << 30)]), Malformed::TooLarge);
    assert_eq!(refusal(&[Part(5, u64::MAX - 64, &[0; 64], 64)]), Malformed::TooLarge);
    let mut fixed = example();
    fixed[16] = 2;
    assert_eq!(Image::parse(&fixed).unwrap_err(), Malformed::Type { found: 2 });
}

#[test]
fn a_site_that_is_no_enclu_is_refused() {
    let mut file = example();
    let enclu = file.windows(3).position(|w| w == [0x0f, 0x01, 0xd7]).unwrap();
    file[enclu + 2] = 0xd0;
    assert!(matches!(Image::parse(&file), Err(Malformed::Note { .. })));
}

proptest! {
    #[test]
    fn damaged_files_never_panic(edits in prop::collection::vec((0usize..0x500, any::<u8>()), 1..6)) {
        let mut file = example();
        for (at, byte) in edits {
            file[at] = byte;
        }
        let _ = Image::parse(&file);
    }
}
