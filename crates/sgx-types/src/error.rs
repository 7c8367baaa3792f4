//! The error of every parser in this crate.

/// Bytes that are not an image of the structure they were read as.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Malformed {
    /// The input has the wrong length.
    #[error("{structure}: expected {expected} bytes, found {found}")]
    Length {
        /// Name of the structure in the manual.
        structure: &'static str,
        /// Length of the structure in bytes.
        expected: usize,
        /// Length of the input in bytes.
        found: usize,
    },
    /// A reserved byte is not zero.
    #[error(
        "{structure}: reserved byte at offset {offset} must be zero, found {found:#04x} \
         (reserved range {start}..{end})"
    )]
    Reserved {
        /// Name of the structure in the manual.
        structure: &'static str,
        /// First offset of the reserved range.
        start: usize,
        /// Offset after the reserved range.
        end: usize,
        /// Offset of the first byte that is not zero.
        offset: usize,
        /// The byte found there.
        found: u8,
    },
    /// A field that has one legal value holds another.
    #[error(
        "{structure}.{field}: byte at offset {offset} must be {expected:#04x}, found {found:#04x}"
    )]
    Constant {
        /// Name of the structure in the manual.
        structure: &'static str,
        /// Name of the field in the manual.
        field: &'static str,
        /// Offset of the first byte that differs.
        offset: usize,
        /// The byte the manual demands there.
        expected: u8,
        /// The byte found there.
        found: u8,
    },
    /// A field holds a value that the manual does not allow.
    #[error("{structure}.{field}: expected {expected}, found {found:#x}")]
    Field {
        /// Name of the structure in the manual.
        structure: &'static str,
        /// Name of the field in the manual.
        field: &'static str,
        /// What the manual allows, in words.
        expected: &'static str,
        /// The value found.
        found: u64,
    },
}

impl Malformed {
    /// Returns the manual's name of the structure that was being read.
    pub fn structure(&self) -> &'static str {
        match *self {
            Malformed::Length { structure, .. }
            | Malformed::Reserved { structure, .. }
            | Malformed::Constant { structure, .. }
            | Malformed::Field { structure, .. } => structure,
        }
    }

    /// Returns the manual's name of the field that was refused, `RESERVED` for reserved bytes, or
    /// nothing when the whole input has the wrong length.
    pub fn field(&self) -> Option<&'static str> {
        match *self {
            Malformed::Length { .. } => None,
            Malformed::Reserved { .. } => Some("RESERVED"),
            Malformed::Constant { field, .. } | Malformed::Field { field, .. } => Some(field),
        }
    }
}
