//! The fuzz target over its corpus, whole and cut: nothing may panic, and the target's own assertions hold.
#![allow(missing_docs, unreachable_pub, clippy::unwrap_used, reason = "a test")]

#[path = "../../../fuzz/targets/manifest.rs"]
mod target;

use std::fs;
use std::path::Path;

#[test]
fn no_file_of_the_corpus_makes_the_target_fail() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus/manifest");
    let mut files = 0;
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            continue;
        }
        let bytes = fs::read(path).unwrap();
        files += 1;
        for length in [bytes.len(), bytes.len() / 2, bytes.len().saturating_sub(1), 60, 1] {
            target::run(&bytes[..length.min(bytes.len())]);
        }
    }
    assert!(files > 0, "the corpus is there");
}
