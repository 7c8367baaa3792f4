use sgx_emu::model::{Access, LeafError, PageRun};
use sgx_types::{PageType, SecInfo, SecInfoFlags, SgxError};

use crate::bench::{
    AEP, DATA, FREE, GP, READ_ONLY, SIZE, TCS, XCR0, accept, built, code, initialized, pf, secinfo,
};

fn trimmed(flags: SecInfoFlags) -> SecInfo {
    secinfo(PageType::Trim, flags)
}

#[test]
fn removed_page_is_absent_unreadable_and_empty() {
    let mut enclave = initialized();
    enclave.eremove(READ_ONLY).unwrap();
    assert!(enclave.entry(READ_ONLY).is_none());
    assert_eq!(enclave.memory().access(READ_ONLY), Access::NONE);
    assert!(!enclave.memory().has_contents(READ_ONLY));
}

#[test]
fn removing_an_absent_page_does_nothing() {
    let mut enclave = initialized();
    let before = enclave.valid_pages();
    assert_eq!(enclave.eremove(FREE), Ok(()));
    assert_eq!(enclave.valid_pages(), before);
}

#[test]
fn each_illegal_operand_is_refused() {
    let mut enclave = initialized();
    assert_eq!(enclave.eremove(DATA + 8), GP, "not aligned");
    assert_eq!(enclave.eremove(SIZE), pf(SIZE), "outside ELRANGE");
    enclave.eenter(TCS, AEP, XCR0).unwrap();
    assert_eq!(enclave.eremove(DATA), code(SgxError::EnclaveAct), "a thread is inside");
    enclave.emodt(READ_ONLY, &trimmed(SecInfoFlags::empty())).unwrap();
    assert_eq!(enclave.eremove(READ_ONLY), code(SgxError::EnclaveAct), "trim not accepted");
}

#[test]
fn accepted_trim_is_removed_while_threads_run() {
    let mut enclave = initialized();
    enclave.eenter(TCS, AEP, XCR0).unwrap();
    enclave.emodt(READ_ONLY, &trimmed(SecInfoFlags::empty())).unwrap();
    enclave.etrack().unwrap();
    enclave.interrupt_all_threads();
    accept(&mut enclave, trimmed(SecInfoFlags::MODIFIED), READ_ONLY).unwrap();
    assert_eq!(enclave.eremove(READ_ONLY), Ok(()));
    assert!(enclave.entry(READ_ONLY).is_none());
}

#[test]
fn tcs_is_gone_with_its_page() {
    let mut enclave = initialized();
    enclave.eremove(TCS).unwrap();
    assert!(enclave.tcs(TCS).is_none());
    assert_eq!(enclave.eenter(TCS, AEP, XCR0), Err(LeafError::pf(TCS)));
}

#[test]
fn secs_goes_last() {
    let enclave = built();
    let (mut enclave, error) = enclave.eremove_secs().unwrap_err();
    assert_eq!(error, LeafError::Code(SgxError::ChildPresent));
    let run = PageRun { start: 0, pages: SIZE / 4096 };
    assert_eq!(enclave.eremove_run(run), (run.pages, Ok(())));
    assert!(enclave.eremove_secs().is_ok());
}

#[test]
fn page_stays_valid_when_its_access_cannot_be_taken_away() {
    let mut enclave = initialized();
    enclave.memory_mut().refuse_access_changes = Some("vm.max_map_count is reached");
    let error = enclave.eremove(DATA).unwrap_err();
    assert!(matches!(error, LeafError::Host(_)));
    assert_eq!(
        error.to_string(),
        "set access of enclave memory 0x30000..0x31000 failed: vm.max_map_count is reached"
    );
    assert!(enclave.entry(DATA).is_some());
}
