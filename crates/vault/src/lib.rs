//! The core of the secrets server.
#![forbid(unsafe_code)]

pub mod policy;
