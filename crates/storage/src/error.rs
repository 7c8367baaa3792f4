//! Why a store refused. No message holds a value; keys are shown as text, for they are no secret.

use crate::Version;

/// Why an operation did not happen.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A batch or a key is over the limits.
    #[error("{what}: at most {limit}, found {found}")]
    TooLarge {
        /// What is limited.
        what: &'static str,
        /// The limit.
        limit: usize,
        /// What was found.
        found: usize,
    },
    /// A batch is malformed in a way that no store can mean.
    #[error("batch: {reason} ({key})")]
    Invalid {
        /// What is wrong.
        reason: &'static str,
        /// The key it is about.
        key: String,
    },
    /// A precondition does not hold.
    #[error("key {key} has version {found:?}, expected {expected:?}")]
    Conflict {
        /// The key, as text.
        key: String,
        /// The version demanded; `None` is absence.
        expected: Option<Version>,
        /// The version found.
        found: Option<Version>,
    },
    /// A newer leader has written.
    #[error("fencing token {found} is older than {newest}, which has written already")]
    Fenced {
        /// The batch's token.
        found: u64,
        /// The greatest that the store has seen.
        newest: u64,
    },
    /// The change feed no longer reaches back so far.
    #[error("changes after {after} are gone; the oldest kept is {oldest}")]
    Lagged {
        /// Where the caller was.
        after: Version,
        /// The oldest commit that is still in the feed.
        oldest: Version,
    },
    /// The store does not answer now. A commit may have happened.
    #[error("{operation} of the store failed: {reason}")]
    Unavailable {
        /// What was attempted.
        operation: &'static str,
        /// The store's own words.
        reason: String,
    },
    /// The store's own structure is broken, or newer than this program.
    #[error("the store is unusable: {what}, expected {expected}, found {found}")]
    Corrupt {
        /// Which part.
        what: &'static str,
        /// What should be there.
        expected: String,
        /// What is there.
        found: String,
    },
}

/// A key as it is shown in messages.
pub(crate) fn shown(key: &[u8]) -> String {
    key.escape_ascii().to_string()
}
