//! MRENCLAVE from a page stream, and the check of a SIGSTRUCT's signature.

use crypto::{Sha256, ct_eq, rsa3072, sha256};
use sgx_types::{EEXTEND_SIZE, Mrenclave, Mrsigner, SecInfo, Sigstruct};

/// The running measurement of an enclave.
#[derive(Clone, Debug)]
pub(super) struct Measurement(Sha256);

impl Measurement {
    /// Starts with what ECREATE measures.
    pub(super) fn ecreate(ssaframesize: u32, size: u64) -> Self {
        let mut measurement = Self(Sha256::new());
        let mut record = [0; 64];
        record[..8].copy_from_slice(b"ECREATE\0");
        record[8..12].copy_from_slice(&ssaframesize.to_le_bytes());
        record[12..20].copy_from_slice(&size.to_le_bytes());
        measurement.0.update(&record);
        measurement
    }

    /// Adds a page at this offset.
    pub(super) fn eadd(&mut self, offset: u64, secinfo: &SecInfo) {
        let mut record = [0; 64];
        record[..8].copy_from_slice(b"EADD\0\0\0\0");
        record[8..16].copy_from_slice(&offset.to_le_bytes());
        record[16..].copy_from_slice(&secinfo.to_bytes()[..48]);
        self.0.update(&record);
    }

    /// Adds 256 bytes at this offset.
    pub(super) fn eextend(&mut self, offset: u64, chunk: &[u8; EEXTEND_SIZE]) {
        let mut record = [0; 64];
        record[..8].copy_from_slice(b"EEXTEND\0");
        record[8..16].copy_from_slice(&offset.to_le_bytes());
        self.0.update(&record);
        self.0.update(chunk);
    }

    /// The measurement if nothing more is added.
    pub(super) fn mrenclave(&self) -> Mrenclave {
        Mrenclave(self.0.clone().finish())
    }
}

/// MRSIGNER of the key in a SIGSTRUCT.
pub(super) fn mrsigner(sigstruct: &Sigstruct) -> Mrsigner {
    Mrsigner(sha256(&sigstruct.modulus))
}

/// Whether signature, Q1 and Q2 are those of the key in the SIGSTRUCT.
pub(super) fn verifies(sigstruct: &Sigstruct) -> bool {
    let reversed = |bytes: &[u8; rsa3072::SIZE]| {
        let mut bytes = *bytes;
        bytes.reverse();
        bytes
    };
    let signature = reversed(&sigstruct.signature);
    let Ok(key) = rsa3072::PublicKey::from_modulus(&reversed(&sigstruct.modulus)) else {
        return false;
    };
    let Ok(quotients) = key.quotients(&signature) else { return false };
    key.verify(&sigstruct.signed_bytes(), &signature).is_ok()
        && ct_eq(&quotients.q1, &reversed(&sigstruct.q1))
        && ct_eq(&quotients.q2, &reversed(&sigstruct.q2))
}
