//! The driver's sequences of leaves.

use sgx_emu::model::driver::{Driver, DriverError, FaultCause};
use sgx_emu::model::{Access, EpcMemory as _, LeafError, PageRun};
use sgx_types::{PageType, SecInfo, SecInfoFlags, SgxError};

use crate::bench::{
    AEP, Bench, CODE, DATA, FREE, PAGE, R, READ_ONLY, RW, SIZE, SSA, TCS, XCR0, accept, add, code,
    created, initialized, pending, reg, secinfo, tcs,
};

const DRIVER: Driver = Driver { epc_pages: 1000 };
const ALL: PageRun = PageRun { start: 0, pages: SIZE / PAGE };

fn trimmed() -> SecInfo {
    secinfo(PageType::Trim, SecInfoFlags::MODIFIED)
}

#[test]
fn fault_is_told_by_its_cause() {
    let mut enclave = initialized();
    enclave.eaug(FREE).unwrap();
    let cause = |at, access| Driver::fault_cause(&enclave, at, access);
    assert_eq!(cause(SIZE, Access::R), FaultCause::Outside);
    assert_eq!(cause(FREE + PAGE, Access::R), FaultCause::Absent);
    assert_eq!(cause(FREE, Access::R), FaultCause::Denied);
    assert_eq!(cause(TCS, Access::R), FaultCause::Denied);
    assert_eq!(cause(READ_ONLY, Access::W), FaultCause::Denied);
    assert_eq!(cause(READ_ONLY + 5, Access::R), FaultCause::Allowed);
}

#[test]
fn added_pages_are_measured_if_asked() {
    let measure = |measured| {
        let mut enclave = created();
        DRIVER.add(&mut enclave, CODE, &reg(R), &[1; 4096], measured).unwrap();
        enclave.measurement()
    };
    let mut by_hand = created();
    by_hand.eadd(CODE, &reg(R), &[1; 4096]).unwrap();
    assert_eq!(measure(false), by_hand.measurement());
    for offset in (0..PAGE).step_by(256) {
        by_hand.eextend(CODE + offset).unwrap();
    }
    assert_eq!(measure(true), by_hand.measurement());
}

#[test]
fn a_run_of_pages_is_the_same_as_its_pages_one_by_one() {
    let (ones, zeros) = ([1; 4096], [0; 4096]);
    let run = |measured| {
        let mut enclave = created();
        let sources = [Some(&ones), None, Some(&zeros)];
        DRIVER.add_run(&mut enclave, CODE, &reg(RW), sources.into_iter(), measured).unwrap();
        enclave
    };
    let one_by_one = |measured| {
        let mut enclave = created();
        for (address, page) in (CODE..).step_by(4096).zip([&ones, &zeros, &zeros]) {
            DRIVER.add(&mut enclave, address, &reg(RW), page, measured).unwrap();
        }
        enclave
    };
    for measured in [false, true] {
        let (run, pages) = (run(measured), one_by_one(measured));
        assert_eq!(run.measurement(), pages.measurement());
        assert!(run.entries().eq(pages.entries()));
        let mut bytes = [7; 8];
        run.memory().read(CODE + PAGE, &mut bytes).unwrap();
        assert_eq!(bytes, [0; 8]);
    }
}

#[test]
fn a_run_stops_at_a_page_that_is_there_already() {
    let mut enclave = created();
    DRIVER.add(&mut enclave, CODE + PAGE, &reg(R), &[1; 4096], true).unwrap();
    let sources = [None; 3].into_iter();
    let error = DRIVER.add_run(&mut enclave, CODE, &reg(R), sources, true).unwrap_err();
    let expected = DriverError::Leaf { linaddr: CODE + PAGE, source: LeafError::pf(CODE + PAGE) };
    assert_eq!(error, expected);
    assert!(enclave.entry(CODE).is_some() && enclave.entry(CODE + 2 * PAGE).is_none());
}

#[test]
fn augmenting_around_a_page_takes_the_absent_pages_of_its_block() {
    let mut enclave = initialized();
    let run = DRIVER.augment_around(&mut enclave, FREE + 5, ALL).unwrap();
    assert_eq!(run, PageRun { start: FREE, pages: 64 });
    // The block of 0 to 0x40000 has valid pages at TCS, SSA and DATA.
    let run = DRIVER.augment_around(&mut enclave, DATA - PAGE, ALL).unwrap();
    assert_eq!(run, PageRun { start: SSA + 8 * PAGE, pages: 8 });
    let area = PageRun { start: 0x9_0000, pages: 3 };
    let run = DRIVER.augment_around(&mut enclave, 0x9_1000, area).unwrap();
    assert_eq!(run, area);
    accept(&mut enclave, pending(), 0x9_1000).unwrap();
}

#[test]
fn last_page_of_the_epc_is_given_and_then_exhaustion_is_named() {
    let mut enclave = initialized();
    let driver = Driver { epc_pages: enclave.valid_pages() + 1 };
    let run = driver.augment_around(&mut enclave, FREE, ALL).unwrap();
    assert_eq!(run, PageRun::one(FREE));
    let error = driver.augment_around(&mut enclave, FREE + PAGE, ALL).unwrap_err();
    assert_eq!(
        error.to_string(),
        "emulated EPC is exhausted: the enclave has all 13 pages it may have"
    );
    let result = driver.add(&mut created(), CODE, &reg(R), &[0; 4096], true);
    assert_eq!(result, Ok(()));
}

#[test]
fn restricted_pages_can_be_accepted_with_threads_inside() {
    let mut enclave = initialized();
    enclave.eenter(TCS, AEP, XCR0).unwrap();
    let run = PageRun { start: READ_ONLY, pages: 2 };
    let progress = DRIVER.restrict(&mut enclave, run, R);
    assert_eq!((progress.pages, progress.result), (2, Ok(())));
    let accepted = secinfo(PageType::Reg, R | SecInfoFlags::PR);
    for page in run.addresses() {
        assert_eq!(accept(&mut enclave, accepted, page), Ok(()));
    }
}

#[test]
fn partial_counts_say_where_it_stopped() {
    let mut enclave = initialized();
    let progress = DRIVER.restrict(&mut enclave, PageRun { start: CODE, pages: 4 }, R);
    assert_eq!(progress.pages, 1);
    let (linaddr, source) = (CODE + PAGE, LeafError::pf(CODE + PAGE));
    assert_eq!(progress.result, Err(DriverError::Leaf { linaddr, source }));
}

#[test]
fn pages_are_removed_after_trim_and_acceptance_only() {
    let mut enclave = initialized();
    add(&mut enclave, FREE);
    add(&mut enclave, FREE + PAGE);
    let run = PageRun { start: FREE, pages: 2 };
    let refused = |linaddr| Err(DriverError::NotTrimmed { linaddr });
    assert_eq!(DRIVER.remove(&mut enclave, run).result, refused(FREE), "not trimmed");
    assert_eq!(DRIVER.modify_types(&mut enclave, run, PageType::Trim).result, Ok(()));
    assert_eq!(DRIVER.remove(&mut enclave, run).result, refused(FREE), "not accepted");
    accept(&mut enclave, trimmed(), FREE).unwrap();
    let progress = DRIVER.remove(&mut enclave, run);
    assert_eq!((progress.pages, progress.result), (1, refused(FREE + PAGE)));
    assert!(enclave.entry(FREE).is_none() && enclave.entry(FREE + PAGE).is_some());
}

#[test]
fn page_becomes_a_tcs() {
    let mut enclave = initialized();
    add(&mut enclave, FREE);
    crate::bench::put(&mut enclave, FREE, &tcs().to_bytes());
    let progress = DRIVER.modify_types(&mut enclave, PageRun::one(FREE), PageType::Tcs);
    assert_eq!(progress.result, Ok(()));
    accept(&mut enclave, secinfo(PageType::Tcs, SecInfoFlags::MODIFIED), FREE).unwrap();
    assert!(enclave.eenter(FREE, AEP, XCR0).is_ok());
}

/// An enclave with a thread inside on a TCS that was trimmed.
fn stuck() -> Bench {
    let mut enclave = initialized();
    enclave.eenter(TCS, AEP, XCR0).unwrap();
    let progress = DRIVER.modify_types(&mut enclave, PageRun::one(TCS), PageType::Trim);
    assert_eq!(progress.result, Ok(()));
    enclave
}

#[test]
fn tcs_cannot_be_trimmed_from_under_its_thread() {
    let mut enclave = stuck();
    assert_eq!(accept(&mut enclave, trimmed(), TCS), code(SgxError::NotTracked));
    let progress = DRIVER.restrict(&mut enclave, PageRun::one(CODE), R);
    assert!(matches!(progress.result, Err(DriverError::Track(_))));
    enclave.aex(TCS).unwrap();
    assert_eq!(accept(&mut enclave, trimmed(), TCS), Ok(()));
    assert_eq!(DRIVER.restrict(&mut enclave, PageRun::one(CODE), R).result, Ok(()));
    assert_eq!(DRIVER.remove(&mut enclave, PageRun::one(TCS)).result, Ok(()));
}

#[test]
fn data_is_writable_through_all_of_it() {
    let mut enclave = initialized();
    let _ = DRIVER.restrict(&mut enclave, PageRun::one(DATA), RW);
    assert_eq!(enclave.memory().access(DATA), Access::RW);
}
