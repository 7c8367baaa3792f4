//! The core of the secrets server.
#![forbid(unsafe_code)]

pub mod barrier;
pub mod hex;
pub mod policy;
mod random;
pub mod seal;
pub mod time;
