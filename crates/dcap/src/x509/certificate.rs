//! Certificates.

use super::{Name, oid};
use crate::{
    Refusal, Time,
    crypto::Crypto,
    der::{self, Reader, tag},
    error::{ensure, refusal},
};

/// A public key of a kind that the known PKIs use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PublicKey<'a> {
    /// Uncompressed point.
    P256(&'a [u8; 65]),
    /// Uncompressed point.
    P384(&'a [u8; 97]),
    /// DER `RSAPublicKey`.
    Rsa(&'a [u8]),
    /// Anything else; verifies nothing.
    Other,
}

/// A signature algorithm that the known PKIs use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SignatureAlgorithm {
    EcdsaSha256,
    EcdsaSha384,
    /// SHA-384, MGF1 with SHA-384, 48 bytes of salt.
    RsaPssSha384,
    /// Anything else; verifies nothing.
    Other,
}

/// A parsed certificate, borrowing from its DER.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Certificate<'a> {
    raw: &'a [u8],
    signed: &'a [u8],
    pub(crate) serial: &'a [u8],
    pub(crate) issuer: Name<'a>,
    pub(crate) subject: Name<'a>,
    pub(crate) not_before: Time,
    pub(crate) not_after: Time,
    pub(crate) key: PublicKey<'a>,
    /// DER of SubjectPublicKeyInfo.
    pub(crate) spki: &'a [u8],
    extensions: Extensions<'a>,
    algorithm: SignatureAlgorithm,
    signature: &'a [u8],
}

#[derive(Debug, Clone, Copy, Default)]
struct Extensions<'a> {
    raw: &'a [u8],
    basic_constraints: Option<BasicConstraints>,
    key_usage: Option<u16>,
    subject_key_id: Option<&'a [u8]>,
    authority_key_id: Option<&'a [u8]>,
    unknown_critical: bool,
}

#[derive(Debug, Clone, Copy)]
struct BasicConstraints {
    ca: bool,
    path_length: Option<u64>,
}

/// Bits of KeyUsage as they stand in its first byte (RFC 5280 section 4.2.1.3).
const DIGITAL_SIGNATURE: u16 = 0x80;
const KEY_CERT_SIGN: u16 = 0x04;
const CRL_SIGN: u16 = 0x02;

impl<'a> Certificate<'a> {
    /// Parses exactly one certificate.
    pub(crate) fn parse(der: &'a [u8]) -> Result<Self, Refusal> {
        Self::read(der).ok_or_else(|| {
            refusal!(
                CertificateMalformed,
                "certificate of {} bytes is not X.509 version 3 in DER",
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
        let version = tbs.expect(tag::CONTEXT_0)?.value;
        let serial = tbs.unsigned()?;
        let inner_algorithm = tbs.expect(tag::SEQUENCE)?;
        let issuer = Name::read(&mut tbs)?;
        let mut validity = tbs.nested(tag::SEQUENCE)?;
        let (not_before, not_after) = (validity.time()?, validity.time()?);
        validity.end()?;
        let subject = Name::read(&mut tbs)?;
        let spki = tbs.expect(tag::SEQUENCE)?;
        let extensions = tbs.nested(tag::CONTEXT_3)?;
        tbs.end()?;
        let well_formed =
            version == [tag::INTEGER, 1, 2] && inner_algorithm.raw == outer_algorithm.raw;
        well_formed.then_some(())?;
        Some(Self {
            raw: der,
            signed: signed.raw,
            serial,
            issuer,
            subject,
            not_before,
            not_after,
            key: public_key(spki.value)?,
            spki: spki.raw,
            extensions: Extensions::read(extensions)?,
            algorithm: signature_algorithm(outer_algorithm.value)?,
            signature,
        })
    }

    pub(crate) fn raw(&self) -> &'a [u8] {
        self.raw
    }

    /// The contents of an extension that occurs exactly once; `None` when it is absent or repeated.
    pub(crate) fn extension(&self, wanted: &[u8]) -> Option<&'a [u8]> {
        let mut found = None;
        let mut list = Reader::new(self.extensions.raw);
        while !list.is_empty() {
            let (id, _, value) = read_extension(&mut list)?;
            if id == wanted && found.replace(value).is_some() {
                return None;
            }
        }
        found
    }

    /// Every extension: object identifier and contents.
    pub(crate) fn extensions(&self) -> impl Iterator<Item = (&'a [u8], &'a [u8])> {
        let mut list = Reader::new(self.extensions.raw);
        core::iter::from_fn(move || read_extension(&mut list).map(|(id, _, value)| (id, value)))
    }

    pub(crate) fn is_ca(&self) -> bool {
        self.extensions.basic_constraints.is_some_and(|constraints| constraints.ca)
    }

    pub(crate) fn is_self_issued(&self) -> bool {
        self.issuer == self.subject
    }

    pub(crate) fn subject_key_id(&self) -> Option<&'a [u8]> {
        self.extensions.subject_key_id
    }

    pub(crate) fn authority_key_id(&self) -> Option<&'a [u8]> {
        self.extensions.authority_key_id
    }

    /// Checks the signature with the issuer's key.
    pub(crate) fn verify_signature(
        &self,
        crypto: &dyn Crypto,
        key: PublicKey<'_>,
    ) -> Result<(), Refusal> {
        verify_signature(crypto, key, self.algorithm, self.signed, self.signature)
            .map_err(|refusal| refusal.of(&alloc::format!("certificate {}", self.subject)))
    }

    /// Checks that `now` lies inside the validity, both ends included.
    pub(crate) fn check_validity(&self, now: Time) -> Result<(), Refusal> {
        let (subject, not_before, not_after) = (self.subject, self.not_before, self.not_after);
        ensure!(
            now >= not_before,
            CertificateNotYetValid,
            "certificate {subject} is valid from {not_before}, now is {now}"
        );
        ensure!(
            now <= not_after,
            CertificateExpired,
            "certificate {subject} expired at {not_after}, now is {now}"
        );
        Ok(())
    }

    /// Checks that this is a CA certificate that may sign certificates and CRLs, with at most
    /// `below` CA certificates under it.
    pub(crate) fn check_ca(&self, below: u64, needs_crl_sign: bool) -> Result<(), Refusal> {
        let subject = self.subject;
        self.check_critical()?;
        ensure!(
            self.is_ca(),
            ChainRole,
            "certificate {subject} issues certificates but is not a CA"
        );
        let usage = self.extensions.key_usage.unwrap_or_default();
        ensure!(
            usage & KEY_CERT_SIGN != 0,
            ChainRole,
            "certificate {subject} issues certificates without the keyCertSign usage"
        );
        ensure!(
            usage & CRL_SIGN != 0 || !needs_crl_sign,
            ChainRole,
            "certificate {subject} issues CRLs without the cRLSign usage"
        );
        let limit =
            self.extensions.basic_constraints.and_then(|constraints| constraints.path_length);
        ensure!(
            limit.is_none_or(|limit| limit >= below),
            ChainRole,
            "certificate {subject} allows {} CA certificates below it, found {below}",
            limit.unwrap_or_default()
        );
        Ok(())
    }

    /// Checks that this is an end certificate that signs data.
    pub(crate) fn check_leaf(&self) -> Result<(), Refusal> {
        let subject = self.subject;
        self.check_critical()?;
        ensure!(!self.is_ca(), ChainRole, "certificate {subject} signs data but is a CA");
        let usage = self.extensions.key_usage;
        ensure!(
            usage.is_none_or(|usage| usage & DIGITAL_SIGNATURE != 0),
            ChainRole,
            "certificate {subject} signs data without the digitalSignature usage"
        );
        ensure!(
            usage.is_none_or(|usage| usage & (KEY_CERT_SIGN | CRL_SIGN) == 0),
            ChainRole,
            "certificate {subject} signs data but has a CA's key usage"
        );
        Ok(())
    }

    fn check_critical(&self) -> Result<(), Refusal> {
        ensure!(
            !self.extensions.unknown_critical,
            CertificateCriticalExtension,
            "certificate {} has an unknown critical extension",
            self.subject
        );
        Ok(())
    }
}

/// Checks one signature; algorithm and key must belong together.
pub(crate) fn verify_signature(
    crypto: &dyn Crypto,
    key: PublicKey<'_>,
    algorithm: SignatureAlgorithm,
    message: &[u8],
    signature: &[u8],
) -> Result<(), Refusal> {
    let holds = match (algorithm, key) {
        (SignatureAlgorithm::EcdsaSha256, PublicKey::P256(key)) => der::ecdsa_signature(signature)
            .is_some_and(|signature| crypto.p256_sha256(key, message, &signature)),
        (SignatureAlgorithm::EcdsaSha384, PublicKey::P384(key)) => der::ecdsa_signature(signature)
            .is_some_and(|signature| crypto.p384_sha384(key, message, &signature)),
        (SignatureAlgorithm::RsaPssSha384, PublicKey::Rsa(key)) => {
            crypto.rsa_pss_sha384(key, message, signature)
        }
        (algorithm, _) => {
            return Err(refusal!(
                CertificateAlgorithm,
                "signature algorithm {algorithm:?} does not fit the issuer's key"
            ));
        }
    };
    ensure!(holds, ChainSignature, "signature does not verify under its issuer's key");
    Ok(())
}

fn public_key(spki: &[u8]) -> Option<PublicKey<'_>> {
    let mut reader = Reader::new(spki);
    let mut algorithm = reader.nested(tag::SEQUENCE)?;
    let bits = reader.bits()?;
    reader.end()?;
    let id = algorithm.oid()?;
    if id == oid::RSA {
        return Some(PublicKey::Rsa(bits));
    }
    if id != oid::EC_PUBLIC_KEY {
        return Some(PublicKey::Other);
    }
    let curve = algorithm.oid()?;
    algorithm.end()?;
    Some(match curve {
        oid::P256 => PublicKey::P256(point(bits)?),
        oid::P384 => PublicKey::P384(point(bits)?),
        _ => PublicKey::Other,
    })
}

fn point<const N: usize>(bits: &[u8]) -> Option<&[u8; N]> {
    bits.try_into().ok().filter(|point: &&[u8; N]| point.first() == Some(&4))
}

/// Decodes the contents of an AlgorithmIdentifier of a signature.
pub(crate) fn signature_algorithm(contents: &[u8]) -> Option<SignatureAlgorithm> {
    let mut reader = Reader::new(contents);
    let id = reader.oid()?;
    let parameters = if reader.is_empty() { None } else { Some(reader.any()?) };
    reader.end()?;
    Some(match (id, parameters) {
        (oid::ECDSA_SHA256, None) => SignatureAlgorithm::EcdsaSha256,
        (oid::ECDSA_SHA384, None) => SignatureAlgorithm::EcdsaSha384,
        (oid::RSA_PSS, Some(parameters)) if is_pss_sha384(parameters.value).is_some() => {
            SignatureAlgorithm::RsaPssSha384
        }
        _ => SignatureAlgorithm::Other,
    })
}

/// RSASSA-PSS-params (RFC 4055 section 3.1) with SHA-384, MGF1 over SHA-384 and 48 bytes of salt.
fn is_pss_sha384(contents: &[u8]) -> Option<()> {
    fn sha384(reader: &mut Reader<'_>) -> Option<()> {
        let mut algorithm = reader.nested(tag::SEQUENCE)?;
        (algorithm.oid()? == oid::SHA384).then_some(())?;
        algorithm.optional(tag::NULL)?;
        algorithm.end()
    }
    let mut reader = Reader::new(contents);
    sha384(&mut reader.nested(0xa0)?)?;
    let mut mgf = reader.nested(0xa1)?.nested(tag::SEQUENCE)?;
    (mgf.oid()? == oid::MGF1).then_some(())?;
    sha384(&mut mgf)?;
    let salt = reader.nested(0xa2)?.unsigned()?;
    (salt == [48]).then_some(())?;
    // trailerField DEFAULT 1; AMD writes it out.
    if let Some(trailer) = reader.optional(0xa3)? {
        (trailer.value == [tag::INTEGER, 1, 1]).then_some(())?;
    }
    reader.end()
}

fn read_extension<'a>(list: &mut Reader<'a>) -> Option<(&'a [u8], bool, &'a [u8])> {
    let mut extension = list.nested(tag::SEQUENCE)?;
    let id = extension.oid()?;
    let critical = match extension.optional(tag::BOOLEAN)? {
        Some(element) => der::boolean(element)?,
        None => false,
    };
    let value = extension.expect(tag::OCTET_STRING)?.value;
    extension.end()?;
    Some((id, critical, value))
}

impl<'a> Extensions<'a> {
    fn read(mut wrapper: Reader<'a>) -> Option<Self> {
        let list = wrapper.expect(tag::SEQUENCE)?;
        wrapper.end()?;
        let mut extensions = Self { raw: list.value, ..Self::default() };
        let mut list = Reader::new(list.value);
        while !list.is_empty() {
            let (id, critical, value) = read_extension(&mut list)?;
            extensions.add(id, critical, value)?;
        }
        Some(extensions)
    }

    fn add(&mut self, id: &[u8], critical: bool, value: &'a [u8]) -> Option<()> {
        let repeated = match id {
            oid::BASIC_CONSTRAINTS => {
                self.basic_constraints.replace(basic_constraints(value)?).is_some()
            }
            oid::KEY_USAGE => self.key_usage.replace(key_usage(value)?).is_some(),
            oid::SUBJECT_KEY_ID => {
                let id = der_octets(value)?;
                self.subject_key_id.replace(id).is_some()
            }
            oid::AUTHORITY_KEY_ID => {
                self.authority_key_id.replace(authority_key_id(value)?).is_some()
            }
            _ => {
                self.unknown_critical |= critical;
                false
            }
        };
        (!repeated).then_some(())
    }
}

fn basic_constraints(value: &[u8]) -> Option<BasicConstraints> {
    let mut reader = der::whole(value, tag::SEQUENCE)?;
    let ca = match reader.optional(tag::BOOLEAN)? {
        Some(element) => der::boolean(element)?,
        None => false,
    };
    let path_length = match reader.optional(tag::INTEGER)? {
        Some(element) => Some(der::to_u64(der::magnitude(element.value)?)?),
        None => None,
    };
    reader.end()?;
    Some(BasicConstraints { ca, path_length })
}

/// The first byte of the KeyUsage bit string, which holds every bit that matters here.
fn key_usage(value: &[u8]) -> Option<u16> {
    let mut reader = Reader::new(value);
    let bits = reader.expect(tag::BIT_STRING)?.value;
    reader.end()?;
    match bits {
        [unused, first] | [unused, first, _] if *unused < 8 => Some(u16::from(*first)),
        _ => None,
    }
}

fn der_octets(value: &[u8]) -> Option<&[u8]> {
    let mut reader = Reader::new(value);
    let octets = reader.expect(tag::OCTET_STRING)?.value;
    reader.end()?;
    Some(octets)
}

/// The keyIdentifier of an AuthorityKeyIdentifier; empty when it names the issuer by other means.
pub(crate) fn authority_key_id(value: &[u8]) -> Option<&[u8]> {
    let mut reader = der::whole(value, tag::SEQUENCE)?;
    let id = reader.optional(tag::IMPLICIT_0)?.map(|element| element.value);
    while !reader.is_empty() {
        reader.any()?;
    }
    Some(id.unwrap_or_default())
}
