use sgx_emu::model::{Access, Fidelity};
use sgx_types::{PageType, SecInfo, SecInfoFlags, Secs, Tcs, TcsFlags};

use crate::bench::{
    DATA, FREE, GP, PAGE, R, RW, SIZE, TCS, built, created, created_with, initialized, pf, put,
    reg, secinfo, secs, take, tcs,
};

const ZEROS: [u8; 4096] = [0; 4096];

#[test]
fn page_gets_contents_permissions_and_mapping() {
    let mut enclave = created();
    enclave.eadd(FREE, &reg(R), &[7; 4096]).unwrap();
    let entry = enclave.entry(FREE).unwrap();
    assert_eq!((entry.page_type, entry.permissions), (PageType::Reg, Access::R));
    assert!(entry.is_settled());
    assert_eq!(enclave.memory().access(FREE), Access::R);
    assert_eq!(take::<4096>(&enclave, FREE), [7; 4096]);
}

#[test]
fn each_illegal_operand_is_refused() {
    let mut enclave = created();
    let eadd = |at, info| created().eadd(at, &info, &ZEROS);
    assert_eq!(eadd(FREE + 8, reg(RW)), GP, "not aligned");
    assert_eq!(eadd(SIZE, reg(RW)), GP, "outside ELRANGE");
    assert_eq!(eadd(FREE, reg(SecInfoFlags::W)), GP, "write without read");
    for page_type in [PageType::Secs, PageType::Va, PageType::Trim, PageType::SsFirst] {
        assert_eq!(eadd(FREE, secinfo(page_type, RW)), GP, "{page_type:?}");
    }
    let unknown = SecInfo { flags: SecInfoFlags::from_bits(0x700) };
    assert_eq!(eadd(FREE, unknown), GP, "type without meaning");
    enclave.eadd(FREE, &reg(RW), &ZEROS).unwrap();
    assert_eq!(enclave.eadd(FREE, &reg(RW), &ZEROS), pf(FREE), "valid already");
    assert_eq!(initialized().eadd(FREE, &reg(RW), &ZEROS), GP, "initialised");
}

#[test]
fn pages_below_the_base_are_refused() {
    let mut enclave = created_with(&Secs { baseaddr: SIZE, ..secs() }, Fidelity::Strict);
    assert_eq!(enclave.eadd(SIZE - PAGE, &reg(RW), &ZEROS), GP);
    assert_eq!(enclave.eadd(SIZE, &reg(RW), &ZEROS), Ok(()));
    assert_eq!(enclave.eadd(2 * SIZE, &reg(RW), &ZEROS), GP);
}

#[test]
fn tcs_is_cleaned_and_no_one_may_touch_it() {
    let dirty = Tcs { state: 1, cssa: 9, aep: 3, flags: TcsFlags::DBGOPTIN, ..tcs() };
    let mut enclave = created();
    let with_permissions = secinfo(PageType::Tcs, SecInfoFlags::RWX);
    enclave.eadd(TCS, &with_permissions, &dirty.to_bytes()).unwrap();
    assert_eq!(enclave.tcs(TCS).unwrap().fields, tcs());
    assert_eq!(take::<4096>(&enclave, TCS), tcs().to_bytes());
    assert_eq!(enclave.entry(TCS).unwrap().permissions, Access::NONE);
    assert_eq!(enclave.memory().access(TCS), Access::NONE);
}

#[test]
fn tcs_with_what_must_be_zero_is_refused() {
    let refused = |image: &[u8; 4096]| {
        let mut enclave = created();
        assert_eq!(enclave.eadd(TCS, &SecInfo::tcs(), image), GP);
        assert!(enclave.tcs(TCS).is_none() && enclave.entry(TCS).is_none());
    };
    let mut reserved = tcs().to_bytes();
    reserved[4095] = 1;
    refused(&reserved);
    refused(&Tcs { prevssp: 8, ..tcs() }.to_bytes());
    refused(&Tcs { flags: TcsFlags::from_bits(4), ..tcs() }.to_bytes());
}

#[test]
fn measurement_covers_offset_and_secinfo_but_not_contents() {
    let measure = |at, info: SecInfo, fill| {
        let mut enclave = created();
        enclave.eadd(at, &info, &[fill; 4096]).unwrap();
        enclave.measurement()
    };
    let base = measure(FREE, reg(RW), 0);
    assert_eq!(measure(FREE, reg(RW), 1), base);
    assert_ne!(measure(FREE + PAGE, reg(RW), 0), base);
    assert_ne!(measure(FREE, reg(R), 0), base);
    let tcs_with = |flags| measure(TCS, secinfo(PageType::Tcs, flags), 0);
    assert_eq!(tcs_with(SecInfoFlags::RWX), tcs_with(SecInfoFlags::empty()));
}

#[test]
fn refused_page_leaves_measurement_and_memory_alone() {
    let mut enclave = built();
    put(&mut enclave, DATA, b"kept");
    let before = enclave.measurement();
    assert_eq!(enclave.eadd(DATA, &reg(RW), &[9; 4096]), pf(DATA));
    assert_eq!(enclave.measurement(), before);
    assert_eq!(&take::<4>(&enclave, DATA), b"kept");
}
