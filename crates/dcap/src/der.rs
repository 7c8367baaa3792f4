//! A strict, zero-copy reader of DER (ITU-T X.690): definite and minimal lengths, one-byte tags.

use crate::Time;

/// Universal and context tags that X.509 uses.
pub(crate) mod tag {
    pub(crate) const BOOLEAN: u8 = 0x01;
    pub(crate) const INTEGER: u8 = 0x02;
    pub(crate) const BIT_STRING: u8 = 0x03;
    pub(crate) const OCTET_STRING: u8 = 0x04;
    pub(crate) const NULL: u8 = 0x05;
    pub(crate) const OID: u8 = 0x06;
    pub(crate) const ENUMERATED: u8 = 0x0a;
    pub(crate) const UTF8_STRING: u8 = 0x0c;
    pub(crate) const PRINTABLE_STRING: u8 = 0x13;
    pub(crate) const IA5_STRING: u8 = 0x16;
    pub(crate) const UTC_TIME: u8 = 0x17;
    pub(crate) const GENERALIZED_TIME: u8 = 0x18;
    pub(crate) const SEQUENCE: u8 = 0x30;
    pub(crate) const SET: u8 = 0x31;
    pub(crate) const CONTEXT_0: u8 = 0xa0;
    pub(crate) const CONTEXT_3: u8 = 0xa3;
    /// `[0] IMPLICIT` of a primitive type.
    pub(crate) const IMPLICIT_0: u8 = 0x80;
}

/// One element.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Element<'a> {
    pub(crate) tag: u8,
    /// Contents without tag and length.
    pub(crate) value: &'a [u8],
    /// Tag, length and contents.
    pub(crate) raw: &'a [u8],
}

/// A reader over the contents of a constructed element.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    /// Reads the next element of any tag.
    pub(crate) fn any(&mut self) -> Option<Element<'a>> {
        let start = self.rest;
        let (&[tag, first], after) = start.split_first_chunk()?;
        if tag & 0x1f == 0x1f {
            return None;
        }
        let (len, after) =
            if first < 0x80 { (usize::from(first), after) } else { long_length(first, after)? };
        let (value, rest) = after.split_at_checked(len)?;
        let raw = start.get(..start.len().checked_sub(rest.len())?)?;
        self.rest = rest;
        Some(Element { tag, value, raw })
    }

    /// Reads the next element if it has this tag; fails otherwise.
    pub(crate) fn expect(&mut self, tag: u8) -> Option<Element<'a>> {
        self.any().filter(|element| element.tag == tag)
    }

    /// Reads the next element only if it has this tag.
    pub(crate) fn optional(&mut self, tag: u8) -> Option<Option<Element<'a>>> {
        if self.rest.first() == Some(&tag) { self.any().map(Some) } else { Some(None) }
    }

    /// Reads a constructed element and opens it.
    pub(crate) fn nested(&mut self, tag: u8) -> Option<Reader<'a>> {
        self.expect(tag).map(|element| Reader::new(element.value))
    }

    /// Reads an object identifier's contents.
    pub(crate) fn oid(&mut self) -> Option<&'a [u8]> {
        self.expect(tag::OID).map(|element| element.value).filter(|value| is_oid(value))
    }

    /// Reads a non-negative INTEGER's magnitude, minimal, without the sign byte.
    pub(crate) fn unsigned(&mut self) -> Option<&'a [u8]> {
        magnitude(self.expect(tag::INTEGER)?.value)
    }

    /// Reads a BIT STRING without unused bits.
    pub(crate) fn bits(&mut self) -> Option<&'a [u8]> {
        self.expect(tag::BIT_STRING)?.value.strip_prefix(&[0])
    }

    /// Reads a `Time` CHOICE.
    pub(crate) fn time(&mut self) -> Option<Time> {
        let element = self.any()?;
        match element.tag {
            tag::UTC_TIME => Time::parse_utc_time(element.value),
            tag::GENERALIZED_TIME => Time::parse_generalized_time(element.value),
            _ => None,
        }
    }

    /// Succeeds when everything was read.
    pub(crate) fn end(&self) -> Option<()> {
        self.is_empty().then_some(())
    }
}

fn long_length(first: u8, after: &[u8]) -> Option<(usize, &[u8])> {
    match first {
        0x81 => {
            let (&[len], after) = after.split_first_chunk()?;
            (len >= 0x80).then_some((usize::from(len), after))
        }
        0x82 => {
            let (len, after) = after.split_first_chunk()?;
            let len = u16::from_be_bytes(*len);
            (len >= 0x100).then_some((usize::from(len), after))
        }
        0x83 => {
            let (&[a, b, c], after) = after.split_first_chunk()?;
            let len = u32::from_be_bytes([0, a, b, c]);
            Some((usize::try_from(len).ok()?, after)).filter(|_| a != 0)
        }
        _ => None,
    }
}

pub(crate) fn boolean(element: Element<'_>) -> Option<bool> {
    match (element.tag, element.value) {
        (tag::BOOLEAN, [0x00]) => Some(false),
        (tag::BOOLEAN, [0xff]) => Some(true),
        _ => None,
    }
}

/// The magnitude of a non-negative, minimally encoded INTEGER or ENUMERATED.
pub(crate) fn magnitude(value: &[u8]) -> Option<&[u8]> {
    match value {
        [] => None,
        [0] => Some(value),
        [0, next, ..] if *next >= 0x80 => value.get(1..),
        [0, ..] => None,
        [first, ..] if *first >= 0x80 => None,
        _ => Some(value),
    }
}

/// A magnitude as a number, if it fits.
pub(crate) fn to_u64(magnitude: &[u8]) -> Option<u64> {
    if magnitude.len() > 8 {
        return None;
    }
    Some(magnitude.iter().fold(0, |value, byte| (value << 8) | u64::from(*byte)))
}

/// Arcs are base-128 numbers, each minimal, the last one complete (X.690 section 8.19).
fn is_oid(value: &[u8]) -> bool {
    let mut starts_arc = true;
    for byte in value {
        if starts_arc && *byte == 0x80 {
            return false;
        }
        starts_arc = byte & 0x80 == 0;
    }
    starts_arc && !value.is_empty()
}

/// Opens `bytes` as exactly one element of this tag.
pub(crate) fn whole(bytes: &[u8], tag: u8) -> Option<Reader<'_>> {
    let mut reader = Reader::new(bytes);
    let inner = reader.nested(tag)?;
    reader.end()?;
    Some(inner)
}

/// Decodes `SEQUENCE { r INTEGER, s INTEGER }` into `r || s`, each padded to half of `N` bytes.
pub(crate) fn ecdsa_signature<const N: usize>(der: &[u8]) -> Option<[u8; N]> {
    let mut reader = whole(der, tag::SEQUENCE)?;
    let (r, s) = (reader.unsigned()?, reader.unsigned()?);
    reader.end()?;
    let mut out = [0; N];
    let (left, right) = out.split_at_mut_checked(N.checked_div(2)?)?;
    for (half, value) in [(left, r), (right, s)] {
        let start = half.len().checked_sub(value.len())?;
        half.get_mut(start..)?.copy_from_slice(value);
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_must_be_minimal_and_fit() {
        let read = |bytes: &'static [u8]| Reader::new(bytes).any().map(|element| element.value);
        assert_eq!(read(&[0x04, 0x01, 0xaa]), Some(&[0xaa][..]));
        assert_eq!(read(&[0x04, 0x81, 0x01, 0xaa]), None, "short form needed");
        assert_eq!(read(&[0x04, 0x80, 0xaa, 0, 0]), None, "indefinite");
        assert_eq!(read(&[0x04, 0x02, 0xaa]), None, "past the end");
        assert_eq!(read(&[0x1f, 0x01, 0x01, 0xaa]), None, "long tag");
        assert_eq!(read(&[0x04, 0x82, 0x00, 0x80]), None);
        assert_eq!(read(&[0x04, 0x84, 0, 0, 0, 1, 0xaa]), None);
        assert_eq!(read(&[]), None);
    }

    #[test]
    fn integers_must_be_minimal_and_not_negative() {
        assert_eq!(magnitude(&[0]), Some(&[0][..]));
        assert_eq!(magnitude(&[0x7f]), Some(&[0x7f][..]));
        assert_eq!(magnitude(&[0, 0x80]), Some(&[0x80][..]));
        assert_eq!(magnitude(&[0, 0x7f]), None);
        assert_eq!(magnitude(&[0x80]), None);
        assert_eq!(magnitude(&[]), None);
    }

    #[test]
    fn object_identifiers_must_be_whole_and_minimal() {
        assert!(is_oid(&[0x2a, 0x86, 0x48]));
        assert!(!is_oid(&[]));
        assert!(!is_oid(&[0x2a, 0x86]), "the last arc goes on");
        assert!(!is_oid(&[0x2a, 0x80, 0x01]), "an arc with a leading zero");
    }

    #[test]
    fn ecdsa_signatures_are_padded_and_bounded() {
        let small = ecdsa_signature::<64>(&[0x30, 6, 2, 1, 5, 2, 1, 7]).unwrap();
        assert_eq!((small[31], small[63]), (5, 7));
        assert_eq!(ecdsa_signature::<64>(&[0x30, 6, 2, 1, 5, 2, 1, 7, 0]), None);
        let mut long = vec![0x30, 38, 2, 33, 1];
        long.extend([0; 32]);
        long.extend([2, 1, 1]);
        assert_eq!(ecdsa_signature::<64>(&long), None, "33 significant bytes");
    }
}
