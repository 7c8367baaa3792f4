use std::sync::LazyLock;

use crypto::rsa3072::PrivateKey;
use sgx_emu::model::LeafResult;
use sgx_emu::model::encls::{AllowedSigners, LaunchControl};
use sgx_types::{
    AttributeFlags, Attributes, Miscselect, Mrenclave, Secs, SgxError, Sigstruct, Xfrm,
};

use crate::bench::{
    GP, allow_all, built, code, created_with, fill, initialized, secs, signed, signed_by,
    sigstruct_for, tcs,
};
use sgx_emu::model::Fidelity;

fn einit(sigstruct: &Sigstruct) -> LeafResult {
    built().einit(&sigstruct.to_bytes(), &allow_all())
}

fn legal() -> Sigstruct {
    sigstruct_for(&built())
}

fn with_flags(flags: AttributeFlags) -> Secs {
    Secs { attributes: Attributes { flags, ..secs().attributes }, ..secs() }
}

#[test]
fn identity_comes_from_the_sigstruct() {
    let kss = with_flags(AttributeFlags::MODE64BIT | AttributeFlags::KSS);
    let mut enclave = created_with(&kss, Fidelity::Strict);
    fill(&mut enclave, &tcs());
    let sigstruct = signed(&Sigstruct {
        isvfamilyid: [1; 16],
        isvextprodid: [2; 16],
        ..sigstruct_for(&enclave)
    });
    enclave.einit(&sigstruct.to_bytes(), &allow_all()).unwrap();
    assert!(enclave.is_initialized());
    let secs = enclave.secs();
    assert_eq!(secs.mrenclave, sigstruct.enclavehash);
    assert_eq!(secs.mrsigner, sigstruct.mrsigner());
    assert_eq!((secs.isvprodid, secs.isvsvn), (7, 5));
    assert_eq!((enclave.isvfamilyid(), enclave.isvextprodid()), ([1; 16], [2; 16]));
}

#[test]
fn second_einit_faults() {
    let sigstruct = signed(&legal());
    assert_eq!(initialized().einit(&sigstruct.to_bytes(), &allow_all()), GP);
}

#[test]
fn malformed_sigstruct_is_refused() {
    let image = signed(&legal()).to_bytes();
    for (what, offset) in [
        ("header", 0),
        ("vendor", 16),
        ("header 2", 24),
        ("exponent", 512),
        ("reserved", 44),
        ("reserved", 910),
        ("reserved", 992),
        ("reserved", 1028),
    ] {
        let mut image = image;
        image[offset] ^= 0x40;
        let refused = built().einit(&image, &allow_all());
        assert_eq!(refused, code(SgxError::InvalidSigStruct), "{what} at {offset}");
    }
}

#[test]
fn wrong_signature_is_refused() {
    let image = signed(&legal()).to_bytes();
    for (what, offset) in [
        ("date", 20),
        ("modulus", 200),
        ("signature", 516),
        ("attributes", 928),
        ("ENCLAVEHASH", 960),
        ("ISVSVN", 1026),
        ("Q1", 1040),
        ("Q2", 1424),
    ] {
        let mut image = image;
        image[offset] ^= 1;
        let refused = built().einit(&image, &allow_all());
        assert_eq!(refused, code(SgxError::InvalidSignature), "{what} at {offset}");
    }
}

#[test]
fn wrong_measurement_is_refused() {
    let Mrenclave(mut hash) = legal().enclavehash;
    hash[31] ^= 1;
    let sigstruct = signed(&Sigstruct { enclavehash: Mrenclave(hash), ..legal() });
    assert_eq!(einit(&sigstruct), code(SgxError::InvalidMeasurement));
}

#[test]
fn one_more_page_is_another_measurement() {
    let sigstruct = signed(&legal());
    let mut enclave = built();
    let page = crate::bench::reg(crate::bench::RW);
    enclave.eadd(crate::bench::FREE, &page, &[0; 4096]).unwrap();
    let refused = enclave.einit(&sigstruct.to_bytes(), &allow_all());
    assert_eq!(refused, code(SgxError::InvalidMeasurement));
}

#[test]
fn family_without_kss_is_refused() {
    let sigstruct = signed(&Sigstruct { isvfamilyid: [1; 16], ..legal() });
    assert_eq!(einit(&sigstruct), code(SgxError::InvalidSigStruct));
}

#[test]
fn attributes_and_miscselect_must_match_under_their_masks() {
    let attributes = legal().attributes;
    let debug = Attributes { flags: attributes.flags | AttributeFlags::DEBUG, ..attributes };
    let legacy = Attributes { xfrm: Xfrm::LEGACY, ..attributes };
    let other = Miscselect::CPINFO;
    let refused = code(SgxError::InvalidAttribute);
    for (what, sigstruct) in [
        ("flags", Sigstruct { attributes: debug, ..legal() }),
        ("XFRM", Sigstruct { attributes: legacy, ..legal() }),
        ("MISCSELECT", Sigstruct { miscselect: other, ..legal() }),
        (
            "CET",
            Sigstruct {
                cet_attributes: sgx_types::CetAttributes::SH_STK_EN,
                cet_attributes_mask: sgx_types::CetAttributes::SH_STK_EN,
                ..legal()
            },
        ),
    ] {
        assert_eq!(einit(&signed(&sigstruct)), refused, "{what}");
    }
    let unmasked = Sigstruct {
        attributes: debug,
        attributemask: Attributes::from_bits(!AttributeFlags::DEBUG.bits(), u64::MAX),
        miscselect: other,
        miscmask: Miscselect::EXINFO,
        ..legal()
    };
    assert_eq!(einit(&signed(&unmasked)), refused, "MISCSELECT.EXINFO is masked and differs");
    let unmasked = Sigstruct { miscmask: Miscselect::empty(), ..unmasked };
    assert_eq!(einit(&signed(&unmasked)), Ok(()));
}

/// A second signer.
static OTHER_KEY: LazyLock<PrivateKey> =
    LazyLock::new(|| PrivateKey::generate(&mut crypto::os_rng()).unwrap());

#[test]
fn launch_control_admits_only_the_signers_named() {
    let (ours, theirs) = (signed(&legal()), signed_by(&OTHER_KEY, &legal()));
    let control = LaunchControl {
        launch: AllowedSigners::Only(vec![ours.mrsigner()]),
        ..LaunchControl::default()
    };
    assert_eq!(built().einit(&theirs.to_bytes(), &control), code(SgxError::InvalidEinitToken));
    assert_eq!(built().einit(&ours.to_bytes(), &control), Ok(()));
    let nobody = LaunchControl { launch: AllowedSigners::Only(vec![]), ..control };
    assert_eq!(built().einit(&ours.to_bytes(), &nobody), code(SgxError::InvalidEinitToken));
}

#[test]
fn key_attributes_need_a_grant() {
    for attribute in [AttributeFlags::PROVISIONKEY, AttributeFlags::EINITTOKENKEY] {
        let secs = with_flags(AttributeFlags::MODE64BIT | attribute);
        let einit = |control: &LaunchControl| {
            let mut enclave = created_with(&secs, Fidelity::Strict);
            fill(&mut enclave, &tcs());
            let sigstruct = signed(&sigstruct_for(&enclave));
            enclave.einit(&sigstruct.to_bytes(), control)
        };
        let refused = einit(&LaunchControl::default());
        assert_eq!(refused, code(SgxError::InvalidAttribute), "{attribute}");
        assert_eq!(einit(&allow_all()), Ok(()), "{attribute}");
    }
}

#[test]
fn refused_einit_leaves_the_enclave_as_it_was() {
    let mut enclave = built();
    let mut image = signed(&legal()).to_bytes();
    image[1424] ^= 1;
    enclave.einit(&image, &allow_all()).unwrap_err();
    assert!(!enclave.is_initialized());
    assert_eq!(*enclave.secs(), secs());
    assert_eq!(enclave.einit(&signed(&legal()).to_bytes(), &allow_all()), Ok(()));
}
