//! All serving over HTTP and TLS.
//!
//! The crate turns configuration into listeners, requests into the core's, errors into status codes, and
//! wires engines into the core: it alone sees both. Nothing below it knows HTTP; nothing here decides who may
//! do what.
#![forbid(unsafe_code)]

pub mod clock;
pub mod config;
pub mod dev;
pub mod engines;
mod http;
mod in_flight;
mod listen;
pub mod log;
mod metrics;
pub mod options;
mod outbound;
pub mod run;
mod tls;

pub use http::{App, Peer};
