//! SIGSTRUCTs and a measured stream made by others: `tests/sgx/measurement-vectors`.
#![allow(missing_docs, clippy::unwrap_used, reason = "a test")]

use std::fs;
use std::path::PathBuf;

use crypto::rsa3072::PrivateKey;
use sgx_types::signing::{self, SigningError};
use sgx_types::{
    AttributeFlags, Attributes, Malformed, Miscselect, Sigstruct, Vendor, known_signer, sgxs,
};

struct Vector {
    file: &'static str,
    mrenclave: &'static str,
    mrsigner: &'static str,
    product: (u16, u16),
    attributes: (u64, u64),
    mask: (u64, u64),
    misc: (u32, u32),
    date: &'static str,
    vendor: Vendor,
    swdefined: u32,
}

const ALL: u64 = u64::MAX;

/// What most of the vectors have in common; attributes and masks are written as numbers, so the
/// bytes of the published tables appear reversed.
const COMMON: Vector = Vector {
    file: "",
    mrenclave: "",
    mrsigner: "",
    product: (0, 0),
    attributes: (4, 3),
    mask: (ALL, 0xffff_ffff_ffff_ff1b),
    misc: (0, u32::MAX),
    date: "",
    vendor: Vendor::Other,
    swdefined: 0,
};

const SGX_STEP: Vector = Vector {
    mrsigner: "b69530b0b6ed7dbf61caf1619085b8c86a603447f10f62f2fd17778c1afe0619",
    mask: (ALL - 2, ALL - 4),
    date: "2018-02-28",
    ..COMMON
};

const CDSI: Vector = Vector {
    mrsigner: "fc1ec5b81f576768943b7e25cb967e59117faa793ec147be76d344e6dfeb535b",
    product: (1, 1),
    mask: (ALL - 0x84, 0xffff_ffff_ffff_ff1b),
    date: "2025-07-18",
    ..COMMON
};

const CDS_SIGNER: &str = "ebce6d75ed08fc3651259720e45783da7b8520b0f8e0557b4003952c1bdd2056";

const VECTORS: [Vector; 11] = [
    Vector {
        file: "gramine-test.sig",
        mrenclave: "f78170fe28e2e8671d83f5056975d25a27eb2c333dc520c2ccaf4de6b3f9c81b",
        mrsigner: "f98deebef358e407b9a795eda9fe0c67de306084d735339f9454aefaaaa0f264",
        mask: (ALL, 0xffff_ffff_fff9_ff1b),
        date: "2023-08-22",
        ..COMMON
    },
    Vector {
        file: "intel-le_prod_css.sigstruct.bin",
        mrenclave: "7881af9f9def547da9908c008f29cde9bd78064e36ac7e14c83c294ca4806150",
        mrsigner: "acb77012053e05a63d413b8bbae8fb6c5d73b3f2996d91c43bbbf90959c0f8d4",
        product: (32, 7),
        attributes: (0x24, 3),
        mask: (0xff00_ffff_ffff_ffff, 0xffff_ffff_ffff_ff1b),
        date: "2024-08-11",
        vendor: Vendor::Intel,
        swdefined: 0x10,
        ..COMMON
    },
    Vector {
        file: "sgxstep-9d5acea2-0.sigstruct.bin",
        mrenclave: "9d5acea20f8138fea38a5bf5da1d320ae709241a974eba2a089248d921c65797",
        ..SGX_STEP
    },
    Vector {
        file: "sgxstep-a711e47f-0.sigstruct.bin",
        mrenclave: "a711e47f158b86858a7213d46c26bff0376147b390e10725fc16e96365f6f171",
        ..SGX_STEP
    },
    Vector {
        file: "sgxstep-bc951437-0.sigstruct.bin",
        mrenclave: "bc951437b4b09fcee3c92c948e4689d51409bda7166180723c71a9d904e3a252",
        ..SGX_STEP
    },
    Vector {
        file: "sig1.sigstruct.bin",
        mrenclave: "c50673624a6cb17c1c6c2a4e6906f47a170c4629b8723781d1017ef376f1a75d",
        mrsigner: "83d719e77deaca1470f6baf62a4d774303c899db69020f9c70ee1dfc08c7ce9e",
        mask: (ALL - 2, 0xffff_ffff_ffff_ff1b),
        date: "2016-01-09",
        ..COMMON
    },
    Vector {
        file: "signal-cds-74778bb0-0.sigstruct.bin",
        mrenclave: "74778bb0f93ae1f78c26e67152bab0bbeb693cd56d1bb9b4e9244157acc58081",
        mrsigner: CDS_SIGNER,
        date: "2022-06-20",
        ..COMMON
    },
    Vector {
        file: "signal-cds-c98e00a4-0.sigstruct.bin",
        mrenclave: "c98e00a4e3ff977a56afefe7362a27e4961e4f19e211febfbb19b897e6b80b15",
        mrsigner: CDS_SIGNER,
        date: "2020-09-09",
        ..COMMON
    },
    Vector {
        file: "signal-cdsi-3ded708c-0.sigstruct.bin",
        mrenclave: "3ded708ca5a42fd84b4639dc661a7ec4b9c9f1b92809c0fc91da2349a5a89d05",
        misc: (0, u32::MAX - 1),
        ..CDSI
    },
    Vector {
        file: "signal-cdsi-ee950307-0.sigstruct.bin",
        mrenclave: "ee9503070127120074612b6688e593b67e486b1541449f54d71e387484eb40a3",
        ..CDSI
    },
    Vector {
        file: "test_enclave.sig",
        mrenclave: "784acfd7d5096a8f0fbd3265760bff21b120f62407a9a9e5ba31aa3c8ed198fc",
        mrsigner: "fb4bab3d6036ac1d730fa83d7366df1dd2dfeac194ef335d6854d8a6c6475542",
        product: (0xffff, 0),
        mask: (ALL - 2, 0xffff_ffff_ffff_ff1b),
        date: "2016-12-14",
        ..COMMON
    },
];

fn path(file: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../tests/sgx/measurement-vectors").join(file)
}

fn sigstruct(file: &str) -> Sigstruct {
    Sigstruct::from_slice(&fs::read(path(file)).unwrap()).unwrap()
}

#[test]
fn every_number_of_the_published_table_is_read() {
    for vector in &VECTORS {
        let found = sigstruct(vector.file);
        let attributes = |(flags, xfrm)| Attributes::from_bits(flags, xfrm);
        let file = vector.file;
        assert_eq!(found.enclavehash.to_string(), vector.mrenclave, "{file}");
        assert_eq!(found.mrsigner().to_string(), vector.mrsigner, "{file}");
        assert_eq!((found.isvprodid, found.isvsvn), vector.product, "{file}");
        assert_eq!(found.attributes, attributes(vector.attributes), "{file}");
        assert_eq!(found.attributemask, attributes(vector.mask), "{file}");
        assert_eq!((found.miscselect.bits(), found.miscmask.bits()), vector.misc, "{file}");
        assert_eq!(found.date.to_string(), vector.date, "{file}");
        assert_eq!((found.vendor, found.swdefined), (vector.vendor, vector.swdefined), "{file}");
    }
}

#[test]
fn every_signature_and_quotient_verifies_and_the_bytes_come_back() {
    for vector in &VECTORS {
        let bytes = fs::read(path(vector.file)).unwrap();
        let found = Sigstruct::from_slice(&bytes).unwrap();
        assert_eq!(signing::verify(&found), Ok(()), "{}", vector.file);
        assert_eq!(found.to_bytes().to_vec(), bytes, "{}", vector.file);
    }
}

#[test]
fn the_folder_holds_no_vector_that_is_not_in_the_table() {
    let mut files: Vec<String> = fs::read_dir(path(""))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.ends_with(".bin") || name.ends_with(".sig"))
        .collect();
    files.sort();
    assert_eq!(files, VECTORS.map(|vector| vector.file));
}

#[test]
fn the_stream_of_test_enclave_measures_to_what_its_sigstruct_signs() {
    let stream = fs::read(path("test_enclave.sgxs")).unwrap();
    let signed = sigstruct("test_enclave.sig");
    assert_eq!(sgxs::measure(&stream), Ok(signed.enclavehash));
}

#[test]
fn signing_again_with_the_published_key_gives_the_published_bytes() {
    let pem = fs::read_to_string(path("sig1.key.pem")).unwrap();
    let key = PrivateKey::from_pem(&pem).unwrap();
    let published = sigstruct("sig1.sigstruct.bin");
    let unsigned = Sigstruct {
        modulus: [0; 384],
        signature: [0; 384],
        q1: [0; 384],
        q2: [0; 384],
        ..published
    };
    let signed = signing::sign(&unsigned, &key, &mut crypto::os_rng()).unwrap();
    assert_eq!(signed.to_bytes(), published.to_bytes());
}

#[test]
fn a_published_key_is_known_as_such() {
    let sample = sigstruct("sig1.sigstruct.bin").mrsigner();
    assert!(known_signer(&sample).unwrap().key_is_public);
    let intel = sigstruct("intel-le_prod_css.sigstruct.bin").mrsigner();
    assert!(!known_signer(&intel).unwrap().key_is_public);
    assert!(known_signer(&sigstruct("gramine-test.sig").mrsigner()).is_none());
}

/// What refuses a SIGSTRUCT one of whose bytes was changed.
fn refusal(bytes: &[u8]) -> String {
    match Sigstruct::from_slice(bytes) {
        Err(error) => error.field().unwrap().to_owned(),
        Ok(found) => match signing::verify(&found) {
            Err(SigningError::Modulus(_)) => "MODULUS".to_owned(),
            Err(SigningError::Signature(_)) => "SIGNATURE".to_owned(),
            Err(SigningError::Q1) => "Q1".to_owned(),
            Err(SigningError::Q2) => "Q2".to_owned(),
            other => panic!("accepted or unexpected: {other:?}"),
        },
    }
}

/// Every field with its range and what must refuse a change in it. A signed field is refused by
/// the signature, as on hardware.
const REFUSALS: [(core::ops::Range<usize>, &str); 28] = [
    (0..16, "HEADER"),
    (16..20, "VENDOR"),
    (20..24, "SIGNATURE"), // DATE
    (24..40, "HEADER2"),
    (40..44, "SIGNATURE"), // SWDEFINED
    (44..128, "RESERVED"),
    (128..511, "SIGNATURE"), // MODULUS, all but its top byte
    (511..512, "MODULUS"),
    (512..516, "EXPONENT"),
    (516..900, "SIGNATURE"),
    (900..904, "SIGNATURE"), // MISCSELECT
    (904..908, "SIGNATURE"), // MISCMASK
    (908..909, "SIGNATURE"), // CET_ATTRIBUTES
    (909..910, "SIGNATURE"), // CET_ATTRIBUTES_MASK
    (910..912, "RESERVED"),
    (912..928, "SIGNATURE"), // ISVFAMILYID
    (928..936, "SIGNATURE"), // ATTRIBUTES.flags
    (936..944, "SIGNATURE"), // ATTRIBUTES.XFRM
    (944..952, "SIGNATURE"), // ATTRIBUTEMASK.flags
    (952..960, "SIGNATURE"), // ATTRIBUTEMASK.XFRM
    (960..992, "SIGNATURE"), // ENCLAVEHASH
    (992..1008, "RESERVED"),
    (1008..1024, "SIGNATURE"), // ISVEXTPRODID
    (1024..1026, "SIGNATURE"), // ISVPRODID
    (1026..1028, "SIGNATURE"), // ISVSVN
    (1028..1040, "RESERVED"),
    (1040..1424, "Q1"),
    (1424..1808, "Q2"),
];

#[test]
fn a_change_anywhere_is_refused_by_the_field_it_is_in() {
    let good = fs::read(path("gramine-test.sig")).unwrap();
    let mut next = 0;
    for (range, expected) in REFUSALS {
        assert_eq!(range.start, next, "the table must cover the structure");
        next = range.end;
        for at in [range.start, range.start.midpoint(range.end - 1), range.end - 1] {
            let mut bytes = good.clone();
            bytes[at] ^= 0x80;
            let found = refusal(&bytes);
            // The low bit decides whether a modulus is odd; 0x80 leaves it alone.
            assert_eq!(found, expected, "offset {at}");
        }
    }
    assert_eq!(next, Sigstruct::SIZE);
}

#[test]
fn an_even_modulus_is_refused() {
    let mut bytes = fs::read(path("gramine-test.sig")).unwrap();
    bytes[128] &= 0xfe;
    assert_eq!(refusal(&bytes), "MODULUS");
}

#[test]
fn errors_name_structure_field_expected_and_found() {
    let mut bytes = fs::read(path("gramine-test.sig")).unwrap();
    bytes[512] = 5;
    let error = Sigstruct::from_slice(&bytes).unwrap_err();
    assert_eq!(
        error,
        Malformed::Constant {
            structure: "SIGSTRUCT",
            field: "EXPONENT",
            offset: 512,
            expected: 3,
            found: 5
        }
    );
    let error = Sigstruct::from_slice(&bytes[1..]).unwrap_err().to_string();
    assert_eq!(error, "SIGSTRUCT: expected 1808 bytes, found 1807");
}

#[test]
fn attribute_names_read_as_in_the_manual() {
    let found = sigstruct("intel-le_prod_css.sigstruct.bin");
    assert_eq!(found.attributes.flags.to_string(), "MODE64BIT | EINITTOKENKEY");
    assert_eq!(AttributeFlags::from_bits(0x8002).to_string(), "DEBUG | 0x8000");
    assert_eq!(Miscselect::empty().to_string(), "none");
}
