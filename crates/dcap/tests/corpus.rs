//! Replays the corpus of the fuzz targets: every real file and every past finding, whole and cut,
//! through every target. Nothing may panic.

#[path = "it/data.rs"]
mod data;

use std::{
    fs,
    path::{Path, PathBuf},
};

type Target = fn(&[u8]);

const TARGETS: [(&str, Target); 7] = [
    ("quote", dcap::fuzz::quote),
    ("certificates", dcap::fuzz::certificates),
    ("signed_json", dcap::fuzz::signed_json),
    ("collateral", dcap::fuzz::collateral),
    ("snp", dcap::fuzz::snp),
    ("ratls", dcap::fuzz::ratls),
    ("open_enclave", dcap::fuzz::open_enclave),
];

fn files(directory: &Path, all: &mut Vec<PathBuf>) {
    let Ok(entries) = fs::read_dir(directory) else { return };
    for entry in entries.map(|entry| entry.expect("a readable directory").path()) {
        if entry.is_dir() {
            files(&entry, all);
        } else {
            all.push(entry);
        }
    }
}

#[test]
fn no_file_makes_a_target_panic() {
    let mut all = Vec::new();
    files(&data::path(""), &mut all);
    assert!(all.len() > 200, "the test data are there");
    files(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus"), &mut all);
    for file in &all {
        let bytes = fs::read(file).expect("a readable file");
        for (_, target) in TARGETS {
            for length in [bytes.len(), bytes.len() / 2, bytes.len().saturating_sub(1), 60, 1] {
                target(&bytes[..length.min(bytes.len())]);
            }
        }
    }
}

/// Small certificates, CRLs and reports cut at every byte and flipped at many.
#[test]
fn no_damage_makes_a_target_panic() {
    let mut small: Vec<Vec<u8>> = Vec::new();
    for name in
        ["ratls/ccc-gramine.der", "snp/snp-v2-0f48ad8f.vcek.der", "snp/snp-v5-5e3d1c0e.report"]
    {
        small.push(data::read(name));
    }
    small.push(data::collateral("collateral/c-b4493d6a.json").root_ca_crl);
    small.push(data::collateral("collateral/c-b4493d6a.json").qe_identity.into_bytes());
    for bytes in &small {
        for length in 0..bytes.len() {
            dcap::fuzz::certificates(&bytes[..length]);
            dcap::fuzz::signed_json(&bytes[..length]);
            dcap::fuzz::quote(&bytes[..length]);
        }
        for at in 0..bytes.len() {
            let mut flipped = bytes.clone();
            flipped[at] ^= 0x81;
            dcap::fuzz::certificates(&flipped);
            dcap::fuzz::signed_json(&flipped);
            dcap::fuzz::ratls(&flipped);
        }
    }
}

/// Every target here has its file under `fuzz/`, and the other way round.
#[test]
fn every_target_is_a_fuzz_target() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/fuzz_targets");
    for (name, _) in TARGETS {
        let text = fs::read_to_string(directory.join(format!("{name}.rs"))).expect("a fuzz target");
        assert!(text.contains(&format!("dcap::fuzz::{name}(bytes)")));
    }
}
