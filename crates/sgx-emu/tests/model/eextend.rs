use sgx_types::{PageType, SecInfo};

use crate::bench::{
    DATA, FREE, GP, PAGE, SIZE, TCS, built, created, initialized, pf, put, reg, tcs,
};

#[test]
fn contents_and_offset_are_measured() {
    let measure = |offset, byte| {
        let mut enclave = built();
        put(&mut enclave, DATA + offset, &[byte]);
        enclave.eextend(DATA + offset).unwrap();
        enclave.measurement()
    };
    assert_ne!(measure(0, 0), built().measurement());
    assert_ne!(measure(0, 0), measure(0, 1));
    assert_ne!(measure(0, 0), measure(256, 0));
}

#[test]
fn each_illegal_operand_is_refused() {
    let mut enclave = built();
    assert_eq!(enclave.eextend(DATA + 128), GP, "not a multiple of 256");
    assert_eq!(enclave.eextend(FREE), pf(FREE), "absent");
    assert_eq!(enclave.eextend(SIZE), pf(SIZE), "outside ELRANGE");
    assert_eq!(initialized().eextend(DATA), GP, "initialised");
}

#[test]
fn trimmed_page_cannot_be_measured() {
    let mut enclave = initialized();
    let trim = SecInfo { flags: sgx_types::SecInfoFlags::empty().with_page_type(PageType::Trim) };
    enclave.emodt(DATA, &trim).unwrap();
    assert_eq!(enclave.eextend(DATA), pf(DATA));
}

#[test]
fn tcs_contents_are_measured_as_cleaned() {
    let measure = |aep| {
        let mut enclave = created();
        let image = sgx_types::Tcs { aep, ..tcs() }.to_bytes();
        enclave.eadd(TCS, &SecInfo::tcs(), &image).unwrap();
        enclave.eadd(DATA, &reg(crate::bench::RW), &[0; 4096]).unwrap();
        for offset in (0..PAGE).step_by(256) {
            enclave.eextend(TCS + offset).unwrap();
        }
        enclave.measurement()
    };
    assert_eq!(measure(0), measure(0x5000));
}
