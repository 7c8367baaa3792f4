//! All that a secrets engine or an auth method may know.
//!
//! An engine declares its paths once, in a [`table::PathTable`]: pattern, fields with types,
//! operations, help. Routing, validation of input, path help and OpenAPI are generated from it. The
//! server's core talks to an engine through [`Backend`] and hands it a [`Context`]: a view of its
//! own storage, its mount, and the [`System`] around it.
//!
//! The crate deliberately knows no HTTP, no tokens, no policies and no files. Time, randomness and
//! calls to the outside are asked of [`System`].
//!
//! **Invariant:** what an engine answers never contains a token: engines describe an [`Auth`], the
//! core alone issues one.
#![forbid(unsafe_code)]

mod auth;
mod backend;
pub mod cidr;
mod error;
pub mod glob;
pub mod memory;
mod operation;
mod outbound;
mod request;
mod response;
mod storage;
pub mod table;
pub mod time;
mod wipe;

use std::pin::Pin;

pub use auth::{Alias, Auth, TokenKind};
pub use backend::{Backend, Context, Engine, Mount, MountClass, System};
pub use error::Error;
pub use operation::Operation;
pub use outbound::{Outbound, OutboundRequest, OutboundResponse, TrustAnchors};
pub use request::{Caller, Connection, Request};
pub use response::{Body, Lease, Response, WrapInfo};
pub use storage::{Batch, Change, Entry, Expect, Storage, StorageError, Update};
pub use wipe::wipe;

/// A JSON object: the data of requests and responses.
pub type Data = serde_json::Map<String, serde_json::Value>;

/// A future that may move between threads, as methods of trait objects return it.
pub type Boxed<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;
