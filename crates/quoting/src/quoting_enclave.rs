//! The emulated quoting enclaves: what their REPORT says about them.
//!
//! They exist as these numbers only. No enclave image has their MRENCLAVE or MRSIGNER: both are
//! hashes of a sentence that says so.

use crypto::sha256;
use sgx_types::{AttributeFlags, Attributes, Mrenclave, Mrsigner, ReportBody, Xfrm};

/// ISVSVN of the newest emulated quoting enclaves.
pub const NEWEST_ISVSVN: u16 = 2;

/// Report body of the emulated QE of SGX on a processor with this CPUSVN; REPORTDATA is zero.
pub fn sgx_qe(cpusvn: [u8; 16]) -> ReportBody {
    ReportBody {
        cpusvn,
        attributes: Attributes {
            flags: AttributeFlags::INIT
                .union(AttributeFlags::MODE64BIT)
                .union(AttributeFlags::PROVISIONKEY),
            xfrm: Xfrm::LEGACY,
        },
        mrenclave: Mrenclave(sentence("Casemate emulated quoting enclave 2, not a real enclave")),
        mrsigner: Mrsigner(sentence("Signer of Casemate's emulated quoting enclaves, nobody")),
        isvprodid: 1,
        isvsvn: NEWEST_ISVSVN,
        ..ReportBody::ZERO
    }
}

/// Report body of the emulated QE of TDX on a processor with this CPUSVN; REPORTDATA is zero.
pub fn tdx_qe(cpusvn: [u8; 16]) -> ReportBody {
    ReportBody {
        mrenclave: Mrenclave(sentence(
            "Casemate emulated TD quoting enclave 2, not a real enclave",
        )),
        isvprodid: 2,
        ..sgx_qe(cpusvn)
    }
}

fn sentence(text: &str) -> [u8; 32] {
    sha256(text.as_bytes())
}
