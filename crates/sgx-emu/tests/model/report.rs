//! EREPORT and the check of a REPORT.

use sgx_emu::model::platform::Platform;
use sgx_emu::model::{Fidelity, report_key, verify_report};
use sgx_types::{
    Attributes, Enclu, KeyName, KeyRequest, Mrenclave, Report, Secs, TargetInfo, Xfrm,
};

use crate::bench::{
    Bench, DATA, FREE, GP, READ_ONLY, SIZE, TCS, initialized, initialized_with, pf, platform, put,
    secs, take,
};

const TARGET: u64 = DATA;
const REPORTDATA: u64 = DATA + 0x200;
const OUTPUT: u64 = DATA + 0x400;

fn ereport(enclave: &mut Bench, platform: &Platform, target: &TargetInfo) -> Report {
    put(enclave, TARGET, &target.to_bytes());
    put(enclave, REPORTDATA, &[0x42; 64]);
    enclave.ereport(platform, TARGET, REPORTDATA, OUTPUT).unwrap();
    Report::from_bytes(&take(enclave, OUTPUT)).unwrap()
}

/// Another enclave, the one that is to check the report.
fn verifier() -> Bench {
    let attributes = Attributes { xfrm: Xfrm::LEGACY, ..secs().attributes };
    initialized_with(&Secs { attributes, ..secs() }, Fidelity::Strict, |_| {})
}

fn target_of(enclave: &Bench) -> TargetInfo {
    let secs = enclave.secs();
    TargetInfo {
        measurement: secs.mrenclave,
        attributes: secs.attributes,
        miscselect: secs.miscselect,
        ..TargetInfo::default()
    }
}

#[test]
fn report_says_who_the_enclave_is() {
    let mut enclave = initialized();
    let report = ereport(&mut enclave, &platform(1), &target_of(&verifier()));
    let (body, secs) = (report.body, enclave.secs());
    assert_eq!((body.mrenclave, body.mrsigner), (secs.mrenclave, secs.mrsigner));
    assert_eq!((body.attributes, body.miscselect), (secs.attributes, secs.miscselect));
    assert_eq!((body.isvprodid, body.isvsvn), (7, 5));
    assert_eq!(body.cpusvn, platform(1).cpusvn());
    assert_eq!(body.reportdata, [0x42; 64]);
}

#[test]
fn target_can_verify_with_its_own_report_key() {
    let mut verifier = verifier();
    let target = target_of(&verifier);
    let report = ereport(&mut initialized(), &platform(1), &target);
    let request = KeyRequest {
        keyname: KeyName::Report as u16,
        keyid: report.keyid,
        ..KeyRequest::default()
    };
    put(&mut verifier, TARGET, &request.to_bytes());
    verifier.enclu(Enclu::Egetkey, &platform(1), [TARGET, OUTPUT, 0]).unwrap();
    let key = take::<16>(&verifier, OUTPUT);
    assert_eq!(key, report_key(&platform(1), &target, &report.keyid));
    assert_eq!(crypto::cmac::aes128_cmac(&key, &report.body.to_bytes()), report.mac);
    assert_eq!(verify_report(&platform(1), &target, &report), Ok(()));
}

#[test]
fn report_for_another_target_does_not_verify() {
    let target = target_of(&verifier());
    let report = ereport(&mut initialized(), &platform(1), &target);
    for (what, other) in [
        ("MRENCLAVE", TargetInfo { measurement: Mrenclave([1; 32]), ..target }),
        ("attributes", TargetInfo { attributes: Attributes::default(), ..target }),
        ("MISCSELECT", TargetInfo { miscselect: Default::default(), ..target }),
        ("CONFIGID", TargetInfo { configid: [1; 64], ..target }),
        ("CONFIGSVN", TargetInfo { configsvn: 1, ..target }),
    ] {
        assert!(verify_report(&platform(1), &other, &report).is_err(), "{what}");
    }
}

#[test]
fn report_from_another_platform_does_not_verify() {
    let target = target_of(&verifier());
    let report = ereport(&mut initialized(), &platform(1), &target);
    let error = verify_report(&platform(2), &target, &report).unwrap_err();
    assert!(error.to_string().contains("on another platform"), "{error}");
    let mut cpusvn = platform(1).cpusvn();
    cpusvn[0] -= 1;
    let older = platform(1).older("old", cpusvn, 0).unwrap();
    assert!(verify_report(&older, &target, &report).is_err());
}

#[test]
fn changed_report_does_not_verify() {
    let target = target_of(&verifier());
    let report = ereport(&mut initialized(), &platform(1), &target);
    for offset in [0, 48, 64, 128, 258, 320, 383, 384, 415, 416, 431] {
        let mut image = report.to_bytes();
        image[offset] ^= 1;
        let changed = Report::from_bytes(&image).unwrap();
        assert!(verify_report(&platform(1), &target, &changed).is_err(), "offset {offset}");
    }
}

#[test]
fn operands_must_be_aligned_inside_and_accessible() {
    let mut enclave = initialized();
    put(&mut enclave, TARGET, &target_of(&verifier()).to_bytes());
    let mut call = |rbx, rcx, rdx| enclave.ereport(&platform(1), rbx, rcx, rdx);
    assert_eq!(call(TARGET + 256, REPORTDATA, OUTPUT), GP, "target not aligned");
    assert_eq!(call(SIZE, REPORTDATA, OUTPUT), GP, "target outside ELRANGE");
    assert_eq!(call(FREE, REPORTDATA, OUTPUT), pf(FREE), "target absent");
    assert_eq!(call(TCS, REPORTDATA, OUTPUT), pf(TCS), "target in a TCS");
    assert_eq!(call(TARGET, REPORTDATA + 64, OUTPUT), GP, "data not aligned");
    assert_eq!(call(TARGET, SIZE, OUTPUT), GP, "data outside ELRANGE");
    assert_eq!(call(TARGET, FREE, OUTPUT), pf(FREE), "data absent");
    assert_eq!(call(TARGET, REPORTDATA, OUTPUT + 256), GP, "output not aligned");
    assert_eq!(call(TARGET, REPORTDATA, SIZE), GP, "output outside ELRANGE");
    assert_eq!(call(TARGET, REPORTDATA, FREE), pf(FREE), "output absent");
    assert_eq!(call(TARGET, REPORTDATA, READ_ONLY), pf(READ_ONLY), "output not writable");
}

#[test]
fn target_with_reserved_bytes_faults() {
    for offset in [49, 56, 128, 511] {
        let mut enclave = initialized();
        let mut image = target_of(&verifier()).to_bytes();
        image[offset] = 1;
        put(&mut enclave, TARGET, &image);
        let result = enclave.ereport(&platform(1), TARGET, REPORTDATA, OUTPUT);
        assert_eq!(result, GP, "offset {offset}");
    }
}

#[test]
fn leaves_for_threads_are_not_executed_inside() {
    let mut enclave = initialized();
    for leaf in
        [Enclu::Eenter, Enclu::Eresume, Enclu::Eexit, Enclu::Everifyreport2, Enclu::Edeccssa]
    {
        assert_eq!(enclave.enclu(leaf, &platform(1), [TCS, 0, 0]), GP, "{leaf:?}");
    }
}
