//! A quote in words. Nothing is verified here: `casemate attest check` does that.

use dcap::{Body, CertificationData, Quote, TdReport};
use sgx_types::ReportBody;

use super::description::{Description, hex64};
use super::report;
use crate::text::to_hex;

/// Bytes of a quote's header, which an SGX report's body follows up to version 4.
const HEADER: usize = 48;

/// Describes a quote.
pub(super) fn describe(bytes: &[u8]) -> Description {
    let mut description = Description::new("quote");
    let quote = match Quote::parse(bytes) {
        Ok(quote) => quote,
        Err(refusal) => return Description::malformed("quote", &refusal),
    };
    description.row("VERSION", quote.header.version, "");
    description.row("QE VENDOR", to_hex(quote.header.vendor), "");
    match &quote.body {
        Body::Sgx(_) => sgx(&mut description, bytes, quote.header.version),
        Body::Td(td) => trust_domain(&mut description, td),
    }
    let certification = &quote.auth.certification;
    let meaning = match certification {
        CertificationData::PckChain(_) => "PCK certificate chain",
        CertificationData::PckCertificate(_) => "PCK certificate",
        CertificationData::PlatformManifest(_) => "platform manifest",
        CertificationData::Ppid(_) => "PPID in the clear",
        CertificationData::PpidRsa2048(_) | CertificationData::PpidRsa3072(_) => "encrypted PPID",
    };
    description.row("CERTIFICATION", certification.kind(), meaning);
    description.row("SIGNATURE", "not checked", "casemate attest check verifies it");
    description
}

fn sgx(description: &mut Description, bytes: &[u8], version: u16) {
    // Version 5 puts the body's type and size between header and body.
    let start = if version >= 5 { HEADER + 6 } else { HEADER };
    let body = bytes.get(start..start + ReportBody::SIZE).unwrap_or_default();
    match ReportBody::from_slice(body) {
        Ok(body) => report::body(description, &body),
        Err(error) => description.refuse("malformed", super::description::chain(&error)),
    }
}

fn trust_domain(description: &mut Description, td: &TdReport<'_>) {
    description.row("MRTD", to_hex(td.mrtd), "initial measurement of the trust domain");
    for (name, register) in ["RTMR0", "RTMR1", "RTMR2", "RTMR3"].into_iter().zip(td.rtmr) {
        description.row(name, to_hex(register), "");
    }
    description.row("TDATTRIBUTES", hex64(td.td_attributes), "");
    description.row("XFAM", hex64(td.xfam), "");
    description.row("MRSEAM", to_hex(td.mrseam), "measurement of the TDX module");
    description.row("REPORTDATA", to_hex(td.report_data), "what the trust domain said");
    if td.td_attributes & 1 != 0 {
        description.warn("debug-enclave", "a debug trust domain: the host can read all its memory");
    }
}
