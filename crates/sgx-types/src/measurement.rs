//! MRENCLAVE, computed as ECREATE, EADD, EEXTEND and EINIT do it ("Enclave Measurement").
//!
//! The digest is SHA-256 over one 64-byte record for each leaf; an EEXTEND record is followed by
//! the 256 bytes it measures:
//!
//! ```text
//! ECREATE  "ECREATE\0" | SSAFRAMESIZE u32 | SIZE u64   | zero ...
//! EADD     "EADD\0..." | offset u64       | SECINFO, its first 48 bytes
//! EEXTEND  "EEXTEND\0" | offset u64       | zero ...   | 256 bytes of the page
//! ```

use crypto::Sha256;

use crate::layout::{Field as _, copy, put};
use crate::{EEXTEND_SIZE, Mrenclave, PAGE_SIZE, PageType, SecInfo, SecInfoFlags};

/// Size of a measurement record in bytes.
pub(crate) const RECORD_SIZE: usize = 64;
pub(crate) const ECREATE: [u8; 8] = *b"ECREATE\0";
pub(crate) const EADD: [u8; 8] = *b"EADD\0\0\0\0";
pub(crate) const EEXTEND: [u8; 8] = *b"EEXTEND\0";

/// A measurement in progress. The order of calls is the order in which the enclave is built.
#[derive(Debug, Clone)]
pub struct Measurement(Sha256);

impl Measurement {
    /// Starts as ECREATE does. `ssaframesize` is in pages, `size` of ELRANGE in bytes.
    pub fn ecreate(ssaframesize: u32, size: u64) -> Self {
        let mut measurement = Measurement(Sha256::new());
        measurement.0.update(&ecreate_record(ssaframesize, size));
        measurement
    }

    /// Measures that a page is added at `offset` bytes from the base of ELRANGE.
    ///
    /// For a TCS the permissions count as none, whatever `secinfo` says, because EADD clears them
    /// before it measures.
    pub fn eadd(&mut self, offset: u64, secinfo: &SecInfo) {
        self.0.update(&eadd_record(offset, &SecInfo { flags: measured_flags(secinfo.flags) }));
    }

    /// Measures 256 bytes of a page, at `offset` bytes from the base of ELRANGE.
    pub fn eextend(&mut self, offset: u64, chunk: &[u8; EEXTEND_SIZE]) {
        self.0.update(&chunk_record(EEXTEND, offset));
        self.0.update(chunk);
    }

    /// Measures that a page is added and then all of its content.
    pub fn page(&mut self, offset: u64, secinfo: &SecInfo, content: &[u8; PAGE_SIZE]) {
        self.eadd(offset, secinfo);
        let (chunks, _) = content.as_chunks::<EEXTEND_SIZE>();
        for (at, chunk) in (offset..).step_by(EEXTEND_SIZE).zip(chunks) {
            self.eextend(at, chunk);
        }
    }

    /// Finishes as EINIT does.
    pub fn finish(self) -> Mrenclave {
        Mrenclave(self.0.finish())
    }
}

pub(crate) fn ecreate_record(ssaframesize: u32, size: u64) -> [u8; RECORD_SIZE] {
    let mut record = started(ECREATE);
    put(&mut record, 8, &ssaframesize);
    put(&mut record, 12, &size);
    record
}

pub(crate) fn eadd_record(offset: u64, secinfo: &SecInfo) -> [u8; RECORD_SIZE] {
    let mut record = started(EADD);
    put(&mut record, 8, &offset);
    for (to, from) in record.iter_mut().skip(16).zip(secinfo.to_bytes()) {
        *to = from;
    }
    record
}

pub(crate) fn chunk_record(tag: [u8; 8], offset: u64) -> [u8; RECORD_SIZE] {
    let mut record = started(tag);
    put(&mut record, 8, &offset);
    record
}

fn started(tag: [u8; 8]) -> [u8; RECORD_SIZE] {
    let mut record = [0; RECORD_SIZE];
    copy(&mut record, &tag);
    record
}

fn measured_flags(flags: SecInfoFlags) -> SecInfoFlags {
    match flags.page_type() {
        Some(PageType::Tcs) => flags.difference(SecInfoFlags::RWX),
        _ => flags,
    }
}

const _: () = assert!(SecInfoFlags::SIZE == 8, "SECINFO.FLAGS leads the measured SECINFO bytes");
