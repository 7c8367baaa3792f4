//! As much CBOR (RFC 8949) as the interoperable form needs: definite lengths, shortest encoding.

use crate::bytes::Cursor;

const UNSIGNED: u8 = 0;
const BYTES: u8 = 2;
const TEXT: u8 = 3;
const ARRAY: u8 = 4;
const MAP: u8 = 5;
const TAG: u8 = 6;

/// The tag of evidence in an SGX or TDX quote and its claims buffer.
const EVIDENCE_TAG: u64 = 60_000;

#[derive(Debug, Clone, Copy)]
pub(super) struct Reader<'a> {
    cursor: Cursor<'a>,
}

impl<'a> Reader<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { cursor: Cursor::new(bytes) }
    }

    fn head(&mut self) -> Option<(u8, u64)> {
        let [initial] = *self.cursor.array::<1>()?;
        let argument = match initial & 0x1f {
            small @ 0..=23 => u64::from(small),
            24 => {
                // Values below 24 have a shorter encoding.
                let [value] = *self.cursor.array::<1>()?;
                (value > 23).then_some(u64::from(value))?
            }
            25 => {
                let value = u16::from_be_bytes(*self.cursor.array()?);
                (value > 0xff).then_some(u64::from(value))?
            }
            26 => {
                let value = u32::from_be_bytes(*self.cursor.array()?);
                (value > 0xffff).then_some(u64::from(value))?
            }
            _ => return None,
        };
        Some((initial >> 5, argument))
    }

    fn expect(&mut self, major: u8) -> Option<u64> {
        self.head().and_then(|(found, argument)| (found == major).then_some(argument))
    }

    pub(super) fn unsigned(&mut self) -> Option<u64> {
        self.expect(UNSIGNED)
    }

    pub(super) fn bytes(&mut self) -> Option<&'a [u8]> {
        let length = self.expect(BYTES)?;
        self.cursor.take(usize::try_from(length).ok()?)
    }

    pub(super) fn text(&mut self) -> Option<&'a str> {
        let length = self.expect(TEXT)?;
        core::str::from_utf8(self.cursor.take(usize::try_from(length).ok()?)?).ok()
    }

    pub(super) fn array(&mut self) -> Option<u64> {
        self.expect(ARRAY)
    }

    pub(super) fn map(&mut self) -> Option<u64> {
        self.expect(MAP)
    }

    pub(super) fn end(&self) -> Option<()> {
        self.cursor.rest().is_empty().then_some(())
    }
}

/// Reads `60000([bytes, bytes])`.
pub(super) fn tagged_pair(value: &[u8]) -> Option<(&[u8], &[u8])> {
    let mut reader = Reader::new(value);
    (reader.expect(TAG)? == EVIDENCE_TAG).then_some(())?;
    (reader.array()? == 2).then_some(())?;
    let pair = (reader.bytes()?, reader.bytes()?);
    reader.end()?;
    Some(pair)
}
