//! Quotes as bytes: header, body and signature data of ECDSA quotes version 3, 4 and 5.
//!
//! Layouts: `sgx_quote_3.h`, `sgx_quote_4.h` and `sgx_quote_5.h` of Intel's DCAP quote wrapper. All
//! integers are little endian.

use crypto::sha256;
use sgx_types::ReportBody;

use crate::asn1::concat;
use crate::key::PublicKey;

/// Vendor id of Intel's quoting enclaves. Verifiers know no other, so emulated quotes carry it too;
/// what tells them apart is the root their certificates end in.
pub const VENDOR_ID: [u8; 16] = [
    0x93, 0x9a, 0x72, 0x33, 0xf7, 0x9c, 0x4c, 0xa9, 0x94, 0x0a, 0x0d, 0xb3, 0x95, 0x7f, 0x06, 0x07,
];

/// Attestation key type: ECDSA with P-256 and SHA-256.
pub const ECDSA_P256: u16 = 2;

/// Certification data type: the PCK certificate chain as PEM.
pub const PCK_CHAIN: u16 = 5;

/// Certification data type: QE report, its signature, authentication data and inner data.
pub const QE_REPORT: u16 = 6;

/// TEE type in the header of version 4 and 5.
pub const TEE_TYPE_TDX: u32 = 0x81;

/// The 48 bytes every quote begins with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct QuoteHeader {
    /// 3, 4 or 5.
    pub version: u16,
    /// [`ECDSA_P256`].
    pub attestation_key_type: u16,
    /// 0 for SGX (and always in version 3, where the field is reserved), [`TEE_TYPE_TDX`].
    pub tee_type: u32,
    /// Version 3: ISVSVN of the QE.
    pub qe_svn: u16,
    /// Version 3: ISVSVN of the PCE.
    pub pce_svn: u16,
    /// [`VENDOR_ID`].
    pub vendor_id: [u8; 16],
    /// QE_ID and four bytes of the QE's own.
    pub user_data: [u8; 20],
}

impl QuoteHeader {
    /// The header as bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        concat([
            &self.version.to_le_bytes()[..],
            &self.attestation_key_type.to_le_bytes(),
            &self.tee_type.to_le_bytes(),
            &self.qe_svn.to_le_bytes(),
            &self.pce_svn.to_le_bytes(),
            &self.vendor_id,
            &self.user_data,
        ])
    }
}

/// What a quote is about. Version 5 states the kind, versions 3 and 4 imply it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QuoteBody {
    /// Version 5's body type: 1 SGX, 2 TD 1.0, 3 TD 1.5, 4 TD 1.5 extended.
    pub body_type: u16,
    /// The report body.
    pub bytes: Vec<u8>,
}

impl QuoteBody {
    /// The body of an SGX quote: the first 384 bytes of a REPORT.
    pub fn sgx(report: &ReportBody) -> Self {
        Self { body_type: 1, bytes: report.to_bytes().to_vec() }
    }
}

/// Certification data: its type and its bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CertificationData {
    /// 1 to 7.
    pub data_type: u16,
    /// Content.
    pub bytes: Vec<u8>,
}

impl CertificationData {
    fn to_bytes(&self) -> Vec<u8> {
        concat([&self.data_type.to_le_bytes()[..], &length_32(&self.bytes), &self.bytes])
    }
}

/// The parts of a quote's signature data.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignatureData {
    /// Signature of the attestation key over header and body.
    pub signature: Vec<u8>,
    /// The attestation key.
    pub attestation_key: [u8; 64],
    /// Report of the QE that holds it.
    pub qe_report: Vec<u8>,
    /// Signature of the PCK over the QE's report.
    pub qe_report_signature: Vec<u8>,
    /// Authentication data.
    pub auth_data: Vec<u8>,
    /// Certification data of the PCK.
    pub certification: CertificationData,
}

impl SignatureData {
    /// Bytes in the layout of this quote version, without their length.
    pub fn to_bytes(&self, version: u16) -> Vec<u8> {
        let qe_part = concat([
            &self.qe_report[..],
            &self.qe_report_signature,
            &length_16(&self.auth_data),
            &self.auth_data,
            &self.certification.to_bytes(),
        ]);
        let rest = if version < 4 {
            qe_part
        } else {
            CertificationData { data_type: QE_REPORT, bytes: qe_part }.to_bytes()
        };
        concat([&self.signature[..], &self.attestation_key, &rest])
    }
}

/// The bytes that the attestation key signs: header and body, in version 5 with its descriptor.
pub fn signed_part(header: &QuoteHeader, body: &QuoteBody) -> Vec<u8> {
    let descriptor = if header.version < 5 {
        Vec::new()
    } else {
        concat([&body.body_type.to_le_bytes()[..], &length_32(&body.bytes)])
    };
    concat([header.to_bytes(), descriptor, body.bytes.clone()])
}

/// A whole quote.
pub fn assemble(signed_part: &[u8], signature_data: &[u8]) -> Vec<u8> {
    concat([signed_part, &length_32(signature_data), signature_data])
}

/// REPORTDATA of a QE that certifies `key`: SHA-256 of key and authentication data, then zeros.
pub fn qe_report_data(key: &PublicKey, auth_data: &[u8]) -> [u8; 64] {
    let digest = sha256(&concat([&key.xy()[..], auth_data]));
    let mut out = [0; 64];
    out[..32].copy_from_slice(&digest);
    out
}

/// Lengths beyond the field cannot be expressed and saturate, as does a lying test's.
fn length_32(bytes: &[u8]) -> [u8; 4] {
    u32::try_from(bytes.len()).unwrap_or(u32::MAX).to_le_bytes()
}

fn length_16(bytes: &[u8]) -> [u8; 2] {
    u16::try_from(bytes.len()).unwrap_or(u16::MAX).to_le_bytes()
}
