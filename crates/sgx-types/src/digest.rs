//! The two digests that name an enclave.

use crate::Malformed;
use crate::layout::{Field, Place};

macro_rules! digest {
    ($(#[$meta:meta])* $name:ident) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub [u8; 32]);

        impl core::fmt::Display for $name {
            fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
                self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
            }
        }

        impl core::fmt::Debug for $name {
            fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self)
            }
        }

        impl Field for $name {
            const SIZE: usize = 32;
            const ZERO: Self = Self([0; 32]);

            fn read(bytes: &[u8], place: Place) -> Result<Self, Malformed> {
                Field::read(bytes, place).map(Self)
            }

            fn write(&self, out: &mut [u8]) {
                self.0.write(out);
            }
        }
    };
}

digest!(
    /// MRENCLAVE: SHA-256 over how an enclave was built ("Enclave Measurement").
    Mrenclave
);
digest!(
    /// MRSIGNER: SHA-256 of the modulus, little-endian, of the key that signed the SIGSTRUCT.
    Mrsigner
);
