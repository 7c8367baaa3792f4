//! Why a request was not served, sorted by who must act.

use crate::StorageError;

/// An engine's refusal. The server maps each variant to one status code.
///
/// Texts reach the client as they are: they never hold a secret.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// 400: the request is wrong; the text says what was expected.
    #[error("{0}")]
    Invalid(String),
    /// 400: the credentials do not prove what the caller says. One text for every cause, so that
    /// nobody learns which part was right. Counted by user lockout.
    #[error("{0}")]
    BadCredentials(String),
    /// 403.
    #[error("permission denied")]
    Denied,
    /// 403 with a reason that the caller may know.
    #[error("{0}")]
    Forbidden(String),
    /// 404 without a text: nothing is there.
    #[error("not found")]
    NotFound,
    /// 404: no such path.
    #[error("unsupported path")]
    UnsupportedPath,
    /// 405: the path exists, but not for this operation.
    #[error("unsupported operation")]
    UnsupportedOperation,
    /// 412: another writer was faster, or the state is not the one the request names.
    #[error("{0}")]
    Precondition(String),
    /// A status that the API prescribes for this case, with its text.
    #[error("{text}")]
    Status {
        /// HTTP status code.
        status: u16,
        /// What the client reads.
        text: String,
    },
    /// 502: a system that the engine asked did not answer as it should.
    #[error("{0}")]
    Upstream(String),
    /// 500: the storage below failed.
    #[error("storage failed")]
    Storage(#[source] StorageError),
    /// 500: a rule of the program itself is broken.
    #[error("internal error: {0}")]
    Bug(&'static str),
}

impl Error {
    /// A refusal of input.
    pub fn invalid(text: impl Into<String>) -> Self {
        Self::Invalid(text.into())
    }
}

impl From<StorageError> for Error {
    fn from(error: StorageError) -> Self {
        match error {
            StorageError::Conflict { .. } => {
                Self::Precondition("the entry was changed at the same time; try again".to_owned())
            }
            other => Self::Storage(other),
        }
    }
}
