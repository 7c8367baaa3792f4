//! Collateral as it is fetched and stored.

use alloc::{
    string::{String, ToString},
    vec::Vec,
};

use serde::{Deserialize, Serialize};

use crate::{Bytes, Refusal, crypto::Crypto, error::refusal, hex};

/// Everything needed to verify the quotes of one platform family, unverified.
///
/// As JSON it has the form of `QuoteCollateralV3`, which other verifiers read as well: signed
/// objects as text of their exact bytes, binary parts in hexadecimal, chains in PEM.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Collateral {
    /// PEM chain of the CA that issued the PCK CRL: CA and root.
    pub pck_crl_issuer_chain: String,
    /// DER of the root's CRL.
    #[serde(with = "hexadecimal")]
    pub root_ca_crl: Vec<u8>,
    /// DER of the PCK CA's CRL.
    #[serde(with = "hexadecimal")]
    pub pck_crl: Vec<u8>,
    /// PEM chain of the signer of TCB info: signer and root.
    pub tcb_info_issuer_chain: String,
    /// TCB info, the exact bytes that are signed.
    pub tcb_info: String,
    /// Signature over TCB info, `r || s`.
    #[serde(with = "hexadecimal")]
    pub tcb_info_signature: Vec<u8>,
    /// PEM chain of the signer of QE identity: signer and root.
    pub qe_identity_issuer_chain: String,
    /// QE identity, the exact bytes that are signed.
    pub qe_identity: String,
    /// Signature over QE identity, `r || s`.
    #[serde(with = "hexadecimal")]
    pub qe_identity_signature: Vec<u8>,
    /// PEM chain of the PCK, for quotes that name their platform by PPID.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pck_certificate_chain: Option<String>,
}

impl Collateral {
    /// Reads the JSON form.
    ///
    /// # Errors
    ///
    /// `collateral.malformed`.
    pub fn from_json(json: &[u8]) -> Result<Self, Refusal> {
        serde_json::from_slice(json)
            .map_err(|error| refusal!(CollateralMalformed, "collateral: {}", error.to_string()))
    }

    /// Writes the JSON form.
    ///
    /// # Errors
    ///
    /// `bug`: writing text cannot fail.
    pub fn to_json(&self) -> Result<String, Refusal> {
        serde_json::to_string_pretty(self)
            .map_err(|error| refusal!(Bug, "cannot write collateral: {}", error.to_string()))
    }

    /// Splits a response of Intel's service, `{"tcbInfo": {...}, "signature": "..."}` or the same
    /// with `enclaveIdentity`, into the exact signed bytes and the signature.
    ///
    /// # Errors
    ///
    /// `collateral.malformed`.
    pub fn split_signed(json: &str) -> Result<(String, Vec<u8>), Refusal> {
        #[derive(Deserialize)]
        struct Signed<'a> {
            #[serde(borrow, alias = "tcbInfo", alias = "enclaveIdentity")]
            body: &'a serde_json::value::RawValue,
            signature: Bytes<64>,
        }
        let signed: Signed<'_> = serde_json::from_str(json).map_err(|error| {
            refusal!(CollateralMalformed, "signed collateral: {}", error.to_string())
        })?;
        Ok((signed.body.get().to_string(), signed.signature.0.to_vec()))
    }

    /// SHA-256 over all parts, each with its length before it.
    pub(crate) fn sha256(&self, crypto: &dyn Crypto) -> Bytes<32> {
        let parts = self.parts();
        let lengths = parts.map(|part| u64::try_from(part.len()).unwrap_or(u64::MAX).to_le_bytes());
        let mut all: Vec<&[u8]> = Vec::with_capacity(parts.len().saturating_mul(2));
        for (length, part) in lengths.iter().zip(parts) {
            all.push(length);
            all.push(part);
        }
        Bytes(crypto.sha256(&all))
    }

    /// Bytes of all parts together.
    #[must_use]
    pub fn size(&self) -> usize {
        self.parts().iter().map(|part| part.len()).sum()
    }

    fn parts(&self) -> [&[u8]; 10] {
        [
            self.pck_crl_issuer_chain.as_bytes(),
            &self.root_ca_crl,
            &self.pck_crl,
            self.tcb_info_issuer_chain.as_bytes(),
            self.tcb_info.as_bytes(),
            &self.tcb_info_signature,
            self.qe_identity_issuer_chain.as_bytes(),
            self.qe_identity.as_bytes(),
            &self.qe_identity_signature,
            self.pck_certificate_chain.as_deref().unwrap_or_default().as_bytes(),
        ]
    }
}

mod hexadecimal {
    use super::{String, Vec, hex};
    use serde::{Deserialize, Deserializer, Serializer, de::Error as _};

    pub(super) fn serialize<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&hex::encode(bytes))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Vec<u8>, D::Error> {
        let text = String::deserialize(deserializer)?;
        hex::decode(text.as_bytes()).ok_or_else(|| D::Error::custom("expected hexadecimal digits"))
    }
}
