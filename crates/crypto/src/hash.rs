//! SHA-2 (FIPS 180-4).

use sha2::Digest as _;

macro_rules! hash {
    ($name:ident, $function:ident, $size:literal, $label:literal) => {
        #[doc = concat!("A running ", $label, " computation.")]
        #[derive(Clone, Default)]
        pub struct $name(sha2::$name);

        impl $name {
            /// Size of the digest in bytes.
            pub const SIZE: usize = $size;

            /// Starts with nothing hashed.
            pub fn new() -> Self {
                Self::default()
            }

            /// Appends `bytes` to what is hashed.
            pub fn update(&mut self, bytes: &[u8]) {
                self.0.update(bytes);
            }

            /// Returns the digest of everything appended.
            pub fn finish(self) -> [u8; $size] {
                self.0.finalize().into()
            }
        }

        impl core::fmt::Debug for $name {
            fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
                f.write_str(stringify!($name))
            }
        }

        #[doc = concat!("Returns the ", $label, " digest of `bytes`.")]
        pub fn $function(bytes: &[u8]) -> [u8; $size] {
            sha2::$name::digest(bytes).into()
        }
    };
}

hash!(Sha256, sha256, 32, "SHA-256");
hash!(Sha384, sha384, 48, "SHA-384");
hash!(Sha512, sha512, 64, "SHA-512");
