//! SGX structures, leaf numbers and measurement, as Intel SDM volume 3D defines them.
//!
//! Section names in the documentation of this crate are those of the Intel 64 and IA-32
//! Architectures Software Developer's Manual, volume 3D, part "Intel Software Guard Extensions".
//! Field names are the manual's, lower-cased, so that a search from the manual finds them.
//!
//! Every structure is a plain Rust value with typed fields. Its memory image is made and read by
//! `to_bytes` and `from_bytes`, never by reinterpreting memory; all integers are little-endian.
//!
//! INVARIANT: `from_bytes` refuses reserved bytes that are not zero and constants that differ, so
//! `T::from_bytes(&b)?.to_bytes() == b` for every image that is accepted. What the processor
//! answers with an error code and not with a fault (an unknown key name, say) is kept as found.
//!
//! This crate does no I/O, holds no state and never panics on foreign bytes.
#![no_std]
#![forbid(unsafe_code)]
#![deny(clippy::indexing_slicing, clippy::arithmetic_side_effects, clippy::expect_used)]

#[cfg(test)]
extern crate std;

mod align;
mod attributes;
mod bits;
mod code;
mod digest;
mod error;
mod key;
mod known;
mod layout;
mod leaf;
mod measurement;
mod page;
mod report;
mod secs;
pub mod sgxs;
#[cfg(feature = "signing")]
pub mod signing;
mod sigstruct;
mod ssa;
mod tcs;

pub use align::{Align16, Align64, Align128, Align512, Align4096};
pub use attributes::{AttributeFlags, Attributes, CetAttributes, Miscselect, Xfrm};
pub use code::SgxError;
pub use digest::{Mrenclave, Mrsigner};
pub use error::Malformed;
pub use key::{KeyName, KeyPolicy, KeyRequest};
pub use known::{KnownSigner, known_signer};
pub use leaf::{Encls, Enclu};
pub use measurement::Measurement;
pub use page::{PageInfo, PageType, SecInfo, SecInfoFlags};
pub use report::{Report, ReportBody, TargetInfo};
pub use secs::Secs;
pub use sigstruct::{Sigstruct, SigstructDate, Vendor};
pub use ssa::{Exinfo, ExitInfo, ExitType, SsaGpr, vector};
pub use tcs::{Tcs, TcsFlags};

/// Size of an EPC page in bytes.
pub const PAGE_SIZE: usize = 4096;
/// Bytes that one EEXTEND measures.
pub const EEXTEND_SIZE: usize = 256;
/// Size of an RSA-3072 number (modulus, signature, Q1, Q2) in bytes.
pub const RSA_SIZE: usize = 384;
/// Size of REPORTDATA in bytes.
pub const REPORTDATA_SIZE: usize = 64;
/// Size of a key that EGETKEY derives, in bytes.
pub const KEY_SIZE: usize = 16;
