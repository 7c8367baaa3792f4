//! Numbers and names: leaves, codes, page types, dates, exit information.
#![allow(missing_docs, clippy::unwrap_used, reason = "a test")]

use proptest::prelude::*;
use sgx_types::{
    Attributes, Encls, Enclu, ExitInfo, ExitType, KeyName, PageType, ReportBody, SecInfo,
    SecInfoFlags, SgxError, SigstructDate, SsaGpr, TargetInfo, vector,
};

#[test]
fn numbers_come_back() {
    for code in SgxError::ALL {
        assert_eq!(SgxError::from_number(code.number()), Some(*code));
    }
    assert_eq!(SgxError::from_number(0), None);
    for leaf in (0..0x40).filter_map(Encls::from_number) {
        assert_eq!(Encls::from_number(leaf as u32), Some(leaf));
    }
    for leaf in (0..0x40).filter_map(Enclu::from_number) {
        assert_eq!(Enclu::from_number(leaf as u32), Some(leaf));
    }
    assert_eq!((0..0x40).filter_map(Enclu::from_number).count(), 10);
    assert_eq!(PageType::from_number(7), None);
    assert_eq!(KeyName::from_number(5), None);
}

#[test]
fn codes_read_as_in_the_manual() {
    let cases = [
        (SgxError::InvalidSigStruct, 1, "SGX_INVALID_SIG_STRUCT"),
        (SgxError::InvalidAttribute, 2, "SGX_INVALID_ATTRIBUTE"),
        (SgxError::InvalidMeasurement, 4, "SGX_INVALID_MEASUREMENT"),
        (SgxError::InvalidSignature, 8, "SGX_INVALID_SIGNATURE"),
        (SgxError::InvalidEinitToken, 16, "SGX_INVALID_EINITTOKEN"),
        (SgxError::PageAttributesMismatch, 19, "SGX_PAGE_ATTRIBUTES_MISMATCH"),
        (SgxError::PageNotModifiable, 20, "SGX_PAGE_NOT_MODIFIABLE"),
        (SgxError::InvalidCpusvn, 32, "SGX_INVALID_CPUSVN"),
        (SgxError::InvalidIsvsvn, 64, "SGX_INVALID_ISVSVN"),
        (SgxError::UnmaskedEvent, 128, "SGX_UNMASKED_EVENT"),
        (SgxError::InvalidKeyname, 256, "SGX_INVALID_KEYNAME"),
    ];
    for (code, number, name) in cases {
        assert_eq!((code.number(), code.to_string().as_str()), (number, name));
    }
}

#[test]
fn gprsgx_lies_as_in_the_manual() {
    assert_eq!((SsaGpr::RAX, SsaGpr::RCX, SsaGpr::RSP, SsaGpr::RDI), (0, 8, 32, 56));
    assert_eq!((SsaGpr::R8, SsaGpr::R15, SsaGpr::RFLAGS, SsaGpr::RIP), (64, 120, 128, 136));
    assert_eq!((SsaGpr::URSP, SsaGpr::URBP, SsaGpr::EXITINFO), (144, 152, 160));
    assert_eq!((SsaGpr::FSBASE, SsaGpr::GSBASE, SsaGpr::SIZE), (168, 176, 184));
}

#[test]
fn exit_information_has_vector_type_and_valid_bit() {
    let fault = ExitInfo::new(vector::PF, ExitType::Hardware);
    assert_eq!(fault.bits(), 0x8000_030e);
    assert_eq!((fault.valid(), fault.vector()), (true, 14));
    assert_eq!(fault.exit_type(), Some(ExitType::Hardware));
    let breakpoint = ExitInfo::new(vector::BP, ExitType::Software);
    assert_eq!(breakpoint.bits(), 0x8000_0603);
    assert!(!ExitInfo::NONE.valid());
    assert_eq!(ExitInfo::from_bits(0x8000_0103).exit_type(), None);
}

#[test]
fn page_flags_keep_type_and_permissions_apart() {
    let secinfo = SecInfo::reg(SecInfoFlags::R | SecInfoFlags::X);
    assert_eq!(secinfo.flags.bits(), 0x205);
    assert_eq!(secinfo.flags.page_type(), Some(PageType::Reg));
    assert_eq!(secinfo.flags.permissions(), SecInfoFlags::R | SecInfoFlags::X);
    let trimmed = secinfo.flags.with_page_type(PageType::Trim);
    assert_eq!(trimmed.bits(), 0x405);
    assert_eq!(SecInfoFlags::from_bits(0x700).page_type(), None);
}

#[test]
fn a_target_is_who_the_report_is_about() {
    let body = ReportBody {
        attributes: Attributes::from_bits(0x85, 7),
        configid: [9; 64],
        configsvn: 3,
        ..ReportBody::ZERO
    };
    let target = TargetInfo::of(&body);
    assert_eq!((target.attributes, target.configsvn), (body.attributes, 3));
    assert_eq!((target.measurement, target.configid), (body.mrenclave, [9; 64]));
}

#[test]
fn dates_that_do_not_exist_are_refused_or_shown_as_numbers() {
    assert_eq!(SigstructDate::from_ymd(2100, 2, 29), None);
    assert_eq!(SigstructDate::from_ymd(2000, 2, 29).map(|date| date.0), Some(0x2000_0229));
    assert_eq!(SigstructDate::from_ymd(10_000, 1, 1), None);
    assert_eq!(SigstructDate(0x2026_0a01).to_string(), "0x20260a01");
    assert_eq!(SigstructDate(0).to_string(), "0x00000000");
}

proptest! {
    #[test]
    fn dates_read_back(year in 1u32..10_000, month in 1u32..13, day in 1u32..29) {
        let date = SigstructDate::from_ymd(year, month, day).unwrap();
        prop_assert_eq!(date.ymd(), Some((year, month, day)));
    }

    #[test]
    fn any_number_shows_as_a_date_or_a_number(number in any::<u32>()) {
        prop_assert!(SigstructDate(number).to_string().len() == 10);
    }
}
