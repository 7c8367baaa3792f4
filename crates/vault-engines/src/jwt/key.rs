//! Public keys, and signatures by them (RFC 7515, RFC 7517, RFC 7518, RFC 8037).

#![deny(clippy::indexing_slicing, clippy::arithmetic_side_effects, clippy::expect_used)]

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use ring::signature;
use serde_json::Value;
use vault_sdk::Data;

/// A public key. Its type decides which algorithms it may be used with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Key {
    /// Empty if the source names none.
    id: String,
    kind: Kind,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Kind {
    /// Modulus and exponent, big-endian.
    Rsa(Vec<u8>, Vec<u8>),
    /// Uncompressed points.
    P256(Vec<u8>),
    P384(Vec<u8>),
    Ed25519(Vec<u8>),
}

const KNOWN: [&str; 9] =
    ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "EdDSA"];

/// Whether an algorithm can be checked.
pub(super) fn is_known(alg: &str) -> bool {
    KNOWN.contains(&alg)
}

/// Checks the signature of a compact JWS and returns its claims.
pub(super) fn verify(jwt: &str, keys: &[Key], allowed: &[String]) -> Result<Data, &'static str> {
    let mut parts = jwt.split('.');
    let (Some(header), Some(payload), Some(mac), None) =
        (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return Err("compact JWS format must have three parts");
    };
    let object = |part: &str| -> Option<Data> {
        serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).ok()?).ok()
    };
    let head = object(header).ok_or("malformed header")?;
    let alg = head.get("alg").and_then(Value::as_str).unwrap_or_default();
    if !is_known(alg) || !(allowed.is_empty() || allowed.iter().any(|name| name == alg)) {
        return Err("the signing algorithm is not accepted");
    }
    if head.contains_key("crit") {
        return Err("the header has critical extensions");
    }
    let signature = URL_SAFE_NO_PAD.decode(mac).map_err(|_| "malformed signature")?;
    let signed = jwt.get(..header.len().saturating_add(1).saturating_add(payload.len()));
    let signed = signed.ok_or("malformed token")?.as_bytes();
    let id = head.get("kid").and_then(Value::as_str).unwrap_or_default();
    let fits = |key: &&Key| id.is_empty() || key.id.is_empty() || key.id == id;
    if !keys.iter().filter(fits).any(|key| key.kind.verifies(alg, signed, &signature)) {
        return Err("no known key successfully validated the token signature");
    }
    object(payload).ok_or("malformed claims")
}

impl Kind {
    fn verifies(&self, alg: &str, signed: &[u8], mac: &[u8]) -> bool {
        let plain = |algorithm: &'static dyn signature::VerificationAlgorithm, key: &[u8]| {
            signature::UnparsedPublicKey::new(algorithm, key).verify(signed, mac).is_ok()
        };
        match (self, alg) {
            (Self::Rsa(n, e), alg) => {
                let algorithm = match alg {
                    "RS256" => &signature::RSA_PKCS1_2048_8192_SHA256,
                    "RS384" => &signature::RSA_PKCS1_2048_8192_SHA384,
                    "RS512" => &signature::RSA_PKCS1_2048_8192_SHA512,
                    "PS256" => &signature::RSA_PSS_2048_8192_SHA256,
                    "PS384" => &signature::RSA_PSS_2048_8192_SHA384,
                    "PS512" => &signature::RSA_PSS_2048_8192_SHA512,
                    _ => return false,
                };
                signature::RsaPublicKeyComponents { n, e }.verify(algorithm, signed, mac).is_ok()
            }
            (Self::P256(point), "ES256") => plain(&signature::ECDSA_P256_SHA256_FIXED, point),
            (Self::P384(point), "ES384") => plain(&signature::ECDSA_P384_SHA384_FIXED, point),
            (Self::Ed25519(key), "EdDSA") => plain(&signature::ED25519, key),
            _ => false,
        }
    }
}

/// Reads a JWK; `None` if it is of a kind that is not used here, or not for signatures.
pub(super) fn from_jwk(jwk: &Value) -> Option<Key> {
    let text = |name: &str| jwk.get(name).and_then(Value::as_str);
    let bytes = |name: &str| URL_SAFE_NO_PAD.decode(text(name)?.trim_end_matches('=')).ok();
    if text("use").is_some_and(|purpose| purpose != "sig") {
        return None;
    }
    let point = |size: usize| {
        let (x, y) = (bytes("x")?, bytes("y")?);
        (x.len() == size && y.len() == size).then(|| [&[4], x.as_slice(), y.as_slice()].concat())
    };
    let kind = match (text("kty")?, text("crv")) {
        ("RSA", _) => Kind::Rsa(trimmed(&bytes("n")?), trimmed(&bytes("e")?)),
        ("EC", Some("P-256")) => Kind::P256(point(32)?),
        ("EC", Some("P-384")) => Kind::P384(point(48)?),
        ("OKP", Some("Ed25519")) => Kind::Ed25519(bytes("x")?),
        _ => return None,
    };
    Some(Key { id: text("kid").unwrap_or_default().to_owned(), kind })
}

/// Without leading zeros, as ring wants numbers.
fn trimmed(number: &[u8]) -> Vec<u8> {
    number.iter().copied().skip_while(|byte| *byte == 0).collect()
}

/// Reads a public key in PEM: `PUBLIC KEY` (RFC 5280, SubjectPublicKeyInfo).
pub(super) fn from_pem(pem: &str) -> Option<Key> {
    let (_, rest) = pem.split_once("-----BEGIN PUBLIC KEY-----")?;
    let (body, _) = rest.split_once("-----END PUBLIC KEY-----")?;
    let text: String = body.chars().filter(|c| !c.is_whitespace()).collect();
    let der = STANDARD.decode(text).ok()?;
    let mut outer = value(&mut der.as_slice(), 0x30)?;
    let mut algorithm = value(&mut outer, 0x30)?;
    let oid = value(&mut algorithm, 0x06)?;
    let bits = value(&mut outer, 0x03)?;
    let (0, key) = bits.split_first().map(|(unused, key)| (*unused, key))? else { return None };
    let kind = match oid {
        // rsaEncryption
        [0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01] => {
            let mut key = key;
            let mut sequence = value(&mut key, 0x30)?;
            Kind::Rsa(trimmed(value(&mut sequence, 0x02)?), trimmed(value(&mut sequence, 0x02)?))
        }
        // id-ecPublicKey with the curve as parameter
        [0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01] => match value(&mut algorithm, 0x06)? {
            [0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07] => Kind::P256(key.to_vec()),
            [0x2b, 0x81, 0x04, 0x00, 0x22] => Kind::P384(key.to_vec()),
            _ => return None,
        },
        // id-Ed25519
        [0x2b, 0x65, 0x70] => Kind::Ed25519(key.to_vec()),
        _ => return None,
    };
    Some(Key { id: String::new(), kind })
}

/// Takes one DER value of a type off the front (X.690, definite lengths).
fn value<'a>(der: &mut &'a [u8], tag: u8) -> Option<&'a [u8]> {
    let (found, rest) = der.split_first()?;
    let (first, mut rest) = rest.split_first()?;
    let mut length = usize::from(*first);
    if *first >= 0x80 {
        let count = usize::from(*first & 0x7f);
        if count == 0 || count > 4 {
            return None;
        }
        let (digits, after) = rest.split_at_checked(count)?;
        length = digits.iter().try_fold(0usize, |sum, digit| {
            sum.checked_mul(256)?.checked_add(usize::from(*digit))
        })?;
        rest = after;
    }
    let (value, after) = rest.split_at_checked(length)?;
    *der = after;
    (*found == tag).then_some(value)
}
