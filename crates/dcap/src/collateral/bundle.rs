//! One file with the collateral of many platform families, for verifying offline.

use alloc::{
    string::{String, ToString},
    vec::Vec,
};

use serde::{Deserialize, Serialize};

use super::{Collateral, TcbInfo, need::Need};
use crate::{
    Refusal,
    error::{ensure, refusal},
    pem,
    x509::Certificate,
};

/// The name of the format, the first field of the file.
const FORMAT: &str = "casemate-collateral/1";

/// Unverified collateral of several families in one JSON document.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CollateralBundle {
    entries: Vec<Collateral>,
}

#[derive(Serialize, Deserialize)]
struct File<'a> {
    format: alloc::borrow::Cow<'a, str>,
    collateral: Vec<Collateral>,
}

impl CollateralBundle {
    /// A bundle of these.
    #[must_use]
    pub fn new(entries: Vec<Collateral>) -> Self {
        Self { entries }
    }

    /// Reads a bundle, or a single collateral as a bundle of one.
    ///
    /// # Errors
    ///
    /// `collateral.malformed`.
    pub fn from_json(json: &[u8]) -> Result<Self, Refusal> {
        if let Ok(single) = Collateral::from_json(json) {
            return Ok(Self::new(Vec::from([single])));
        }
        let file: File<'_> = serde_json::from_slice(json).map_err(|error| {
            refusal!(CollateralMalformed, "collateral bundle: {}", error.to_string())
        })?;
        ensure!(
            file.format == FORMAT,
            CollateralMalformed,
            "collateral bundle: expected format {FORMAT:?}, found {:?}",
            file.format
        );
        Ok(Self::new(file.collateral))
    }

    /// Writes the bundle.
    ///
    /// # Errors
    ///
    /// `bug`: writing text cannot fail.
    pub fn to_json(&self) -> Result<String, Refusal> {
        let file = File { format: FORMAT.into(), collateral: self.entries.clone() };
        serde_json::to_string_pretty(&file).map_err(|error| {
            refusal!(Bug, "cannot write a collateral bundle: {}", error.to_string())
        })
    }

    /// The entries.
    #[must_use]
    pub fn entries(&self) -> &[Collateral] {
        &self.entries
    }

    /// Adds an entry, replacing one for the same platforms.
    pub fn insert(&mut self, collateral: Collateral) {
        let need = need_of(&collateral);
        self.entries.retain(|entry| need.is_none() || need_of(entry) != need);
        self.entries.push(collateral);
    }

    /// The entry for these platforms.
    ///
    /// # Errors
    ///
    /// `collateral.missing`, with what was looked for.
    pub fn find(&self, need: &Need) -> Result<&Collateral, Refusal> {
        self.entries.iter().find(|entry| need_of(entry).as_ref() == Some(need)).ok_or_else(|| {
            refusal!(
                CollateralMissing,
                "no collateral for {need} among {} entries",
                self.entries.len()
            )
        })
    }
}

/// What an unverified collateral says it is for.
fn need_of(collateral: &Collateral) -> Option<Need> {
    let info = TcbInfo::parse(collateral.tcb_info.as_bytes()).ok()?;
    let chain = pem::certificates(collateral.pck_crl_issuer_chain.as_bytes()).ok()?;
    let ca = chain
        .iter()
        .filter_map(|der| Certificate::parse(der).ok())
        .find(|certificate| !certificate.is_self_issued())
        .and_then(|ca| super::need::PckCa::of_name(ca.subject.common_name()?))?;
    Some(Need { tee: info.tee, fmspc: info.fmspc, ca })
}
