//! Certificate revocation lists.

use super::{
    Name, PublicKey, SignatureAlgorithm,
    certificate::{authority_key_id, signature_algorithm, verify_signature},
    oid,
};
use crate::{
    Reason, Refusal, Time,
    crypto::Crypto,
    der::{self, Reader, tag},
    error::{ensure, refusal},
};

/// A parsed CRL (RFC 5280 section 5), borrowing from its DER.
///
/// Only complete CRLs are understood: delta CRLs and CRLs of partial scope mark themselves with
/// critical extensions, which are refused. `nextUpdate` and the CRL number are required.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Crl<'a> {
    signed: &'a [u8],
    pub(crate) issuer: Name<'a>,
    pub(crate) this_update: Time,
    pub(crate) next_update: Time,
    /// The CRL number's low 64 bits are enough: a larger one is refused.
    pub(crate) number: u64,
    pub(crate) authority_key_id: Option<&'a [u8]>,
    revoked: &'a [u8],
    unknown_critical: bool,
    algorithm: SignatureAlgorithm,
    signature: &'a [u8],
}

impl<'a> Crl<'a> {
    /// Parses exactly one CRL.
    pub(crate) fn parse(der: &'a [u8]) -> Result<Self, Refusal> {
        Self::read(der).ok_or_else(|| {
            refusal!(
                CrlMalformed,
                "CRL of {} bytes is not X.509 version 2 in DER with nextUpdate and a CRL number",
                der.len()
            )
        })
    }

    fn read(der: &'a [u8]) -> Option<Self> {
        let mut outer = der::whole(der, tag::SEQUENCE)?;
        let signed = outer.expect(tag::SEQUENCE)?;
        let outer_algorithm = outer.expect(tag::SEQUENCE)?;
        let signature = outer.bits()?;
        outer.end()?;

        let mut tbs = Reader::new(signed.value);
        (tbs.unsigned()? == [1]).then_some(())?;
        (tbs.expect(tag::SEQUENCE)?.raw == outer_algorithm.raw).then_some(())?;
        let issuer = Name::read(&mut tbs)?;
        let (this_update, next_update) = (tbs.time()?, tbs.time()?);
        let revoked = tbs.optional(tag::SEQUENCE)?.map_or(&[][..], |list| list.value);
        let mut wrapper = tbs.nested(tag::CONTEXT_0)?;
        tbs.end()?;
        let mut extensions = wrapper.nested(tag::SEQUENCE)?;
        wrapper.end()?;

        let (mut number, mut authority, mut unknown_critical) = (None, None, false);
        while !extensions.is_empty() {
            let mut extension = extensions.nested(tag::SEQUENCE)?;
            let id = extension.oid()?;
            let critical = match extension.optional(tag::BOOLEAN)? {
                Some(element) => der::boolean(element)?,
                None => false,
            };
            let value = extension.expect(tag::OCTET_STRING)?.value;
            extension.end()?;
            let repeated = match id {
                oid::CRL_NUMBER => number.replace(crl_number(value)?).is_some(),
                oid::AUTHORITY_KEY_ID => authority.replace(authority_key_id(value)?).is_some(),
                _ => {
                    unknown_critical |= critical;
                    false
                }
            };
            (!repeated).then_some(())?;
        }
        let mut crl = Self {
            signed: signed.raw,
            issuer,
            this_update,
            next_update,
            number: number?,
            authority_key_id: authority,
            revoked,
            unknown_critical,
            algorithm: signature_algorithm(outer_algorithm.value)?,
            signature,
        };
        crl.unknown_critical |= crl.scan_entries()?;
        Some(crl)
    }

    /// Walks every entry once, so that looking one up later cannot fail; says whether any entry has
    /// a critical extension.
    fn scan_entries(&self) -> Option<bool> {
        let mut list = Reader::new(self.revoked);
        let mut critical = false;
        while !list.is_empty() {
            let mut entry = list.nested(tag::SEQUENCE)?;
            entry.unsigned()?;
            entry.time()?;
            if let Some(extensions) = entry.optional(tag::SEQUENCE)? {
                let mut extensions = Reader::new(extensions.value);
                while !extensions.is_empty() {
                    let mut extension = extensions.nested(tag::SEQUENCE)?;
                    extension.oid()?;
                    if let Some(element) = extension.optional(tag::BOOLEAN)? {
                        critical |= der::boolean(element)?;
                    }
                    extension.expect(tag::OCTET_STRING)?;
                }
            }
            entry.end()?;
        }
        Some(critical)
    }

    /// Serial numbers of the revoked certificates.
    pub(crate) fn serials(&self) -> impl Iterator<Item = &'a [u8]> {
        let mut list = Reader::new(self.revoked);
        core::iter::from_fn(move || list.nested(tag::SEQUENCE)?.unsigned())
    }

    /// Checks issuer, authority key identifier, critical extensions, validity and signature.
    pub(crate) fn check(
        &self,
        crypto: &dyn Crypto,
        issuer: Name<'_>,
        issuer_key: PublicKey<'_>,
        issuer_key_id: Option<&[u8]>,
        now: Time,
    ) -> Result<(), Refusal> {
        ensure!(
            self.issuer == issuer,
            CrlIssuer,
            "CRL is issued by {}, expected {issuer}",
            self.issuer
        );
        ensure!(
            !self.unknown_critical,
            CertificateCriticalExtension,
            "CRL of {issuer} has an unknown critical extension"
        );
        ensure!(
            self.authority_key_id.is_some(),
            ChainKeyIdentifier,
            "CRL of {issuer} has no authority key identifier"
        );
        ensure!(
            issuer_key_id.is_none() || self.authority_key_id == issuer_key_id,
            ChainKeyIdentifier,
            "CRL of {issuer} names another issuer key"
        );
        self.check_validity(now)?;
        verify_signature(crypto, issuer_key, self.algorithm, self.signed, self.signature).map_err(
            |refusal| match refusal.reason() {
                Reason::ChainSignature => {
                    refusal!(CrlSignature, "signature of the CRL of {issuer} does not verify")
                }
                _ => refusal.of("CRL"),
            },
        )
    }

    fn check_validity(&self, now: Time) -> Result<(), Refusal> {
        let (issuer, this_update, next_update) = (self.issuer, self.this_update, self.next_update);
        ensure!(
            now >= this_update,
            CrlNotYetValid,
            "CRL of {issuer} is valid from {this_update}, now is {now}"
        );
        ensure!(
            now <= next_update,
            CrlExpired,
            "CRL of {issuer} expired at {next_update}, now is {now}"
        );
        Ok(())
    }
}

fn crl_number(value: &[u8]) -> Option<u64> {
    let mut reader = Reader::new(value);
    let number = der::to_u64(reader.unsigned()?)?;
    reader.end()?;
    Some(number)
}
