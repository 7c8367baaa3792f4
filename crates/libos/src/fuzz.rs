//! Entry points for fuzzing (`fuzz/`): what a program's own bytes can do to the loader. Built
//! there and for tests.
#![allow(clippy::expect_used, reason = "a finding is a panic")]

use crate::{
    loader::elf::{HEADER_SIZE, Image, header_table},
    vm::{page_down, page_up},
};

/// Reads an executable's headers. What is accepted are segments in order that share no page.
pub fn program(file: &[u8]) {
    let header = file.get(..HEADER_SIZE).unwrap_or(file);
    let Ok(place) = header_table(header) else { return };
    let from = usize::try_from(place.offset).unwrap_or(usize::MAX);
    let table = file.get(from..).unwrap_or_default();
    let Ok(image) = Image::parse(header, table) else { return };
    let mut end = 0;
    for segment in &image.segments {
        assert!(page_down(segment.vaddr) >= end, "segments share a page");
        assert!(segment.file_size <= segment.memory_size);
        end = page_up(segment.end()).expect("a segment ends in the address space");
    }
    let (first, last) = image.span();
    assert!(first < last && last == end && image.align.is_power_of_two());
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    /// Runs a target over its corpus, whole and cut.
    fn replay(name: &str, target: fn(&[u8])) {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus").join(name);
        for entry in std::fs::read_dir(folder).unwrap() {
            let bytes = std::fs::read(entry.unwrap().path()).unwrap();
            for length in [bytes.len(), bytes.len() / 2, bytes.len().saturating_sub(1), 60, 1] {
                target(&bytes[..length.min(bytes.len())]);
            }
        }
    }

    #[test]
    fn no_file_of_the_corpus_makes_a_target_fail() {
        replay("program", super::program);
    }
}
