//! Fuzzes the structures of the SDM and SGX streams: no input may panic, and every image that is
//! accepted encodes to itself.

use sgx_types::sgxs::{Record, Records};
use sgx_types::{KeyRequest, Report, SecInfo, Secs, Sigstruct, TargetInfo, Tcs, signing};

/// See the module's description.
pub fn run(bytes: &[u8]) {
    if let Ok(sigstruct) = Sigstruct::from_slice(bytes) {
        assert_eq!(sigstruct.to_bytes(), bytes);
        let _ = signing::verify(&sigstruct);
        let _ = (sigstruct.mrsigner(), sigstruct.date.ymd());
    }
    if let Ok(report) = Report::from_slice(bytes) {
        assert_eq!(report.to_bytes(), bytes);
    }
    if let Ok(target) = TargetInfo::from_slice(bytes) {
        assert_eq!(target.to_bytes(), bytes);
    }
    if let Ok(request) = KeyRequest::from_slice(bytes) {
        assert_eq!(request.to_bytes(), bytes);
    }
    if let Ok(secs) = Secs::from_slice(bytes) {
        assert_eq!(secs.to_bytes(), bytes);
    }
    if let Ok(tcs) = Tcs::from_slice(bytes) {
        assert_eq!(tcs.to_bytes(), bytes);
    }
    if let Ok(secinfo) = SecInfo::from_slice(bytes) {
        assert_eq!(secinfo.to_bytes(), bytes);
    }
    stream(bytes);
}

/// A canonical stream is the records that were read, written down again.
fn stream(bytes: &[u8]) {
    let records: Result<Vec<Record<'_>>, _> = Records::new(bytes).collect();
    let measured = sgx_types::sgxs::measure(bytes);
    assert_eq!(records.is_ok(), measured.is_ok(), "reading and measuring judge alike");
    if let Ok(records) = records {
        let mut again = Vec::new();
        for record in records {
            again.extend_from_slice(&record.header());
            again.extend_from_slice(record.chunk().map_or(&[], |chunk| chunk.as_slice()));
        }
        assert_eq!(again, bytes);
    }
}
