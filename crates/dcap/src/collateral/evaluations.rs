//! TCB evaluation data numbers: which evaluations of TCB info and identities are on offer.

use alloc::{
    string::{String, ToString},
    vec::Vec,
};

use serde::Deserialize;

use crate::{
    Bytes, Refusal, Tee, Time,
    error::{ensure, refusal},
};

/// The evaluations on offer for one TEE.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct EvaluationNumbers {
    /// TEE they are for.
    pub tee: Tee,
    /// When the list was issued.
    pub issue_date: Time,
    /// Until when it is valid.
    pub next_update: Time,
    /// The evaluations, newest first.
    pub numbers: Vec<EvaluationNumber>,
}

/// One evaluation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct EvaluationNumber {
    /// Its number, as in TCB info and identities.
    #[serde(rename = "tcbEvaluationDataNumber")]
    pub number: u32,
    /// When the TCB recovery began that made it necessary.
    #[serde(rename = "tcbRecoveryEventDate")]
    pub recovery_date: Time,
    /// Patches up to this day are in.
    #[serde(rename = "tcbDate")]
    pub tcb_date: Time,
}

/// A list as a service sends it, unverified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedEvaluations {
    /// PEM chain of the signer: signer and root.
    pub issuer_chain: String,
    /// The exact bytes that are signed.
    pub document: String,
    /// `r || s`.
    pub signature: Vec<u8>,
}

impl SignedEvaluations {
    /// Splits a response's body into document and signature.
    pub(super) fn split(issuer_chain: String, json: &str) -> Result<Self, Refusal> {
        #[derive(Deserialize)]
        struct Signed<'a> {
            #[serde(borrow, rename = "tcbEvaluationDataNumbers")]
            document: &'a serde_json::value::RawValue,
            signature: Bytes<64>,
        }
        let signed: Signed<'_> = serde_json::from_str(json).map_err(|error| {
            refusal!(CollateralMalformed, "evaluation numbers: {}", error.to_string())
        })?;
        let (document, signature) =
            (signed.document.get().to_string(), signed.signature.0.to_vec());
        Ok(Self { issuer_chain, document, signature })
    }
}

impl EvaluationNumbers {
    /// Parses the inner object, the bytes that are signed.
    ///
    /// # Errors
    ///
    /// `evaluations.malformed`.
    pub fn parse(json: &[u8]) -> Result<Self, Refusal> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Document<'a> {
            #[serde(borrow)]
            id: alloc::borrow::Cow<'a, str>,
            version: u32,
            issue_date: Time,
            next_update: Time,
            #[serde(rename = "tcbEvalNumbers", alias = "tcbNumbers")]
            numbers: Vec<EvaluationNumber>,
        }
        let document: Document<'_> = serde_json::from_slice(json).map_err(|error| {
            refusal!(EvaluationsMalformed, "evaluation numbers: {}", error.to_string())
        })?;
        ensure!(
            document.version == 1,
            EvaluationsMalformed,
            "version of evaluation numbers: expected 1, found {}",
            document.version
        );
        let tee = match document.id.as_ref() {
            "SGX" => Tee::Sgx,
            "TDX" => Tee::Tdx,
            other => {
                return Err(refusal!(
                    EvaluationsMalformed,
                    "evaluation numbers: expected id SGX or TDX, found {other:?}"
                ));
            }
        };
        ensure!(!document.numbers.is_empty(), EvaluationsMalformed, "there are no evaluations");
        let mut numbers = document.numbers;
        numbers.sort_by_key(|one| core::cmp::Reverse(one.number));
        let Document { issue_date, next_update, .. } = document;
        Ok(Self { tee, issue_date, next_update, numbers })
    }
}
