//! The SGX instruction set as a pure state machine.
//!
//! [`Enclave`] holds what the processor holds about one enclave (SECS, EPCM, TCS state,
//! measurement, tracking); each leaf of ENCLS and ENCLU is one method in one file under [`encls`]
//! and [`enclu`], and makes the checks of the SDM's pseudocode in the SDM's order. Nothing here
//! maps memory, handles a signal or reads a register: page contents and mapped access go through
//! [`EpcMemory`], which the execution half implements with real mappings.
//!
//! What this is not:
//! - the kernel driver. Adding a page where one is touched or accepted is the driver's doing;
//!   [`driver`] has the helpers for it.
//! - concurrent. Every leaf takes `&mut Enclave` but those of [`TcsCell`], which are one atomic change
//!   each: one leaf is atomic against another, and the outcomes that the SDM gives for leaves that meet on a page (SGX_EPC_PAGE_CONFLICT and the #GP
//!   for a page in use) never occur.
//! - complete. There is no paging (EWB, ELDU, version arrays), no debugger access (EDBGRD, EDBGWR),
//!   no 32-bit mode, no shadow stack, no AEX-Notify and no launch enclave; ECREATE refuses the
//!   attributes that would ask for them.
//!
//! # What a leaf returns
//!
//! `Ok` is RAX = 0, ZF = 0 for the leaves that report through RAX. [`LeafError::Code`] is ZF = 1
//! with the code in RAX (EBLOCK reports some codes with CF instead); [`LeafError::Fault`] is an
//! exception and no register change. After either the enclave is as it was before.
//! [`LeafError::Host`] is outside the ISA: the host's memory failed; see there.
//!
//! # Two fidelities
//!
//! See [`Fidelity`]: what may be mapped before it is accepted.
#![forbid(unsafe_code)]

mod cell;
pub mod driver;
mod enclave;
pub mod encls;
pub mod enclu;
mod epcm;
mod fault;
mod keys;
mod mapping;
mod memory;
pub mod platform;
mod processor;
mod tcs;

pub use cell::{AexCause, Counts, TcsCell};
pub use enclave::Enclave;
pub use epcm::Entry;
pub use fault::{Exception, LeafError, LeafResult, Registers};
pub use keys::{ReportError, report_key, verify_report};
pub use mapping::{Fidelity, RELAXED_RUN_PAGES};
pub use memory::{Access, EpcMemory, MemoryError, PAGE_SIZE, PageRun, TableMemory, page_of};
pub use processor::{Processor, XsaveLayout};
pub use tcs::{SsaFrame, TcsState};
