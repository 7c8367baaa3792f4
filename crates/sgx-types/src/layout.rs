//! The table that describes a structure: from it come the Rust type, the offsets, the decoder and
//! the encoder.
//!
//! A table has up to three parts. `fields` become public fields of the type; `constants` have one
//! legal value, so they are checked and written but not stored; `reserved` ranges must be zero. A
//! table whose parts overlap or leave a gap does not compile.

use crate::Malformed;

/// Where a value is being read, for error messages.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Place {
    pub(crate) structure: &'static str,
    pub(crate) field: &'static str,
}

impl Place {
    /// Makes the error for a value that the manual does not allow here.
    pub(crate) fn refuse(self, expected: &'static str, found: u64) -> Malformed {
        Malformed::Field { structure: self.structure, field: self.field, expected, found }
    }
}

/// A value with a fixed-size little-endian image.
pub(crate) trait Field: Sized {
    /// Size of the image in bytes.
    const SIZE: usize;
    /// The value whose image is all zero, or the nearest to it.
    const ZERO: Self;
    /// Decodes the image.
    fn read(bytes: &[u8], place: Place) -> Result<Self, Malformed>;
    /// Encodes into `out`, which has `SIZE` bytes.
    fn write(&self, out: &mut [u8]);
}

impl<const N: usize> Field for [u8; N] {
    const SIZE: usize = N;
    const ZERO: Self = [0; N];

    fn read(bytes: &[u8], place: Place) -> Result<Self, Malformed> {
        bytes.try_into().map_err(|_| Malformed::Length {
            structure: place.structure,
            expected: N,
            found: bytes.len(),
        })
    }

    fn write(&self, out: &mut [u8]) {
        copy(out, self);
    }
}

macro_rules! integer_field {
    ($($int:ty),*) => {$(
        impl Field for $int {
            const SIZE: usize = size_of::<$int>();
            const ZERO: Self = 0;

            fn read(bytes: &[u8], place: Place) -> Result<Self, Malformed> {
                Ok(<$int>::from_le_bytes(Field::read(bytes, place)?))
            }

            fn write(&self, out: &mut [u8]) {
                copy(out, &self.to_le_bytes());
            }
        }
    )*};
}
integer_field!(u8, u16, u32, u64);

/// Copies as much as both slices hold. The layout check makes the lengths equal.
pub(crate) fn copy(out: &mut [u8], bytes: &[u8]) {
    for (to, from) in out.iter_mut().zip(bytes) {
        *to = *from;
    }
}

/// Returns `size` bytes at `offset`, or the length error of `structure`.
pub(crate) fn part<'a>(
    bytes: &'a [u8],
    offset: usize,
    size: usize,
    structure: &'static str,
) -> Result<&'a [u8], Malformed> {
    let end = offset.saturating_add(size);
    bytes.get(offset..end).ok_or(Malformed::Length { structure, expected: end, found: bytes.len() })
}

/// Encodes `value` at `offset` of `out`.
pub(crate) fn put<T: Field>(out: &mut [u8], offset: usize, value: &T) {
    if let Some(slot) = out.get_mut(offset..offset.saturating_add(T::SIZE)) {
        value.write(slot);
    }
}

/// Refuses a reserved range that holds anything but zero.
pub(crate) fn check_reserved(
    bytes: &[u8],
    start: usize,
    end: usize,
    structure: &'static str,
) -> Result<(), Malformed> {
    let range = part(bytes, start, end.saturating_sub(start), structure)?;
    match (start..).zip(range).find(|(_, byte)| **byte != 0) {
        None => Ok(()),
        Some((offset, &found)) => Err(Malformed::Reserved { structure, start, end, offset, found }),
    }
}

/// Refuses bytes at `offset` that differ from `expected`.
pub(crate) fn check_constant(
    bytes: &[u8],
    offset: usize,
    expected: &[u8],
    place: Place,
) -> Result<(), Malformed> {
    let range = part(bytes, offset, expected.len(), place.structure)?;
    match (offset..).zip(range.iter().zip(expected)).find(|(_, (found, want))| found != want) {
        None => Ok(()),
        Some((offset, (&found, &expected))) => Err(Malformed::Constant {
            structure: place.structure,
            field: place.field,
            offset,
            expected,
            found,
        }),
    }
}

/// Returns whether the `(start, end)` ranges cover `0..size` once and wholly.
pub(crate) const fn tiles(ranges: &[(usize, usize)], size: usize) -> bool {
    let mut at = 0;
    while at < size {
        let Some(next) = end_of_range_at(ranges, at) else { return false };
        at = next;
    }
    at == size && total(ranges) == size
}

const fn end_of_range_at(mut ranges: &[(usize, usize)], at: usize) -> Option<usize> {
    while let [(start, end), rest @ ..] = ranges {
        if *start == at && *end > at {
            return Some(*end);
        }
        ranges = rest;
    }
    None
}

const fn total(mut ranges: &[(usize, usize)]) -> usize {
    let mut sum: usize = 0;
    while let [(start, end), rest @ ..] = ranges {
        sum = sum.saturating_add(end.saturating_sub(*start));
        ranges = rest;
    }
    sum
}

/// Declares a structure from its table. See the module documentation.
macro_rules! structure {
    (
        $(#[$meta:meta])*
        pub struct $name:ident = $sdm:literal, $size:literal bytes;
        fields { $( $(#[$fmeta:meta])* $offset:literal $upper:ident: $field:ident: $ty:ty, )* }
        $( constants { $( $(#[$cmeta:meta])* $coffset:literal $cupper:ident = $cvalue:expr, )* } )?
        $( reserved { $( $start:literal .. $end:literal, )* } )?
    ) => {
        $(#[$meta])*
        pub struct $name {
            $( $(#[$fmeta])* pub $field: $ty, )*
        }

        impl $name {
            /// Size of the image in bytes.
            pub const SIZE: usize = $size;
            $(
                #[doc = concat!("Offset of ", stringify!($upper), " in bytes.")]
                pub const $upper: usize = $offset;
            )*
            $($(
                $(#[$cmeta])*
                #[doc = concat!("Offset of ", stringify!($cupper), ", a constant, in bytes.")]
                pub const $cupper: usize = $coffset;
            )*)?

            /// The structure with every field zero.
            pub const ZERO: Self = $name { $( $field: <$ty as $crate::layout::Field>::ZERO, )* };

            /// Decodes the memory image.
            ///
            /// # Errors
            ///
            /// [`Malformed`](crate::Malformed) names the field or reserved byte that is refused.
            pub fn from_bytes(bytes: &[u8; $size]) -> Result<Self, $crate::Malformed> {
                $($( $crate::layout::check_constant(
                    bytes,
                    $coffset,
                    &$cvalue,
                    $crate::layout::Place { structure: $sdm, field: stringify!($cupper) },
                )?; )*)?
                $($( $crate::layout::check_reserved(bytes, $start, $end, $sdm)?; )*)?
                Ok($name {
                    $( $field: <$ty as $crate::layout::Field>::read(
                        $crate::layout::part(
                            bytes,
                            $offset,
                            <$ty as $crate::layout::Field>::SIZE,
                            $sdm,
                        )?,
                        $crate::layout::Place { structure: $sdm, field: stringify!($upper) },
                    )?, )*
                })
            }

            /// Decodes a slice that must hold exactly one memory image.
            ///
            /// # Errors
            ///
            /// [`Malformed`](crate::Malformed) as for [`Self::from_bytes`], or its `Length`.
            pub fn from_slice(bytes: &[u8]) -> Result<Self, $crate::Malformed> {
                Self::from_bytes(bytes.try_into().map_err(|_| $crate::Malformed::Length {
                    structure: $sdm,
                    expected: $size,
                    found: bytes.len(),
                })?)
            }

            /// Encodes the memory image.
            pub fn to_bytes(&self) -> [u8; $size] {
                let mut bytes = [0; $size];
                $($( $crate::layout::put(&mut bytes, $coffset, &$cvalue); )*)?
                $( $crate::layout::put(&mut bytes, $offset, &self.$field); )*
                bytes
            }
        }

        impl Default for $name {
            /// Makes the structure with every field zero.
            fn default() -> Self {
                Self::ZERO
            }
        }

        const _: () = assert!(
            $crate::layout::tiles(
                &[
                    $( ($offset, $offset + <$ty as $crate::layout::Field>::SIZE), )*
                    $($( ($coffset, $cvalue.len().saturating_add($coffset)), )*)?
                    $($( ($start, $end), )*)?
                ],
                $size,
            ),
            concat!("the layout of ", $sdm, " overlaps or leaves a gap"),
        );
    };
}
pub(crate) use structure;
