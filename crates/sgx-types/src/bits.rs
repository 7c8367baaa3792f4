//! Sets of named bits in an integer.

/// Declares a bit-set newtype. Bits without a name are kept, so that what was read can be written
/// back; `unnamed` tells them apart.
macro_rules! bitset {
    (
        $(#[$meta:meta])*
        pub struct $name:ident: $int:ty {
            $( $(#[$bmeta:meta])* $bit:ident = $value:expr, )*
        }
    ) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Default, PartialEq, Eq, Hash)]
        pub struct $name($int);

        impl $name {
            $( $(#[$bmeta])* pub const $bit: Self = Self($value); )*

            /// The bits that have a name.
            pub const NAMED: Self = Self(0 $( | $value )*);

            /// Every name with its bit, lowest first.
            pub const NAMES: &'static [(&'static str, Self)] =
                &[$( (stringify!($bit), Self::$bit) ),*];

            /// Makes a set from its integer; all bits are kept.
            pub const fn from_bits(bits: $int) -> Self {
                Self(bits)
            }

            /// Returns the set as its integer.
            pub const fn bits(self) -> $int {
                self.0
            }

            /// Makes the empty set.
            pub const fn empty() -> Self {
                Self(0)
            }

            /// Returns whether no bit is set.
            pub const fn is_empty(self) -> bool {
                self.0 == 0
            }

            /// Returns whether every bit of `other` is set here.
            pub const fn contains(self, other: Self) -> bool {
                self.0 & other.0 == other.0
            }

            /// Returns whether any bit of `other` is set here.
            pub const fn intersects(self, other: Self) -> bool {
                self.0 & other.0 != 0
            }

            /// Returns the bits set in either.
            pub const fn union(self, other: Self) -> Self {
                Self(self.0 | other.0)
            }

            /// Returns the bits set in both.
            pub const fn intersection(self, other: Self) -> Self {
                Self(self.0 & other.0)
            }

            /// Returns the bits set here and not in `other`.
            pub const fn difference(self, other: Self) -> Self {
                Self(self.0 & !other.0)
            }

            /// Returns the bits that have no name.
            pub const fn unnamed(self) -> Self {
                self.difference(Self::NAMED)
            }
        }

        impl core::ops::BitOr for $name {
            type Output = Self;
            fn bitor(self, other: Self) -> Self {
                self.union(other)
            }
        }

        impl core::ops::BitAnd for $name {
            type Output = Self;
            fn bitand(self, other: Self) -> Self {
                self.intersection(other)
            }
        }

        impl core::ops::Not for $name {
            type Output = Self;
            fn not(self) -> Self {
                Self(!self.0)
            }
        }

        impl core::fmt::Display for $name {
            fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
                $crate::bits::write_names(
                    f,
                    Self::NAMES.iter().filter(|(_, bit)| self.contains(*bit)).map(|(name, _)| *name),
                    u64::from(self.unnamed().0),
                )
            }
        }

        impl core::fmt::Debug for $name {
            fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
                write!(f, concat!(stringify!($name), "({:#x}: {})"), self.0, self)
            }
        }

        impl $crate::layout::Field for $name {
            const SIZE: usize = size_of::<$int>();
            const ZERO: Self = Self(0);

            fn read(bytes: &[u8], place: $crate::layout::Place) -> Result<Self, $crate::Malformed> {
                let set = Self($crate::layout::Field::read(bytes, place)?);
                set.check(place)?;
                Ok(set)
            }

            fn write(&self, out: &mut [u8]) {
                $crate::layout::Field::write(&self.0, out);
            }
        }
    };
}
pub(crate) use bitset;

/// Writes `A | B | 0x40`, or `none`.
pub(crate) fn write_names<'a>(
    f: &mut core::fmt::Formatter<'_>,
    names: impl Iterator<Item = &'a str>,
    unnamed: u64,
) -> core::fmt::Result {
    let mut separator = "";
    for name in names {
        write!(f, "{separator}{name}")?;
        separator = " | ";
    }
    if unnamed != 0 {
        return write!(f, "{separator}{unnamed:#x}");
    }
    if separator.is_empty() { f.write_str("none") } else { Ok(()) }
}
