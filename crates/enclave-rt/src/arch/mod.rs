//! Assembly of the enclave: entry, exit, exceptions in two stages, leaves, copies.
//!
//! Everything here runs before or between Rust code; what it does to the thread control block and to
//! the SSA frame is described in `docs/specs/enclave-abi.md`.

mod mem;
pub(crate) mod tcb;
mod x86_64;

pub(crate) use x86_64::{
    LEAF_FAULT, casemate_rt_abort, casemate_rt_compare_exchange_u32, casemate_rt_copy,
    casemate_rt_enclu, casemate_rt_exchange, casemate_rt_exit_thread, casemate_rt_fast,
    casemate_rt_load_u32, casemate_rt_ocall, casemate_rt_return, casemate_rt_zero,
};
