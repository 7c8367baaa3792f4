//! The contract between the enclave image and the host program that runs it.
//!
//! Both sides compile this crate; `docs/specs/enclave-abi.md` is the same contract in prose. It
//! holds constants, plain structures with explicit little-endian encodings and total decoders, and
//! the table of host system calls an enclave may ask for. It holds no policy and touches no memory.
//!
//! Key types: [`layout::Layout`] (where everything lies in ELRANGE), [`entry`] (register values at
//! EENTER and EEXIT), [`ocall`] (requests to the host), [`boot`] (arguments and environment).
//!
//! INVARIANT: everything that crosses from host to enclave is untrusted except what EEXTEND
//! measured: the layout page, the manifest, the image and the thread templates.
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

pub mod boot;
pub mod bytes;
pub mod crash;
pub mod entry;
pub mod layout;
pub mod ocall;
pub mod tcb;
