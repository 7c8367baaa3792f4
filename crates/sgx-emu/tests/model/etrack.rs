use sgx_types::{SecInfo, SgxError};

use crate::bench::{AEP, DATA, R, TCS, XCR0, accept, code, initialized, secinfo};
use sgx_types::{PageType, SecInfoFlags};

fn restricted() -> SecInfo {
    secinfo(PageType::Reg, R | SecInfoFlags::PR)
}

#[test]
fn restriction_is_accepted_only_after_etrack() {
    let mut enclave = initialized();
    enclave.emodpr(DATA + 0x1000, &SecInfo { flags: R }).unwrap();
    let page = DATA + 0x1000;
    assert_eq!(accept(&mut enclave, restricted(), page), code(SgxError::NotTracked));
    enclave.etrack().unwrap();
    assert_eq!(accept(&mut enclave, restricted(), page), Ok(()));
    assert!(!enclave.entry(page).unwrap().restricted);
}

#[test]
fn thread_that_was_inside_must_leave_before_the_page_is_accepted() {
    let page = DATA + 0x1000;
    let mut enclave = initialized();
    enclave.eenter(TCS, AEP, XCR0).unwrap();
    enclave.emodpr(page, &SecInfo { flags: R }).unwrap();
    enclave.etrack().unwrap();
    assert_eq!(accept(&mut enclave, restricted(), page), code(SgxError::NotTracked));
    enclave.aex(TCS).unwrap();
    enclave.eresume(TCS, AEP, XCR0).unwrap();
    assert_eq!(accept(&mut enclave, restricted(), page), Ok(()));
}

#[test]
fn second_cycle_waits_for_the_threads_of_the_first() {
    let mut enclave = initialized();
    enclave.eenter(TCS, AEP, XCR0).unwrap();
    enclave.etrack().unwrap();
    assert_eq!(enclave.etrack(), code(SgxError::PrevTrkIncmpl));
    enclave.eexit(TCS, 0).unwrap();
    assert_eq!(enclave.etrack(), Ok(()));
}

#[test]
fn interrupting_all_threads_completes_a_cycle() {
    let page = DATA + 0x1000;
    let mut enclave = initialized();
    enclave.eenter(TCS, AEP, XCR0).unwrap();
    enclave.emodpr(page, &SecInfo { flags: R }).unwrap();
    enclave.etrack().unwrap();
    enclave.interrupt_all_threads();
    assert_eq!(accept(&mut enclave, restricted(), page), Ok(()));
    assert_eq!(enclave.threads_inside(), 1);
    enclave.eexit(TCS, 0).unwrap();
    assert_eq!(enclave.threads_inside(), 0);
    assert_eq!(enclave.etrack(), Ok(()));
}

#[test]
fn change_after_etrack_needs_another() {
    let page = DATA + 0x1000;
    let mut enclave = initialized();
    enclave.etrack().unwrap();
    enclave.emodpr(page, &SecInfo { flags: R }).unwrap();
    assert_eq!(accept(&mut enclave, restricted(), page), code(SgxError::NotTracked));
}
