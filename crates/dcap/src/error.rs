//! Refusals: why evidence was not accepted, sorted by who has to act.

use alloc::string::{String, ToString};
use core::fmt;

use crate::Reason;

/// Whose fault a refusal is, and so who has to act.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Blame {
    /// The bytes are not what they claim to be: whoever made or carried them.
    Malformed,
    /// Well formed and refused by a rule: whoever sent the evidence, or the owner of the platform.
    Untrusted,
    /// Valid at another time: whoever supplies collateral, or the clock.
    Stale,
    /// Something needed was not there: whoever supplies collateral.
    Unavailable,
    /// A mistake in this crate or in how it was called.
    Bug,
}

/// Evidence or collateral was refused.
///
/// [`Reason`] is stable and made for programs; the detail (operation, object, expected and found) is
/// for people and may change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    reason: Reason,
    detail: String,
}

impl Refusal {
    /// Makes a refusal; `detail` says the operation, the object, and what was expected and found.
    pub fn new(reason: Reason, detail: impl fmt::Display) -> Self {
        Self { reason, detail: detail.to_string() }
    }

    /// The stable reason.
    #[must_use]
    pub fn reason(&self) -> Reason {
        self.reason
    }

    /// What happened, in words.
    #[must_use]
    pub fn detail(&self) -> &str {
        &self.detail
    }

    /// Who has to act.
    #[must_use]
    pub fn blame(&self) -> Blame {
        self.reason.blame()
    }

    /// Puts the object in front of the detail, as in `PCK CRL: signature does not verify`.
    #[must_use]
    pub(crate) fn of(mut self, object: &str) -> Self {
        self.detail = alloc::format!("{object}: {}", self.detail);
        self
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.detail, self.reason.code())
    }
}

impl core::error::Error for Refusal {}

/// Returns early with a [`Refusal`] unless the condition holds.
macro_rules! ensure {
    ($condition:expr, $reason:ident, $($detail:tt)+) => {
        if !$condition {
            return Err($crate::Refusal::new($crate::Reason::$reason, alloc::format!($($detail)+)));
        }
    };
}
pub(crate) use ensure;

/// Makes a [`Refusal`] with a formatted detail.
macro_rules! refusal {
    ($reason:ident, $($detail:tt)+) => {
        $crate::Refusal::new($crate::Reason::$reason, alloc::format!($($detail)+))
    };
}
pub(crate) use refusal;
