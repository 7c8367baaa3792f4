//! Conditions a platform can be put into on purpose, to see what a verifier makes of them.

use std::fmt;
use std::str::FromStr;

use crate::scenario::Scenario;
use crate::standard;
use crate::tcb_info::{PlatformTcb, TcbInfo, TcbLevel, TcbStatus, Tee};
use crate::time::{Seconds, UnixTime};

/// Something that is wrong, or different, with a platform or its endorsements.
///
/// The text form (`Display`, `FromStr`) is what configuration files and command lines use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Condition {
    /// `tcb=STATUS`: the TCB level the platform is at has this status.
    Tcb(TcbStatus),
    /// `outdated-qe`: the quoting enclave is one version behind.
    OutdatedQuotingEnclave,
    /// `revoked-pck`: the PCK certificate is on its CA's revocation list.
    RevokedPck,
    /// `revoked-pck-ca`: the PCK CA's certificate is on the root's revocation list.
    RevokedPckCa,
    /// `revoked-tcb-signer`: the TCB signer's certificate is on the root's revocation list.
    RevokedTcbSigner,
    /// `expired-collateral`: documents and lists ran out a day ago.
    ExpiredCollateral,
    /// `future-collateral`: documents and lists are of tomorrow.
    FutureCollateral,
    /// `evaluation=N`: documents have this TCB evaluation data number.
    Evaluation(u32),
}

impl Condition {
    /// Every condition; of `tcb=STATUS` each status, of `evaluation=N` those of the standard world.
    pub fn all() -> Vec<Self> {
        let statuses = TcbStatus::ALL.iter().map(|status| Self::Tcb(*status));
        let evaluations = standard::EVALUATIONS.iter().map(|e| Self::Evaluation(e.number));
        statuses
            .chain([
                Self::OutdatedQuotingEnclave,
                Self::RevokedPck,
                Self::RevokedPckCa,
                Self::RevokedTcbSigner,
                Self::ExpiredCollateral,
                Self::FutureCollateral,
            ])
            .chain(evaluations)
            .collect()
    }
}

impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcb(status) => write!(f, "tcb={}", status.as_str()),
            Self::OutdatedQuotingEnclave => f.write_str("outdated-qe"),
            Self::RevokedPck => f.write_str("revoked-pck"),
            Self::RevokedPckCa => f.write_str("revoked-pck-ca"),
            Self::RevokedTcbSigner => f.write_str("revoked-tcb-signer"),
            Self::ExpiredCollateral => f.write_str("expired-collateral"),
            Self::FutureCollateral => f.write_str("future-collateral"),
            Self::Evaluation(number) => write!(f, "evaluation={number}"),
        }
    }
}

/// A text that names no condition.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("read condition: expected one of {}, found {found:?}", expected())]
pub struct UnknownCondition {
    found: String,
}

impl FromStr for Condition {
    type Err = UnknownCondition;

    fn from_str(text: &str) -> Result<Self, UnknownCondition> {
        if let Some(number) = text.strip_prefix("evaluation=").and_then(|n| n.parse().ok()) {
            return Ok(Self::Evaluation(number));
        }
        Self::all()
            .into_iter()
            .find(|condition| condition.to_string() == text)
            .ok_or_else(|| UnknownCondition { found: text.to_owned() })
    }
}

fn expected() -> String {
    let names: Vec<String> = Condition::all().iter().map(Condition::to_string).collect();
    names.join(", ")
}

impl Scenario {
    /// Puts the platform or its endorsements into this condition.
    pub fn impose(&mut self, condition: Condition) -> &mut Self {
        match condition {
            Condition::Tcb(status) => self.impose_status(status),
            Condition::OutdatedQuotingEnclave => {
                self.qe.isvsvn = self.qe.isvsvn.saturating_sub(1);
                self.header.qe_svn = self.qe.isvsvn;
            }
            Condition::RevokedPck => self.pck_crl.revoke(&self.pck.serial),
            Condition::RevokedPckCa => self.root_crl.revoke(&self.pck_ca.serial),
            Condition::RevokedTcbSigner => self.root_crl.revoke(&self.tcb_signer.serial),
            Condition::ExpiredCollateral => {
                let end = self.now - Seconds::days(1);
                self.set_windows(end - standard::DOCUMENT_LIFETIME, end);
            }
            Condition::FutureCollateral => {
                let start = self.now + Seconds::days(1);
                self.set_windows(start, start + standard::DOCUMENT_LIFETIME);
            }
            Condition::Evaluation(number) => self.impose_evaluation(number),
        }
        self
    }

    fn impose_status(&mut self, status: TcbStatus) {
        if let Some(extension) = &self.pck_extension {
            let tdx = (self.tee() == Tee::Tdx).then(|| self.tee_tcb_svn());
            let tcb = PlatformTcb { sgx: extension.components, pcesvn: extension.pcesvn, tdx };
            self.tcb_info.set_status(tcb, status);
        }
    }

    /// TEE_TCB_SVN in the body of a TD quote.
    fn tee_tcb_svn(&self) -> [u8; 16] {
        self.body.bytes.first_chunk().copied().unwrap_or_default()
    }

    fn impose_evaluation(&mut self, number: u32) {
        let known = standard::EVALUATIONS.into_iter().find(|known| known.number == number);
        if let Some(evaluation) = known {
            self.tcb_info.tcb_levels = standard::tcb_levels(evaluation);
            if self.tee() == Tee::Tdx {
                self.tcb_info.make_tdx();
            }
        }
        self.tcb_info.tcb_evaluation_data_number = number;
        self.qe_identity.tcb_evaluation_data_number = number;
    }

    fn set_windows(&mut self, start: UnixTime, end: UnixTime) {
        (self.tcb_info.issue_date, self.tcb_info.next_update) = (start, end);
        (self.qe_identity.issue_date, self.qe_identity.next_update) = (start, end);
        (self.pck_crl.this_update, self.pck_crl.next_update) = (start, Some(end));
        (self.root_crl.this_update, self.root_crl.next_update) = (start, Some(end));
    }
}

impl TcbInfo {
    /// Makes `status` the status of a platform with exactly these SVNs.
    ///
    /// A platform that is to be behind gets a newer level above it, if there is none.
    pub fn set_status(&mut self, tcb: PlatformTcb, status: TcbStatus) {
        let position = self.tcb_levels.iter().position(|level| level.tcb.is_reached_by(&tcb));
        let position = position.unwrap_or(self.tcb_levels.len());
        let tcb_date = self.tcb_levels.get(position).map_or(self.issue_date, |l| l.tcb_date);
        if self.tcb_levels.get(position).is_some_and(|level| level.tcb == tcb) {
            self.tcb_levels.remove(position);
        }
        let newer = PlatformTcb { sgx: tcb.sgx.map(|svn| svn.saturating_add(1)), ..tcb.clone() };
        let advisory_ids = match status {
            TcbStatus::UpToDate => vec![],
            _ => vec!["EMU-SA-00006".to_owned()],
        };
        self.tcb_levels.insert(position, TcbLevel { tcb, tcb_date, status, advisory_ids });
        let behind = matches!(
            status,
            TcbStatus::OutOfDate | TcbStatus::OutOfDateConfigurationNeeded | TcbStatus::Revoked
        );
        if position == 0 && behind {
            let level = TcbLevel {
                tcb: newer,
                tcb_date: self.issue_date,
                status: TcbStatus::UpToDate,
                advisory_ids: vec![],
            };
            self.tcb_levels.insert(0, level);
        }
    }
}

impl PlatformTcb {
    /// Returns whether a platform with the SVNs of `other` has at least these.
    fn is_reached_by(&self, other: &Self) -> bool {
        let reached = |wanted: &[u8; 16], found: &[u8; 16]| {
            wanted.iter().zip(found).all(|(wanted, found)| found >= wanted)
        };
        let tdx = match (&self.tdx, &other.tdx) {
            (Some(wanted), Some(found)) => reached(wanted, found),
            (None, _) => true,
            (Some(_), None) => false,
        };
        reached(&self.sgx, &other.sgx) && other.pcesvn >= self.pcesvn && tdx
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_forms_are_read_back() {
        for condition in Condition::all() {
            assert_eq!(condition.to_string().parse(), Ok(condition));
        }
        assert_eq!("evaluation=21".parse(), Ok(Condition::Evaluation(21)));
    }

    #[test]
    fn an_unknown_condition_is_refused_with_the_choices() {
        for text in ["", "tcb=Fine", "evaluation=", "revoked"] {
            let error = text.parse::<Condition>().unwrap_err().to_string();
            assert!(error.contains("tcb=OutOfDate, "), "{error}");
            assert!(error.ends_with(&format!("found {text:?}")), "{error}");
        }
    }
}
