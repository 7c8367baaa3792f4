//! AMD's extensions of VCEK and VLEK certificates, under 1.3.6.1.4.1.3704.1.

use alloc::{
    string::{String, ToString},
    vec::Vec,
};

use super::{SnpKeyKind, SnpTcb};
use crate::{
    Refusal,
    der::{self, Reader, tag},
    error::refusal,
    pem,
    x509::Certificate,
};

/// 1.3.6.1.4.1.3704.1
const AMD: &[u8] = &[0x2b, 0x06, 0x01, 0x04, 0x01, 0x9c, 0x78, 0x01];

/// What an endorsement certificate says of its chip.
#[derive(Debug, Clone)]
pub(super) struct VekExtensions<'a> {
    pub(super) kind: SnpKeyKind,
    /// `Milan-B0` in a VCEK, `Milan` in a VLEK.
    pub(super) product: String,
    pub(super) tcb: SnpTcb,
    /// Chip id; only in a VCEK (64 bytes; 8 on Turin).
    pub(super) chip: Option<&'a [u8]>,
    /// Cloud provider; only in a VLEK.
    pub(super) csp: Option<String>,
}

impl<'a> VekExtensions<'a> {
    pub(super) fn read(certificate: &Certificate<'a>, has_fmc: bool) -> Result<Self, Refusal> {
        Self::find(certificate, has_fmc).ok_or_else(|| {
            refusal!(
                SnpVekExtension,
                "certificate {} lacks one of AMD's extensions, or has one twice or of a wrong form",
                certificate.subject
            )
        })
    }

    fn find(certificate: &Certificate<'a>, has_fmc: bool) -> Option<Self> {
        let spl = |last: u8| svn(named(certificate, &[3, last])?);
        let tcb = SnpTcb {
            fmc: if has_fmc { Some(spl(9)?) } else { None },
            boot_loader: spl(1)?,
            tee: spl(2)?,
            snp: spl(3)?,
            microcode: spl(8)?,
        };
        let product = text(named(certificate, &[2])?)?;
        let chip = match named(certificate, &[4]) {
            Some(value) => Some(octets(value)?),
            None => None,
        };
        let csp = match named(certificate, &[5]) {
            Some(value) => Some(text(value)?),
            None => None,
        };
        let kind = match (chip, &csp) {
            (Some(_), None) => SnpKeyKind::Vcek,
            (None, Some(_)) => SnpKeyKind::Vlek,
            _ => return None,
        };
        Some(Self { kind, product, tcb, chip, csp })
    }
}

/// Finds the endorsement certificate among certificates that a producer put behind a report, one
/// after the other in DER or PEM, with anything between them.
///
/// # Errors
///
/// `collateral.missing` when there is none.
pub fn find_vek(endorsements: &[u8]) -> Result<Vec<u8>, Refusal> {
    let mut rest = endorsements;
    while let Some(start) = rest.iter().position(|byte| matches!(byte, 0x30 | b'-')) {
        rest = rest.get(start..).unwrap_or_default();
        let pem = pem::first(rest);
        let der = pem.or_else(|| Some(Reader::new(rest).any()?.raw.to_vec()));
        let is_vek = |der: &Vec<u8>| {
            Certificate::parse(der).is_ok_and(|certificate| named(&certificate, &[3, 1]).is_some())
        };
        if let Some(der) = der.filter(is_vek) {
            return Ok(der);
        }
        rest = rest.get(1..).unwrap_or_default();
    }
    Err(refusal!(
        CollateralMissing,
        "no VCEK or VLEK certificate among {} bytes of endorsements",
        endorsements.len()
    ))
}

fn named<'a>(certificate: &Certificate<'a>, tail: &[u8]) -> Option<&'a [u8]> {
    let mut found = None;
    for (id, value) in certificate.extensions() {
        if id.strip_prefix(AMD) == Some(tail) && found.replace(value).is_some() {
            return None;
        }
    }
    found
}

fn svn(value: &[u8]) -> Option<u8> {
    let mut reader = Reader::new(value);
    let number = der::to_u64(reader.unsigned()?)?;
    reader.end()?;
    u8::try_from(number).ok()
}

fn text(value: &[u8]) -> Option<String> {
    let mut reader = Reader::new(value);
    let element = reader.any()?;
    reader.end()?;
    let is_text = matches!(element.tag, tag::IA5_STRING | tag::UTF8_STRING | tag::PRINTABLE_STRING);
    let text = core::str::from_utf8(element.value).ok()?;
    is_text.then(|| text.to_string())
}

/// The chip id is written as an OCTET STRING by some issuers and bare by AMD's key service.
fn octets(value: &[u8]) -> Option<&[u8]> {
    if matches!(value.len(), 8 | 64) {
        return Some(value);
    }
    let mut reader = Reader::new(value);
    let octets = reader.expect(tag::OCTET_STRING)?.value;
    reader.end()?;
    matches!(octets.len(), 8 | 64).then_some(octets)
}
