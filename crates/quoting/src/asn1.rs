//! A writer of the DER that certificates and revocation lists are made of (ITU-T X.690).
//!
//! It only writes. A general X.509 builder refuses to make the malformed and contradictory
//! certificates that a verifier's tests are about, so the quoting service composes bytes itself.

use crate::time::UnixTime;

/// An object identifier as its arcs.
pub type Oid = &'static [u64];

/// ecdsa-with-SHA256 (RFC 5758 section 3.2).
pub const ECDSA_WITH_SHA256: Oid = &[1, 2, 840, 10045, 4, 3, 2];
/// id-ecPublicKey (RFC 5480 section 2.1.1).
pub const EC_PUBLIC_KEY: Oid = &[1, 2, 840, 10045, 2, 1];
/// secp256r1 (RFC 5480 section 2.1.1.1).
pub const PRIME256V1: Oid = &[1, 2, 840, 10045, 3, 1, 7];

/// One element: tag, length, content.
pub fn tlv(tag: u8, content: &[u8]) -> Vec<u8> {
    let mut out = vec![tag];
    match u8::try_from(content.len()) {
        Ok(short) if short < 0x80 => out.push(short),
        _ => {
            let bytes = content.len().to_be_bytes();
            let significant: Vec<u8> =
                bytes.iter().copied().skip_while(|byte| *byte == 0).collect();
            out.extend((0x80u8..).nth(significant.len()));
            out.extend(significant);
        }
    }
    out.extend_from_slice(content);
    out
}

/// SEQUENCE of already encoded elements.
pub fn sequence<I: AsRef<[u8]>>(items: impl IntoIterator<Item = I>) -> Vec<u8> {
    tlv(0x30, &concat(items))
}

/// SET of already encoded elements, written in the order given.
pub fn set<I: AsRef<[u8]>>(items: impl IntoIterator<Item = I>) -> Vec<u8> {
    tlv(0x31, &concat(items))
}

/// `[number]` around one already encoded element (constructed).
pub fn explicit(number: u8, element: &[u8]) -> Vec<u8> {
    tlv(0xa0 | number, element)
}

/// `[number] IMPLICIT` over primitive content.
pub fn implicit(number: u8, content: &[u8]) -> Vec<u8> {
    tlv(0x80 | number, content)
}

/// BOOLEAN.
pub fn boolean(value: bool) -> Vec<u8> {
    tlv(0x01, &[if value { 0xff } else { 0x00 }])
}

/// INTEGER of a small number.
pub fn integer(value: u64) -> Vec<u8> {
    unsigned(&value.to_be_bytes())
}

/// INTEGER of an unsigned big-endian number; leading zeros are dropped.
pub fn unsigned(magnitude: &[u8]) -> Vec<u8> {
    let mut content: Vec<u8> = magnitude.iter().copied().skip_while(|byte| *byte == 0).collect();
    if content.first().is_none_or(|first| first & 0x80 != 0) {
        content.insert(0, 0);
    }
    tlv(0x02, &content)
}

/// ENUMERATED of a number below 128.
pub fn enumerated(value: u8) -> Vec<u8> {
    tlv(0x0a, &[value & 0x7f])
}

/// OCTET STRING.
pub fn octet_string(content: &[u8]) -> Vec<u8> {
    tlv(0x04, content)
}

/// BIT STRING whose last `unused` bits do not count.
pub fn bit_string(unused: u8, content: &[u8]) -> Vec<u8> {
    tlv(0x03, &concat([&[unused][..], content]))
}

/// UTF8String.
pub fn utf8_string(text: &str) -> Vec<u8> {
    tlv(0x0c, text.as_bytes())
}

/// PrintableString; the caller keeps to its alphabet.
pub fn printable_string(text: &str) -> Vec<u8> {
    tlv(0x13, text.as_bytes())
}

/// OBJECT IDENTIFIER.
pub fn object_identifier(arcs: &[u64]) -> Vec<u8> {
    let mut content = Vec::new();
    if let [first, second, rest @ ..] = arcs {
        push_base128(&mut content, first * 40 + second);
        for arc in rest {
            push_base128(&mut content, *arc);
        }
    }
    tlv(0x06, &content)
}

/// Time as RFC 5280 section 4.1.2.5 wants it: UTCTime through 2049, then GeneralizedTime.
pub fn time(time: UnixTime) -> Vec<u8> {
    match time.utc_time() {
        Some(text) => tlv(0x17, text.as_bytes()),
        None => tlv(0x18, time.generalized_time().as_bytes()),
    }
}

/// AlgorithmIdentifier of ecdsa-with-SHA256 (no parameters).
pub fn ecdsa_with_sha256() -> Vec<u8> {
    sequence([object_identifier(ECDSA_WITH_SHA256)])
}

pub(crate) fn concat<I: AsRef<[u8]>>(items: impl IntoIterator<Item = I>) -> Vec<u8> {
    let mut out = Vec::new();
    for item in items {
        out.extend_from_slice(item.as_ref());
    }
    out
}

fn push_base128(out: &mut Vec<u8>, value: u64) {
    let mut groups = 1;
    while groups < 10 && value >> (7 * groups) != 0 {
        groups += 1;
    }
    for group in (0..groups).rev() {
        let [.., low] = (value >> (7 * group)).to_be_bytes();
        let more = if group == 0 { 0 } else { 0x80 };
        out.push(low & 0x7f | more);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_take_the_shortest_form() {
        assert_eq!(tlv(4, &[7; 3]), [4, 3, 7, 7, 7]);
        assert_eq!(tlv(4, &[0; 127])[..2], [4, 0x7f]);
        assert_eq!(tlv(4, &[0; 128])[..3], [4, 0x81, 0x80]);
        assert_eq!(tlv(4, &[0; 256])[..4], [4, 0x82, 1, 0]);
        assert_eq!(tlv(4, &[0; 65_536])[..5], [4, 0x83, 1, 0, 0]);
    }

    #[test]
    fn integers_are_minimal_and_never_negative() {
        assert_eq!(integer(0), [2, 1, 0]);
        assert_eq!(integer(127), [2, 1, 127]);
        assert_eq!(integer(128), [2, 2, 0, 128]);
        assert_eq!(unsigned(&[0, 0, 1, 0]), [2, 2, 1, 0]);
        assert_eq!(unsigned(&[]), [2, 1, 0]);
    }

    #[test]
    fn object_identifiers_use_base_128() {
        // RFC 5280's examples: id-ce-keyUsage, and the SGX extension arc 113741.
        assert_eq!(object_identifier(&[2, 5, 29, 15]), [6, 3, 0x55, 0x1d, 0x0f]);
        assert_eq!(
            object_identifier(&[1, 2, 840, 113_741, 1, 13, 1]),
            [6, 9, 0x2a, 0x86, 0x48, 0x86, 0xf8, 0x4d, 1, 0x0d, 1]
        );
    }
}
