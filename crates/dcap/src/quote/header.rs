//! The quote header.

use super::field;
use crate::{Refusal, Tee, bytes::Cursor, error::ensure, error::refusal};

/// The first 48 bytes of a quote.
///
/// ```text
/// 0 version 2 | 2 attestation key type 2 | 4 TEE type 4 | 8 QE SVN 2, PCE SVN 2 | 12 vendor 16 |
/// 28 user data 20
/// ```
#[derive(Debug, Clone, Copy)]
pub struct Header<'a> {
    /// 3, 4 or 5.
    pub version: u16,
    /// From the TEE type; version 3 is SGX only.
    pub tee: Tee,
    /// SVN of the quoting enclave (version 3; reserved, normally zero, later).
    pub qe_svn: u16,
    /// SVN of the PCE (version 3; reserved, normally zero, later).
    pub pce_svn: u16,
    /// Vendor of the quoting enclave.
    pub vendor: &'a [u8; 16],
    /// The first 16 bytes are the QE id.
    pub user_data: &'a [u8; 20],
}

/// Intel's vendor id, 939A7233-F79C-4CA9-940A-0DB3957F0607.
pub(crate) const INTEL_VENDOR: [u8; 16] = [
    0x93, 0x9a, 0x72, 0x33, 0xf7, 0x9c, 0x4c, 0xa9, 0x94, 0x0a, 0x0d, 0xb3, 0x95, 0x7f, 0x06, 0x07,
];

/// ECDSA on P-256 with SHA-256.
const KEY_TYPE_ECDSA_P256: u16 = 2;

impl<'a> Header<'a> {
    pub(super) fn read(cursor: &mut Cursor<'a>) -> Result<Self, Refusal> {
        let version = field(cursor.u16_le(), "header")?;
        ensure!(
            (3..=5).contains(&version),
            QuoteVersion,
            "quote version: expected 3, 4 or 5, found {version}"
        );
        let key_type = field(cursor.u16_le(), "header")?;
        let tee_type = field(cursor.u32_le(), "header")?;
        let tee = match (version, tee_type) {
            (_, 0) => Tee::Sgx,
            (4 | 5, 0x81) => Tee::Tdx,
            _ => {
                return Err(refusal!(
                    QuoteTeeType,
                    "TEE type {tee_type:#x} does not exist in quote version {version}"
                ));
            }
        };
        ensure!(
            key_type == KEY_TYPE_ECDSA_P256,
            QuoteKeyType,
            "attestation key type: expected 2 (ECDSA P-256), found {key_type}"
        );
        Ok(Self {
            version,
            tee,
            qe_svn: field(cursor.u16_le(), "header")?,
            pce_svn: field(cursor.u16_le(), "header")?,
            vendor: field(cursor.array(), "header")?,
            user_data: field(cursor.array(), "header")?,
        })
    }
}
