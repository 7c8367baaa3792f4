use sgx_emu::model::{Access, LeafResult};
use sgx_types::{PageType, SecInfo, SecInfoFlags, SgxError};

use crate::bench::{
    Bench, CODE, DATA, FREE, GP, PAGE, READ_ONLY, RX, SECINFO, SIZE, TCS, add, code, initialized,
    pf, put, reg, secinfo, take, with_reserved,
};

fn augmented() -> Bench {
    let mut enclave = initialized();
    enclave.eaug(FREE).unwrap();
    put(&mut enclave, SECINFO, &reg(RX).to_bytes());
    enclave
}

fn copy(info: SecInfo) -> LeafResult {
    let mut enclave = augmented();
    put(&mut enclave, SECINFO, &info.to_bytes());
    enclave.eacceptcopy(SECINFO, FREE, READ_ONLY)
}

#[test]
fn target_gets_the_contents_and_the_permissions_asked_for() {
    let mut enclave = augmented();
    assert_eq!(enclave.eacceptcopy(SECINFO, FREE, READ_ONLY), Ok(()));
    assert_eq!(take::<4096>(&enclave, FREE), [0xaa; 4096]);
    assert!(enclave.entry(FREE).unwrap().is_settled());
    assert_eq!(enclave.memory().access(FREE), Access::R.union(Access::X));
}

#[test]
fn each_illegal_secinfo_is_refused() {
    assert_eq!(copy(reg(SecInfoFlags::W)), GP, "write without read");
    assert_eq!(copy(SecInfo::tcs()), GP, "not PT_REG");
    let mut enclave = augmented();
    put(&mut enclave, SECINFO, &with_reserved(reg(RX)));
    assert_eq!(enclave.eacceptcopy(SECINFO, FREE, READ_ONLY), GP, "reserved bits");
    assert_eq!(enclave.eacceptcopy(SECINFO + 8, FREE, READ_ONLY), GP, "not aligned");
    assert_eq!(enclave.eacceptcopy(SIZE, FREE, READ_ONLY), GP, "outside ELRANGE");
    assert_eq!(enclave.eacceptcopy(TCS, FREE, READ_ONLY), pf(TCS), "not readable");
}

#[test]
fn each_illegal_source_is_refused() {
    let mut enclave = augmented();
    assert_eq!(enclave.eacceptcopy(SECINFO, FREE, READ_ONLY + 8), GP, "not aligned");
    assert_eq!(enclave.eacceptcopy(SECINFO, FREE, SIZE), GP, "outside ELRANGE");
    let absent = FREE + PAGE;
    assert_eq!(enclave.eacceptcopy(SECINFO, FREE, absent), pf(absent), "absent");
    assert_eq!(enclave.eacceptcopy(SECINFO, FREE, TCS), pf(TCS), "not PT_REG");
    assert_eq!(enclave.eacceptcopy(SECINFO, FREE, FREE), pf(FREE), "pending");
    enclave.eblock(CODE).unwrap();
    assert_eq!(enclave.eacceptcopy(SECINFO, FREE, CODE), pf(CODE), "blocked");
    enclave.emodpr(READ_ONLY, &SecInfo::default()).unwrap();
    assert_eq!(enclave.eacceptcopy(SECINFO, FREE, READ_ONLY), pf(READ_ONLY), "not readable");
}

#[test]
fn each_illegal_target_is_refused() {
    let mismatch = code(SgxError::PageAttributesMismatch);
    let mut enclave = augmented();
    assert_eq!(enclave.eacceptcopy(SECINFO, FREE + 8, READ_ONLY), GP, "not aligned");
    assert_eq!(enclave.eacceptcopy(SECINFO, SIZE, READ_ONLY), GP, "outside ELRANGE");
    let absent = FREE + PAGE;
    assert_eq!(enclave.eacceptcopy(SECINFO, absent, READ_ONLY), pf(absent), "absent");
    assert_eq!(enclave.eacceptcopy(SECINFO, CODE, READ_ONLY), mismatch, "not pending");
    enclave.eblock(FREE).unwrap();
    assert_eq!(enclave.eacceptcopy(SECINFO, FREE, READ_ONLY), mismatch, "blocked");
    enclave.emodt(CODE, &secinfo(PageType::Trim, SecInfoFlags::empty())).unwrap();
    assert_eq!(enclave.eacceptcopy(SECINFO, CODE, READ_ONLY), mismatch, "modified");
}

#[test]
fn refused_copy_changes_nothing() {
    let mut enclave = augmented();
    add(&mut enclave, FREE + PAGE);
    put(&mut enclave, SECINFO, &reg(RX).to_bytes());
    put(&mut enclave, FREE + PAGE, b"kept");
    enclave.eacceptcopy(SECINFO, FREE + PAGE, READ_ONLY).unwrap_err();
    assert_eq!(&take::<4>(&enclave, FREE + PAGE), b"kept");
    assert_eq!(enclave.memory().access(DATA), Access::RW);
}
