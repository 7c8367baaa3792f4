#![allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "values in tests are small"
)]

use std::path::PathBuf;

use proptest::prelude::*;
use sgx_types::{Miscselect, PageType, SecInfoFlags, Sigstruct, SigstructDate, Xfrm};

use super::model::{Faults, ModelDriver, Waits};
use super::vdso_model;
use super::*;
use crate::identity::{mrenclave, secs, unsigned_sigstruct};
use crate::image::{Image, tests::example};
use crate::platform::{Enclave, Errno, Pages, PagesDone};
use crate::stream::{PageStream, tests::enclave};

const R: i32 = libc::PROT_READ;
const RW: i32 = R | libc::PROT_WRITE;
const RWX: i32 = RW | libc::PROT_EXEC;

pub(super) fn hardware(model: &ModelDriver) -> Hardware {
    let cpu = SgxCpu {
        sgx2: !model.lock().sgx1_only,
        flc: true,
        attributes: Attributes { flags: AttributeFlags::NAMED, xfrm: Xfrm::from_bits(0xe7) },
        miscselect: Miscselect::EXINFO,
        elrange_log2: 56,
        epc_size: 128 << 20,
    };
    Hardware {
        driver: Arc::new(model.clone()),
        enter: vdso_model::vdso(),
        cpu,
        aesm: Aesm::new(PathBuf::from("/nonexistent")),
    }
}

pub(super) fn load_on(model: &ModelDriver) -> Result<Arc<dyn Enclave>, Error> {
    load_with(model, |sigstruct| sigstruct)
}

fn load_with(
    model: &ModelDriver,
    change: impl Fn(Sigstruct) -> Sigstruct,
) -> Result<Arc<dyn Enclave>, Error> {
    let hardware = hardware(model);
    let enclave = manifest::Enclave { edmm: hardware.cpu.sgx2, ..enclave() };
    let image = Image::parse(&example()).unwrap();
    let stream = PageStream::new(&image, &enclave, &[5; 9000]).unwrap();
    let secs = secs(&enclave, &hardware.capabilities(), "hardware").unwrap();
    let date = SigstructDate::from_ymd(2026, 1, 1).unwrap();
    let sigstruct = unsigned_sigstruct(&enclave, mrenclave(&stream), date);
    crate::load(&hardware, &stream, &secs, &change(sigstruct))
}

/// The example's measurement, by the calculation that does not know the driver.
fn expected_mrenclave() -> sgx_types::Mrenclave {
    let image = Image::parse(&example()).unwrap();
    mrenclave(&PageStream::new(&image, &enclave(), &[5; 9000]).unwrap())
}

pub(super) const RT: u64 = (1 << 36) - (1 << 30);
const IMAGE: u64 = RT + (16 << 20);

#[test]
fn the_driver_measures_what_the_page_stream_says() {
    let model = ModelDriver::default();
    let _enclave = load_on(&model).unwrap();
    assert_eq!(model.lock().mrenclave, Some(expected_mrenclave()));
}

#[test]
fn mappings_have_the_access_pages_were_added_with_and_gaps_can_grow() {
    let model = ModelDriver::default();
    let enclave = load_on(&model).unwrap();
    let protection = |address| {
        let state = model.lock();
        let (_, &(end, protection)) = state.maps.range(..=address).next_back().unwrap();
        assert!(address < end);
        protection
    };
    assert_eq!(protection(0x1_0000), RWX, "application memory");
    assert_eq!(protection(RT), R, "layout page");
    assert_eq!(protection(RT + 0x3000), R, "manifest");
    assert_eq!(protection(IMAGE + 0x1000), R | libc::PROT_EXEC, "code");
    assert_eq!(protection(IMAGE + 0x2000), RW, "data");
    assert_eq!(protection(RT + (32 << 20)), RW, "TCS");
    assert_eq!(protection(RT + (32 << 20) + 0x1_0000 - 1), RWX, "guard");
    drop(enclave);
    assert!(model.lock().maps.is_empty(), "addresses are given back");
}

#[test]
fn without_edmm_only_what_was_added_is_mapped() {
    let model = ModelDriver::default();
    model.lock().sgx1_only = true;
    let enclave = load_on(&model).unwrap();
    let (first, _) = model.lock().maps.iter().next().map(|(a, m)| (*a, *m)).unwrap();
    assert_eq!(first, RT);
    let pages = Pages { address: RT + (256 << 20), len: 0x1000 };
    let done = enclave.restrict(pages, SecInfoFlags::R);
    assert_eq!((done.bytes, done.stopped), (0, Some(Errno::ENODEV)));
}

#[test]
fn running_out_of_epc_has_a_name() {
    let model = ModelDriver::default();
    model.lock().faults = Faults { epc_pages: 40, ..Faults::default() };
    let error = load_on(&model).unwrap_err();
    assert!(error.to_string().contains("EPC memory is exhausted"), "{error}");
    assert!(model.lock().maps.is_empty());
}

#[test]
fn a_signature_for_another_enclave_says_so() {
    let other = |s| Sigstruct { enclavehash: sgx_types::Mrenclave([9; 32]), ..s };
    let error = load_with(&ModelDriver::default(), other).unwrap_err();
    assert!(matches!(error, Error::OtherEnclave { .. }), "{error}");
    let debug = |s: Sigstruct| {
        let attributes = Attributes { flags: AttributeFlags::DEBUG, ..s.attributes };
        Sigstruct { attributes, ..s }
    };
    let error = load_with(&ModelDriver::default(), debug).unwrap_err();
    assert!(error.to_string().contains("EINIT"), "{error}");
}

#[test]
fn pages_grow_shrink_and_go_in_the_drivers_order() {
    let model = ModelDriver::default();
    let enclave = load_on(&model).unwrap();
    model.lock().faults = Faults { eintr: 7, ebusy: 5, pages_at_once: 3, epc_pages: 0 };
    let pages = Pages { address: 0x40_0000, len: 0x10_000 };
    for page in 0..16 {
        let address = pages.address + page * 0x1000;
        model.fault(address, RW).unwrap();
        assert!(model.accept(address));
    }
    let all = |done: PagesDone| assert_eq!((done.bytes, done.stopped), (pages.len, None));
    let accept = || (0..16).for_each(|i| assert!(model.accept(pages.address + i * 0x1000)));
    all(enclave.restrict(pages, SecInfoFlags::R));
    let page = |model: &ModelDriver| model.lock().pages[&pages.address];
    assert_eq!(page(&model).permissions, SecInfoFlags::R);
    accept();
    all(enclave.modify_type(pages, PageType::Trim));
    assert_eq!(page(&model).waits, Waits::Modified);
    let early = enclave.remove(pages);
    assert_eq!((early.bytes, early.stopped), (0, Some(Errno::EPERM)), "before EACCEPT");
    accept();
    all(enclave.remove(pages));
    assert!(!model.lock().pages.contains_key(&pages.address));
}

#[test]
fn a_change_reports_how_far_it_got() {
    let model = ModelDriver::default();
    let enclave = load_on(&model).unwrap();
    for page in 0..2 {
        model.fault(0x40_0000 + page * 0x1000, RW).unwrap();
    }
    assert!(model.accept(0x40_0000));
    let pages = Pages { address: 0x40_0000, len: 0x2000 };
    let done = enclave.restrict(pages, SecInfoFlags::R);
    assert_eq!((done.bytes, done.stopped), (0x1000, Some(Errno::EFAULT)), "pending");
    let unaligned = Pages { address: 0x40_0001, len: 0x1000 };
    assert_eq!(enclave.remove(unaligned).stopped, Some(Errno::EINVAL));
}

#[test]
fn patience_with_a_busy_driver_ends() {
    let model = ModelDriver::default();
    let enclave = load_on(&model).unwrap();
    model.lock().faults = Faults { ebusy: 1, ..Faults::default() };
    let pages = Pages { address: 0x40_0000, len: 0x1000 };
    assert_eq!(enclave.remove(pages).stopped, Some(Errno::EBUSY));
}

#[test]
fn a_machine_that_lacks_what_the_manifest_needs_is_named() {
    let model = ModelDriver::default();
    let mut hardware = hardware(&model);
    hardware.cpu.sgx2 = false;
    let error = secs(&enclave(), &hardware.capabilities(), "hardware").unwrap_err();
    assert!(error.to_string().contains("SGX2"), "{error}");
    hardware.cpu.attributes.flags = AttributeFlags::MODE64BIT;
    let error = secs(&enclave(), &hardware.capabilities(), "hardware").unwrap_err();
    assert!(error.to_string().contains("KSS"), "{error}");
}

#[test]
fn the_provisioning_key_is_granted_to_those_who_may_open_its_device() {
    let with_key = |model: &ModelDriver| {
        let hardware = hardware(model);
        let image = Image::parse(&example()).unwrap();
        let stream = PageStream::new(&image, &enclave(), &[5; 9000]).unwrap();
        let mut secs = secs(&enclave(), &hardware.capabilities(), "hardware").unwrap();
        secs.attributes.flags = secs.attributes.flags | AttributeFlags::PROVISIONKEY;
        let date = SigstructDate::from_ymd(2026, 1, 1).unwrap();
        let mut sigstruct = unsigned_sigstruct(&enclave(), mrenclave(&stream), date);
        sigstruct.attributes.flags = secs.attributes.flags;
        crate::load(&hardware, &stream, &secs, &sigstruct)
    };
    let model = ModelDriver::default();
    let error = with_key(&model).unwrap_err();
    assert!(error.to_string().contains("sgx_provision"), "{error}");
    assert!(
        !hardware(&model).capabilities().attributes.flags.contains(AttributeFlags::PROVISIONKEY)
    );
    let model = ModelDriver::default();
    model.lock().may_provision = true;
    with_key(&model).unwrap();
    assert!(model.lock().provisioned);
    assert!(
        hardware(&model).capabilities().attributes.flags.contains(AttributeFlags::PROVISIONKEY)
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// Whatever the driver interrupts, repeats or does in part, no page is lost or added twice.
    #[test]
    fn faults_do_not_change_the_measurement(
        eintr in 2u64..9, ebusy in 2u64..9, pages_at_once in 1u64..70,
    ) {
        let model = ModelDriver::default();
        model.lock().faults = Faults { eintr, ebusy, pages_at_once, epc_pages: 0 };
        // CREATE is not repeated: nothing interrupts it before a page is added.
        let _enclave = load_on(&model).unwrap();
        prop_assert_eq!(model.lock().mrenclave, Some(expected_mrenclave()));
    }
}
