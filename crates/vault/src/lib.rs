//! The core of the secrets server: seal, barrier, router, mounts, tokens, leases, policies, audit.
//!
//! [`Core`] serves requests without knowing HTTP: [`Core::handle`] takes an [`Inbound`] and gives a
//! [`Reply`]. It is an ordinary, synchronous program over an untrusted store. Engines are added by the
//! server through [`Engines`]; the core knows them by `vault_sdk::Backend` only.
//!
//! **Invariant:** what is stored passes the [`barrier`]; what is read is believed only in the version
//! that the barrier's index has. **Invariant:** engines describe tokens and leases, the core alone
//! issues them. **Invariant:** a token is valid only while everything it rests on is there; nothing becomes valid because
//! something is missing.
#![forbid(unsafe_code)]

pub mod audit;
pub mod barrier;
mod core;
mod error;
pub mod hex;
mod identity;
mod lease;
mod lockout;
pub mod mount;
mod mount_storage;
mod passwords;
pub mod path;
mod policies;
pub mod policy;
mod quotas;
mod random;
mod reply;
pub mod seal;
pub mod snapshot;
mod system;
pub mod time;
mod token;
mod wrapping;

pub use crate::core::{
    Core, EngineMaker, Engines, Health, Initialised, SealStatus, Settings, Setup,
};
pub use error::Error;
pub use reply::{Inbound, IssuedAuth, IssuedLease, IssuedWrap, Reply};
