//! Enclave code that really runs on the emulator: transitions, exceptions, interrupts, strict mode.
//!
//! Each test needs address space from 0x10000 on, of which a process has one: they run one after the
//! other, under a lock.
#![allow(unsafe_code, reason = "the tests assemble enclave code and enter it")]
#![allow(
    missing_docs,
    clippy::cast_possible_truncation,
    clippy::disallowed_methods,
    clippy::multiple_unsafe_ops_per_block,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "test helpers: they unwrap, print figures, and stop a storm that does not end"
)]

mod probe;
mod relay;
mod signals;
mod storm;
mod strict;
mod transitions;
