//! Tokens and leases: one record each, valid only while everything they rest on is there.
//! `docs/specs/lease-record.md`.

pub(crate) mod id;
pub(crate) mod profile;
pub(crate) mod record;
pub(crate) mod revocation;
mod store;

pub(crate) use id::{LeaseKey, TokenKeys};
pub(crate) use profile::{Profile, ProfileId};
pub(crate) use record::{Kind, Record};
pub(crate) use revocation::{Revocation, RevocationKind, Revocations};
pub(crate) use store::{Ground, Held, Leases, New, PREFIX};
