//! ENCLU: what an enclave does itself, and how threads get in and out (SDM volume 3D, "User Leaf
//! Functions").
//!
//! Operands are linear addresses as RBX, RCX and RDX hold them, and are checked as the SDM says.
//! That the leaf is executed in enclave mode (or, for EENTER and ERESUME, outside) is for the
//! caller to know.

mod aex;
mod eaccept;
mod eacceptcopy;
mod eenter;
mod eexit;
mod egetkey;
mod emodpe;
mod entry;
mod ereport;
mod eresume;
mod operand;

pub use aex::AsyncExit;
pub use eenter::Entry;
pub use eresume::Resumption;
