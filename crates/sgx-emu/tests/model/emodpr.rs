use sgx_emu::model::{Access, PageRun};
use sgx_types::{SecInfo, SecInfoFlags, SgxError};

use crate::bench::{
    CODE, DATA, FREE, GP, PAGE, R, RW, SSA, TCS, built, code, initialized, pf, reg,
};

fn to(permissions: SecInfoFlags) -> SecInfo {
    SecInfo { flags: permissions }
}

#[test]
fn permissions_shrink_at_once_and_wait_for_eaccept() {
    let mut enclave = initialized();
    enclave.emodpr(DATA, &to(R)).unwrap();
    let entry = *enclave.entry(DATA).unwrap();
    assert_eq!(entry.permissions, Access::R);
    assert!(entry.restricted && entry.is_settled());
    assert_eq!(enclave.memory().access(DATA), Access::R);
}

#[test]
fn permissions_never_grow() {
    let mut enclave = initialized();
    enclave.emodpr(CODE, &to(SecInfoFlags::RWX)).unwrap();
    assert_eq!(enclave.entry(CODE).unwrap().permissions, Access::R.union(Access::X));
    enclave.emodpr(CODE, &to(SecInfoFlags::empty())).unwrap();
    assert_eq!(enclave.memory().access(CODE), Access::NONE);
}

#[test]
fn each_illegal_operand_is_refused() {
    let mut enclave = initialized();
    assert_eq!(enclave.emodpr(DATA + 8, &to(R)), GP, "not aligned");
    assert_eq!(enclave.emodpr(DATA, &to(SecInfoFlags::W)), GP, "write without read");
    assert_eq!(enclave.emodpr(FREE, &to(R)), pf(FREE), "absent");
    assert_eq!(enclave.emodpr(TCS, &to(R)), pf(TCS), "not PT_REG");
    enclave.eaug(FREE).unwrap();
    assert_eq!(enclave.emodpr(FREE, &to(R)), code(SgxError::PageNotModifiable), "pending");
    enclave.emodt(DATA, &SecInfo::tcs()).unwrap();
    assert_eq!(enclave.emodpr(DATA, &to(R)), code(SgxError::PageNotModifiable), "modified");
    assert_eq!(built().emodpr(DATA, &reg(RW)), GP, "not initialised");
}

#[test]
fn neighbours_are_restricted_with_one_change_of_access() {
    let mut enclave = initialized();
    enclave.memory_mut().access_calls.clear();
    let run = PageRun { start: SSA, pages: 8 };
    assert_eq!(enclave.emodpr_run(run, &to(R)), (8, Ok(())));
    assert_eq!(enclave.memory().access_calls, [(run, Access::R)]);
}

#[test]
fn run_that_stops_still_changes_the_access_of_the_pages_before() {
    let mut enclave = initialized();
    let run = PageRun { start: CODE, pages: 3 };
    assert_eq!(enclave.emodpr_run(run, &to(R)), (1, pf(CODE + PAGE)));
    assert_eq!(enclave.memory().access(CODE), Access::R);
}
