//! The real evidence under `tests/dcap/` (see its README for where it comes from).
#![allow(dead_code, reason = "each test binary uses its part")]

use std::{fs, path::PathBuf};

use serde::Deserialize;

pub(crate) fn path(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../tests/dcap").join(name)
}

pub(crate) fn read(name: &str) -> Vec<u8> {
    fs::read(path(name)).unwrap_or_else(|error| panic!("read tests/dcap/{name}: {error}"))
}

pub(crate) fn collateral(name: &str) -> dcap::Collateral {
    dcap::Collateral::from_json(&read(name)).unwrap_or_else(|refusal| panic!("{name}: {refusal}"))
}

pub(crate) fn manifest() -> Manifest {
    serde_json::from_slice(&read("manifest.json")).expect("manifest.json is the committed one")
}

#[derive(Deserialize)]
pub(crate) struct Manifest {
    pub(crate) dcap: Vec<DcapQuote>,
    pub(crate) snp: Vec<SnpCase>,
}

#[derive(Deserialize)]
pub(crate) struct DcapQuote {
    pub(crate) file: String,
    pub(crate) tee: String,
    pub(crate) version: u16,
    pub(crate) cert_type: u16,
    pub(crate) fmspc: Option<String>,
    pub(crate) debug: bool,
    pub(crate) pck_root: Option<String>,
    pub(crate) qe_isvsvn: u16,
    #[serde(default)]
    pub(crate) mrenclave: Option<String>,
    #[serde(default)]
    pub(crate) mrsigner: Option<String>,
    pub(crate) cases: Vec<Case>,
}

#[derive(Deserialize)]
pub(crate) struct Case {
    pub(crate) collateral: String,
    pub(crate) verify_at: String,
    pub(crate) verify_at_unix: u64,
    pub(crate) window: Vec<String>,
    pub(crate) tcb_info_version: u32,
    pub(crate) tcb_eval: u32,
    pub(crate) expected_status: String,
    pub(crate) expected_advisories: Vec<String>,
    pub(crate) crypto_failures: Vec<String>,
    pub(crate) qe_status: String,
    pub(crate) dcap_qvl_0_7_1: String,
}

#[derive(Deserialize)]
pub(crate) struct SnpCase {
    pub(crate) file: String,
    pub(crate) version: u32,
    pub(crate) vmpl: u32,
    pub(crate) policy: String,
    pub(crate) debug_policy: bool,
    pub(crate) signing_key: u32,
    pub(crate) measurement: String,
    pub(crate) host_data: String,
    pub(crate) report_data: String,
    pub(crate) chip_id: String,
    pub(crate) endorsement: Option<String>,
    pub(crate) expected: String,
}
