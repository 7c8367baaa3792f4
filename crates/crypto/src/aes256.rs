//! AES-256: GCM (NIST SP 800-38D) for what is stored, and the bare block for short identifiers.

use alloc::vec::Vec;

use aes::cipher::{BlockCipherDecrypt as _, BlockCipherEncrypt as _};
use aes_gcm::KeyInit as _;
use aes_gcm::aead::{Aead as _, Payload};

use crate::{Error, Secret};

/// Size of a key in bytes.
pub const KEY_SIZE: usize = 32;
/// Size of a GCM nonce in bytes.
pub const NONCE_SIZE: usize = 12;
/// Size of a GCM tag in bytes.
pub const TAG_SIZE: usize = 16;

/// An AES-256-GCM key, expanded. Nonces must not repeat under one key: random ones are safe for
/// 2^32 messages, which the caller counts.
pub struct Gcm(aes_gcm::Aes256Gcm);

impl Gcm {
    /// Expands `key`.
    pub fn new(key: &Secret<[u8; KEY_SIZE]>) -> Self {
        Gcm(aes_gcm::Aes256Gcm::new(key.expose().into()))
    }

    /// Returns ciphertext and tag of `plaintext`, bound to `associated`.
    ///
    /// # Panics
    ///
    /// If the plaintext is longer than GCM allows, 2^36 - 32 bytes.
    pub fn seal(&self, nonce: &[u8; NONCE_SIZE], associated: &[u8], plaintext: &[u8]) -> Vec<u8> {
        let payload = Payload { msg: plaintext, aad: associated };
        self.0.encrypt(nonce.into(), payload).expect("no message in memory is too long for GCM")
    }

    /// Returns the plaintext of `sealed`, if it was sealed by this key with these associated bytes.
    ///
    /// # Errors
    ///
    /// [`Error::MacMismatch`] otherwise.
    pub fn open(
        &self,
        nonce: &[u8; NONCE_SIZE],
        associated: &[u8],
        sealed: &[u8],
    ) -> Result<Vec<u8>, Error> {
        let payload = Payload { msg: sealed, aad: associated };
        let opened = self.0.decrypt(nonce.into(), payload);
        opened.map_err(|_| Error::MacMismatch { algorithm: "AES-256-GCM" })
    }
}

impl core::fmt::Debug for Gcm {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("Gcm(redacted)")
    }
}

/// The AES-256 permutation of single blocks. It hides nothing but the block itself, and equal blocks
/// stay equal: use it for unique identifiers only.
pub struct Block(aes::Aes256);

impl Block {
    /// Expands `key`.
    pub fn new(key: &Secret<[u8; KEY_SIZE]>) -> Self {
        Block(aes::Aes256::new(key.expose().into()))
    }

    /// Returns the image of `block`.
    pub fn encrypt(&self, block: [u8; 16]) -> [u8; 16] {
        let mut block = block.into();
        self.0.encrypt_block(&mut block);
        block.into()
    }

    /// Returns the block whose image is `block`.
    pub fn decrypt(&self, block: [u8; 16]) -> [u8; 16] {
        let mut block = block.into();
        self.0.decrypt_block(&mut block);
        block.into()
    }
}

impl core::fmt::Debug for Block {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("Block(redacted)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key() -> Secret<[u8; 32]> {
        Secret::new(core::array::from_fn(|n| u8::try_from(n).unwrap()))
    }

    /// FIPS 197, appendix C.3.
    #[test]
    fn block_vector() {
        let plain: [u8; 16] = core::array::from_fn(|n| u8::try_from(n * 0x11).unwrap());
        let cipher = [
            0x8e, 0xa2, 0xb7, 0xca, 0x51, 0x67, 0x45, 0xbf, 0xea, 0xfc, 0x49, 0x90, 0x4b, 0x49,
            0x60, 0x89,
        ];
        let block = Block::new(&key());
        assert_eq!(block.encrypt(plain), cipher);
        assert_eq!(block.decrypt(cipher), plain);
    }

    /// NIST's GCM test case 13 (empty message, zero key), and every kind of tampering.
    #[test]
    fn gcm_vector_and_tampering() {
        let zero = Gcm::new(&Secret::new([0; 32]));
        let tag = [
            0x53, 0x0f, 0x8a, 0xfb, 0xc7, 0x45, 0x36, 0xb9, 0xa9, 0x63, 0xb4, 0xf1, 0xc4, 0xcb,
            0x73, 0x8b,
        ];
        assert_eq!(zero.seal(&[0; 12], &[], &[]), tag);
        let gcm = Gcm::new(&key());
        let sealed = gcm.seal(&[1; 12], b"aad", b"message");
        assert_eq!(gcm.open(&[1; 12], b"aad", &sealed).unwrap(), b"message");
        assert!(gcm.open(&[2; 12], b"aad", &sealed).is_err());
        assert!(gcm.open(&[1; 12], b"add", &sealed).is_err());
        assert!(gcm.open(&[1; 12], b"aad", &sealed[1..]).is_err());
        assert!(gcm.open(&[1; 12], b"aad", &[]).is_err());
        assert!(zero.open(&[1; 12], b"aad", &sealed).is_err());
    }
}
