//! The execution half: enclaves whose code really runs, in this process, from address 0.
//!
//! The model ([`crate::model`]) decides; this half maps memory, moves registers and turns signals into
//! asynchronous exits. Enclave code runs at native speed in ring 3. What keeps it an enclave: system
//! calls from ELRANGE trap (system-call user dispatch), FS, GS and the instruction pointer change
//! hands only in `transition.S`, and every way out but EEXIT saves the registers into the SSA.
//!
//! Isolation is not emulated: the host process can read everything.
//!
//! - `enclave`: [`EmulatedEnclave`], its life and its transitions
//! - `record`: one record per thread, found from the signal stack
//! - `signal`: the signal handler: asynchronous exits, exceptions, rolling back or completing leaves
//! - `relay`: exceptions served without the caller
//! - `sites`: the jumps that replace ENCLU
//! - `memory`: the mapping over ELRANGE
//! - `strict`: what strict mode adds
#![allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "this half is for x86-64 alone: addresses and registers have 64 bits, as usize has"
)]

mod arch;
mod cpu;
mod enclave;
mod error;
mod leaf;
mod memory;
mod record;
mod relay;
mod signal;
mod sites;
mod step;

pub use cpu::processor_of_this_machine;
pub use enclave::{EmulatedEnclave, Left, Options, Strict};
pub use error::Error;
pub use record::AttachedThread;
pub use relay::Relay;
pub use signal::{InterruptHandler, on_interrupt};
