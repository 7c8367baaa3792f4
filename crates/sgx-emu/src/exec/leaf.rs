//! Leaves that enclave code executes and stays inside: EREPORT, EGETKEY, EACCEPT, EMODPE,
//! EACCEPTCOPY.

use std::{ptr, sync::atomic::Ordering};

use super::{
    enclave::Shared,
    record::{Exit, OUTSIDE, Record},
    signal, step,
};
use crate::model::{Exception, LeafError, LeafResult, PageRun, Registers};

/// RFLAGS.ZF.
const ZF: u64 = 0x40;
/// CF, PF, AF, ZF, SF and OF, which the leaves clear but for what they report.
const ARITHMETIC: u64 = 0x8d5;

/// Called by the assembly with the record's registers saved. 0: go on inside; 1: an asynchronous exit was made.
#[unsafe(no_mangle)]
unsafe extern "C" fn casemate_emu_on_leaf(record: *mut Record) -> u32 {
    // SAFETY: the assembly passes the thread's own record, which nothing else uses meanwhile.
    let record = unsafe { &mut *record };
    // SAFETY: `enter` has set the enclave and borrows it while this thread is inside.
    let shared = unsafe { record.enclave() };
    let site = shared.sites.get(record.site as usize).copied();
    let after = site.map_or(record.unlisted_site + 3, |site| site + 8);
    let site = site.unwrap_or(record.unlisted_site);
    record.iret.cs = signal::USER_CS;
    record.iret.ss = signal::USER_SS;
    record.iret.rsp = record.regs[4];
    let (result, rip) = match run(shared, record.leaf, &record.regs) {
        Ok(()) => (Ok(Registers::SUCCESS), after),
        Err(error) => match error.registers() {
            Some(registers) => (Ok(registers), after),
            None => (Err(error), site),
        },
    };
    record.iret.rip = rip;
    record.after_leaf = true;
    match result {
        Ok(registers) => {
            // EREPORT leaves RAX alone, which is its number, 0; the others set RAX, ZF and CF.
            record.regs[0] = registers.rax;
            let status = if registers.zf { ZF } else { 0 };
            let flags = record.iret.rflags & signal::RFLAGS_LOADABLE & !ARITHMETIC;
            record.iret.rflags = flags | status | 0x202 | step::trap_flag(shared.options.strict);
            0
        }
        Err(error) => {
            record.regs[0] = u64::from(record.leaf);
            fault(shared, record, error);
            1
        }
    }
}

/// Runs a leaf: RBX, RCX and RDX are operands.
fn run(shared: &Shared, leaf: u32, regs: &[u64; 16]) -> LeafResult {
    let [_, rcx, rdx, rbx, ..] = *regs;
    let mut model = shared.model();
    match leaf {
        0 => model.ereport(&shared.platform, rbx, rcx, rdx),
        1 => model.egetkey(&shared.platform, rbx, rcx),
        5 => {
            // The driver augments an absent page when EACCEPT faults on it.
            if model.in_elrange(rcx) && model.entry(rcx).is_none() && rcx % 4096 == 0 {
                let _ = shared.driver.augment(&mut model, PageRun::one(rcx));
            }
            model.eaccept(rbx, rcx)
        }
        6 => model.emodpe(rbx, rcx),
        7 => {
            if model.in_elrange(rcx) && model.entry(rcx).is_none() && rcx % 4096 == 0 {
                let _ = shared.driver.augment(&mut model, PageRun::one(rcx));
            }
            model.eacceptcopy(rbx, rcx, rdx)
        }
        _ => Err(LeafError::GP),
    }
}

/// Saves the registers after a leaf for an asynchronous exit that a signal during the leaf makes.
pub(super) fn save_interrupted(shared: &Shared, record: &mut Record) {
    let gprs = registers(record);
    let xsave = ptr::from_ref(&record.xsave).cast::<u8>();
    signal::save(shared, record, &gprs, xsave, Exit::default());
}

fn registers(record: &Record) -> signal::Interrupted {
    signal::Interrupted {
        regs: record.regs,
        rip: record.iret.rip,
        rflags: record.iret.rflags,
        fs_base: record.fs_base,
        gs_base: record.gs_base,
    }
}

/// A leaf faulted: an asynchronous exit at its ENCLU.
fn fault(shared: &Shared, record: &mut Record, error: LeafError) {
    let exit = match error {
        LeafError::Fault(Exception::PageFault { linaddr }) => {
            Exit { exception: true, vector: 14, error_code: 0x8004, address: linaddr }
        }
        LeafError::Fault(Exception::GeneralProtection) | LeafError::Code(_) => {
            Exit { exception: true, vector: 13, error_code: 0, address: 0 }
        }
        LeafError::Host(reason) => signal::die(&format!("emulated EPC: {reason}")),
    };
    let gprs = registers(record);
    let xsave = ptr::from_ref(&record.xsave).cast::<u8>();
    signal::save(shared, record, &gprs, xsave, exit);
    signal::book(record, exit);
    record.state.store(OUTSIDE, Ordering::Relaxed);
}
