//! EENTER, EEXIT, asynchronous exit and ERESUME.

use sgx_emu::model::{Fidelity, LeafError, SsaFrame};
use sgx_types::{SecInfo, SecInfoFlags, SsaGpr, Tcs, TcsFlags, Xfrm};

use crate::bench::{
    AEP, Bench, CODE, DATA, FREE, PAGE, R, READ_ONLY, SIZE, SSA, TCS, XCR0, allow_all, built,
    created_with, fill, initialized, put, reg, secs, signed, sigstruct_for, tcs,
};

const HIGH: u64 = 1 << 63;

fn faults<T: core::fmt::Debug + PartialEq>(
    result: Result<T, LeafError>,
    error: LeafError,
    what: &str,
) {
    assert_eq!(result, Err(error), "{what}");
}

/// An initialised enclave whose TCS is this one.
fn with_tcs(tcs: &Tcs) -> Bench {
    let mut enclave = created_with(&secs(), Fidelity::Strict);
    fill(&mut enclave, tcs);
    let sigstruct = signed(&sigstruct_for(&enclave));
    enclave.einit(&sigstruct.to_bytes(), &allow_all()).unwrap();
    enclave
}

/// The frame of this number in the small enclave.
fn frame(index: u32) -> SsaFrame {
    let start = SSA + u64::from(index) * 4 * PAGE;
    SsaFrame { index, start, gpr: start + 4 * PAGE - 184 }
}

/// An enclave after EENTER and an asynchronous exit at this RIP with these bases.
fn interrupted(rip: u64, fsbase: u64, gsbase: u64) -> Bench {
    let mut enclave = initialized();
    enclave.eenter(TCS, AEP, XCR0).unwrap();
    let exit = enclave.aex(TCS).unwrap();
    let registers = SsaGpr { rip, fsbase, gsbase, ..SsaGpr::default() };
    put(&mut enclave, exit.ssa.gpr, &registers.to_bytes());
    enclave
}

#[test]
fn eenter_goes_to_the_entry_point_and_eexit_returns_the_aep() {
    let mut enclave = initialized();
    let entry = enclave.eenter(TCS, AEP, XCR0).unwrap();
    assert_eq!((entry.rip, entry.cssa), (CODE, 0));
    assert_eq!((entry.fsbase, entry.gsbase), (DATA, DATA));
    assert_eq!(entry.ssa, frame(0));
    assert_eq!(enclave.threads_inside(), 1);
    assert_eq!(enclave.eexit(TCS, 0x1234), Ok(AEP));
    assert_eq!(enclave.threads_inside(), 0);
}

#[test]
fn each_illegal_operand_of_eenter_faults() {
    let eenter = |rbx, aep, xcr0| initialized().eenter(rbx, aep, xcr0);
    faults(eenter(TCS + 8, AEP, XCR0), LeafError::GP, "not aligned");
    faults(eenter(SIZE, AEP, XCR0), LeafError::pf(SIZE), "outside ELRANGE");
    faults(eenter(SIZE, HIGH, XCR0), LeafError::pf(SIZE), "that comes before the AEP");
    faults(eenter(TCS, HIGH, XCR0), LeafError::GP, "AEP not canonical");
    faults(eenter(FREE, AEP, XCR0), LeafError::pf(FREE), "absent");
    faults(eenter(DATA, AEP, XCR0), LeafError::pf(DATA), "not PT_TCS");
    faults(eenter(TCS, AEP, Xfrm::LEGACY), LeafError::GP, "XFRM beyond XCR0");
    faults(built().eenter(TCS, AEP, XCR0), LeafError::GP, "not initialised");
}

#[test]
fn each_illegal_field_of_the_tcs_faults() {
    for (what, tcs) in [
        ("OSSA", Tcs { ossa: SSA + 8, ..tcs() }),
        ("OFSBASE", Tcs { ofsbase: 8, ..tcs() }),
        ("OGSBASE", Tcs { ogsbase: 8, ..tcs() }),
        ("AEXNOTIFY", Tcs { flags: TcsFlags::AEXNOTIFY, ..tcs() }),
        ("NSSA", Tcs { nssa: 0, ..tcs() }),
        ("OENTRY", Tcs { oentry: HIGH, ..tcs() }),
        ("FS base", Tcs { ofsbase: HIGH, ..tcs() }),
        ("GS base", Tcs { ogsbase: HIGH, ..tcs() }),
    ] {
        faults(with_tcs(&tcs).eenter(TCS, AEP, XCR0), LeafError::GP, what);
    }
}

#[test]
fn tcs_that_waits_or_is_blocked_cannot_be_entered() {
    let mut enclave = initialized();
    enclave.emodt(READ_ONLY, &SecInfo::tcs()).unwrap();
    faults(enclave.eenter(READ_ONLY, AEP, XCR0), LeafError::pf(READ_ONLY), "modified");
    enclave.eaug(FREE).unwrap();
    faults(enclave.eenter(FREE, AEP, XCR0), LeafError::pf(FREE), "pending");
    enclave.eblock(TCS).unwrap();
    faults(enclave.eenter(TCS, AEP, XCR0), LeafError::pf(TCS), "blocked");
}

#[test]
fn every_page_of_the_frame_that_is_used_must_be_writable() {
    // The XSAVE area takes the first page, GPRSGX is in the last; those between are unused.
    for (page, used) in [(0, true), (1, false), (2, false), (3, true)] {
        let at = SSA + page * PAGE;
        let gone = if page == 3 { frame(0).gpr } else { at };
        let mut enclave = initialized();
        enclave.emodpr(at, &reg(R)).unwrap();
        match enclave.eenter(TCS, AEP, XCR0) {
            Ok(_) => assert!(!used, "page {page}"),
            Err(error) => assert_eq!((error, used), (LeafError::pf(gone), true)),
        }
    }
    let mut enclave = initialized();
    enclave.eremove(SSA).unwrap();
    faults(enclave.eenter(TCS, AEP, XCR0), LeafError::pf(SSA), "absent");
    let mut enclave = initialized();
    enclave.eblock(SSA).unwrap();
    faults(enclave.eenter(TCS, AEP, XCR0), LeafError::pf(SSA), "blocked");
    let mut enclave = initialized();
    enclave.emodt(SSA, &SecInfo::tcs()).unwrap();
    faults(enclave.eenter(TCS, AEP, XCR0), LeafError::pf(SSA), "modified");
}

#[test]
fn one_thread_at_a_time_on_a_tcs() {
    let mut enclave = initialized();
    enclave.eenter(TCS, AEP, XCR0).unwrap();
    faults(enclave.eenter(TCS, AEP, XCR0), LeafError::GP, "active");
    enclave.eexit(TCS, 0).unwrap();
    assert!(enclave.eenter(TCS, AEP, XCR0).is_ok());
}

#[test]
fn exits_need_a_thread_inside_and_a_canonical_target() {
    let mut enclave = initialized();
    faults(enclave.eexit(TCS, 0), LeafError::GP, "EEXIT, nobody inside");
    faults(enclave.aex(TCS), LeafError::GP, "AEX, nobody inside");
    enclave.eenter(TCS, AEP, XCR0).unwrap();
    faults(enclave.eexit(TCS, HIGH), LeafError::GP, "not canonical");
    assert_eq!(enclave.threads_inside(), 1);
}

#[test]
fn asynchronous_exit_uses_a_frame_and_eresume_gives_it_back() {
    let mut enclave = initialized();
    enclave.eenter(TCS, AEP, XCR0).unwrap();
    let exit = enclave.aex(TCS).unwrap();
    assert_eq!((exit.ssa, exit.aep), (frame(0), AEP));
    assert_eq!(enclave.tcs(TCS).unwrap().fields.cssa, 1);
    let registers = SsaGpr { rip: CODE + 5, fsbase: 1, gsbase: 2, ..SsaGpr::default() };
    put(&mut enclave, exit.ssa.gpr, &registers.to_bytes());
    let back = enclave.eresume(TCS, AEP + 1, XCR0).unwrap();
    assert_eq!((back.ssa, back.rip, back.fsbase, back.gsbase), (frame(0), CODE + 5, 1, 2));
    assert_eq!(enclave.tcs(TCS).unwrap().fields.cssa, 0);
    assert_eq!(enclave.eexit(TCS, 0), Ok(AEP + 1), "the AEP is that of ERESUME");
}

#[test]
fn handler_runs_on_the_second_frame_and_a_third_entry_is_refused() {
    let mut enclave = interrupted(CODE, 0, 0);
    let entry = enclave.eenter(TCS, AEP, XCR0).unwrap();
    assert_eq!((entry.cssa, entry.ssa), (1, frame(1)));
    enclave.aex(TCS).unwrap();
    assert_eq!(enclave.tcs(TCS).unwrap().fields.cssa, 2);
    faults(enclave.eenter(TCS, AEP, XCR0), LeafError::GP, "CSSA is NSSA");
    assert!(enclave.eresume(TCS, AEP, XCR0).is_ok());
    enclave.eexit(TCS, 0).unwrap();
    assert_eq!(enclave.eresume(TCS, AEP, XCR0).unwrap().rip, CODE);
}

#[test]
fn each_illegal_operand_of_eresume_faults() {
    let eresume = |rbx, aep, xcr0| interrupted(CODE, 0, 0).eresume(rbx, aep, xcr0);
    faults(eresume(TCS + 8, AEP, XCR0), LeafError::GP, "not aligned");
    faults(eresume(SIZE, AEP, XCR0), LeafError::pf(SIZE), "outside ELRANGE");
    faults(eresume(TCS, HIGH, XCR0), LeafError::GP, "AEP not canonical");
    faults(eresume(DATA, AEP, XCR0), LeafError::pf(DATA), "not PT_TCS");
    faults(eresume(TCS, AEP, Xfrm::LEGACY), LeafError::GP, "XFRM beyond XCR0");
    faults(initialized().eresume(TCS, AEP, XCR0), LeafError::GP, "no frame");
    for (what, mut enclave) in [
        ("RIP", interrupted(HIGH, 0, 0)),
        ("FS base", interrupted(CODE, HIGH, 0)),
        ("GS base", interrupted(CODE, 0, HIGH)),
    ] {
        faults(enclave.eresume(TCS, AEP, XCR0), LeafError::GP, what);
        assert_eq!(enclave.tcs(TCS).unwrap().fields.cssa, 1);
    }
    let mut enclave = interrupted(CODE, 0, 0);
    enclave.eenter(TCS, AEP, XCR0).unwrap();
    faults(enclave.eresume(TCS, AEP, XCR0), LeafError::GP, "active");
    let mut enclave = interrupted(CODE, 0, 0);
    enclave.emodpr(SSA, &SecInfo { flags: SecInfoFlags::R }).unwrap();
    faults(enclave.eresume(TCS, AEP, XCR0), LeafError::pf(SSA), "frame not writable");
}
