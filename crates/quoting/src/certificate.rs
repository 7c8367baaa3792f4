//! X.509 v3 certificates of the emulated PKI (RFC 5280), as templates whose every field can be set.

use crate::asn1::{self, Oid};
use crate::key::PublicKey;
use crate::time::UnixTime;

const COMMON_NAME: Oid = &[2, 5, 4, 3];
const COUNTRY: Oid = &[2, 5, 4, 6];
const LOCALITY: Oid = &[2, 5, 4, 7];
const ORGANIZATION: Oid = &[2, 5, 4, 10];
const SUBJECT_KEY_ID: Oid = &[2, 5, 29, 14];
const KEY_USAGE: Oid = &[2, 5, 29, 15];
const BASIC_CONSTRAINTS: Oid = &[2, 5, 29, 19];
const CRL_DISTRIBUTION_POINTS: Oid = &[2, 5, 29, 31];
pub(crate) const AUTHORITY_KEY_ID: Oid = &[2, 5, 29, 35];

/// The organisation in every name of the emulated PKI.
pub const ORGANIZATION_NAME: &str = "Casemate Emulator";

/// A distinguished name. The parts other than the common name are the same in all of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Name {
    /// CN
    pub common_name: String,
    /// O
    pub organization: String,
    /// L
    pub locality: String,
    /// C, two letters; `XX` is one of ISO 3166's codes that will never be a country.
    pub country: String,
}

impl Name {
    /// The emulator's name with this common name.
    pub fn emulated(common_name: &str) -> Self {
        Self {
            common_name: common_name.to_owned(),
            organization: ORGANIZATION_NAME.to_owned(),
            locality: "Emulated".to_owned(),
            country: "XX".to_owned(),
        }
    }

    /// DER of the RDNSequence.
    pub fn to_der(&self) -> Vec<u8> {
        let attribute = |oid, value: Vec<u8>| {
            asn1::set([asn1::sequence([asn1::object_identifier(oid), value])])
        };
        asn1::sequence([
            attribute(COMMON_NAME, asn1::utf8_string(&self.common_name)),
            attribute(ORGANIZATION, asn1::utf8_string(&self.organization)),
            attribute(LOCALITY, asn1::utf8_string(&self.locality)),
            attribute(COUNTRY, asn1::printable_string(&self.country)),
        ])
    }
}

/// What a certificate's key may do (RFC 5280 sections 4.2.1.3 and 4.2.1.9).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// CA: keyCertSign and cRLSign, with this path length constraint.
    Authority {
        /// How many CA certificates may follow below this one; `None` for no limit.
        path_length: Option<u8>,
    },
    /// End entity: digitalSignature and nonRepudiation.
    EndEntity,
}

/// An extension beside the standard ones.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Extension {
    /// extnID
    pub oid: Vec<u64>,
    /// critical
    pub critical: bool,
    /// DER that goes into extnValue's OCTET STRING.
    pub value: Vec<u8>,
}

impl Extension {
    pub(crate) fn to_der(&self) -> Vec<u8> {
        let mut items = vec![asn1::object_identifier(&self.oid)];
        if self.critical {
            items.push(asn1::boolean(true));
        }
        items.push(asn1::octet_string(&self.value));
        asn1::sequence(items)
    }
}

/// Everything a certificate says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CertificateTemplate {
    /// Serial number, unsigned big endian.
    pub serial: Vec<u8>,
    /// Issuer's name.
    pub issuer: Name,
    /// Subject's name.
    pub subject: Name,
    /// First second of validity.
    pub not_before: UnixTime,
    /// Last second of validity.
    pub not_after: UnixTime,
    /// Subject's key.
    pub public_key: PublicKey,
    /// Basic constraints and key usage.
    pub role: Role,
    /// Subject key identifier, left out if `None`.
    pub subject_key_id: Option<[u8; 20]>,
    /// Authority key identifier, left out if `None`.
    pub authority_key_id: Option<[u8; 20]>,
    /// Where the issuer's CRL is served, left out if `None`.
    pub crl_url: Option<String>,
    /// Extensions after the standard ones.
    pub extensions: Vec<Extension>,
}

impl CertificateTemplate {
    /// DER of the TBSCertificate, which is what the issuer signs.
    pub fn to_be_signed(&self) -> Vec<u8> {
        let extensions = asn1::sequence(self.all_extensions().iter().map(Extension::to_der));
        asn1::sequence([
            asn1::explicit(0, &asn1::integer(2)),
            asn1::unsigned(&self.serial),
            asn1::ecdsa_with_sha256(),
            self.issuer.to_der(),
            asn1::sequence([asn1::time(self.not_before), asn1::time(self.not_after)]),
            self.subject.to_der(),
            self.public_key.spki(),
            asn1::explicit(3, &extensions),
        ])
    }

    fn all_extensions(&self) -> Vec<Extension> {
        let standard = |oid: Oid, critical, value| Extension { oid: oid.to_vec(), critical, value };
        let mut out = Vec::new();
        if let Some(id) = self.authority_key_id {
            out.push(standard(AUTHORITY_KEY_ID, false, authority_key_id(&id)));
        }
        if let Some(url) = &self.crl_url {
            out.push(standard(CRL_DISTRIBUTION_POINTS, false, distribution_points(url)));
        }
        if let Some(id) = self.subject_key_id {
            out.push(standard(SUBJECT_KEY_ID, false, asn1::octet_string(&id)));
        }
        let (usage, constraints) = match self.role {
            Role::Authority { path_length } => {
                let limit = path_length.map(|limit| asn1::integer(u64::from(limit)));
                (
                    asn1::bit_string(1, &[0b0000_0110]),
                    asn1::sequence([asn1::boolean(true)].into_iter().chain(limit)),
                )
            }
            Role::EndEntity => (asn1::bit_string(6, &[0b1100_0000]), asn1::sequence::<Vec<u8>>([])),
        };
        out.push(standard(KEY_USAGE, true, usage));
        out.push(standard(BASIC_CONSTRAINTS, true, constraints));
        out.extend(self.extensions.iter().cloned());
        out
    }
}

/// Joins signed bytes and an Ecdsa-Sig-Value into a Certificate or CertificateList, which have the
/// same outer form.
pub fn assemble(to_be_signed: &[u8], signature: &[u8]) -> Vec<u8> {
    asn1::sequence([
        to_be_signed.to_vec(),
        asn1::ecdsa_with_sha256(),
        asn1::bit_string(0, signature),
    ])
}

/// PEM (RFC 7468) of a certificate, with a final newline.
pub fn to_pem(certificate: &[u8]) -> String {
    pem("CERTIFICATE", certificate)
}

/// PEM (RFC 7468) of a revocation list, with a final newline.
pub fn crl_to_pem(crl: &[u8]) -> String {
    pem("X509 CRL", crl)
}

fn pem(label: &str, der: &[u8]) -> String {
    let mut out = format!("-----BEGIN {label}-----");
    for (index, character) in base64(der).chars().enumerate() {
        if index % 64 == 0 {
            out.push('\n');
        }
        out.push(character);
    }
    out.push_str(&format!("\n-----END {label}-----\n"));
    out
}

/// AuthorityKeyIdentifier with only a key identifier.
pub(crate) fn authority_key_id(id: &[u8; 20]) -> Vec<u8> {
    asn1::sequence([asn1::implicit(0, id)])
}

fn distribution_points(url: &str) -> Vec<u8> {
    let uniform_resource_identifier = asn1::implicit(6, url.as_bytes());
    let full_name = asn1::explicit(0, &uniform_resource_identifier);
    asn1::sequence([asn1::sequence([asn1::explicit(0, &full_name)])])
}

fn base64(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let group =
            chunk.iter().chain([0, 0].iter()).take(3).fold(0, |acc, b| acc << 8 | usize::from(*b));
        for digit in 0..4 {
            out.push(if digit <= chunk.len() {
                char::from(ALPHABET[group >> (18 - 6 * digit) & 63])
            } else {
                '='
            });
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_is_that_of_rfc_4648() {
        for (plain, encoded) in [
            ("", ""),
            ("f", "Zg=="),
            ("fo", "Zm8="),
            ("foo", "Zm9v"),
            ("foob", "Zm9vYg=="),
            ("fooba", "Zm9vYmE="),
            ("foobar", "Zm9vYmFy"),
        ] {
            assert_eq!(base64(plain.as_bytes()), encoded);
        }
    }

    #[test]
    fn pem_lines_have_64_characters() {
        let pem = to_pem(&[0; 96]);
        let lines: Vec<&str> = pem.lines().collect();
        assert_eq!(lines.len(), 4);
        assert_eq!((lines[1].len(), lines[2].len()), (64, 64));
    }
}
