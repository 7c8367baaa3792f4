//! Signature data: signatures, keys and certification data.

use super::{ensure_size, field};
use crate::{
    Refusal,
    bytes::Cursor,
    error::{ensure, refusal},
};

/// The signature data of a quote.
///
/// ```text
/// version 3:    signature 64 | key 64 | QE certification
/// version 4, 5: signature 64 | key 64 | type 6, 2 | length 4 | QE certification
/// QE certification: QE report 384 | signature 64 | length 2 | authentication data |
///                   type 2 | length 4 | certification data
/// ```
#[derive(Debug, Clone, Copy)]
pub struct AuthData<'a> {
    /// Signature over header and body by the attestation key, `r || s`.
    pub signature: &'a [u8; 64],
    /// The attestation key, `x || y`.
    pub attestation_key: &'a [u8; 64],
    /// Report of the quoting enclave.
    pub qe_report: &'a [u8; 384],
    /// Signature over the QE report by the PCK, `r || s`.
    pub qe_report_signature: &'a [u8; 64],
    /// Data that the QE report commits to together with the attestation key; any length.
    pub qe_auth_data: &'a [u8],
    /// Who vouches for the PCK.
    pub certification: CertificationData<'a>,
}

/// How the quote names its PCK.
#[derive(Debug, Clone, Copy)]
pub enum CertificationData<'a> {
    /// Type 1: platform id in the clear.
    Ppid(PlatformIdentity<'a>),
    /// Type 2: platform id encrypted with RSA-2048-OAEP.
    PpidRsa2048(PlatformIdentity<'a>),
    /// Type 3: platform id encrypted with RSA-3072-OAEP.
    PpidRsa3072(PlatformIdentity<'a>),
    /// Type 4: the PCK certificate, PEM or DER.
    PckCertificate(&'a [u8]),
    /// Type 5: the PCK chain in PEM.
    PckChain(&'a [u8]),
    /// Type 7: a platform manifest.
    PlatformManifest(&'a [u8]),
}

/// Certification data of types 1 to 3: enough to ask for the PCK certificate.
#[derive(Debug, Clone, Copy)]
pub struct PlatformIdentity<'a> {
    /// PPID, in the clear (16 bytes) or encrypted (256 or 384).
    pub ppid: &'a [u8],
    /// CPUSVN of the platform.
    pub cpusvn: &'a [u8; 16],
    /// SVN of the PCE.
    pub pcesvn: u16,
    /// Id of the PCE. Quotes of type 1 in circulation leave it out.
    pub pceid: Option<&'a [u8; 2]>,
}

/// Certification data type 6: a QE report with its own certification data.
const QE_REPORT_CERTIFICATION: u16 = 6;

impl<'a> AuthData<'a> {
    pub(super) fn read(version: u16, bytes: &'a [u8]) -> Result<Self, Refusal> {
        let mut outer = Cursor::new(bytes);
        let signature = field(outer.array(), "signature")?;
        let attestation_key = field(outer.array(), "attestation key")?;
        let mut inner = if version == 3 { outer } else { Self::open_certification(outer)? };

        let qe_report = field(inner.array(), "QE report")?;
        let qe_report_signature = field(inner.array(), "QE report signature")?;
        let qe_auth_data = field(inner.prefixed_u16(), "QE authentication data")?;
        let kind = field(inner.u16_le(), "certification data")?;
        let data = field(inner.prefixed_u32(), "certification data")?;
        ensure!(
            inner.rest().is_empty(),
            QuoteAuthData,
            "{} bytes follow the certification data",
            inner.rest().len()
        );
        let certification = CertificationData::read(kind, data)?;
        Ok(Self {
            signature,
            attestation_key,
            qe_report,
            qe_report_signature,
            qe_auth_data,
            certification,
        })
    }

    fn open_certification(mut outer: Cursor<'a>) -> Result<Cursor<'a>, Refusal> {
        let kind = field(outer.u16_le(), "certification data")?;
        ensure!(
            kind == QE_REPORT_CERTIFICATION,
            QuoteCertificationData,
            "outer certification data type: expected 6, found {kind}"
        );
        let inner = field(outer.prefixed_u32(), "certification data")?;
        ensure!(
            outer.rest().is_empty(),
            QuoteAuthData,
            "{} bytes follow the QE certification data",
            outer.rest().len()
        );
        Ok(Cursor::new(inner))
    }
}

impl<'a> CertificationData<'a> {
    fn read(kind: u16, data: &'a [u8]) -> Result<Self, Refusal> {
        Ok(match kind {
            1 => Self::Ppid(PlatformIdentity::read(data, 16)?),
            2 => Self::PpidRsa2048(PlatformIdentity::read(data, 256)?),
            3 => Self::PpidRsa3072(PlatformIdentity::read(data, 384)?),
            4 => Self::PckCertificate(data),
            5 => Self::PckChain(data),
            7 => Self::PlatformManifest(data),
            _ => {
                return Err(refusal!(
                    QuoteCertificationData,
                    "certification data type: expected 1 to 5 or 7, found {kind}"
                ));
            }
        })
    }

    /// The number of the type.
    #[must_use]
    pub fn kind(&self) -> u16 {
        match self {
            Self::Ppid(_) => 1,
            Self::PpidRsa2048(_) => 2,
            Self::PpidRsa3072(_) => 3,
            Self::PckCertificate(_) => 4,
            Self::PckChain(_) => 5,
            Self::PlatformManifest(_) => 7,
        }
    }

    /// The platform's identity, for types 1 to 3.
    #[must_use]
    pub fn platform_identity(&self) -> Option<&PlatformIdentity<'a>> {
        match self {
            Self::Ppid(identity) | Self::PpidRsa2048(identity) | Self::PpidRsa3072(identity) => {
                Some(identity)
            }
            Self::PckCertificate(_) | Self::PckChain(_) | Self::PlatformManifest(_) => None,
        }
    }
}

impl<'a> PlatformIdentity<'a> {
    fn read(data: &'a [u8], ppid_len: usize) -> Result<Self, Refusal> {
        let mut cursor = Cursor::new(data);
        let fields = (|| Some((cursor.take(ppid_len)?, cursor.array()?, cursor.u16_le()?)))();
        let (ppid, cpusvn, pcesvn) = fields.ok_or_else(|| {
            refusal!(
                QuoteCertificationData,
                "platform identity of {} bytes is too short",
                data.len()
            )
        })?;
        let pceid = cursor.array();
        if pceid.is_some() || !cursor.rest().is_empty() {
            ensure_size(cursor.rest().len(), 0, "bytes behind the platform identity")?;
        }
        Ok(Self { ppid, cpusvn, pcesvn, pceid })
    }
}
