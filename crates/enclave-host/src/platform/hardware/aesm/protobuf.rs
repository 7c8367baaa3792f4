//! As much of the protocol-buffers wire format as AESM uses: varints and length-delimited fields.

/// A message being written.
#[derive(Debug, Default, Clone)]
pub(super) struct Message(Vec<u8>);

impl Message {
    pub(super) fn new() -> Self {
        Self::default()
    }

    pub(super) fn varint(mut self, number: u32, value: u64) -> Self {
        self.put(u64::from(number) << 3);
        self.put(value);
        self
    }

    pub(super) fn bool(self, number: u32, value: bool) -> Self {
        self.varint(number, u64::from(value))
    }

    pub(super) fn bytes(mut self, number: u32, bytes: &[u8]) -> Self {
        self.put(u64::from(number) << 3 | 2);
        self.put(bytes.len() as u64);
        self.0.extend_from_slice(bytes);
        self
    }

    pub(super) fn message(self, number: u32, message: &Self) -> Self {
        self.bytes(number, &message.0)
    }

    pub(super) fn into_bytes(self) -> Vec<u8> {
        self.0
    }

    fn put(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.0.push(value.to_le_bytes()[0] | 0x80);
            value >>= 7;
        }
        self.0.push(value.to_le_bytes()[0]);
    }
}

/// The fields of a message that was read; fixed-size ones, which AESM does not use, are skipped.
#[derive(Debug)]
pub(super) struct Fields(Vec<(u32, Field)>);

/// A field's value.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Field {
    Varint(u64),
    Bytes(Vec<u8>),
}

impl Fields {
    /// Reads a message; `None` if it is malformed.
    pub(super) fn parse(mut bytes: &[u8]) -> Option<Self> {
        let mut fields = Vec::new();
        while !bytes.is_empty() {
            let tag = take_varint(&mut bytes)?;
            let number = u32::try_from(tag >> 3).ok()?;
            match tag & 7 {
                0 => fields.push((number, Field::Varint(take_varint(&mut bytes)?))),
                1 => drop(take(&mut bytes, 8)?),
                2 => {
                    let len = take_varint(&mut bytes)?;
                    let value = take(&mut bytes, usize::try_from(len).ok()?)?;
                    fields.push((number, Field::Bytes(value.to_vec())));
                }
                5 => drop(take(&mut bytes, 4)?),
                _ => return None,
            }
        }
        Some(Self(fields))
    }

    /// The last field with this number: later ones replace earlier ones.
    pub(super) fn find(&self, number: u32) -> Option<&Field> {
        self.0.iter().rev().find(|(n, _)| *n == number).map(|(_, field)| field)
    }
}

fn take<'a>(bytes: &mut &'a [u8], len: usize) -> Option<&'a [u8]> {
    let (taken, rest) = bytes.split_at_checked(len)?;
    *bytes = rest;
    Some(taken)
}

fn take_varint(bytes: &mut &[u8]) -> Option<u64> {
    let mut value = 0;
    for shift in (0..64).step_by(7) {
        let byte = *take(bytes, 1)?.first()?;
        value |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The examples of the protocol-buffers encoding guide.
    #[test]
    fn published_examples() {
        assert_eq!(Message::new().varint(1, 150).into_bytes(), [0x08, 0x96, 0x01]);
        let testing = [0x12, 0x07, 0x74, 0x65, 0x73, 0x74, 0x69, 0x6e, 0x67];
        assert_eq!(Message::new().bytes(2, b"testing").into_bytes(), testing);
        let fields = Fields::parse(&[&[0x08, 0x96, 0x01], &testing[..]].concat()).unwrap();
        assert_eq!(fields.find(1), Some(&Field::Varint(150)));
        assert_eq!(fields.find(2), Some(&Field::Bytes(b"testing".to_vec())));
        assert_eq!(fields.find(3), None);
    }

    proptest! {
        #[test]
        fn foreign_bytes_never_panic(bytes in any::<Vec<u8>>()) {
            let _ = Fields::parse(&bytes);
        }

        #[test]
        fn varints_round_trip(value: u64, number in 1u32..1000) {
            let fields = Fields::parse(&Message::new().varint(number, value).into_bytes()).unwrap();
            prop_assert_eq!(fields.find(number), Some(&Field::Varint(value)));
        }
    }
}
