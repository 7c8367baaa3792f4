use sgx_emu::model::{Access, EpcMemory as _, PageRun};
use sgx_types::PageType;

use crate::bench::{DATA, FREE, GP, SIZE, accept, add, built, initialized, pending, pf, put, take};

#[test]
fn page_is_pending_zeroed_and_inaccessible_until_accepted() {
    let mut enclave = initialized();
    enclave.eaug(FREE).unwrap();
    let entry = *enclave.entry(FREE).unwrap();
    assert_eq!((entry.page_type, entry.permissions), (PageType::Reg, Access::RW));
    assert!(entry.pending && !entry.modified && !entry.restricted);
    assert_eq!(enclave.memory().access(FREE), Access::NONE);
    accept(&mut enclave, pending(), FREE).unwrap();
    assert_eq!(enclave.memory().access(FREE), Access::RW);
    assert_eq!(take::<4096>(&enclave, FREE), [0; 4096]);
}

#[test]
fn page_that_was_removed_comes_back_zeroed() {
    let mut enclave = initialized();
    add(&mut enclave, FREE);
    put(&mut enclave, FREE, b"old");
    enclave.eremove(FREE).unwrap();
    add(&mut enclave, FREE);
    assert_eq!(&take::<3>(&enclave, FREE), &[0; 3]);
    let mut memory = enclave.into_memory();
    memory.discard(PageRun::one(FREE)).unwrap();
}

#[test]
fn each_illegal_operand_is_refused() {
    let mut enclave = initialized();
    assert_eq!(enclave.eaug(FREE + 1), GP, "not aligned");
    assert_eq!(enclave.eaug(DATA), pf(DATA), "valid already");
    assert_eq!(enclave.eaug(SIZE), GP, "outside ELRANGE");
    assert_eq!(built().eaug(FREE), GP, "not initialised");
}

#[test]
fn augmenting_does_not_change_the_measurement() {
    let mut enclave = initialized();
    let before = enclave.secs().mrenclave;
    add(&mut enclave, FREE);
    assert_eq!(enclave.secs().mrenclave, before);
}

#[test]
fn run_stops_at_the_first_page_that_is_valid() {
    let mut enclave = initialized();
    let run = PageRun { start: DATA - 0x3000, pages: 8 };
    assert_eq!(enclave.eaug_run(run), (3, pf(DATA)));
    assert!(enclave.entry(DATA - 0x1000).unwrap().pending);
}
