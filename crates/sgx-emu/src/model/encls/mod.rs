//! ENCLS: what the operating system does to an enclave (SDM volume 3D, "System Leaf Functions").
//!
//! Operands that lie outside the enclave (PAGEINFO, SECINFO, the source page, SIGSTRUCT) are Rust
//! values here, so the SDM's checks of their addresses are the caller's. Operands in ELRANGE are
//! linear addresses and are checked.

mod eadd;
mod eaug;
mod eblock;
mod ecreate;
mod eextend;
mod einit;
mod emodpr;
mod emodt;
mod eremove;
mod etrack;

pub(super) use eadd::permissions;
pub(super) use ecreate::is_canonical;
pub use einit::{AllowedSigners, LaunchControl};
