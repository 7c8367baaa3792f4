//! Exceptions that the enclave serves itself, without its caller in between.
//!
//! A caller that always answers an exception by EENTER, and the exit that follows by ERESUME, can leave both
//! to the emulator ([`Relay`]), as a callback of `__vdso_sgx_enter_enclave` could on hardware. For system
//! calls this happens in the signal handler, which is then never returned from: the kernel is entered once
//! per call.
//!
//! ```text
//!   SYSCALL, SIGSYS    registers into the SSA, AEX, EENTER with CSSA 1     system_call
//!   EEXIT              EEXIT, ERESUME                                      casemate_emu_on_resume
//! ```
//!
//! Every step makes the state changes and checks of its leaf ([`TcsCell`](crate::model::TcsCell)); where one
//! refuses, the caller gets the exception or the exit as usual.

use std::{ptr, sync::atomic::Ordering};

use sgx_types::vector;

use super::{
    record::{self, Exit, LEAVING, OUTSIDE, Record},
    signal::{self, Frame},
};

/// What the emulator says and hears for a caller that would do the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Relay {
    /// RDI of the EENTER that brings the enclave its exception.
    pub enter: u64,
    /// RDI of the EEXIT that asks for ERESUME.
    pub resume: u64,
}

/// How far a system call was served.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Served {
    /// Nothing was done.
    No,
    /// The record says how to enter.
    Entering,
    /// An asynchronous exit was made, to the caller.
    Left,
}

/// Serves a system call of enclave code.
pub(super) fn system_call(record: &mut Record, frame: &mut Frame<'_>) -> Served {
    if !record.is_inside() {
        return Served::No;
    }
    // SAFETY: `enter` has set the enclave and borrows it while this thread is inside.
    let shared = unsafe { record.enclave() };
    let Some(relay) = shared.relay() else { return Served::No };
    if frame.rip() >= shared.elrange_size {
        return Served::No;
    }
    let mut registers = signal::from_context(record, frame);
    registers.rip = registers.rip.wrapping_sub(2);
    let exit = Exit { exception: true, vector: vector::UD, ..Exit::default() };
    record.state.store(LEAVING, Ordering::Relaxed);
    signal::save(shared, record, &registers, frame.xsave(), exit);
    signal::book(record, exit);
    shared.burn_transition();
    let tcs = record.tcs;
    let Ok(entry) = shared.let_in(record, tcs) else {
        frame.return_to_host(record);
        return Served::Left;
    };
    record.relay_resume = relay.resume;
    record.params = [relay.enter, 0, 0, 0, 0];
    record.heeded = 0;
    shared.prepare_entry(record, &entry);
    Served::Entering
}

/// The enclave asks for ERESUME. Returns the XSAVE area to load, or null: the caller gets the exit.
#[unsafe(no_mangle)]
unsafe extern "C" fn casemate_emu_on_resume(record: *mut Record) -> *const u8 {
    // SAFETY: the assembly passes the thread's own record, which nothing else uses meanwhile.
    let record = unsafe { &mut *record };
    // SAFETY: `enter` has set the enclave and borrows it while this thread is in its call.
    let shared = unsafe { record.enclave() };
    record.state.store(LEAVING, Ordering::Relaxed);
    if record.cell().eexit().is_err() {
        signal::die("an EEXIT from a TCS that nobody is inside of");
    }
    shared.burn_transition();
    let tcs = record.tcs;
    let frame = shared.let_back_in(record, tcs).ok();
    record.relay_resume = record::NOT_RELAYING;
    if frame.is_none() {
        record.state.store(OUTSIDE, Ordering::Relaxed);
    }
    frame.map_or(ptr::null(), |frame| ptr::with_exposed_provenance(frame.start as usize))
}
