//! Distinguished names.

use core::fmt;

use super::oid;
use crate::der::{Reader, tag};

/// A distinguished name, compared by its exact DER bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Name<'a> {
    raw: &'a [u8],
}

impl<'a> Name<'a> {
    pub(crate) fn read(reader: &mut Reader<'a>) -> Option<Self> {
        let element = reader.expect(tag::SEQUENCE)?;
        let mut sets = Reader::new(element.value);
        while !sets.is_empty() {
            let mut attributes = sets.nested(tag::SET)?;
            while !attributes.is_empty() {
                let mut attribute = attributes.nested(tag::SEQUENCE)?;
                attribute.oid()?;
                attribute.any()?;
                attribute.end()?;
            }
        }
        Some(Self { raw: element.raw })
    }

    pub(crate) fn raw(&self) -> &'a [u8] {
        self.raw
    }

    /// The last common name, if there is one and it is text.
    pub(crate) fn common_name(&self) -> Option<&'a str> {
        let mut sets = Reader::new(self.raw).nested(tag::SEQUENCE)?;
        let mut found = None;
        while !sets.is_empty() {
            let mut attributes = sets.nested(tag::SET)?;
            while !attributes.is_empty() {
                let mut attribute = attributes.nested(tag::SEQUENCE)?;
                let is_common_name = attribute.oid()? == oid::COMMON_NAME;
                let value = attribute.any()?;
                let is_text =
                    matches!(value.tag, tag::UTF8_STRING | tag::PRINTABLE_STRING | tag::IA5_STRING);
                if is_common_name && is_text {
                    found = core::str::from_utf8(value.value).ok();
                }
            }
        }
        found
    }
}

impl fmt::Display for Name<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.common_name() {
            Some(name) => write!(f, "{:?}", name),
            None => f.write_str("(no common name)"),
        }
    }
}
