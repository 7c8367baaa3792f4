use sgx_emu::model::{Access, LeafResult};
use sgx_types::{PageType, SecInfo, SecInfoFlags};

use crate::bench::{
    Bench, CODE, FREE, GP, PAGE, R, READ_ONLY, RW, RX, SECINFO, SIZE, TCS, initialized, pf, put,
    reg, secinfo, with_reserved,
};

fn extend(enclave: &mut Bench, permissions: SecInfoFlags, linaddr: u64) -> LeafResult {
    put(enclave, SECINFO, &reg(permissions).to_bytes());
    enclave.emodpe(SECINFO, linaddr)
}

#[test]
fn permissions_are_added_at_once() {
    let mut enclave = initialized();
    assert_eq!(extend(&mut enclave, RX, READ_ONLY), Ok(()));
    assert_eq!(enclave.entry(READ_ONLY).unwrap().permissions, Access::R.union(Access::X));
    assert_eq!(enclave.memory().access(READ_ONLY), Access::R.union(Access::X));
    assert_eq!(extend(&mut enclave, RW, READ_ONLY), Ok(()));
    assert_eq!(enclave.memory().access(READ_ONLY), Access::RWX);
}

#[test]
fn permissions_are_never_taken_away() {
    let mut enclave = initialized();
    assert_eq!(extend(&mut enclave, SecInfoFlags::empty(), CODE), Ok(()));
    assert_eq!(enclave.memory().access(CODE), Access::R.union(Access::X));
}

#[test]
fn each_illegal_secinfo_is_refused() {
    let mut enclave = initialized();
    assert_eq!(enclave.emodpe(SECINFO + 8, CODE), GP, "not aligned");
    assert_eq!(enclave.emodpe(SIZE, CODE), GP, "outside ELRANGE");
    assert_eq!(enclave.emodpe(FREE, CODE), pf(FREE), "absent");
    put(&mut enclave, SECINFO, &with_reserved(reg(RX)));
    assert_eq!(enclave.emodpe(SECINFO, CODE), GP, "reserved bits");
}

#[test]
fn each_illegal_page_is_refused() {
    let mut enclave = initialized();
    assert_eq!(extend(&mut enclave, R, CODE + 8), GP, "not aligned");
    assert_eq!(extend(&mut enclave, R, SIZE), GP, "outside ELRANGE");
    assert_eq!(extend(&mut enclave, R, FREE), pf(FREE), "absent");
    assert_eq!(extend(&mut enclave, R, TCS), pf(TCS), "not PT_REG");
    enclave.eaug(FREE).unwrap();
    assert_eq!(extend(&mut enclave, R, FREE), pf(FREE), "pending");
    enclave.emodt(READ_ONLY, &secinfo(PageType::Trim, SecInfoFlags::empty())).unwrap();
    assert_eq!(extend(&mut enclave, R, READ_ONLY), pf(READ_ONLY), "modified");
    enclave.eblock(CODE).unwrap();
    assert_eq!(extend(&mut enclave, R, CODE), pf(CODE), "blocked");
}

#[test]
fn write_needs_read_in_the_page_or_in_the_request() {
    let mut enclave = initialized();
    enclave.emodpr(READ_ONLY, &SecInfo::default()).unwrap();
    assert_eq!(extend(&mut enclave, SecInfoFlags::W, READ_ONLY), GP);
    assert_eq!(extend(&mut enclave, RW, READ_ONLY), Ok(()));
    assert_eq!(extend(&mut enclave, SecInfoFlags::W, CODE), Ok(()), "the page has read");
    assert_eq!(enclave.entry(FREE + PAGE), None);
}
