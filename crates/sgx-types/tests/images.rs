//! Every structure: what decodes encodes back to the same bytes, and every reserved byte, constant
//! and checked field is refused by name when it is changed.
#![allow(missing_docs, reason = "a test")]

use std::sync::LazyLock;

use proptest::prelude::*;
use sgx_types::{
    Exinfo, KeyRequest, Malformed, PageInfo, Report, ReportBody, SecInfo, Secs, Sigstruct, SsaGpr,
    TargetInfo, Tcs,
};

/// Declares the property tests of one structure.
macro_rules! image_tests {
    ($($module:ident: $name:ty;)*) => {$(
        mod $module {
            use super::*;

            const SIZE: usize = <$name>::SIZE;

            fn image() -> impl Strategy<Value = [u8; SIZE]> {
                proptest::collection::vec(any::<u8>(), SIZE)
                    .prop_map(|bytes| bytes.try_into().unwrap())
            }

            /// Which bytes may hold anything: those that can be 0xff alone.
            static FREE_BYTES: LazyLock<Vec<bool>> = LazyLock::new(|| {
                let zero = <$name>::default().to_bytes();
                (0..SIZE)
                    .map(|at| {
                        let mut bytes = zero;
                        bytes[at] = !bytes[at];
                        <$name>::from_bytes(&bytes).is_ok()
                    })
                    .collect()
            });

            #[test]
            fn the_default_decodes_to_itself() {
                let default = <$name>::default();
                assert_eq!(<$name>::from_bytes(&default.to_bytes()), Ok(default));
            }

            #[test]
            fn a_wrong_length_is_refused() {
                for length in [0, 1, SIZE - 1, SIZE + 1] {
                    let found = <$name>::from_slice(&vec![0; length]);
                    assert!(matches!(found, Err(Malformed::Length { .. })), "{length}: {found:?}");
                }
            }

            proptest! {
                #![proptest_config(ProptestConfig::with_cases(32))]

                #[test]
                fn what_decodes_encodes_back(random in image()) {
                    let mut bytes = <$name>::default().to_bytes();
                    for (at, free) in FREE_BYTES.iter().enumerate() {
                        if *free {
                            bytes[at] = random[at];
                        }
                    }
                    let decoded = <$name>::from_bytes(&bytes).unwrap();
                    prop_assert_eq!(decoded.to_bytes(), bytes);
                }

                #[test]
                fn any_bytes_decode_losslessly_or_not_at_all(bytes in image()) {
                    if let Ok(decoded) = <$name>::from_bytes(&bytes) {
                        prop_assert_eq!(decoded.to_bytes(), bytes);
                    }
                }
            }
        }
    )*};
}

image_tests! {
    secs: Secs;
    tcs: Tcs;
    secinfo: SecInfo;
    pageinfo: PageInfo;
    exinfo: Exinfo;
    gprsgx: SsaGpr;
    sigstruct: Sigstruct;
    report_body: ReportBody;
    report: Report;
    targetinfo: TargetInfo;
    keyrequest: KeyRequest;
}

fn expected_reserved(ranges: &[(usize, usize)], at: usize) -> bool {
    ranges.iter().any(|(start, end)| (*start..*end).contains(&at))
}

/// Changes each byte of the zero image and checks that exactly the bytes in `reserved` are refused
/// as reserved.
macro_rules! reserved_test {
    ($($test:ident: $name:ty = $ranges:expr;)*) => {$(
        #[test]
        fn $test() {
            let zero = <$name>::default().to_bytes();
            for at in 0..<$name>::SIZE {
                let mut bytes = zero;
                bytes[at] ^= 0x80;
                let reserved = matches!(
                    <$name>::from_bytes(&bytes),
                    Err(Malformed::Reserved { offset, .. }) if offset == at
                );
                assert_eq!(reserved, expected_reserved(&$ranges, at), "offset {at}");
            }
        }
    )*};
}

// The ranges are written out a second time here, from the manual's tables, on purpose.
reserved_test! {
    secs_reserved: Secs = [(33, 48), (96, 128), (160, 192), (262, 4096)];
    tcs_reserved: Tcs = [(88, 4096)];
    secinfo_reserved: SecInfo = [(8, 64)];
    exinfo_reserved: Exinfo = [(12, 16)];
    gprsgx_reserved: SsaGpr = [(164, 167)];
    sigstruct_reserved: Sigstruct = [(44, 128), (910, 912), (992, 1008), (1028, 1040)];
    report_reserved: Report = [(21, 32), (96, 128), (160, 192), (262, 304)];
    targetinfo_reserved: TargetInfo = [(49, 50), (56, 64), (128, 512)];
    keyrequest_reserved: KeyRequest = [(7, 8), (78, 512)];
}

#[test]
fn sigstruct_constants_and_vendor_are_refused_by_name() {
    let good = Sigstruct::default().to_bytes();
    let named = [
        (0..16, "HEADER"),
        (16..20, "VENDOR"),
        (24..40, "HEADER2"),
        (512..516, "EXPONENT"),
        (44..128, "RESERVED"),
    ];
    for (range, field) in named {
        for at in range {
            let mut bytes = good;
            bytes[at] ^= 0x40;
            let error = Sigstruct::from_bytes(&bytes).unwrap_err();
            assert_eq!((error.structure(), error.field()), ("SIGSTRUCT", Some(field)), "{at}");
        }
    }
}

#[test]
fn reserved_flag_bits_are_refused_by_name() {
    let mut secinfo = SecInfo::default().to_bytes();
    secinfo[0] = 0x40;
    let error = SecInfo::from_bytes(&secinfo).unwrap_err().to_string();
    assert_eq!(error, "SECINFO.FLAGS: expected reserved bits 7:6 and 63:16 clear, found 0x40");

    let mut tcs = Tcs::default().to_bytes();
    tcs[8] = 4;
    assert_eq!(Tcs::from_bytes(&tcs).unwrap_err().field(), Some("FLAGS"));

    let mut request = KeyRequest::default().to_bytes();
    request[2] = 0x40;
    assert_eq!(KeyRequest::from_bytes(&request).unwrap_err().field(), Some("KEYPOLICY"));
}
