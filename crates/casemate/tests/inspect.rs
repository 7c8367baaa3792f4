//! `casemate inspect`, as a user sees it.
#![allow(missing_docs, unreachable_pub, clippy::unwrap_used, reason = "a test")]

mod common;

use std::fs;

use common::{Run, casemate, vector};
use serde_json::{Value, json};
use sgx_types::{
    AttributeFlags, Attributes, KeyPolicy, KeyRequest, Mrenclave, Mrsigner, Report, ReportBody,
    TargetInfo,
};

/// Writes `bytes` to a file and inspects it.
fn inspect(bytes: &[u8], options: &str) -> Run {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("file"), bytes).unwrap();
    casemate(dir.path(), &format!("inspect file {options}"))
}

fn inspect_vector(file: &str, options: &str) -> Run {
    inspect(&fs::read(vector(file)).unwrap(), options)
}

fn codes(printed: &Value, findings: &str) -> Vec<String> {
    let findings = printed[findings].as_array().unwrap();
    findings.iter().map(|finding| finding["code"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn a_sigstruct_in_words() {
    let stdout = inspect_vector("sig1.sigstruct.bin", "").succeeded();
    let expected = "\
SIGSTRUCT
  MRENCLAVE            c50673624a6cb17c1c6c2a4e6906f47a170c4629b8723781d1017ef376f1a75d
  MRSIGNER             83d719e77deaca1470f6baf62a4d774303c899db69020f9c70ee1dfc08c7ce9e  \
(sample signing key of the Intel SGX SDK and of sgxs-tools)
  ISVPRODID            0  (product)
  ISVSVN               0  (security version)
  ISVEXTPRODID         00000000000000000000000000000000  (unused)
  ISVFAMILYID          00000000000000000000000000000000  (unused)
  DATE                 2016-01-09  (as the signer says)
  VENDOR               0x00000000  (not Intel)
  SWDEFINED            0x00000000
  ATTRIBUTES           0x0000000000000004  (MODE64BIT)
  ATTRIBUTEMASK        0xfffffffffffffffd  (left free: DEBUG)
  XFRM                 0x0000000000000003  (X87 | SSE)
  XFRM MASK            0xffffffffffffff1b  (left free: AVX | OPMASK | ZMM_HI256 | HI16_ZMM)
  MISCSELECT           0x00000000  (none)
  MISCMASK             0xffffffff  (left free: none)
  CET_ATTRIBUTES       0x00  (none)
  CET_ATTRIBUTES_MASK  0x00
  SIGNATURE            valid  (RSA-3072, exponent 3; Q1 and Q2 fit)
warning: the signing key is public (sample signing key of the Intel SGX SDK and of sgxs-tools): \
anyone can sign as this signer [public-signing-key]
warning: the mask allows DEBUG: who starts the enclave may let a debugger read all its memory \
[debug-allowed]
";
    assert_eq!(stdout, expected);
}

#[test]
fn a_production_sigstruct_has_no_warnings() {
    let run = inspect_vector("signal-cds-74778bb0-0.sigstruct.bin", "--json --deny-warnings");
    assert_eq!(run.code, 0, "{}", run.stdout);
    let printed = run.json();
    assert_eq!(codes(&printed, "warnings"), Vec::<String>::new());
    assert_eq!(printed["fields"]["date"], "2022-06-20");
    assert_eq!(printed["fields"]["signature"], "valid");
}

#[test]
fn what_an_enclave_may_derive_is_said() {
    let printed = inspect_vector("intel-le_prod_css.sigstruct.bin", "--json").json();
    assert_eq!(codes(&printed, "warnings"), ["launch-key-allowed"]);
    assert_eq!(printed["fields"]["vendor"], "0x00008086");
    let printed = inspect_vector("signal-cdsi-3ded708c-0.sigstruct.bin", "--json").json();
    assert_eq!(codes(&printed, "warnings"), Vec::<String>::new());
}

#[test]
fn warnings_can_be_denied() {
    assert_eq!(inspect_vector("sig1.sigstruct.bin", "--deny-warnings").code, 3);
}

#[test]
fn a_tampered_sigstruct_is_refused_by_what_is_wrong() {
    let good = fs::read(vector("gramine-test.sig")).unwrap();
    let cases = [
        (0, "malformed", "SIGSTRUCT.HEADER: byte at offset 0 must be 0x06, found 0x86"),
        (50, "malformed", "SIGSTRUCT: reserved byte at offset 50 must be zero, found 0x80"),
        (511, "signature", "SIGSTRUCT.MODULUS is not an RSA-3072 modulus"),
        (960, "signature", "SIGSTRUCT.SIGNATURE does not verify over the signed fields"),
        (1026, "signature", "SIGSTRUCT.SIGNATURE does not verify over the signed fields"),
        (1040, "signature", "SIGSTRUCT.Q1 is not floor(SIGNATURE^2 / MODULUS)"),
        (1424, "signature", "SIGSTRUCT.Q2 is not"),
    ];
    for (offset, code, message) in cases {
        let mut bytes = good.clone();
        bytes[offset] ^= 0x80;
        let run = inspect(&bytes, "");
        assert_eq!(run.code, 3, "offset {offset}");
        assert!(run.stdout.contains(&format!("refused: {message}")), "{offset}: {}", run.stdout);
        assert!(run.stdout.contains(&format!("[{code}]")), "{offset}: {}", run.stdout);
    }
}

#[test]
fn an_unsigned_sigstruct_is_called_that() {
    let dir = common::directory();
    let step = "sign digest --sgxs test.sgxs --date 2026-01-31 -o to-sign.bin";
    casemate(dir.path(), step).succeeded();
    let run = casemate(dir.path(), "inspect to-sign.bin.sigstruct --json");
    assert_eq!(run.code, 3);
    let printed = run.json();
    assert_eq!(codes(&printed, "refusals"), ["unsigned"]);
    assert_eq!(printed["fields"]["mrsigner"], Value::Null);
}

#[test]
fn a_stream_in_words() {
    let stdout = inspect_vector("test_enclave.sgxs", "").succeeded();
    let expected = "\
SGXS
  MRENCLAVE       784acfd7d5096a8f0fbd3265760bff21b120f62407a9a9e5ba31aa3c8ed198fc
  SIZE            262144  (0x40000 bytes of ELRANGE)
  SSAFRAMESIZE    1  (pages in an SSA frame)
  PAGES           9
  TCS             1  (threads that can be inside)
  MEASURED PAGES  9  (whole content)
  REGIONS         0x0..0x1000  REG  r--  measured
                  0x1000..0x2000  REG  r-x  measured
                  0x2000..0x3000  REG  rw-  measured
                  0x4000..0x5000  REG  r--  measured
                  0x15000..0x16000  TCS  ---  measured
                  0x16000..0x17000  REG  rw-  measured
                  0x27000..0x29000  REG  rw-  measured
                  0x39000..0x3a000  REG  rw-  measured
";
    assert_eq!(stdout, expected);
}

#[test]
fn a_stream_with_loose_code_is_warned_about() {
    let mut stream = fs::read(vector("test_enclave.sgxs")).unwrap();
    // Cut after ECREATE and the first EADD, and make that page writable code without content.
    stream.truncate(128);
    stream[64 + 16] = 7;
    let printed = inspect(&stream, "--json").json();
    assert_eq!(codes(&printed, "warnings"), ["writable-code", "unmeasured-code", "no-tcs"]);
    assert_eq!(
        printed["fields"]["regions"],
        json!([{
            "start": 0, "end": 4096, "type": "REG", "permissions": "rwx", "measured": false
        }])
    );
}

#[test]
fn a_broken_stream_is_refused() {
    let mut stream = fs::read(vector("test_enclave.sgxs")).unwrap();
    stream.pop();
    let run = inspect(&stream, "");
    assert_eq!(run.code, 3);
    assert!(run.stdout.contains("refused: SGXS stream ends inside the record"), "{}", run.stdout);
}

fn report() -> Report {
    Report {
        body: ReportBody {
            mrenclave: Mrenclave([0x11; 32]),
            mrsigner: Mrsigner([0x22; 32]),
            isvprodid: 3,
            isvsvn: 4,
            attributes: Attributes::from_bits(7, 0xe7),
            reportdata: [0x33; 64],
            ..ReportBody::ZERO
        },
        ..Report::ZERO
    }
}

#[test]
fn a_report_and_its_debug_flag() {
    assert!(report().body.attributes.flags.contains(AttributeFlags::DEBUG));
    let printed = inspect(&report().to_bytes(), "--json").json();
    assert_eq!(printed["kind"], "REPORT");
    assert_eq!(printed["fields"]["mrenclave"], "11".repeat(32));
    assert_eq!(printed["fields"]["mrsigner"], "22".repeat(32));
    assert_eq!(printed["fields"]["isvsvn"], 4);
    assert_eq!(printed["fields"]["reportdata"], "33".repeat(64));
    assert_eq!(codes(&printed, "warnings"), ["debug-enclave"]);
}

#[test]
fn a_targetinfo_is_told_by_its_size_and_a_keyrequest_must_be_named() {
    let target = TargetInfo::of(&report().body);
    let printed = inspect(&target.to_bytes(), "--json").json();
    assert_eq!(printed["kind"], "TARGETINFO");
    assert_eq!(printed["fields"]["measurement"], "11".repeat(32));

    let request = KeyRequest { keyname: 4, keypolicy: KeyPolicy::MRSIGNER, ..KeyRequest::ZERO };
    let stdout = inspect(&request.to_bytes(), "--as keyrequest").succeeded();
    assert!(stdout.contains("4  (sealing key)"), "{stdout}");
    assert!(stdout.contains("(bound to MRSIGNER)"), "{stdout}");
    let unknown = KeyRequest { keyname: 9, ..request };
    assert_eq!(inspect(&unknown.to_bytes(), "--as keyrequest").code, 3);
}

#[test]
fn an_unknown_file_is_an_error_with_a_hint() {
    inspect(b"hello", "").failed_with(1, "recognise file: it is none of SIGSTRUCT (1808 bytes)");
    inspect(b"", "").failed_with(1, "--as names a kind");
    let run = inspect(b"hello", "--as report");
    assert_eq!(run.code, 3);
    assert!(run.stdout.contains("REPORT: expected 432 bytes, found 5"), "{}", run.stdout);
    let dir = tempfile::tempdir().unwrap();
    casemate(dir.path(), "inspect nothing").failed_with(1, "open nothing: No such file");
}
