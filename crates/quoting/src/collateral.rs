//! Collateral: everything beside the quote that its verification needs.

use serde::{Deserialize, Serialize};

/// Collateral for one platform family at one time.
///
/// The JSON form has the field names of `QuoteCollateralV3` as Intel's libraries and others use
/// them: certificate chains as PEM, revocation lists as hexadecimal DER, documents as the exact
/// text that was signed, signatures as hexadecimal r || s.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Collateral {
    /// PCK CA and root.
    pub pck_crl_issuer_chain: String,
    /// DER of the root's revocation list.
    #[serde(with = "crate::hex::serde")]
    pub root_ca_crl: Vec<u8>,
    /// DER of the PCK CA's revocation list.
    #[serde(with = "crate::hex::serde")]
    pub pck_crl: Vec<u8>,
    /// TCB signer and root.
    pub tcb_info_issuer_chain: String,
    /// TCB info, as signed.
    pub tcb_info: String,
    /// r || s over `tcb_info`.
    #[serde(with = "crate::hex::serde")]
    pub tcb_info_signature: Vec<u8>,
    /// TCB signer and root.
    pub qe_identity_issuer_chain: String,
    /// QE identity, as signed.
    pub qe_identity: String,
    /// r || s over `qe_identity`.
    #[serde(with = "crate::hex::serde")]
    pub qe_identity_signature: Vec<u8>,
}

impl Collateral {
    /// The collateral as indented JSON.
    pub fn to_json(&self) -> String {
        serde_json::to_string_pretty(self).expect("every field is text")
    }
}
