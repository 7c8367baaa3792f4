//! The emulator's quoting service: emulated PKI, ECDSA quotes and collateral.
//!
//! On SGX hardware a quoting enclave turns a REPORT into a quote that Intel's certificates stand
//! behind. This crate is its counterpart for emulated platforms: a PKI of its own, derived from a
//! [`Seed`]; a [`QuotingService`] that signs only REPORTs its platform made; and everything a
//! verifier needs beside the quote, in the formats of Intel's Provisioning Certification Service.
//! `docs/specs/emulator-quote.md` is the specification.
//!
//! It is deliberately not able to make evidence that production accepts: its names say "Emulated",
//! and its certificates end in a root of its own, which nothing trusts that was not told to.
//!
//! [`Scenario`] is the same machinery opened up for a verifier's tests: every field can be
//! overridden, every part edited before or after signing.
//!
//! # Invariants
//!
//! - The clock and randomness are never read: time is an argument, keys come from the seed,
//!   signatures are deterministic (RFC 6979). Equal inputs give equal bytes. The one exception is
//!   [`store`], which draws a new root's seed.
#![forbid(unsafe_code)]

pub mod asn1;
pub mod certificate;
mod collateral;
mod condition;
pub mod crl;
pub mod enclave_identity;
mod error;
pub mod evaluation;
mod hex;
pub mod key;
pub mod pck;
pub mod pcs;
pub mod platform;
pub mod quote;
pub mod quoting_enclave;
pub mod scenario;
mod service;
pub mod standard;
pub mod store;
pub mod tcb_info;
pub mod tdx;
pub mod time;

pub use collateral::Collateral;
pub use condition::{Condition, UnknownCondition};
pub use error::Error;
pub use key::Seed;
pub use platform::PlatformFacts;
pub use scenario::{Evidence, Part, Scenario, Stage};
pub use service::{LocalAttestation, QuotingService, root_fingerprint};
pub use time::{Seconds, UnixTime};
