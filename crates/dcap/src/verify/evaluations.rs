//! Verifying the list of evaluations on offer.

use super::{Verifier, collateral};
use crate::{
    EvaluationNumbers, Reason, Refusal, SignedEvaluations, Time, collateral::Validity,
    error::ensure, pem,
};

pub(super) fn verify(
    verifier: &Verifier,
    list: &SignedEvaluations,
    root_crl: &[u8],
    now: Time,
) -> Result<EvaluationNumbers, Refusal> {
    let root = collateral::Root::open(verifier, root_crl, now)?;
    let under_root = root.issues(verifier.crypto, now);
    let chain = pem::certificates(list.issuer_chain.as_bytes())?;
    let signer = collateral::verify_signer(&under_root, &chain)
        .map_err(|refusal| refusal.of("issuer chain of the evaluation numbers"))?;
    let document = list.document.as_bytes();
    ensure!(
        collateral::is_signed(verifier.crypto, &signer, document, &list.signature),
        EvaluationsSignature,
        "signature over evaluation numbers of {} bytes does not verify",
        document.len()
    );
    let numbers = EvaluationNumbers::parse(document)?;
    let validity = Validity {
        what: alloc::string::String::from("list of evaluation numbers"),
        not_before: numbers.issue_date,
        not_after: numbers.next_update,
        early: Reason::EvaluationsNotYetValid,
        late: Reason::EvaluationsExpired,
    };
    validity.check(now)?;
    Ok(numbers)
}
