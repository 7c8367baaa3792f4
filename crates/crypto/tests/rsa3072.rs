//! RSA-3072: keys of one kind only, signatures and the quotients SIGSTRUCT carries.
#![allow(missing_docs, clippy::unwrap_used, reason = "a test")]

use std::sync::LazyLock;

use crypto::rsa3072::{PrivateKey, PublicKey, SIZE};
use crypto::{Error, os_rng};

static KEY: LazyLock<PrivateKey> =
    LazyLock::new(|| PrivateKey::generate(&mut os_rng()).expect("a new key"));

#[test]
fn a_generated_key_signs_and_its_pem_reads_back() {
    let signature = KEY.sign(&mut os_rng(), b"message").unwrap();
    assert_eq!(KEY.public_key().verify(b"message", &signature), Ok(()));

    let again = PrivateKey::from_pem(KEY.to_pem().unwrap().expose()).unwrap();
    assert_eq!(again.sign(&mut os_rng(), b"message").unwrap(), signature);

    let public = PublicKey::from_pem(&KEY.public_key().to_pem().unwrap()).unwrap();
    assert_eq!(public, KEY.public_key());
    assert_eq!(PublicKey::from_modulus(&public.modulus()).unwrap(), public);
}

#[test]
fn a_signature_for_another_message_or_with_a_flipped_bit_is_refused() {
    let public = KEY.public_key();
    let mut signature = KEY.sign(&mut os_rng(), b"message").unwrap();
    assert!(public.verify(b"massage", &signature).is_err());
    signature[200] ^= 1;
    assert!(matches!(public.verify(b"message", &signature), Err(Error::SignatureMismatch { .. })));
}

#[test]
fn quotients_of_small_numbers_are_what_paper_says() {
    // s = 2^3000, n = 2^3071 + 1: s^2 = 2^2929 * n - 2^2929, so q1 = 2^2929 - 1.
    let mut modulus = [0; SIZE];
    modulus[0] = 0x80;
    modulus[SIZE - 1] = 1;
    let public = PublicKey::from_modulus(&modulus).unwrap();
    let mut signature = [0; SIZE];
    signature[SIZE - 1 - 3000 / 8] = 1;
    let quotients = public.quotients(&signature).unwrap();

    // 2^2929 - 1 has 2929 low bits set: one bit above 366 full bytes.
    let mut q1 = [0; SIZE];
    q1[SIZE - 366..].fill(0xff);
    q1[SIZE - 367] = 1;
    assert_eq!(quotients.q1, q1);

    // The rest is n - 2^2929, and (n - 2^2929) * s / n = s - 2^5929 / n, just above s - 2^2858.
    let mut q2 = [0; SIZE];
    let (low, high) = (2858, 3000);
    for bit in low..high {
        q2[SIZE - 1 - bit / 8] |= 1 << (bit % 8);
    }
    assert_eq!(quotients.q2, q2);
}

#[test]
fn a_signature_not_below_the_modulus_has_no_quotients() {
    let public = KEY.public_key();
    assert!(matches!(
        public.quotients(&public.modulus()),
        Err(Error::OutOfRange { what: "RSA signature", .. })
    ));
    assert!(public.quotients(&[0xff; SIZE]).is_err());
}

#[test]
fn other_kinds_of_keys_are_refused_by_what_is_wrong_with_them() {
    let mut short = KEY.public_key().modulus();
    short[0] = 0;
    short[1] = 0xff;
    assert_eq!(
        PublicKey::from_modulus(&short),
        Err(Error::KeyKind { what: "RSA modulus bits", expected: 3072, found: 3064 })
    );
    assert!(matches!(PublicKey::from_pem("no key"), Err(Error::KeyFormat { .. })));
    assert!(matches!(PrivateKey::from_pem("no key"), Err(Error::KeyFormat { .. })));
}

#[test]
fn private_keys_do_not_print() {
    let shown = format!("{:?}", *KEY);
    assert!(shown.starts_with("rsa3072::PrivateKey(redacted"), "{shown}");
}
