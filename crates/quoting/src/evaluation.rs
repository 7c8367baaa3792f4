//! TCB evaluation data numbers: the evaluations an endorser offers (PCS API, version 1).

use serde::Serialize;

use crate::tcb_info::{Tee, to_json};
use crate::time::UnixTime;

/// Content of `tcbEvaluationDataNumbers`. Serialises to the compact JSON that is signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EvaluationNumbers {
    /// SGX or TDX.
    pub id: Tee,
    /// 1.
    pub version: u8,
    /// When the document was made.
    pub issue_date: UnixTime,
    /// Until when it holds.
    pub next_update: UnixTime,
    /// The evaluations on offer, newest first.
    pub numbers: Vec<EvaluationNumber>,
}

/// One evaluation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct EvaluationNumber {
    /// Its number.
    #[serde(rename = "tcbEvaluationDataNumber")]
    pub number: u32,
    /// When the TCB recovery began that made it necessary.
    pub tcb_recovery_event_date: UnixTime,
    /// Date of the newest security event it covers.
    pub tcb_date: UnixTime,
}

impl EvaluationNumbers {
    /// The exact bytes that are signed.
    pub fn to_json(&self) -> Vec<u8> {
        #[derive(Serialize)]
        #[serde(rename_all = "camelCase")]
        struct Document<'a> {
            id: &'static str,
            version: u8,
            issue_date: UnixTime,
            next_update: UnixTime,
            tcb_eval_numbers: &'a [EvaluationNumber],
        }
        to_json(&Document {
            id: self.id.as_str(),
            version: self.version,
            issue_date: self.issue_date,
            next_update: self.next_update,
            tcb_eval_numbers: &self.numbers,
        })
    }
}
