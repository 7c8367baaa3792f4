//! `casemate sign`, as a user sees it.
#![allow(missing_docs, unreachable_pub, clippy::unwrap_used, reason = "a test")]

mod common;

use std::fs;
use std::path::Path;

use common::{casemate, casemate_at, chmod, directory, mode, vector};
use crypto::rsa3072::PrivateKey;
use sgx_types::{AttributeFlags, Sigstruct, Xfrm, signing};

const MRENCLAVE: &str = "784acfd7d5096a8f0fbd3265760bff21b120f62407a9a9e5ba31aa3c8ed198fc";
const MRSIGNER: &str = "83d719e77deaca1470f6baf62a4d774303c899db69020f9c70ee1dfc08c7ce9e";

fn sigstruct(directory: &Path, file: &str) -> Sigstruct {
    Sigstruct::from_slice(&fs::read(directory.join(file)).unwrap()).unwrap()
}

/// Copies a key that must be refused.
fn wrong_key(directory: &Path, file: &str) {
    let to = directory.join(file);
    fs::copy(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/keys").join(file), &to).unwrap();
    chmod(&to, 0o600);
}

#[test]
fn a_stream_is_measured_and_signed() {
    let dir = directory();
    let arguments = "sign --sgxs test.sgxs --key key.pem --date 2026-01-31 -o out.sig";
    let stdout = casemate(dir.path(), arguments).succeeded();
    assert_eq!(
        stdout,
        format!(
            "MRENCLAVE  {MRENCLAVE}\nMRSIGNER   {MRSIGNER}\nISVPRODID  0\nISVSVN     0\n\
             SIGSTRUCT  out.sig\n"
        )
    );
    let signed = sigstruct(dir.path(), "out.sig");
    assert_eq!(signing::verify(&signed), Ok(()));
    assert_eq!(signed.enclavehash.to_string(), MRENCLAVE);
    assert_eq!(signed.mrsigner().to_string(), MRSIGNER);
    assert_eq!(signed.date.to_string(), "2026-01-31");
    assert_eq!(signed.attributes.flags, AttributeFlags::MODE64BIT | AttributeFlags::KSS);
    assert!(signed.attributemask.flags.contains(AttributeFlags::DEBUG), "DEBUG must be fixed to 0");
    assert_eq!(signed.attributes.xfrm, Xfrm::LEGACY);
}

#[test]
fn every_field_can_be_set() {
    let dir = directory();
    let arguments = "sign --sgxs test.sgxs --key key.pem -o out.sig --date 2024-02-29 \
        --isvprodid 513 --isvsvn 7 --swdefined 0x12345678 --allow-debug \
        --isvextprodid 000102030405060708090a0b0c0d0e0f \
        --isvfamilyid f0f1f2f3f4f5f6f7f8f9fafbfcfdfeff \
        --attributes mode64bit,kss,provisionkey --attributes-mask 0xfffffffffffffff7 \
        --xfrm x87,sse,avx --xfrm-mask 0x7 --miscselect 0 --miscselect-mask 0xfffffffe";
    casemate(dir.path(), arguments).succeeded();
    let signed = sigstruct(dir.path(), "out.sig");
    assert_eq!((signed.isvprodid, signed.isvsvn, signed.swdefined), (513, 7, 0x1234_5678));
    assert_eq!(signed.isvextprodid, core::array::from_fn(|at| u8::try_from(at).unwrap()));
    assert_eq!(signed.isvfamilyid, core::array::from_fn(|at| 0xf0 + u8::try_from(at).unwrap()));
    assert_eq!(signed.attributes.flags.bits(), 0x94);
    assert_eq!(signed.attributemask.flags.bits(), 0xffff_ffff_ffff_fff5);
    assert_eq!((signed.attributes.xfrm.bits(), signed.attributemask.xfrm.bits()), (7, 7));
    assert_eq!((signed.miscselect.bits(), signed.miscmask.bits()), (0, 0xffff_fffe));
    assert_eq!(signed.date.0, 0x2024_0229);
    assert_eq!(signing::verify(&signed), Ok(()));
}

#[test]
fn the_same_input_gives_the_same_bytes_and_the_date_may_come_from_the_environment() {
    let dir = directory();
    let with_date = "sign --sgxs test.sgxs --key key.pem --date 2024-03-01 -o a.sig";
    casemate(dir.path(), with_date).succeeded();
    let with_epoch = "sign --sgxs test.sgxs --key key.pem -o b.sig";
    casemate_at(dir.path(), "1709251200", with_epoch).succeeded();
    let read = |file| fs::read(dir.path().join(file)).unwrap();
    assert_eq!(read("a.sig"), read("b.sig"));
}

#[test]
fn without_a_date_nothing_is_signed() {
    let dir = directory();
    let arguments = "sign --sgxs test.sgxs --key key.pem -o out.sig";
    casemate(dir.path(), arguments).failed_with(1, "give --date YYYY-MM-DD or set SOURCE_DATE");
    casemate_at(dir.path(), "soon", arguments).failed_with(1, "expected seconds, found \"soon\"");
    assert!(!dir.path().join("out.sig").exists());
}

#[test]
fn two_steps_give_the_same_bytes_as_one() {
    let dir = directory();
    let enclave = "--sgxs test.sgxs --date 2026-01-31 --isvsvn 3";
    casemate(dir.path(), &format!("sign {enclave} --key key.pem -o whole.sig")).succeeded();
    let digest = casemate(dir.path(), &format!("sign digest {enclave} -o to-sign.bin --json"));
    let digest: serde_json::Value = serde_json::from_str(&digest.succeeded()).unwrap();

    let key = PrivateKey::from_pem(&fs::read_to_string(vector("sig1.key.pem")).unwrap()).unwrap();
    let to_sign = fs::read(dir.path().join("to-sign.bin")).unwrap();
    assert_eq!(to_sign.len(), 256);
    let sha256 = fs::read(dir.path().join("to-sign.bin.sha256")).unwrap();
    assert_eq!(sha256, crypto::sha256(&to_sign));
    assert_eq!(digest["mrenclave"], MRENCLAVE);
    let signature = key.sign(&mut crypto::os_rng(), &to_sign).unwrap();
    fs::write(dir.path().join("signature"), signature).unwrap();
    fs::write(dir.path().join("public.pem"), key.public_key().to_pem().unwrap()).unwrap();

    let attach = "sign attach --sigstruct to-sign.bin.sigstruct --signature signature \
        --public-key public.pem -o attached.sig";
    casemate(dir.path(), attach).succeeded();
    let read = |file| fs::read(dir.path().join(file)).unwrap();
    assert_eq!(read("attached.sig"), read("whole.sig"));
}

#[test]
fn a_signature_for_something_else_is_not_attached() {
    let dir = directory();
    let step = "sign digest --sgxs test.sgxs --date 2026-01-31 -o to-sign.bin";
    casemate(dir.path(), step).succeeded();
    let key = PrivateKey::from_pem(&fs::read_to_string(vector("sig1.key.pem")).unwrap()).unwrap();
    let signature = key.sign(&mut crypto::os_rng(), b"something else").unwrap();
    fs::write(dir.path().join("other"), signature).unwrap();
    fs::write(dir.path().join("short"), &signature[1..]).unwrap();
    fs::write(dir.path().join("public.pem"), key.public_key().to_pem().unwrap()).unwrap();
    let attach = |signature: &str| {
        let arguments = "sign attach --sigstruct to-sign.bin.sigstruct --public-key public.pem \
            -o out.sig --signature";
        casemate(dir.path(), &format!("{arguments} {signature}"))
    };
    attach("other").failed_with(1, "SIGSTRUCT.SIGNATURE does not verify over the signed fields");
    attach("short").failed_with(1, "signature short: expected 384 bytes, found 383");
    assert!(!dir.path().join("out.sig").exists());
}

#[test]
fn a_key_file_open_to_others_is_refused() {
    let dir = directory();
    for bits in [0o640, 0o604, 0o644, 0o660] {
        chmod(&dir.path().join("key.pem"), bits);
        let arguments = "sign --sgxs test.sgxs --key key.pem --date 2026-01-31 -o out.sig";
        casemate(dir.path(), arguments).failed_with(
            1,
            &format!(
                "key file key.pem is open to group or others (mode {bits:04o}, expected 0600 or \
                 0400); run: chmod 600 key.pem"
            ),
        );
    }
    assert!(!dir.path().join("out.sig").exists());
}

#[test]
fn keys_of_another_kind_are_refused_by_what_is_wrong() {
    let dir = directory();
    let cases = [
        ("rsa2048-e3.pem", "RSA modulus bits: expected 3072, found 2048"),
        ("rsa3072-e65537.pem", "RSA public exponent: expected 3, found 65537"),
        ("ec-p256.pem", "read RSA private key: expected unencrypted PEM"),
        ("test.sgxs", "key file test.sgxs is"),
    ];
    for (file, message) in cases {
        if file.ends_with(".pem") {
            wrong_key(dir.path(), file);
        }
        let arguments = format!("sign --sgxs test.sgxs --key {file} --date 2026-01-31 -o out.sig");
        casemate(dir.path(), &arguments).failed_with(1, message);
    }
}

#[test]
fn a_new_key_is_private_signs_and_is_never_overwritten() {
    let dir = directory();
    let keygen = "sign keygen -o new.pem --public-key new.pub.pem --json";
    let printed = casemate(dir.path(), keygen);
    assert_eq!(printed.code, 0, "{}", printed.stderr);
    let printed = printed.json();
    assert_eq!(mode(&dir.path().join("new.pem")), 0o600);

    let sign = "sign --sgxs test.sgxs --key new.pem --date 2026-01-31 -o out.sig";
    casemate(dir.path(), sign).succeeded();
    let signed = sigstruct(dir.path(), "out.sig");
    assert_eq!(signing::verify(&signed), Ok(()));
    assert_eq!(printed["mrsigner"], signed.mrsigner().to_string());

    let before = fs::read(dir.path().join("new.pem")).unwrap();
    casemate(dir.path(), keygen).failed_with(1, "create key file new.pem (it must not exist)");
    assert_eq!(fs::read(dir.path().join("new.pem")).unwrap(), before);
}

#[test]
fn what_no_processor_would_start_is_refused() {
    let dir = directory();
    let cases = [
        ("--attributes INIT,MODE64BIT", "--attributes has INIT"),
        ("--attributes 0x800000000004", "--attributes has unknown bits: 0x800000000000"),
        ("--xfrm X87", "--xfrm is X87, expected at least X87 and SSE"),
        (
            "--attributes MODE64BIT --isvfamilyid 000102030405060708090a0b0c0d0e0f",
            "count only with the attribute KSS",
        ),
        (
            "--attributes MODE64BIT,DEBUG --allow-debug",
            "--attributes demands bits 0x2 that --attributes-mask leaves free",
        ),
    ];
    for (options, message) in cases {
        let arguments =
            format!("sign --sgxs test.sgxs --key key.pem --date 2026-01-31 -o out.sig {options}");
        casemate(dir.path(), &arguments).failed_with(1, message);
    }
    assert!(!dir.path().join("out.sig").exists());
}

#[test]
fn a_wrong_command_line_has_exit_code_2() {
    let dir = directory();
    for (arguments, message) in [
        ("sign", "--key <PEM>"),
        ("sign --key key.pem -o out.sig --date 2026-01-31", "--sgxs <FILE>"),
        ("sign digest --mrenclave 00 -o x", "expected 64 hexadecimal digits, found \"00\""),
        ("sign --date 2026-02-30", "expected a day as YYYY-MM-DD"),
        ("sign --attributes DEBUGGER", "expected a number or names of INIT, DEBUG, MODE64BIT"),
    ] {
        casemate(dir.path(), arguments).failed_with(2, message);
    }
}

#[test]
fn a_broken_stream_is_refused_where_it_breaks() {
    let dir = directory();
    let mut stream = fs::read(vector("test_enclave.sgxs")).unwrap();
    stream[64] = b'X';
    fs::write(dir.path().join("test.sgxs"), &stream).unwrap();
    let arguments = "sign --sgxs test.sgxs --key key.pem --date 2026-01-31 -o out.sig";
    casemate(dir.path(), arguments)
        .failed_with(1, "measure test.sgxs: SGXS record at byte 64: expected tag ECREATE");
}

#[test]
fn a_measurement_made_elsewhere_can_be_signed() {
    let dir = directory();
    let arguments =
        format!("sign --mrenclave {MRENCLAVE} --key key.pem --date 2026-01-31 -o out.sig --json");
    let run = casemate(dir.path(), &arguments);
    assert_eq!(run.code, 0, "{}", run.stderr);
    let printed = run.json();
    assert_eq!(printed["mrenclave"], MRENCLAVE);
    assert_eq!(printed["mrsigner"], MRSIGNER);
    assert_eq!(printed["date"], "2026-01-31");
    assert_eq!(printed["sigstruct"], "out.sig");
}
