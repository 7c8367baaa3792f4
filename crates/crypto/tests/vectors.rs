//! Every primitive against the vectors of its standard.
#![allow(missing_docs, clippy::unwrap_used, reason = "a test")]

use crypto::{
    Error, Secret, Sha256, cmac, ct_eq, ecdsa_p256, hkdf_sha256, hmac_sha256, sha256, sha384,
    sha512, verify_hmac_sha256,
};

fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text.bytes().filter(|byte| !byte.is_ascii_whitespace()).collect();
    digits
        .chunks(2)
        .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap())
        .collect()
}

fn array<const N: usize>(text: &str) -> [u8; N] {
    hex(text).try_into().unwrap()
}

#[test]
fn sha2_of_abc_as_in_fips_180_4() {
    let abc = b"abc";
    assert_eq!(
        sha256(abc).to_vec(),
        hex("ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad")
    );
    assert_eq!(
        sha384(abc).to_vec(),
        hex("cb00753f45a35e8bb5a03d699ac65007272c32ab0eded1631a8b605a43ff5bed
             8086072ba1e7cc2358baeca134c825a7")
    );
    assert_eq!(
        sha512(abc).to_vec(),
        hex("ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a
             2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f")
    );
}

#[test]
fn a_hash_in_pieces_equals_the_hash_of_the_whole() {
    let bytes: Vec<u8> = (0..=255).cycle().take(1000).collect();
    let mut running = Sha256::new();
    for piece in bytes.chunks(77) {
        running.update(piece);
    }
    assert_eq!(running.finish(), sha256(&bytes));
}

const CMAC_KEY: &str = "2b7e151628aed2a6abf7158809cf4f3c";
const CMAC_MESSAGE: &str = "6bc1bee22e409f96e93d7e117393172aae2d8a571e03ac9c9eb76fac45af8e51
                            30c81c46a35ce411e5fbc1191a0a52eff69f2445df4f9b17ad2b417be66c3710";

#[test]
fn aes_cmac_as_in_rfc_4493() {
    let cases = [
        (0, "bb1d6929e95937287fa37d129b756746"),
        (16, "070a16b46b4d4144f79bdd9dd04a287c"),
        (40, "dfa66747de9ae63030ca32611497c827"),
        (64, "51f0bebf7e3b9d92fc49741779363cfe"),
    ];
    for (length, mac) in cases {
        let message = &hex(CMAC_MESSAGE)[..length];
        assert_eq!(cmac::aes128_cmac(&array(CMAC_KEY), message), array(mac), "{length} bytes");
        assert_eq!(cmac::verify_aes128_cmac(&array(CMAC_KEY), message, &array(mac)), Ok(()));
    }
}

#[test]
fn a_cmac_with_any_bit_flipped_is_refused() {
    let (key, message) = (array(CMAC_KEY), hex(CMAC_MESSAGE));
    let mac = cmac::aes128_cmac(&key, &message);
    for bit in 0..128 {
        let mut wrong = mac;
        wrong[bit / 8] ^= 1 << (bit % 8);
        assert_eq!(
            cmac::verify_aes128_cmac(&key, &message, &wrong),
            Err(Error::MacMismatch { algorithm: "AES-128-CMAC" })
        );
    }
}

#[test]
fn hmac_sha256_as_in_rfc_4231() {
    let cases = [
        (
            vec![0x0b; 20],
            b"Hi There".to_vec(),
            "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7",
        ),
        (
            vec![0xaa; 131],
            b"Test Using Larger Than Block-Size Key - Hash Key First".to_vec(),
            "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54",
        ),
    ];
    for (key, message, mac) in cases {
        assert_eq!(hmac_sha256(&key, &message), array(mac));
        assert_eq!(verify_hmac_sha256(&key, &message, &array(mac)), Ok(()));
        assert!(verify_hmac_sha256(&key, b"another message", &array(mac)).is_err());
    }
}

#[test]
fn hkdf_sha256_as_in_rfc_5869_case_1() {
    let mut out = [0; 42];
    let salt = hex("000102030405060708090a0b0c");
    hkdf_sha256(&salt, &[0x0b; 22], &hex("f0f1f2f3f4f5f6f7f8f9"), &mut out).unwrap();
    assert_eq!(
        out,
        array(
            "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865"
        )
    );
    let mut long = vec![0; 8161];
    assert_eq!(hkdf_sha256(&[], &[], &[], &mut long), Err(Error::OutputTooLong { asked: 8161 }));
}

#[test]
fn ecdsa_p256_signs_as_in_rfc_6979_a_2_5() {
    let scalar =
        Secret::new(array("c9afa9d845ba75166b5c215767b1d6934e50c3db36e89b127b8a622b120f6721"));
    let key = ecdsa_p256::SigningKey::from_scalar(&scalar).unwrap();
    let expected = array(
        "efd48b2aacb6a8fd1140dd9cd45e81d69d2c877b56aaf991c34d0ea84eaf3716
         f7cb1c942d657c41d436c7a1b6e29f65f3e900dbb9aff4064dc4ab2f843acda8",
    );
    assert_eq!(key.sign(b"sample"), expected);

    let public = ecdsa_p256::VerifyingKey::from_xy(&key.verifying_key().to_xy()).unwrap();
    assert_eq!(public.verify(b"sample", &expected), Ok(()));
    assert_eq!(public.verify_der(b"sample", &key.sign_der(b"sample")), Ok(()));
    assert!(public.verify(b"another", &expected).is_err());
    assert!(public.verify_der(b"sample", b"not DER").is_err());
}

#[test]
fn ecdsa_p256_refuses_points_off_the_curve_and_zero_scalars() {
    assert!(ecdsa_p256::VerifyingKey::from_xy(&[1; 64]).is_err());
    assert!(ecdsa_p256::SigningKey::from_scalar(&Secret::new([0; 32])).is_err());
}

#[test]
fn new_ecdsa_keys_differ_and_survive_export() {
    let mut rng = crypto::os_rng();
    let key = ecdsa_p256::SigningKey::generate(&mut rng);
    let other = ecdsa_p256::SigningKey::generate(&mut rng);
    assert_ne!(key.verifying_key(), other.verifying_key());
    let again = ecdsa_p256::SigningKey::from_scalar(&key.to_scalar()).unwrap();
    assert_eq!(again.verifying_key(), key.verifying_key());
}

#[test]
fn secrets_do_not_print() {
    let secret = Secret::new(*b"hunter2");
    assert_eq!(format!("{secret:?}"), "Secret(redacted)");
    assert!(ct_eq(secret.expose(), b"hunter2"));
    assert!(!ct_eq(secret.expose(), b"hunter3"));
    assert!(!ct_eq(secret.expose(), b"hunter"));
}
