use sgx_emu::model::{Access, LeafError};
use sgx_types::{PageType, SecInfo, SecInfoFlags, SgxError};

use crate::bench::{AEP, DATA, FREE, GP, R, TCS, XCR0, built, code, initialized, pf, reg, secinfo};

fn trim() -> SecInfo {
    secinfo(PageType::Trim, SecInfoFlags::empty())
}

#[test]
fn page_changes_type_and_loses_all_access() {
    for info in [SecInfo::tcs(), trim()] {
        let mut enclave = initialized();
        enclave.emodt(DATA, &info).unwrap();
        let entry = *enclave.entry(DATA).unwrap();
        assert_eq!(Some(entry.page_type), info.flags.page_type());
        assert!(entry.modified);
        assert_eq!(entry.permissions, Access::NONE);
        assert_eq!(enclave.memory().access(DATA), Access::NONE);
    }
}

#[test]
fn tcs_can_be_trimmed_and_not_entered_afterwards() {
    let mut enclave = initialized();
    enclave.emodt(TCS, &trim()).unwrap();
    assert_eq!(enclave.eenter(TCS, AEP, XCR0), Err(LeafError::pf(TCS)));
}

#[test]
fn restriction_that_waited_is_forgotten() {
    let mut enclave = initialized();
    enclave.emodpr(DATA, &reg(R)).unwrap();
    enclave.emodt(DATA, &trim()).unwrap();
    assert!(!enclave.entry(DATA).unwrap().restricted);
}

#[test]
fn each_illegal_operand_is_refused() {
    let mut enclave = initialized();
    assert_eq!(enclave.emodt(DATA + 8, &trim()), GP, "not aligned");
    for page_type in [PageType::Reg, PageType::Secs, PageType::Va, PageType::SsFirst] {
        assert_eq!(enclave.emodt(DATA, &secinfo(page_type, R)), GP, "{page_type:?}");
    }
    assert_eq!(enclave.emodt(FREE, &trim()), pf(FREE), "absent");
    assert_eq!(enclave.emodt(TCS, &SecInfo::tcs()), pf(TCS), "TCS to TCS");
    enclave.eaug(FREE).unwrap();
    assert_eq!(enclave.emodt(FREE, &trim()), code(SgxError::PageNotModifiable), "pending");
    enclave.emodt(DATA, &SecInfo::tcs()).unwrap();
    assert_eq!(enclave.emodt(DATA, &trim()), code(SgxError::PageNotModifiable), "modified");
    enclave.emodt(TCS, &trim()).unwrap();
    assert_eq!(enclave.emodt(TCS, &trim()), pf(TCS), "trimmed already");
    assert_eq!(built().emodt(DATA, &trim()), GP, "not initialised");
}
