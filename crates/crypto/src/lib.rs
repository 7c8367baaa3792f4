//! The only door to cryptographic primitives: named types, secrets, constant-time comparison.
//!
//! Nothing here is home-made: every primitive is a RustCrypto crate behind a small function with
//! fixed types, so that callers cannot pick a wrong mode and a change of provider touches one
//! crate. Random sources are arguments. The crate deliberately has no registry of algorithms
//! and no generic cipher traits.
//!
//! The core is `no_std` and always there: [`sha256`], [`hmac_sha256`], [`cmac`], [`hkdf_sha256`],
//! [`ct_eq`] and [`Secret`]. Behind features, for host programs: `rsa` (RSA-3072 with exponent 3),
//! `p256` (ECDSA), `os-rng`; for services: `aes256` (GCM and the block).
//!
//! # In the enclave image
//!
//! CPUID is illegal inside an enclave, so no code linked into the image may detect features at run
//! time. Besides `-C target-feature=+sha,+sse4.1,+aes` the image needs
//! `--cfg sha2_256_backend="x86-sha"`, `--cfg sha2_512_backend="soft"` and `--cfg aes_backend="soft"`;
//! the check of the image's instructions fails without them.
#![no_std]
#![forbid(unsafe_code)]

#[cfg(any(feature = "aes256", feature = "rsa", feature = "p256"))]
extern crate alloc;
#[cfg(test)]
extern crate std;

#[cfg(feature = "aes256")]
pub mod aes256;
pub mod cmac;
#[cfg(feature = "p256")]
pub mod ecdsa_p256;
mod error;
mod hash;
mod kdf;
mod mac;
#[cfg(feature = "os-rng")]
mod rng;
#[cfg(feature = "rsa")]
pub mod rsa3072;
mod secret;

pub use error::Error;
pub use hash::{Sha256, Sha384, Sha512, sha256, sha384, sha512};
pub use kdf::hkdf_sha256;
pub use mac::{hmac_sha256, verify_hmac_sha256};
#[cfg(any(feature = "rsa", feature = "p256", feature = "os-rng"))]
pub use rand_core::CryptoRng;
#[cfg(feature = "os-rng")]
pub use rng::{fill_random, os_rng};
pub use secret::{Secret, ct_eq};
