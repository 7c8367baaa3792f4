//! The only door to cryptographic primitives: named types, secrets, constant-time comparison.
#![no_std]
#![forbid(unsafe_code)]
