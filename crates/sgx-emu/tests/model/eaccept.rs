use sgx_emu::model::Access;
use sgx_types::{PageType, SecInfo, SecInfoFlags, SgxError, Tcs, TcsFlags};

use crate::bench::{
    AEP, Bench, CODE, DATA, FREE, GP, PAGE, R, READ_ONLY, RW, SECINFO, SIZE, TCS, XCR0, accept,
    add, code, initialized, pending, pf, put, secinfo, tcs, with_reserved,
};

const PENDING: SecInfoFlags = SecInfoFlags::PENDING;
const MODIFIED: SecInfoFlags = SecInfoFlags::MODIFIED;
const PR: SecInfoFlags = SecInfoFlags::PR;

fn augmented() -> Bench {
    let mut enclave = initialized();
    enclave.eaug(FREE).unwrap();
    enclave
}

#[test]
fn secinfo_must_be_aligned_inside_and_readable() {
    let mut enclave = augmented();
    put(&mut enclave, SECINFO + 8, &pending().to_bytes());
    assert_eq!(enclave.eaccept(SECINFO + 8, FREE), GP, "not aligned");
    put(&mut enclave, SECINFO, &pending().to_bytes());
    assert_eq!(enclave.eaccept(SIZE, FREE), GP, "outside ELRANGE");
    assert_eq!(enclave.eaccept(FREE + PAGE, FREE), pf(FREE + PAGE), "absent");
    assert_eq!(enclave.eaccept(TCS, FREE), pf(TCS), "not PT_REG");
    assert_eq!(enclave.eaccept(FREE, FREE), pf(FREE), "pending");
    let unreadable = DATA + PAGE;
    enclave.emodpr(unreadable, &SecInfo::default()).unwrap();
    assert_eq!(enclave.eaccept(unreadable, FREE), pf(unreadable), "not readable");
    enclave.eblock(CODE).unwrap();
    assert_eq!(enclave.eaccept(CODE, FREE), pf(CODE), "blocked");
    enclave.emodt(DATA, &SecInfo::tcs()).unwrap();
    assert_eq!(enclave.eaccept(DATA, FREE), pf(DATA), "modified");
}

#[test]
fn secinfo_with_reserved_bits_is_refused() {
    let mut enclave = augmented();
    put(&mut enclave, SECINFO, &with_reserved(pending()));
    assert_eq!(enclave.eaccept(SECINFO, FREE), GP);
}

#[test]
fn only_some_combinations_of_type_and_state_can_be_accepted() {
    let reg = |flags| secinfo(PageType::Reg, flags);
    for info in [
        reg(RW),
        reg(RW | MODIFIED),
        reg(RW | PENDING | MODIFIED),
        reg(RW | PR | MODIFIED),
        secinfo(PageType::Tcs, SecInfoFlags::empty()),
        secinfo(PageType::Tcs, PENDING),
        secinfo(PageType::Tcs, MODIFIED | PENDING),
        secinfo(PageType::Trim, MODIFIED | PR),
        secinfo(PageType::Trim, SecInfoFlags::empty()),
        secinfo(PageType::Secs, PENDING),
        secinfo(PageType::Va, PENDING),
        secinfo(PageType::SsFirst, RW | PENDING),
        SecInfo { flags: SecInfoFlags::from_bits(0x0700 | PENDING.bits()) },
    ] {
        assert_eq!(accept(&mut augmented(), info, FREE), GP, "{info:?}");
    }
}

#[test]
fn page_must_be_aligned_inside_valid_and_not_blocked() {
    let mut enclave = augmented();
    assert_eq!(accept(&mut enclave, pending(), FREE + 8), GP, "not aligned");
    assert_eq!(accept(&mut enclave, pending(), SIZE), GP, "outside ELRANGE");
    assert_eq!(accept(&mut enclave, pending(), FREE + PAGE), pf(FREE + PAGE), "absent");
    enclave.eblock(FREE).unwrap();
    assert_eq!(accept(&mut enclave, pending(), FREE), pf(FREE), "blocked");
}

#[test]
fn each_difference_from_the_epcm_is_a_mismatch() {
    let mismatch = code(SgxError::PageAttributesMismatch);
    for info in [
        secinfo(PageType::Reg, R | PENDING),
        secinfo(PageType::Reg, SecInfoFlags::W | PENDING),
        secinfo(PageType::Reg, SecInfoFlags::RWX | PENDING),
        secinfo(PageType::Reg, RW | PR),
        secinfo(PageType::Tcs, MODIFIED),
        secinfo(PageType::Trim, MODIFIED),
    ] {
        let mut enclave = augmented();
        assert_eq!(accept(&mut enclave, info, FREE), mismatch, "{info:?}");
        assert!(enclave.entry(FREE).unwrap().pending);
        assert_eq!(enclave.memory().access(FREE), Access::NONE);
    }
}

#[test]
fn page_is_accepted_once() {
    let mut enclave = augmented();
    assert_eq!(accept(&mut enclave, pending(), FREE), Ok(()));
    let again = accept(&mut enclave, pending(), FREE);
    assert_eq!(again, code(SgxError::PageAttributesMismatch));
}

#[test]
fn restriction_is_accepted_with_the_permissions_that_are_left() {
    let mut enclave = initialized();
    enclave.emodpr(READ_ONLY, &SecInfo { flags: R }).unwrap();
    enclave.etrack().unwrap();
    let wrong = accept(&mut enclave, secinfo(PageType::Reg, RW | PR), READ_ONLY);
    assert_eq!(wrong, code(SgxError::PageAttributesMismatch));
    assert_eq!(accept(&mut enclave, secinfo(PageType::Reg, R | PR), READ_ONLY), Ok(()));
    assert_eq!(enclave.memory().access(READ_ONLY), Access::R);
}

#[test]
fn trim_needs_tracking_and_gives_no_access() {
    let mut enclave = initialized();
    enclave.emodt(READ_ONLY, &secinfo(PageType::Trim, SecInfoFlags::empty())).unwrap();
    let info = secinfo(PageType::Trim, MODIFIED);
    assert_eq!(accept(&mut enclave, info, READ_ONLY), code(SgxError::NotTracked));
    enclave.etrack().unwrap();
    assert_eq!(accept(&mut enclave, info, READ_ONLY), Ok(()));
    assert_eq!(enclave.memory().access(READ_ONLY), Access::NONE);
}

/// Makes a page with this image a TCS, up to EACCEPT.
fn become_tcs(image: &[u8; 4096]) -> (Bench, Result<(), sgx_emu::model::LeafError>) {
    let mut enclave = initialized();
    add(&mut enclave, FREE);
    put(&mut enclave, FREE, image);
    enclave.emodt(FREE, &SecInfo::tcs()).unwrap();
    enclave.etrack().unwrap();
    let result = accept(&mut enclave, secinfo(PageType::Tcs, MODIFIED), FREE);
    (enclave, result)
}

#[test]
fn page_that_became_a_tcs_can_be_entered() {
    let (mut enclave, result) = become_tcs(&tcs().to_bytes());
    assert_eq!(result, Ok(()));
    assert_eq!(enclave.memory().access(FREE), Access::NONE);
    assert_eq!(enclave.eenter(FREE, AEP, XCR0).unwrap().rip, CODE);
}

#[test]
fn tcs_with_illegal_contents_is_not_accepted() {
    let mut reserved = tcs().to_bytes();
    reserved[100] = 1;
    let (_, result) = become_tcs(&reserved);
    assert_eq!(result, GP, "reserved");
    for (what, tcs) in [
        ("DBGOPTIN", Tcs { flags: TcsFlags::DBGOPTIN, ..tcs() }),
        ("CSSA", Tcs { cssa: 2, ..tcs() }),
        ("NSSA", Tcs { nssa: 0, ..tcs() }),
        ("AEP", Tcs { aep: 1, ..tcs() }),
        ("STATE", Tcs { state: 1, ..tcs() }),
        ("PREVSSP", Tcs { prevssp: 8, ..tcs() }),
    ] {
        let (mut enclave, result) = become_tcs(&tcs.to_bytes());
        assert_eq!(result, GP, "{what}");
        assert!(enclave.eenter(FREE, AEP, XCR0).is_err());
    }
}

#[test]
fn acceptance_is_refused_when_the_access_cannot_be_given() {
    let mut enclave = augmented();
    put(&mut enclave, SECINFO, &pending().to_bytes());
    enclave.memory_mut().refuse_access_changes = Some("vm.max_map_count is reached");
    let error = enclave.eaccept(SECINFO, FREE).unwrap_err();
    assert!(matches!(error, sgx_emu::model::LeafError::Host(_)));
}
