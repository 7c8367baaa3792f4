//! X.509 v2 certificate revocation lists of the emulated PKI (RFC 5280 section 5), as templates.

use crate::asn1::{self, Oid};
use crate::certificate::{self, Extension, Name};
use crate::time::UnixTime;

const CRL_NUMBER: Oid = &[2, 5, 29, 20];
const REASON_CODE: Oid = &[2, 5, 29, 21];

/// CRLReason keyCompromise (RFC 5280 section 5.3.1), the one the real lists give.
pub const KEY_COMPROMISE: u8 = 1;

/// One revoked certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Revocation {
    /// Serial number of the certificate, unsigned big endian.
    pub serial: Vec<u8>,
    /// Since when it is revoked.
    pub since: UnixTime,
    /// CRLReason, left out if `None`.
    pub reason: Option<u8>,
}

/// Everything a revocation list says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CrlTemplate {
    /// Name of the CA that signs the list.
    pub issuer: Name,
    /// When the list was made.
    pub this_update: UnixTime,
    /// When the next one is due, left out if `None`.
    pub next_update: Option<UnixTime>,
    /// CRL number, left out if `None`.
    pub number: Option<u64>,
    /// Authority key identifier, left out if `None`.
    pub authority_key_id: Option<[u8; 20]>,
    /// The revoked certificates.
    pub revoked: Vec<Revocation>,
}

impl CrlTemplate {
    /// Adds the certificate with this serial number, revoked when the list was made.
    pub fn revoke(&mut self, serial: &[u8]) {
        self.revoked.push(Revocation {
            serial: serial.to_vec(),
            since: self.this_update,
            reason: Some(KEY_COMPROMISE),
        });
    }

    /// DER of the TBSCertList, which is what the CA signs.
    pub fn to_be_signed(&self) -> Vec<u8> {
        let mut items = vec![
            asn1::integer(1),
            asn1::ecdsa_with_sha256(),
            self.issuer.to_der(),
            asn1::time(self.this_update),
        ];
        items.extend(self.next_update.map(asn1::time));
        if !self.revoked.is_empty() {
            items.push(asn1::sequence(self.revoked.iter().map(Revocation::to_der)));
        }
        let extensions = self.extensions();
        if !extensions.is_empty() {
            let list = asn1::sequence(extensions.iter().map(Extension::to_der));
            items.push(asn1::explicit(0, &list));
        }
        asn1::sequence(items)
    }

    fn extensions(&self) -> Vec<Extension> {
        let plain = |oid: Oid, value| Extension { oid: oid.to_vec(), critical: false, value };
        let number = self.number.map(|number| plain(CRL_NUMBER, asn1::integer(number)));
        let authority = self
            .authority_key_id
            .map(|id| plain(certificate::AUTHORITY_KEY_ID, certificate::authority_key_id(&id)));
        number.into_iter().chain(authority).collect()
    }
}

impl Revocation {
    fn to_der(&self) -> Vec<u8> {
        let mut items = vec![asn1::unsigned(&self.serial), asn1::time(self.since)];
        if let Some(reason) = self.reason {
            let value = asn1::enumerated(reason);
            let extension = Extension { oid: REASON_CODE.to_vec(), critical: false, value };
            items.push(asn1::sequence([extension.to_der()]));
        }
        asn1::sequence(items)
    }
}
