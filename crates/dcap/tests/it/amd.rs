//! A PKI of the shape of AMD's, with a report that its VCEK signs.

use quoting::{Seconds, UnixTime, asn1};
use ring::{
    rand::SystemRandom,
    signature::{
        ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _, RSA_PSS_SHA384, RsaKeyPair,
    },
};

use crate::data;

/// A report of version 2 from Milan; everything but its signature is kept.
const REPORT: &str = "snp/snp-v2-0f48ad8f.report";
const SIGNED: usize = 672;

/// AlgorithmIdentifier: RSASSA-PSS with SHA-384, MGF1 with SHA-384, salt of 48 bytes.
fn rsa_pss() -> Vec<u8> {
    let sha384_id = asn1::object_identifier(&[2, 16, 840, 1, 101, 3, 4, 2, 2]);
    let sha384 = || asn1::sequence([&sha384_id[..], &asn1::tlv(5, &[])]);
    let mgf1 = asn1::object_identifier(&[1, 2, 840, 113_549, 1, 1, 8]);
    asn1::sequence([
        asn1::object_identifier(&[1, 2, 840, 113_549, 1, 1, 10]),
        asn1::sequence([
            asn1::explicit(0, &sha384()),
            asn1::explicit(1, &asn1::sequence([mgf1, sha384()])),
            asn1::explicit(2, &asn1::integer(48)),
            asn1::explicit(3, &asn1::integer(1)),
        ]),
    ])
}

/// The name of a key of AMD's; the parts and their order are those of the real ones.
fn name(common_name: &str) -> Vec<u8> {
    let part = |last: u64, value: Vec<u8>| {
        asn1::set([asn1::sequence([asn1::object_identifier(&[2, 5, 4, last]), value])])
    };
    asn1::sequence([
        part(11, asn1::utf8_string("Engineering")),
        part(6, asn1::printable_string("US")),
        part(7, asn1::utf8_string("Santa Clara")),
        part(8, asn1::utf8_string("CA")),
        part(10, asn1::utf8_string("Advanced Micro Devices")),
        part(3, asn1::utf8_string(common_name)),
    ])
}

fn extension(arcs: &[u64], critical: bool, value: &[u8]) -> Vec<u8> {
    let mut items = vec![asn1::object_identifier(arcs)];
    if critical {
        items.push(asn1::boolean(true));
    }
    items.push(asn1::octet_string(value));
    asn1::sequence(items)
}

/// authorityKeyIdentifier with the ARK's key id.
fn authority() -> Vec<u8> {
    extension(&[2, 5, 29, 35], false, &asn1::sequence([asn1::implicit(0, &[0xa4; 20])]))
}

/// One row of a CRL.
#[derive(Clone)]
pub(crate) struct CrlEntry {
    serial: Vec<u8>,
    issuer: Option<&'static str>,
}

impl CrlEntry {
    pub(crate) fn of(serial: &[u8]) -> Self {
        Self { serial: serial.to_vec(), issuer: None }
    }

    /// Of a certificate that another CA has issued (certificateIssuer, RFC 5280 section 5.3.3).
    pub(crate) fn of_issuer(self, issuer: &'static str) -> Self {
        Self { issuer: Some(issuer), ..self }
    }

    fn to_der(&self, since: UnixTime) -> Vec<u8> {
        let mut items = vec![asn1::unsigned(&self.serial), asn1::time(since)];
        if let Some(issuer) = self.issuer {
            let names = asn1::sequence([asn1::explicit(4, &name(issuer))]);
            items.push(asn1::sequence([extension(&[2, 5, 29, 29], true, &names)]));
        }
        asn1::sequence(items)
    }
}

pub(crate) struct Pki {
    now: UnixTime,
    pub(crate) ark_key: RsaKeyPair,
    pub(crate) ask_key: RsaKeyPair,
    vcek_key: EcdsaKeyPair,
    random: SystemRandom,
}

impl Pki {
    pub(crate) fn new(now: UnixTime) -> Self {
        let random = SystemRandom::new();
        let rsa = |name: &str| {
            RsaKeyPair::from_pkcs8(&data::read(&format!("amd-test-pki/{name}.pk8")))
                .expect("ring signs with the test's keys")
        };
        let algorithm = &ECDSA_P384_SHA384_FIXED_SIGNING;
        let pkcs8 = EcdsaKeyPair::generate_pkcs8(algorithm, &random)
            .expect("ring signs with the test's keys");
        let vcek_key = EcdsaKeyPair::from_pkcs8(algorithm, pkcs8.as_ref(), &random)
            .expect("ring signs with the test's keys");
        Self { now, ark_key: rsa("ark"), ask_key: rsa("ask"), vcek_key, random }
    }

    pub(crate) fn ark(&self) -> Vec<u8> {
        let extensions = [
            extension(&[2, 5, 29, 15], true, &[3, 2, 1, 6]),
            extension(&[2, 5, 29, 14], false, &asn1::octet_string(&[0xa4; 20])),
            extension(&[2, 5, 29, 19], true, &asn1::sequence([asn1::boolean(true)])),
        ];
        let spki = rsa_spki(&self.ark_key);
        self.certificate(&[1, 0, 0], ["ARK-Milan", "ARK-Milan"], spki, &extensions, &self.ark_key)
    }

    pub(crate) fn ask(&self) -> Vec<u8> {
        let constraints = asn1::sequence([asn1::boolean(true), asn1::integer(0)]);
        let extensions = [
            extension(&[2, 5, 29, 14], false, &asn1::octet_string(&[0xa5; 20])),
            authority(),
            extension(&[2, 5, 29, 19], true, &constraints),
            // Certificates, no CRLs.
            extension(&[2, 5, 29, 15], true, &[3, 2, 2, 4]),
        ];
        let spki = rsa_spki(&self.ask_key);
        self.certificate(&[1, 0, 1], ["ARK-Milan", "SEV-Milan"], spki, &extensions, &self.ark_key)
    }

    pub(crate) fn vcek(&self) -> Vec<u8> {
        let report = data::read(REPORT);
        let amd = |tail: &[u64], value: &[u8]| {
            extension(&[&[1, 3, 6, 1, 4, 1, 3704, 1][..], tail].concat(), false, value)
        };
        let mut extensions = vec![
            amd(&[1], &asn1::integer(0)),
            // IA5String
            amd(&[2], &asn1::tlv(0x16, b"Milan-B0")),
            amd(&[4], &report[416..480]),
        ];
        // Reported TCB: boot loader, TEE, four reserved bytes, SNP, microcode.
        for (arc, at) in [(1, 0), (2, 1), (4, 2), (5, 3), (6, 4), (7, 5), (3, 6), (8, 7)] {
            extensions.push(amd(&[3, arc], &asn1::integer(report[384 + at].into())));
        }
        let spki = asn1::sequence([
            asn1::sequence([
                asn1::object_identifier(asn1::EC_PUBLIC_KEY),
                asn1::object_identifier(&[1, 3, 132, 0, 34]),
            ]),
            asn1::bit_string(0, self.vcek_key.public_key().as_ref()),
        ]);
        self.certificate(&[0], ["SEV-Milan", "SEV-VCEK"], spki, &extensions, &self.ask_key)
    }

    pub(crate) fn report(&self) -> Vec<u8> {
        let mut report = data::read(REPORT);
        let signature = self
            .vcek_key
            .sign(&self.random, &report[..SIGNED])
            .expect("ring signs with the test's keys");
        let (r, s) = signature.as_ref().split_at(48);
        report[SIGNED..].fill(0);
        for (at, number) in [(SIGNED, r), (SIGNED + 72, s)] {
            for (to, from) in report[at..at + 48].iter_mut().zip(number.iter().rev()) {
                *to = *from;
            }
        }
        report
    }

    pub(crate) fn crl(&self, entries: &[CrlEntry]) -> Vec<u8> {
        self.sign_crl("ARK-Milan", entries, &self.ark_key)
    }

    /// An empty CRL in this name, signed by this key.
    pub(crate) fn crl_by(&self, issuer: &str, key: &RsaKeyPair) -> Vec<u8> {
        self.sign_crl(issuer, &[], key)
    }

    pub(crate) fn crl_expiry(&self) -> UnixTime {
        self.now + Seconds::days(365)
    }

    fn sign_crl(&self, issuer: &str, entries: &[CrlEntry], key: &RsaKeyPair) -> Vec<u8> {
        let mut items = vec![
            asn1::integer(1),
            rsa_pss(),
            name(issuer),
            asn1::time(self.now),
            asn1::time(self.crl_expiry()),
        ];
        if !entries.is_empty() {
            items.push(asn1::sequence(entries.iter().map(|entry| entry.to_der(self.now))));
        }
        let number = extension(&[2, 5, 29, 20], false, &asn1::integer(7));
        items.push(asn1::explicit(0, &asn1::sequence([authority(), number])));
        self.sign(&asn1::sequence(items), key)
    }

    fn certificate(
        &self,
        serial: &[u8],
        [issuer, subject]: [&str; 2],
        spki: Vec<u8>,
        extensions: &[Vec<u8>],
        key: &RsaKeyPair,
    ) -> Vec<u8> {
        let years = |count: u64| Seconds::days(365 * count);
        let validity = [asn1::time(self.now - years(1)), asn1::time(self.now + years(6))];
        let to_be_signed = asn1::sequence([
            asn1::explicit(0, &asn1::integer(2)),
            asn1::unsigned(serial),
            rsa_pss(),
            name(issuer),
            asn1::sequence(validity),
            name(subject),
            spki,
            asn1::explicit(3, &asn1::sequence(extensions)),
        ]);
        self.sign(&to_be_signed, key)
    }

    fn sign(&self, to_be_signed: &[u8], key: &RsaKeyPair) -> Vec<u8> {
        let mut signature = vec![0; key.public().modulus_len()];
        key.sign(&RSA_PSS_SHA384, &self.random, to_be_signed, &mut signature)
            .expect("ring signs with the test's keys");
        asn1::sequence([to_be_signed.to_vec(), rsa_pss(), asn1::bit_string(0, &signature)])
    }
}

fn rsa_spki(key: &RsaKeyPair) -> Vec<u8> {
    let algorithm = asn1::object_identifier(&[1, 2, 840, 113_549, 1, 1, 1]);
    asn1::sequence([
        asn1::sequence([algorithm, asn1::tlv(5, &[])]),
        asn1::bit_string(0, key.public_key().as_ref()),
    ])
}
