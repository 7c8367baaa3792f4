//! Anti-downgrade memory: collateral never goes backwards.

use alloc::{
    collections::BTreeMap,
    format,
    string::{String, ToString},
    vec::Vec,
};

use serde::{Deserialize, Serialize};

use super::VerifiedCollateral;
use crate::{
    Bytes, Refusal, Tee, Time,
    error::{ensure, refusal},
    x509::Certificate,
};

/// Which updates a source of collateral follows (PCS parameter `update`).
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize,
)]
#[serde(rename_all = "snake_case")]
pub enum UpdateChannel {
    /// New evaluation numbers after their grace period.
    #[default]
    Standard,
    /// New evaluation numbers at once.
    Early,
}

impl UpdateChannel {
    /// The word in requests.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Standard => "standard",
            Self::Early => "early",
        }
    }
}

/// The newest collateral that was accepted, per kind, root, CA, platform family, TEE and channel.
///
/// [`Self::check`] refuses what is older. [`Self::advance`] must be called only for collateral from
/// the verifier's own configured sources, never for what came with a request: otherwise anybody who
/// can show early collateral locks others out. Keep it (as JSON) where an attacker cannot roll it
/// back; [`Self::reset`] is an act of the owner and belongs into the audit log.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CollateralMemory {
    marks: BTreeMap<String, Mark>,
}

/// The newest document of one kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mark {
    /// Evaluation data number or CRL number.
    pub number: u64,
    /// When it was issued.
    pub issued: Time,
}

#[derive(Serialize, Deserialize)]
struct Entry {
    document: String,
    #[serde(flatten)]
    mark: Mark,
}

impl CollateralMemory {
    /// Remembers nothing yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Checks that no part is older than what is remembered.
    ///
    /// # Errors
    ///
    /// `collateral.downgrade` with the document, its number and date, and the remembered ones.
    pub fn check(
        &self,
        collateral: &VerifiedCollateral,
        channel: UpdateChannel,
    ) -> Result<(), Refusal> {
        for (document, mark) in marks(collateral, channel)? {
            let Some(known) = self.marks.get(&document) else { continue };
            ensure!(
                mark.number >= known.number && mark.issued >= known.issued,
                CollateralDowngrade,
                "{document}: number {} of {} is older than number {} of {}, which was accepted before",
                mark.number,
                mark.issued,
                known.number,
                known.issued
            );
        }
        Ok(())
    }

    /// Checks and then remembers the newest of each part.
    ///
    /// # Errors
    ///
    /// As [`Self::check`]; then nothing is remembered.
    pub fn advance(
        &mut self,
        collateral: &VerifiedCollateral,
        channel: UpdateChannel,
    ) -> Result<(), Refusal> {
        self.check(collateral, channel)?;
        self.marks.extend(marks(collateral, channel)?);
        Ok(())
    }

    /// Forgets everything about documents whose name begins with `prefix`; returns how many.
    pub fn reset(&mut self, prefix: &str) -> usize {
        let before = self.marks.len();
        self.marks.retain(|document, _| !document.starts_with(prefix));
        before.saturating_sub(self.marks.len())
    }

    /// What is remembered, by the name of the document.
    pub fn marks(&self) -> impl Iterator<Item = (&str, Mark)> {
        self.marks.iter().map(|(document, mark)| (document.as_str(), *mark))
    }

    /// Reads the JSON form.
    ///
    /// # Errors
    ///
    /// `collateral.malformed`: a memory that cannot be read is not an empty one.
    pub fn from_json(json: &[u8]) -> Result<Self, Refusal> {
        let entries: Vec<Entry> = serde_json::from_slice(json).map_err(|error| {
            refusal!(CollateralMalformed, "anti-downgrade memory: {}", error.to_string())
        })?;
        let marks = entries.into_iter().map(|entry| (entry.document, entry.mark)).collect();
        Ok(Self { marks })
    }

    /// Writes the JSON form.
    ///
    /// # Errors
    ///
    /// `bug`: writing text cannot fail.
    pub fn to_json(&self) -> Result<String, Refusal> {
        let entries: Vec<Entry> = self
            .marks
            .iter()
            .map(|(document, mark)| Entry { document: document.clone(), mark: *mark })
            .collect();
        serde_json::to_string_pretty(&entries).map_err(|error| {
            refusal!(Bug, "cannot write the anti-downgrade memory: {}", error.to_string())
        })
    }
}

/// The documents of one collateral, each with its name. Names begin with the root's key, so that an
/// emulator's collateral never holds back a production root's.
fn marks(
    collateral: &VerifiedCollateral,
    channel: UpdateChannel,
) -> Result<[(String, Mark); 4], Refusal> {
    let root = short(&collateral.root_key_sha384);
    let tee = match collateral.tee() {
        Tee::Tdx => "tdx",
        _ => "sgx",
    };
    let ca = Certificate::parse(&collateral.pck_ca)?;
    let ca = ca.subject.common_name().unwrap_or_default();
    let channel = channel.as_str();
    let (info, identity) = (&collateral.tcb_info, &collateral.qe_identity);
    let (root_number, pck_number) = collateral.crl_numbers();
    let mark = |number: u64, issued: Time| Mark { number, issued };
    Ok([
        (
            format!("{root}/{tee}/tcb-info/{}/{channel}", info.fmspc),
            mark(u64::from(info.tcb_evaluation_data_number), info.issue_date),
        ),
        (
            format!("{root}/{tee}/qe-identity/{channel}"),
            mark(u64::from(identity.tcb_evaluation_data_number), identity.issue_date),
        ),
        (format!("{root}/root-crl"), mark(root_number, collateral.root_revoked.this_update)),
        (format!("{root}/pck-crl/{ca}"), mark(pck_number, collateral.pck_revoked.this_update)),
    ])
}

/// Enough of a key's hash to tell roots apart in a name.
fn short(hash: &Bytes<48>) -> String {
    hash.to_string().chars().take(16).collect()
}
